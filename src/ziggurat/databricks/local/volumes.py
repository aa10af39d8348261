"""The Files API on volumes: files whole, in ranges and in parts, and folders.

Large files go the way the real client sends them: it asks for a signed address (`signed`) and puts parts there
without its token. Invariant: a path is inside a declared volume, or it is refused.
"""

from __future__ import annotations

import re
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ziggurat.databricks.local.call import Call, Refusal, Route, invalid
from ziggurat.databricks.local.catalogs import Catalogs
from ziggurat.databricks.local.paging import page
from ziggurat.databricks.local.signed import SignedAddresses
from ziggurat.databricks.local.tree import cleaned

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_FILES, _FOLDERS = "/api/2.0/fs/files{path:path}", "/api/2.0/fs/directories{path:path}"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Volumes:
    """Files on volumes."""

    def __init__(self, workspace: Workspace, catalogs: Catalogs) -> None:
        self._workspace = workspace
        self._catalogs = catalogs
        self._signed = SignedAddresses(workspace, self)

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("HEAD", _FILES, self._download, "look at a volume's file"),
            Route("GET", _FILES, self._download, "download a file, or a range of it"),
            Route("PUT", _FILES, self._upload, "upload a file", bytes=True),
            Route("POST", _FILES, self._signed.act, "begin or complete an upload in parts"),
            Route("DELETE", _FILES, self._delete, "delete a file"),
            Route("HEAD", _FOLDERS, self._there, "look at a volume's directory"),
            Route("GET", _FOLDERS, self._list, "list a directory"),
            Route("PUT", _FOLDERS, self._make, "create a directory"),
            Route("DELETE", _FOLDERS, self._remove, "delete an empty directory"),
            *self._signed.routes(),
        ]

    def find(self, path: str) -> Path:
        """A file that is there.

        Raises:
            Refusal: 404 if it is not.
        """
        try:
            return self._catalogs.tree.file(self.inside(path))
        except Refusal as refusal:
            raise Refusal(refusal.status, _fs_code(refusal), refusal.message) from refusal

    def inside(self, path: str) -> str:
        """A path inside the folder of all volumes.

        Raises:
            Refusal: 404 if its volume is not there; 400 if it names none.
        """
        clean = cleaned(path)
        self._catalogs.volume(clean)
        return clean.removeprefix("/Volumes")

    def write(self, path: str, content: bytes, *, overwrite: bool) -> None:
        """Put a file there.

        Raises:
            Refusal: 409 if there is one and it must not be replaced.
        """
        with self._workspace.lock:
            place = self._catalogs.tree.place(self.inside(path))
            if place == self._catalogs.volume(cleaned(path)):
                raise invalid(f"The path {path} is a volume.")
            if place.exists() and not overwrite:
                raise Refusal(409, "ALREADY_EXISTS", "The file being created already exists.")
            self._catalogs.tree.write(self.inside(path), content)

    def answer(self, path: str, call: Call) -> Response:
        """A file, or the range of it that the request's headers ask for."""
        place = self.find(path)
        stat = place.stat()
        headers = {
            "Content-Type": "application/octet-stream",
            "Last-Modified": formatdate(stat.st_mtime, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        asked = call.request.headers
        if (since := asked.get("if-unmodified-since")) and int(stat.st_mtime) > parsedate_to_datetime(
            since
        ).timestamp():
            raise Refusal(412, "PRECONDITION_FAILED", "The file was modified since.")
        start, end = _range(asked.get("range"), stat.st_size)
        status = 200
        if asked.get("range"):
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{stat.st_size}"
        if call.request.method == "HEAD":
            return Response(status_code=status, headers=headers | {"Content-Length": str(end - start)})
        with place.open("rb") as file:
            file.seek(start)
            return Response(file.read(end - start), status_code=status, headers=headers)

    def _download(self, call: Call) -> Response:
        return self.answer(call.path["path"], call)

    def _upload(self, call: Call) -> Response:
        # The service replaces a file unless it is told not to.
        self.write(call.path["path"], call.raw, overwrite=call.query.get("overwrite", "true").lower() == "true")
        return Response(status_code=204)

    def _delete(self, call: Call) -> Response:
        self.find(call.path["path"]).unlink()
        return Response(status_code=204)

    def _folder(self, call: Call) -> Path:
        try:
            return self._catalogs.tree.folder(self.inside(call.path["path"]))
        except Refusal as refusal:
            raise Refusal(refusal.status, _fs_code(refusal), refusal.message) from refusal

    def _there(self, call: Call) -> Response:
        self._folder(call)
        return Response(status_code=200)

    def _list(self, call: Call) -> dict[str, Any]:
        folder = self._folder(call)
        found = []
        for one in sorted(folder.iterdir()):
            stat = one.stat()
            entry: dict[str, Any] = {
                "path": "/Volumes" + self._catalogs.tree.shown(one),
                "name": one.name,
                "is_directory": one.is_dir(),
                "last_modified": int(stat.st_mtime * 1000),
            }
            if one.is_file():
                entry["file_size"] = stat.st_size
            found.append(entry)
        return page(call, "contents", found, size=1000, at_most=1000)

    def _make(self, call: Call) -> Response:
        with self._workspace.lock:
            self._catalogs.tree.make(self.inside(call.path["path"]))
        return Response(status_code=204)

    def _remove(self, call: Call) -> Response:
        folder = self._folder(call)
        if folder == self._catalogs.volume(cleaned(call.path["path"])):
            raise invalid("A volume is deleted through the catalog.")
        self._catalogs.tree.remove(self._catalogs.tree.shown(folder), recursive=False)
        return Response(status_code=204)


def _fs_code(refusal: Refusal) -> str:
    return "NOT_FOUND" if refusal.code == "RESOURCE_DOES_NOT_EXIST" else refusal.code


def _range(header: str | None, size: int) -> tuple[int, int]:
    if not header:
        return 0, size
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        raise invalid(f"The range {header!r} cannot be read.")
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    start, end = int(first), min(int(last) + 1 if last else size, size)
    if start >= end:
        raise Refusal(416, "REQUESTED_RANGE_NOT_SATISFIABLE", f"The file has {size} bytes.")
    return start, end
