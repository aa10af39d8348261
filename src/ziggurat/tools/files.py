"""The files of one folder as tools: list, read, search, and, where it is wanted, write.

That nothing outside of the folder is reached is `rooted`'s. Writing acts on the world: an agent asks
before it does.
"""

from __future__ import annotations

import re
from pathlib import Path

from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field

from ziggurat.errors import InputError
from ziggurat.tools.bounds import CHARACTERS, cut
from ziggurat.tools.making import make
from ziggurat.tools.rooted import Root

_MOST_FILES = 2000
_MOST_BYTES = 1 << 20
_MOST_LINES = 60


class FolderName(BaseModel):
    """Which folder."""

    folder: str = Field(".", description="A folder inside the root; left out, the root.", max_length=1000)


class FileName(BaseModel):
    """Which file, and from where."""

    path: str = Field(description="The file's path inside the root.", max_length=1000)
    first_line: int = Field(1, ge=1, description="The line to begin at.")


class Words(BaseModel):
    """What is searched for, and where."""

    words: str = Field(description="The text to find; letter case does not matter.", min_length=1, max_length=300)
    folder: str = Field(".", description="A folder inside the root; left out, the root.", max_length=1000)


class NewFile(BaseModel):
    """A file as it is to be."""

    path: str = Field(description="The file's path inside the root.", max_length=1000)
    text: str = Field(
        description="All that the file is to hold; what was in it before is lost.", max_length=_MOST_BYTES
    )


def files(root: str | Path, *, write: bool = False, characters: int = CHARACTERS) -> list[BaseTool]:
    """Tools over one folder: ``list_files``, ``read_file``, ``search_files``, and ``write_file`` if ``write``.

    Args:
        root: The folder; nothing outside of it is reached.
        write: Whether there is a tool that writes. It acts on the world.
        characters: Of a result at most.

    Raises:
        InputError: If there is no such folder.
    """
    within = Root(Path(root))

    def list_files(folder: str = ".") -> str:
        found = within.entries(folder)
        lines = [f"{name}/" if size is None else f"{name} ({size:,} bytes)" for name, size in found]
        return cut("\n".join(lines) or "The folder is empty.", characters)

    def read_file(path: str, first_line: int = 1) -> str:
        lines = _text(within, path).splitlines()
        if first_line > max(1, len(lines)):
            raise InputError(f"The file has {len(lines)} lines.", where=path)
        return cut("\n".join(lines[first_line - 1 :]) or "The file is empty.", characters)

    def search_files(words: str, folder: str = ".") -> str:
        pattern = re.compile(re.escape(words.strip()), re.IGNORECASE)
        found: list[str] = []
        for path in within.walk("/".join(within.parts(folder)), _MOST_FILES):
            try:
                text = _text(within, path)
            except InputError:
                continue  # no text: nothing to find in it
            for number, line in enumerate(text.splitlines(), 1):
                if pattern.search(line):
                    found.append(f"{path}:{number}: {cut(line.strip(), 200)}")
                    if len(found) >= _MOST_LINES:
                        return cut("\n".join([*found, f"[only the first {_MOST_LINES} lines]"]), characters)
        return cut("\n".join(found) or f"No file has {words!r} in it.", characters)

    def write_file(path: str, text: str) -> str:
        there = within.write(path, text.encode())
        return f"{'Replaced' if there else 'Wrote'} {path} ({len(text.encode()):,} bytes)."

    made = [
        make(
            "list_files",
            "Lists the files and folders in a folder of the user. Use it to see what there is.",
            FolderName,
            list_files,
            characters=characters,
        ),
        make(
            "read_file",
            "Reads a text file in the folder of the user. Use it when the path is known.",
            FileName,
            read_file,
            characters=characters,
        ),
        make(
            "search_files",
            "Finds the lines with some words in all text files of the user's folder, with path and line. "
            "Use it when the path is not known.",
            Words,
            search_files,
            characters=characters,
        ),
    ]
    if write:
        made.append(
            make(
                "write_file",
                "Writes a text file in the folder of the user, in the place of what was there. "
                "Use it only if the user asked for a file to be written.",
                NewFile,
                write_file,
                acts=True,
                characters=characters,
            )
        )
    return made


def _text(root: Root, path: str) -> str:
    data, size = root.read(path, _MOST_BYTES)
    if b"\0" in data[:4096]:
        raise InputError("This is not a text file.", where=path)
    text = data.decode("utf-8", errors="replace")
    return text if size <= _MOST_BYTES else f"{text}\n[cut: the file has {size:,} bytes]"
