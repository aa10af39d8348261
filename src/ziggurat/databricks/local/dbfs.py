"""DBFS: files through handles and blocks of Base64, as the real client reads and writes them.

Invariant: a file being written is not there until its handle is closed.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ziggurat.databricks.local.call import Call, Refusal, Route, invalid, missing, taken
from ziggurat.databricks.local.tree import Tree

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_API = "/api/2.0/dbfs"
_BLOCK = 1 << 20  # bytes a block, a put or a read may have


@dataclass(slots=True)
class _Handle:
    path: str
    content: bytearray


class Dbfs:
    """Files in DBFS."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.tree = Tree(workspace.folder / "dbfs")
        self._handles: dict[int, _Handle] = {}
        self._numbers = count(1)

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("POST", f"{_API}/put", self._put, "write a small file"),
            Route("POST", f"{_API}/create", self._create, "open a file for writing"),
            Route("POST", f"{_API}/add-block", self._add, "write a block"),
            Route("POST", f"{_API}/close", self._close, "finish a file"),
            Route("GET", f"{_API}/read", self._read, "read a part of a file"),
            Route("GET", f"{_API}/get-status", self._status, "look at a file or directory"),
            Route("GET", f"{_API}/list", self._list, "list a directory"),
            Route("POST", f"{_API}/mkdirs", self._make, "create a directory"),
            Route("POST", f"{_API}/move", self._move, "move a file or directory"),
            Route("POST", f"{_API}/delete", self._delete, "delete a file or directory"),
        ]

    def _free(self, call: Call) -> str:
        path: str = call.need("path")
        place = self.tree.place(path)
        if place.is_dir() or (place.exists() and not call.body.get("overwrite")):
            raise taken(f"A file or directory already exists at the input path dbfs:{path}.")
        return path

    def _put(self, call: Call) -> None:
        path = self._free(call)
        if "json" in call.request.headers.get("content-type", "json"):
            self.tree.write(path, _block(str(call.body.get("contents") or "")))
        else:
            raise Refusal(501, "NOT_IMPLEMENTED", "The local workspace does not implement a multipart dbfs/put.")

    def _create(self, call: Call) -> dict[str, Any]:
        with self._workspace.lock:
            number = next(self._numbers)
            self._handles[number] = _Handle(self._free(call), bytearray())
            return {"handle": number}

    def _add(self, call: Call) -> None:
        with self._workspace.lock:
            self._handle(call).content.extend(_block(call.need("data")))

    def _close(self, call: Call) -> None:
        with self._workspace.lock:
            handle = self._handle(call)
            self.tree.write(handle.path, bytes(handle.content))
            del self._handles[call.need("handle", int)]

    def _handle(self, call: Call) -> _Handle:
        handle = self._handles.get(call.need("handle", int))
        if handle is None:
            raise missing("No handle of that number is open.")
        return handle

    def _read(self, call: Call) -> dict[str, Any]:
        place = self.tree.file(call.need("path"))
        try:
            offset, length = int(call.query.get("offset") or 0), int(call.query.get("length") or _BLOCK)
        except ValueError as error:
            raise invalid("offset and length are numbers.") from error
        if offset < 0 or length < 0:
            raise invalid("offset and length cannot be negative.")
        if length > _BLOCK:
            raise Refusal(400, "MAX_READ_SIZE_EXCEEDED", f"A read may have at most {_BLOCK} bytes.")
        with place.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
        return {"bytes_read": len(data), "data": base64.b64encode(data).decode()}

    def _status(self, call: Call) -> dict[str, Any]:
        path: str = call.need("path")
        place = self.tree.place(path)
        if not place.exists():
            raise missing(f"No file or directory exists on path {path}.")
        return self._shown(place)

    def _list(self, call: Call) -> dict[str, Any]:
        path: str = call.need("path")
        place = self.tree.place(path)
        if not place.exists():
            raise missing(f"No file or directory exists on path {path}.")
        found = [place] if place.is_file() else sorted(place.iterdir())
        return {"files": [self._shown(one) for one in found]}

    def _make(self, call: Call) -> None:
        self.tree.make(call.need("path"))

    def _move(self, call: Call) -> None:
        source, target = self.tree.place(call.need("source_path")), self.tree.place(call.need("destination_path"))
        if not source.exists():
            raise missing(f"No file or directory exists on path {call.body['source_path']}.")
        if target.exists():
            raise taken(f"A file or directory already exists at {call.body['destination_path']}.")
        source.rename(target)

    def _delete(self, call: Call) -> None:
        path: str = call.need("path")
        self.tree.remove(path, recursive=bool(call.body.get("recursive")))

    def _shown(self, place: Path) -> dict[str, Any]:
        stat = place.stat()
        return {
            "path": self.tree.shown(place),
            "is_dir": place.is_dir(),
            "file_size": stat.st_size if place.is_file() else 0,
            "modification_time": int(stat.st_mtime * 1000),
        }


def _block(text: str) -> bytes:
    try:
        block = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("The contents are not Base64.") from error
    if len(block) > _BLOCK:
        raise Refusal(400, "MAX_BLOCK_SIZE_EXCEEDED", f"A block may have at most {_BLOCK} bytes.")
    return block
