"""Zip archives from strangers: Word, Excel, PowerPoint, EPUB and OpenDocument files are all zips.

An archive says in its directory how large each file inside becomes, and Python's `zipfile` never hands
out more than that; so what is refused here, from the directory alone, no reader will ever unpack.
Knows nothing of what is in the files.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

from ziggurat.errors import UnreadableDocument

MAX_FILES = 20_000
MAX_TOTAL = 1 << 30
"""Bytes all files of an archive may unpack to."""
MAX_PART = 128 << 20
"""Bytes one file may unpack to where it is read at once."""
MAX_RATIO = 200
"""How many times its packed size an archive may unpack to, once it is past `_HARMLESS`."""

_HARMLESS = 32 << 20
_MAX_DIRECTORY = 16 << 20
_END = b"PK\x05\x06"
_END_LENGTH = 22
_LONGEST_COMMENT = 0xFFFF
_ENCRYPTED = 0x1


class Archive:
    """The files in a zip archive, each read whole.

    Args:
        data: The archive.
        where: Its name, for messages.

    Raises:
        UnreadableDocument: If it is damaged, protected, or unpacks to more than is safe.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self._where = where
        _check_directory(data, where)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise UnreadableDocument(
                "The file is damaged: the list of what is in it is missing or broken.",
                where=where,
                fix="was it cut off?",
            ) from error
        self._check(len(data))

    def _check(self, packed: int) -> None:
        files = self._zip.infolist()
        total = sum(file.file_size for file in files)
        if len(files) > MAX_FILES:
            raise UnreadableDocument(
                f"There are {len(files):,} files in it; at most {MAX_FILES:,} are read.", where=self._where
            )
        if total > MAX_TOTAL or (total > _HARMLESS and total > MAX_RATIO * packed):
            raise UnreadableDocument(
                f"It would unpack to {_mib(total)} MiB, {total // max(packed, 1)} times its size: that is no honest document.",
                where=self._where,
            )
        if any(file.flag_bits & _ENCRYPTED for file in files):
            raise UnreadableDocument("The file is protected with a password.", where=self._where)

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def __iter__(self) -> Iterator[str]:
        return iter(self._zip.NameToInfo)

    def size(self, name: str) -> int:
        """Bytes a file unpacks to, as the directory says."""
        return self._zip.getinfo(name).file_size

    def read(self, name: str, limit: int = MAX_PART) -> bytes:
        """One file.

        Raises:
            UnreadableDocument: If it is not there, damaged, or larger than ``limit`` bytes.
        """
        if name not in self:
            raise UnreadableDocument(f"The file is damaged: {name} is missing in it.", where=self._where)
        if self.size(name) > limit:
            raise UnreadableDocument(
                f"{name} in it unpacks to {_mib(self.size(name))} MiB; at most {_mib(limit)} are read.",
                where=self._where,
            )
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
            raise UnreadableDocument(
                f"The file is damaged: {name} in it cannot be unpacked.", where=self._where
            ) from error


def check_archive(data: bytes, where: str, *, limit: int = MAX_PART) -> Archive:
    """An archive that another library will read, checked first.

    Args:
        data: The archive.
        where: Its name, for messages.
        limit: The most that one XML file in it may unpack to, since libraries read these at once.

    Raises:
        UnreadableDocument: As for `Archive`, and if an XML file is too large.
    """
    archive = Archive(data, where)
    for name in archive:
        if name.endswith((".xml", ".rels")) and archive.size(name) > limit:
            raise UnreadableDocument(
                f"{name} in it unpacks to {_mib(archive.size(name))} MiB; at most {_mib(limit)} are read.", where=where
            )
    return archive


def _check_directory(data: bytes, where: str) -> None:
    """Refuse a directory so long that only to list it would fill the memory."""
    end = data.rfind(_END, max(0, len(data) - _END_LENGTH - _LONGEST_COMMENT))
    if end >= 0 and len(data) > _MAX_DIRECTORY:
        size = int.from_bytes(data[end + 12 : end + 16], "little")
        if size > _MAX_DIRECTORY:
            raise UnreadableDocument("The list of what is in it is too long for an honest document.", where=where)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f}"
