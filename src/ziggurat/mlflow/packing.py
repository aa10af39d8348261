"""Puts a chain into a folder that can travel: the chain file or the script, and the files it names.

What cannot exist elsewhere is refused before anything is logged: a stage that no file can hold, a path outside
of the chain's folder, a history of conversations, a secret. Databases are copied as they stand at one moment.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.spec import dump_chain, load_chain
from ziggurat.errors import InputError, SpecError
from ziggurat.mlflow.inside import NamedPath, inside, paths
from ziggurat.mlflow.package import CHAIN, Note, Package, build
from ziggurat.mlflow.secrets import refuse_secrets
from ziggurat.suggest import did_you_mean

_SQLITE = b"SQLite format 3\x00"
_BESIDE_SQLITE = ("-wal", "-shm", "-journal")
_NOT_TAKEN = ("__pycache__", ".git", ".venv", ".env")


def pack(
    chain: MultiChain | str | Path | None,
    into: Path,
    *,
    script: str | Path | None = None,
    files: Iterable[str | Path] = (),
    folder: str | Path | None = None,
    stages: Sequence[str] | None = None,
) -> Package:
    """Fill a folder with a chain and build it from there.

    Args:
        chain: A chain, or the path of a chain file.
        into: The folder; made.
        script: Instead of a chain: the Python file that builds it, ``build.py`` or ``build.py:name``.
        files: What the script reads, in its folder.
        folder: Of a chain made in Python: where what it names lies; found from the paths when None.
        stages: The stages to give; those that the chain returns when None.

    Raises:
        InputError: If there is neither a chain nor a script, or something cannot travel.
        SpecError: If the chain has no written form, or its file is no chain.
    """
    if (chain is None) == (script is None):
        raise InputError("One of a chain and a script is logged.", fix="log_chain(chain), or log_chain(script=...)")
    into.mkdir(parents=True, exist_ok=True)
    if script is not None:
        name, variable = _pack_script(script, files, into)
    else:
        if any(True for _ in files):
            raise InputError("files= belong to a script; a chain file names what it needs.", fix="leave it out")
        _pack_chain(chain, folder, into)
        name, variable = "", "chain"
    refuse_secrets(into)
    built = build(into, name, variable)
    note = Note(version("ziggurat"), chosen(built, stages), name, variable)
    note.write(into)
    return Package(into, note, built)


def with_agent(package: Package, agent: dict[str, Any]) -> Package:
    """The same package, which says that it is an agent's."""
    note = replace(package.note, agent=agent)
    note.write(package.folder)
    return replace(package, note=note)


def chosen(chain: MultiChain, stages: Sequence[str] | None) -> list[str]:
    """The outputs to give, checked.

    Raises:
        InputError: If one is not an output of the chain.
    """
    returned = [str(chain.wiring.names[position]) for position in chain.wiring.outputs]
    for name in stages or ():
        if name not in returned:
            raise InputError(
                f"The chain does not return {name!r}{did_you_mean(name, returned)}.",
                fix=f"stages= takes some of {', '.join(returned)}",
            )
    return [name for name in returned if stages is None or name in stages]


# -- a chain file ---------------------------------------------------------------------------------


def _pack_chain(chain: MultiChain | str | Path | None, folder: str | Path | None, into: Path) -> None:
    if isinstance(chain, str | Path):
        made = load_chain(Path(chain))
        root: Path | None = Path(chain).resolve().parent
    elif isinstance(chain, MultiChain):
        made, root = chain, None if folder is None else Path(folder).resolve()
    else:
        raise InputError(
            f"A chain is logged, not {type(chain).__name__}.", fix="make one: MultiChain(answer=...), or name its file"
        )
    named = paths(inside(made))
    root = _common(named) if root is None else root
    try:
        text = dump_chain(made, folder=root)
    except SpecError as error:
        raise SpecError(
            error.what,
            findings=error.findings,
            fix="put the Python that builds the chain into a file: log_chain(script='build_chain.py')",
        ) from error
    for one in named:
        _copy(one, into if root is None else root, into)
    (into / CHAIN).write_text(text, encoding="utf-8")


def _common(named: Sequence[NamedPath]) -> Path | None:
    """The smallest folder that holds all paths."""
    parents = [str(one.path.resolve().parent) for one in named]
    try:
        return Path(os.path.commonpath(parents)) if parents else None
    except ValueError as error:  # drives of Windows
        raise InputError("What the chain names lies on several drives.", fix="put it into one folder") from error


def _copy(named: NamedPath, root: Path, into: Path) -> None:
    if named.key == "history":
        raise InputError(
            "A file with the history of conversations is not logged: it holds what people said.",
            where=named.place,
            fix="leave history out; an agent is given what was said with each request",
        )
    path = named.path.resolve()
    if not path.exists():
        raise InputError("What the chain names is not there.", where=f"{named.place}: {named.path.name}")
    target = into / path.relative_to(root)  # dump_chain has refused what is outside
    copy(path, target)


# -- a script -------------------------------------------------------------------------------------


def _pack_script(script: str | Path, files: Iterable[str | Path], into: Path) -> tuple[str, str]:
    file, colon, variable = str(script).rpartition(":")
    if not (colon and file.endswith(".py")):
        file, variable = str(script), "chain"
    path = Path(file)
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"There is no Python file {file}.", fix="name the script that builds the chain")
    if not variable.isidentifier():
        raise InputError(f"{variable!r} names nothing in {file}.", fix="write build.py:chain")
    root = path.resolve().parent
    copy(path, into / path.name)
    for one in files:
        given = Path(one)
        found = (given if given.is_absolute() else root / given).resolve()
        if not found.is_relative_to(root) or found == root:
            raise InputError(f"{one} is not in the folder of the script.", fix="put it beside the script")
        if not found.exists():
            raise InputError(f"There is no {one} in the folder of the script.")
        copy(found, into / found.relative_to(root))
    return path.name, variable


# -- copies ---------------------------------------------------------------------------------------


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder; a SQLite database as it stands at one moment, whoever writes it.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            for one in sorted(source.iterdir()):
                if one.name not in _NOT_TAKEN and not one.name.endswith(_BESIDE_SQLITE):
                    copy(one, target / one.name)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as file:
            database = file.read(len(_SQLITE)) == _SQLITE
        if database:
            _copy_database(source, target)
        else:
            shutil.copyfile(source, target)
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"It cannot be copied: {error}.", where=source.name) from error


def _copy_database(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode = DELETE")  # one file, which a folder that cannot be written to may hold
