"""A chain file becomes a `MultiChain`, or one error with everything that is wrong and where.

What is read was checked by `text` (YAML) and `keys` (form); stages are made in `stages`, and here
they become chains: of a whole file, of a part of one, of a file that one names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.spec.desk import Budget, Desk
from ziggurat.chain.spec.folder import Folder, read_text
from ziggurat.chain.spec.keys import FORMAT, FileKeys, NestedChainKeys
from ziggurat.chain.spec.registry import registered
from ziggurat.chain.spec.stages import StageReader
from ziggurat.chain.spec.text import MAX_NODES, Findings, KeyPath, read
from ziggurat.chain.stage import Call, CallKind, Stage, StageName
from ziggurat.chain.wiring import wire
from ziggurat.errors import InputError, SpecError, WiringError

_MAX_FILES = 100
_STAND_IN = Stage(Call(CallKind.SYNC, None), ())
"""In the place of a stage that could not be made, so that the others can be checked."""

_HIDDEN_BY_OTHERS = ("is read by no stage", "is reached by no output")
"""What may only seem so while a stage is missing."""


def load_chain(
    source: str | Path, *, stages: Mapping[str, Any] | None = None, folder: str | Path | None = None
) -> MultiChain:
    """Read a chain file.

    Args:
        source: The file's path; or the text itself, which has several lines.
        stages: What ``uses`` may name beside the registered stages: functions, Runnables, stages.
        folder: Where names of files lead, for a text; a file has its own folder.

    Returns:
        The chain, wired and checked; nothing was run and no model was called.

    Raises:
        SpecError: With everything that is wrong, each finding with its file and line.
        InputError: If a name in ``stages`` is one that is registered.
    """
    given = dict(stages or {})
    taken = [name for name in given if name in registered() or name == "chain"]
    if taken:
        raise InputError(f"{', '.join(taken)} is registered already.", fix="give it another name in stages=")
    findings = Findings()
    chain = None
    if isinstance(source, str) and "\n" in source:
        where = Folder.at(None if folder is None else Path(folder))
        chain = _read(source, "chain", where, given, findings, ())
    else:
        path = Path(source)
        try:
            text = read_text(path, str(source))
        except InputError as error:
            findings.add(str(source), 1, (), error.what)
        else:
            chain = _read(text, str(source), Folder.at(path.parent), given, findings, (path.resolve(),))
    if chain is None:
        lines = findings.lines()
        count = "one thing is" if len(lines) == 1 else f"{len(lines)} things are"
        shown = "\n".join(f"  {line}" for line in lines)
        raise SpecError(f"This is not a chain that can run; {count} wrong:\n{shown}", findings=lines)
    return chain


def _read(
    text: str, file: str, folder: Folder, given: Mapping[str, Any], findings: Findings, opened: tuple[Path, ...]
) -> MultiChain | None:
    document = read(text, file, findings)
    if findings:
        return None
    budget = Budget(MAX_NODES - document.nodes, _MAX_FILES)
    chain = ChainReader(Desk(document, folder, given, findings, opened, budget)).file()
    return None if findings else chain


class ChainReader:
    """Makes the chains of one document; a file that it names has a reader of its own.

    Args:
        desk: The document.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stages = StageReader(desk, self._nested)

    def file(self) -> MultiChain | None:
        """The chain of the whole document."""
        data = self._desk.document.data
        if not isinstance(data, dict):
            self._desk.add((), "a chain file is a mapping with ziggurat: 1 and stages: at the top")
            return None
        version = data.get("ziggurat", FORMAT)
        if isinstance(version, int) and version > FORMAT:
            self._desk.add(("ziggurat",), f"a later Ziggurat wrote version {version}; this one reads {FORMAT}: upgrade")
            return None
        self._desk.refuse_unknown(data, (), FileKeys.model_fields)
        return self._chain(data, (), FileKeys)

    def _chain(self, data: dict[Any, Any], path: KeyPath, form: type[FileKeys | NestedChainKeys]) -> MultiChain | None:
        keys = self._desk.validated(form, {key: one for key, one in data.items() if key in form.model_fields}, path)
        written = data.get("stages")
        if not isinstance(written, dict):
            return None
        place = (*path, "stages")
        stages = {name: self._stages.stage(one, (*place, name)) for name, one in written.items()}
        misnamed = [name for name in stages if not isinstance(name, str)]
        for name in misnamed:
            self._desk.add((*place, name), f"{name!r} cannot name a stage: put it in quotes if it is meant")
        if keys is None or misnamed:
            return None
        if any(one is None for one in stages.values()):
            self._check_the_rest(stages, keys, path)
            return None
        pairs = [{"name": name, "chain": one} for name, one in stages.items()]
        try:
            return MultiChain(pairs, inputs=keys.inputs, outputs=keys.outputs, name=keys.name)
        except WiringError as error:
            self._add_wiring(error.findings, path)
            return None

    def _check_the_rest(
        self, stages: Mapping[str, Stage | None], keys: FileKeys | NestedChainKeys, path: KeyPath
    ) -> None:
        """What is wrong between the stages that could be made."""
        pairs = [(StageName(name), one or _STAND_IN) for name, one in stages.items()]
        try:
            wire(pairs, inputs=keys.inputs, outputs=keys.outputs)
        except WiringError as error:
            real = [one for one in error.findings if not any(hidden in one for hidden in _HIDDEN_BY_OTHERS)]
            self._add_wiring(real, path)

    def _add_wiring(self, findings: tuple[str, ...] | list[str], path: KeyPath) -> None:
        for finding in findings:
            self._desk.add(_place(finding, path, self._desk.document.lines), finding)

    # -- chains as stages ------------------------------------------------------------------------

    def _nested(self, data: dict[Any, Any], path: KeyPath) -> Stage | None:
        """A chain as a stage, in line or from a file."""
        if "file" not in data:
            chain = self._chain(data, path, NestedChainKeys)
            if "stages" not in data:
                self._desk.add(path, "a chain has stages:, or the file: they are in")
            return None if chain is None else as_stage(chain)
        beside = [key for key in data if key != "file"]
        for key in beside:
            self._desk.add((*path, key), f"a chain in a file says its own {key}")
        if self._desk.validated(NestedChainKeys, {"file": data["file"]}, path) is None or beside:
            return None
        return self._desk.attempt((*path, "file"), partial(self._from_file, data["file"]))

    def _from_file(self, name: str) -> Stage | None:
        desk, budget = self._desk, self._desk.budget
        found = desk.folder.find(name)
        if found in desk.opened:
            circle = [*desk.opened[desk.opened.index(found) :], found]
            raise InputError(f"these files are parts of each other: {' -> '.join(one.name for one in circle)}")
        budget.files -= 1
        if budget.files < 0 or budget.nodes < 0:
            raise InputError(f"too much to read: {_MAX_FILES} files and {MAX_NODES:,} values are the limit")
        before = len(desk.findings)
        document = read(read_text(found, name), str(Path(desk.document.file).parent / name), desk.findings)
        budget.nodes -= document.nodes
        if len(desk.findings) > before:
            return None
        inner = Desk(document, desk.folder.beside(found), desk.given, desk.findings, (*desk.opened, found), budget)
        chain = ChainReader(inner).file()
        return None if chain is None else as_stage(chain)


def _place(finding: str, path: KeyPath, lines: Mapping[KeyPath, int]) -> KeyPath:
    """Where in the document a finding of the wiring is: its stage, or the very input, if that is written."""
    if finding.startswith("the output "):
        return (*path, "outputs")
    if finding.startswith("the declared input "):
        return (*path, "inputs")
    known: Callable[[KeyPath], bool] = lines.__contains__
    names = re.findall(r"'([^']*)'", finding) + re.findall(r"circle: (\S+)", finding)
    stage = next((name for name in names if known((*path, "stages", name))), None)
    if stage is None:
        return (*path, "stages")
    place = (*path, "stages", stage)
    given = next((name for name in names if known((*place, "given", name))), None)
    return (*place, "given", given) if given else place
