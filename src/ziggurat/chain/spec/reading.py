"""A chain file becomes a `MultiChain`, or one error with everything that is wrong and where.

What is read was checked by `text` (YAML) and `keys` (form); here the stages are made and wrapped.
Several wrappers of one stage go inside out: ``until`` repeats the stage, ``each`` maps over that,
``when`` decides about the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.composite import DEFAULT_LIMIT, Branch, Map, Repeat
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.spec.folder import Folder, read_text
from ziggurat.chain.spec.forms import read_binding, read_policy, read_ref, said
from ziggurat.chain.spec.keys import (
    POLICY,
    RESERVED,
    FileKeys,
    NestedChainKeys,
    RetryKeys,
    StageKeys,
    problems,
    unknown,
)
from ziggurat.chain.spec.registry import Here, registered, stage_class, unknown_stage
from ziggurat.chain.spec.text import MAX_NODES, Document, Findings, KeyPath, read
from ziggurat.chain.stage import Binding, Call, CallKind, Stage, StageName, Value
from ziggurat.chain.wiring import wire
from ziggurat.errors import InputError, SpecError, WiringError, ZigguratError

_Model = TypeVar("_Model", bound=BaseModel)
_Made = TypeVar("_Made")
_MAX_FILES = 100
_WRAPPERS = {"at_once": "each", "on_error": "each", "at_most": "until", "carry": "until", "cases": "switch"}
"""Keys that mean nothing without another."""


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
    if isinstance(source, str) and "\n" in source:
        file, text = "chain", source
        where = Folder.at(None if folder is None else Path(folder))
        opened: tuple[Path, ...] = ()
    else:
        path = Path(source)
        file, where, opened = str(source), Folder.at(path.parent), (path.resolve(),)
        try:
            text = read_text(path, file)
        except InputError as error:
            raise SpecError(f"{error.what}.", findings=(f"{file}:1: {error.what}",)) from error
    document = read(text, file, findings)
    reader = _Reader(document, where, given, findings, opened)
    chain = None if findings.lines else reader.file()
    if findings.lines or chain is None:
        findings.sort()
        count = "one thing is" if len(findings.lines) == 1 else f"{len(findings.lines)} things are"
        raise SpecError(
            f"This is not a chain that can run; {count} wrong:\n" + "\n".join(f"  {line}" for line in findings.lines),
            findings=tuple(findings.lines),
        )
    return chain


class _Reader:
    """Makes the chain of one document; a file it names has a reader of its own, with the same findings."""

    def __init__(
        self,
        document: Document,
        folder: Folder,
        given: Mapping[str, Any],
        findings: Findings,
        opened: tuple[Path, ...],
        budget: list[int] | None = None,
    ) -> None:
        self._document = document
        self._folder = folder
        self._given = given
        self._findings = findings
        self._opened = opened
        self._budget = budget if budget is not None else [MAX_NODES, _MAX_FILES]
        self._budget[0] -= document.nodes

    # -- chains ----------------------------------------------------------------------------------

    def file(self) -> MultiChain | None:
        """The chain of the document."""
        data = self._document.data
        if not isinstance(data, dict):
            self._add((), "a chain file is a mapping with ziggurat: 1 and stages: at the top")
            return None
        if "ziggurat" in data and data["ziggurat"] != 1:
            self._add(
                ("ziggurat",),
                f"this file is of version {data['ziggurat']!r}; this Ziggurat reads version 1, nothing newer",
            )
            return None
        return self._chain(data, (), FileKeys)

    def _chain(self, data: dict[Any, Any], path: KeyPath, form: type[FileKeys | NestedChainKeys]) -> MultiChain | None:
        if form is FileKeys:
            self._refuse_unknown(data, path, form.model_fields)
        keys = self._validated(form, {key: one for key, one in data.items() if key in form.model_fields}, path)
        written = data.get("stages")
        if not isinstance(written, dict):
            return None
        stages = {name: self.stage(one, (*path, "stages", name)) for name, one in written.items()}
        for name in stages:
            if not isinstance(name, str):
                self._add((*path, "stages", name), f"{name!r} cannot name a stage: put it in quotes if it is meant")
                return None
        if keys is None:
            return None
        if any(one is None for one in stages.values()):
            self._wiring_of_the_rest(stages, keys, path)
            return None
        try:
            pairs = [{"name": name, "chain": one} for name, one in stages.items()]
            return MultiChain(pairs, inputs=keys.inputs, outputs=keys.outputs, name=keys.name)
        except WiringError as error:
            self._wiring(error, path, lambda _: True)
        return None

    def _wiring_of_the_rest(
        self, stages: Mapping[str, Stage | None], keys: FileKeys | NestedChainKeys, path: KeyPath
    ) -> None:
        """What is wrong between the stages that could be made; the others stand in by name only."""
        stand_in = Stage(Call(CallKind.SYNC, None), ())
        try:
            wire(
                [(StageName(name), one or stand_in) for name, one in stages.items()],
                inputs=keys.inputs,
                outputs=keys.outputs,
            )
        except WiringError as error:  # what only seems unread is read by a stage that could not be made
            self._wiring(
                error, path, lambda one: "is read by no stage" not in one and "reached by no output" not in one
            )

    def _wiring(self, error: WiringError, path: KeyPath, wanted: Callable[[str], bool]) -> None:
        for finding in filter(wanted, error.findings):
            names = re.findall(r"'([^']*)'", finding)
            kind = "inputs" if "declared input" in finding.partition("'")[0] else "stages"
            place = (*path, "outputs") if finding.startswith("the output") else (*path, kind)
            if kind == "stages":
                circle = re.search(r"circle: (\S+)", finding)
                name = (
                    circle[1] if circle else next((one for one in names if (*place, one) in self._document.lines), None)
                )
                place = (*place, name) if name else place
                exact = next((one for one in names[1:] if (*place, "given", one) in self._document.lines), None)
                place = (*place, "given", exact) if exact else place
            self._add(place, finding)

    def _nested(self, data: dict[Any, Any], path: KeyPath) -> Stage | None:
        """A chain as a stage, in line or from a file."""
        if "file" not in data:
            chain = self._chain(data, path, NestedChainKeys)
            if "stages" not in data:
                self._add(path, "a chain has stages:, or the file: they are in")
            return None if chain is None else as_stage(chain)
        beside = [key for key in ("name", "inputs", "outputs", "stages") if key in data]
        for key in beside:
            self._add((*path, key), f"a chain in a file says its own {key}")
        if self._validated(NestedChainKeys, {"file": data["file"]}, path) is None or beside:
            return None
        return self._try((*path, "file"), lambda: self._from_file(data["file"]))

    def _from_file(self, name: str) -> Stage | None:
        found = self._folder.find(name)
        if found in self._opened:
            circle = [*self._opened[self._opened.index(found) :], found]
            raise InputError(f"these files are parts of each other: {' -> '.join(one.name for one in circle)}")
        self._budget[1] -= 1
        if self._budget[0] <= 0 or self._budget[1] <= 0:
            raise InputError(f"too much to read: {_MAX_FILES} files and {MAX_NODES:,} values are the limit")
        shown = str(Path(self._document.file).parent / name)
        before = len(self._findings.lines)
        document = read(read_text(found, name), shown, self._findings)
        reader = _Reader(
            document, self._folder.beside(found), self._given, self._findings, (*self._opened, found), self._budget
        )
        chain = reader.file() if len(self._findings.lines) == before else None
        return None if chain is None else as_stage(chain)

    # -- stages ----------------------------------------------------------------------------------

    def stage(self, data: Any, path: KeyPath, *, bare: bool = False) -> Stage | None:
        """One stage; None, and findings, if it cannot be made.

        Args:
            data: What is written.
            path: Where.
            bare: It is a fallback: called with its failed stage's inputs, under that stage's policy.
        """
        if not isinstance(data, dict):
            self._add(path, "a stage is a mapping that says what it uses, for example {uses: llm, prompt: ...}")
            return None
        before = len(self._findings.lines)
        settings, used = self._used(data, path)
        keys = self._validated(StageKeys, {key: one for key, one in data.items() if key in RESERVED}, path)
        self._refuse_lonely(data, path, bare=bare)
        if settings is not None:
            self._refuse_unknown(data, path, [*settings, *RESERVED])
        if used is None or keys is None:
            self._visit(data, path)
            return None
        made = self._wrapped(used, keys, path)
        return made if len(self._findings.lines) == before else None

    def _used(self, data: dict[Any, Any], path: KeyPath) -> tuple[list[str] | None, Stage | None]:
        """The names of the settings a stage may have, and the stage itself without what wraps it."""
        forms = [key for key in ("uses", "stage", "switch") if key in data]
        if len(forms) != 1:
            named = " and ".join(forms)
            self._add(path, f"a stage has {named}; one of them" if forms else "a stage says what it uses: uses: ...")
            return None, None
        if forms == ["stage"]:
            return [], self.stage(data["stage"], (*path, "stage"))
        if forms == ["switch"]:
            return [], self._switch(data, path)
        name = data["uses"]
        own = {key: one for key, one in data.items() if key not in RESERVED}
        if name == "chain":
            fields = list(NestedChainKeys.model_fields)
            return fields, self._nested({key: one for key, one in own.items() if key in fields}, path)
        if name in self._given:
            return [], self._try((*path, "uses"), lambda: as_stage(self._given[name]))
        if not isinstance(name, str) or name not in registered():
            self._add((*path, "uses"), unknown_stage(str(name), self._given))
            return None, None
        return self._registered(name, own, path)

    def _registered(self, name: str, own: dict[Any, Any], path: KeyPath) -> tuple[list[str] | None, Stage | None]:
        found = self._try((*path, "uses"), lambda: stage_class(name))
        if found is None:
            return None, None
        fields = list(found.Settings.model_fields)
        clash = sorted(RESERVED.intersection(fields))
        if clash:
            self._add(
                (*path, "uses"),
                f"the stage {name!r} has settings called {', '.join(clash)}, which mean something else here",
            )
            return fields, None
        settings = self._validated(found.Settings, {key: one for key, one in own.items() if key in fields}, path)
        if settings is None:
            return fields, None
        return fields, self._try(path, lambda: as_stage(found.from_settings(settings)))

    def _switch(self, data: dict[Any, Any], path: KeyPath) -> Stage | None:
        cases = data.get("cases")
        if not isinstance(cases, dict) or not cases:
            self._add((*path, "switch"), "switch: chooses one of cases:, and there are none")
            return None
        arms = {case: self.stage(one, (*path, "cases", case)) for case, one in cases.items()}
        otherwise, whole = self._otherwise(data, path)
        if not whole or any(one is None for one in arms.values()) or not isinstance(data["switch"], str):
            return None
        return self._try(
            (*path, "switch"), lambda: as_stage(Branch.on(read_ref(data["switch"]), arms, otherwise=otherwise))
        )

    def _otherwise(self, data: dict[Any, Any], path: KeyPath) -> tuple[Stage | None, bool]:
        """The stage for when no condition holds, and whether all is well with it."""
        if "otherwise" not in data:
            return None, True
        made = self.stage(data["otherwise"], (*path, "otherwise"))
        return made, made is not None

    def _wrapped(self, used: Stage, keys: StageKeys, path: KeyPath) -> Stage | None:
        """A stage with what is written around it; policies and given are of the stage that is used."""
        if keys.stage is None:
            first = self._with_own(used, keys, path)
            return None if first is None else self._around(first, keys, path)
        whole = self._around(used, keys, path)
        return None if whole is None else self._with_own(whole, keys, path)

    def _with_own(self, stage: Stage, keys: StageKeys, path: KeyPath) -> Stage | None:
        bindings = self._bindings(keys.given or {}, (*path, "given"))
        fallback = self._fallback(keys, path)
        policy = self._try(path, lambda: read_policy(keys, stage.policy, fallback))
        if policy is None:
            return None
        return replace(stage, given={**stage.given, **bindings}, policy=policy)

    def _around(self, stage: Stage, keys: StageKeys, path: KeyPath) -> Stage | None:
        made: Stage | None = stage
        if keys.until is not None:
            made = self._try((*path, "until"), lambda: as_stage(_repeat(stage, keys)))
        if keys.each is not None and made is not None:
            made = self._map(made, keys, path)
        if keys.when is not None and made is not None:
            otherwise, whole = self._otherwise(
                {"otherwise": keys.otherwise} if keys.otherwise is not None else {}, path
            )
            inside, when = made, keys.when
            made = self._try((*path, "when"), lambda: as_stage(Branch(when, inside, otherwise))) if whole else None
        return made

    def _map(self, stage: Stage, keys: StageKeys, path: KeyPath) -> Stage | None:
        each = keys.each
        if isinstance(each, dict) and len(each) != 1:
            self._add((*path, "each"), "each names one input: each: {document: $documents}")
            return None
        name, bindings = (
            (each, {})
            if isinstance(each, str)
            else (next(iter(each or {})), self._bindings(each or {}, (*path, "each")))
        )
        limit, on_error = keys.at_once or DEFAULT_LIMIT, keys.on_error or "raise"
        return self._try(
            (*path, "each"), lambda: as_stage(Map(stage, name, limit=limit, on_error=on_error)).with_given(bindings)
        )

    def _fallback(self, keys: StageKeys, path: KeyPath) -> Call | Value | None:
        written = keys.fallback
        if not isinstance(written, dict):
            return None if written is None else Value(written)
        if set(written) == {"value"}:
            return Value(written["value"])
        made = self.stage(written, (*path, "fallback"), bare=True)
        return None if made is None else made.call

    def _bindings(self, written: Mapping[str, Any], path: KeyPath) -> dict[str, Binding]:
        made = {name: self._try((*path, name), lambda one=one: read_binding(one)) for name, one in written.items()}
        return {name: one for name, one in made.items() if one is not None}

    def _visit(self, data: dict[Any, Any], path: KeyPath) -> None:
        """Look into the stages inside one that cannot be made, for what is wrong with them."""
        if isinstance(data.get("otherwise"), dict) and "switch" not in data:
            self.stage(data["otherwise"], (*path, "otherwise"))
        if isinstance(fallback := data.get("fallback"), dict) and set(fallback) != {"value"}:
            self.stage(fallback, (*path, "fallback"), bare=True)

    # -- findings --------------------------------------------------------------------------------

    def _add(self, path: KeyPath, what: str) -> None:
        self._findings.add(self._document.file, self._document.line(path), path, what)

    def _try(self, path: KeyPath, make: Callable[[], _Made]) -> _Made | None:
        """What is made, or a finding: a stage's own code may refuse its settings in any way."""
        try:
            return make()
        except Exception as error:  # noqa: BLE001 (it becomes a finding with its line)
            texts = error.findings if isinstance(error, WiringError) else (said(error),)
            for text in texts:
                self._add(path, text)
            return None

    def _validated(self, form: type[_Model], data: Any, path: KeyPath) -> _Model | None:
        try:
            return form.model_validate(data, context=Here(self._folder))
        except ValidationError as error:
            known = RetryKeys.model_fields if form is StageKeys else form.model_fields
            for place, what in problems(error, data, known):
                self._add((*path, *place), what)
        except ZigguratError as error:
            self._add(path, said(error))
        return None

    def _refuse_unknown(self, data: Mapping[Any, Any], path: KeyPath, known: Any) -> None:
        for key in data:
            if key not in known:
                self._add((*path, key), unknown(key, known))

    def _refuse_lonely(self, data: Mapping[Any, Any], path: KeyPath, *, bare: bool) -> None:
        for key, other in _WRAPPERS.items():
            if key in data and other not in data:
                self._add((*path, key), f"this says nothing without {other}:")
        if "otherwise" in data and "when" not in data and "switch" not in data:
            self._add((*path, "otherwise"), "this says nothing without when: or switch:")
        outermost = "stage" in data or not {"when", "each", "until"}.intersection(data)
        for key in ("given", *POLICY) if bare and outermost else ():
            if key in data:
                self._add((*path, key), f"a fallback has no {key}: it gets the inputs and the policy of its stage")
        if bare and isinstance(data.get("each"), dict):
            self._add(
                (*path, "each"), "a fallback gets its stage's inputs: name the one with the items, each: documents"
            )


def _repeat(stage: Stage, keys: StageKeys) -> Repeat:
    carry = None if keys.carry is None else {name: read_ref(one) for name, one in keys.carry.items()}
    more = {} if keys.at_most is None else {"at_most": keys.at_most}
    return Repeat(stage, until=keys.until or "", carry=carry, **more)
