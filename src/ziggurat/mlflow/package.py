"""The folder that travels with a logged chain, and the chain built from it again.

    chain.yaml         or the script that builds the chain, with the files it names
    kb/ prompts/ ...   what the chain names by path, at the same place relative to the chain
    ziggurat.json      who wrote it, which of the two it is, which stages it gives

A chain file is data; a script is executed, by whoever loads the model. Invariant: the folder is complete, which is
tried by building the chain from it before it is logged.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from ziggurat.chain.multichain import MultiChain
from ziggurat.errors import InputError, ZigguratError
from ziggurat.quiet import logger
from ziggurat.suggest import did_you_mean

CHAIN = "chain.yaml"
NOTE = "ziggurat.json"
FORMAT = 1

_log = logger(__name__)
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Note:
    """What a package says of itself.

    Attributes:
        ziggurat: The version that wrote it.
        outputs: The stages whose outputs it gives.
        script: The Python file that builds the chain; empty for a chain file.
        variable: What the chain is called in it.
        agent: Which input takes the question and so on; empty where it is no agent.
        format: The version of this form.
    """

    ziggurat: str
    outputs: list[str]
    script: str = ""
    variable: str = "chain"
    agent: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Put it into its package."""
        (folder / NOTE).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Package:
    """A package and its chain.

    Attributes:
        folder: The folder.
        note: What it says of itself.
        chain: The chain, built from the folder.
    """

    folder: Path
    note: Note
    chain: MultiChain


def open_package(folder: Path) -> Package:
    """Build the chain of a package, as a loaded model does.

    Another version of Ziggurat than the one that wrote it is said in the log, and tried.

    Raises:
        InputError: If it is no package of a chain, or its script does not build one.
        SpecError: If its chain file is refused here.
    """
    try:
        note = Note(**json.loads((folder / NOTE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            "This is no chain that Ziggurat logged, or a later version wrote it.",
            where=str(folder / NOTE),
            fix="update Ziggurat, or log the chain again",
        ) from error
    here = version("ziggurat")
    if note.ziggurat != here:
        _log.warning("This model was logged with Ziggurat %s and is loaded with %s.", note.ziggurat, here)
    chain = build(folder, note.script, note.variable)
    gone = [name for name in note.outputs if name not in chain.stages]
    if gone:
        raise InputError(f"The chain has no stage {gone[0]!r}{did_you_mean(gone[0], chain.stages)}.", where=str(folder))
    return Package(folder, note, chain)


def build(folder: Path, script: str, variable: str) -> MultiChain:
    """The chain of a folder: of its chain file, or of the script, which is executed.

    Raises:
        SpecError: If the chain file is not one.
        InputError: If the script fails, or has no chain of that name.
    """
    if not script:
        from ziggurat.chain.spec import load_chain

        return load_chain(folder / CHAIN)
    found = _executed(folder / script).get(variable)
    if callable(found) and not isinstance(found, MultiChain):
        found = found()
    if isinstance(found, MultiChain):
        return found
    raise InputError(
        f"The script {script} has no chain called {variable!r}.",
        where=script,
        fix="let it say chain = MultiChain(...), or name another: log_chain(script='build.py:other')",
    )


def _executed(path: Path) -> Mapping[str, Any]:
    """The names that a script makes; its own folder comes first for what it imports.

    Its neighbours are forgotten afterwards: another model's script may have neighbours of the same names.
    """
    name = f"ziggurat_logged_{next(_numbers)}"  # two models in one process may have scripts of the same name
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"{path.name} is not a Python file.", fix="its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except ZigguratError:
        raise
    except Exception as error:
        own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
        raise InputError(
            f"The script {path.name} does not build a chain: {type(error).__name__}: {error}",
            where=f"{path.name}:{own[-1]}" if own else path.name,
            fix="name the files it reads: log_chain(script=..., files=[...])",
        ) from error
    finally:
        with suppress(ValueError):
            sys.path.remove(str(path.parent))
        for neighbour in [other for other, one in sys.modules.items() if other != name and _is_in(one, path.parent)]:
            del sys.modules[neighbour]
    return vars(module)


def _is_in(module: object, folder: Path) -> bool:
    """Whether a module was read from a folder."""
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(folder)
