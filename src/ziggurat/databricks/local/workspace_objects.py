"""The workspace's own tree: notebooks, files and folders, imported and exported.

A notebook is its source. Invariant: ``/Workspace/Users/…`` and ``/Users/…`` are one path; a write never makes
the folder it lies in, as the service does not.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ziggurat.databricks.local.call import Call, Refusal, Route, invalid, missing, taken, unimplemented
from ziggurat.databricks.local.tree import Tree, cleaned

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_API = "/api/2.0/workspace"
_LARGEST = 10 << 20  # bytes an import may have
_LANGUAGES = {".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R"}
_NOTEBOOK = b"# Databricks notebook source"


class WorkspaceObjects:
    """Notebooks, files and folders."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.tree = Tree(workspace.folder / "workspace")
        self._notebooks: dict[str, str] = {}  # path: language
        self._ids: dict[str, int] = {}
        self._numbers = count(1001)
        for folder in (f"/Users/{workspace.user}", "/Shared", "/Repos"):
            self.tree.make(folder)

    def routes(self) -> list[Route]:
        """What it answers."""
        plain = "/api/2.0/workspace-files"
        return [
            Route("POST", f"{_API}/mkdirs", self._make, "create a folder and those above it"),
            Route("POST", f"{_API}/import", self._import, "import a notebook or file (Base64, or multipart)"),
            Route("GET", f"{_API}/export", self._export, "export a notebook or file"),
            Route("GET", f"{_API}/list", self._list, "list a folder"),
            Route("GET", f"{_API}/get-status", self._status, "look at a notebook, file or folder"),
            Route("POST", f"{_API}/delete", self._delete, "delete a notebook, file or folder"),
            Route("POST", plain + "/import-file/{path:path}", self._put, "import a file as it is", bytes=True),
            Route("GET", plain + "/{path:path}", self._fetch, "fetch a file as it is"),
        ]

    def find(self, path: str) -> Path:
        """A notebook or file that is there.

        Raises:
            Refusal: 404 if it is not.
        """
        return self.tree.file(_short(path))

    def _make(self, call: Call) -> None:
        with self._workspace.lock:
            self.tree.make(_short(call.need("path")))

    async def _import(self, call: Call) -> dict[str, Any]:
        if "multipart/form-data" in call.request.headers.get("content-type", ""):
            async with call.request.form() as form:
                fields = {key: value for key, value in form.items() if isinstance(value, str)}
                content = form.get("content")
                raw = content.encode() if isinstance(content, str) else await content.read() if content else b""
        else:
            fields = {key: str(value) for key, value in call.body.items()}
            try:
                raw = base64.b64decode(fields.get("content", ""), validate=True)
            except binascii.Error as error:
                raise invalid("The content is not Base64.") from error
        path = fields.get("path") or ""
        if not path:
            raise invalid("Missing required field: path")
        overwrite = str(fields.get("overwrite", "")).lower() == "true"
        self._keep(path, raw, fields.get("format") or "SOURCE", fields.get("language") or "", overwrite=overwrite)
        return {}

    def _keep(self, path: str, raw: bytes, form: str, language: str, *, overwrite: bool) -> None:
        if form not in {"SOURCE", "AUTO", "RAW"}:
            raise unimplemented(f"the import format {form}")
        if len(raw) > _LARGEST:
            raise Refusal(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", f"An import may have at most {_LARGEST} bytes.")
        short = _short(path)
        stem, suffix = posixpath.splitext(short)
        notebook = form == "SOURCE"
        if notebook and language not in set(_LANGUAGES.values()):
            raise invalid("The language is needed to import a notebook as source; for a file use the format AUTO.")
        if form == "AUTO" and suffix.lower() in _LANGUAGES and raw.lstrip().startswith(_NOTEBOOK):
            short, notebook, language = stem, True, _LANGUAGES[suffix.lower()]
        with self._workspace.lock:
            place = self.tree.place(short)
            if not place.parent.is_dir():
                raise missing(f"The parent folder ({posixpath.dirname(short)}) does not exist.")
            if place.is_dir() or (place.exists() and not overwrite):
                raise taken(f"{short} already exists. Please pass overwrite as true to overwrite it.")
            self.tree.write(short, raw)
            self._notebooks.pop(short, None)
            if notebook:
                self._notebooks[short] = language

    def _export(self, call: Call) -> Response | dict[str, Any]:
        form = call.query.get("format") or "SOURCE"
        if form not in {"SOURCE", "AUTO", "RAW"}:
            raise unimplemented(f"the export format {form}")
        path = call.need("path")
        raw = self.find(path).read_bytes()
        if call.query.get("direct_download") == "true":
            return Response(raw, media_type="application/octet-stream")
        language = self._notebooks.get(_short(path), "")
        suffix = next((end for end, name in _LANGUAGES.items() if name == language), posixpath.splitext(path)[1])
        return {"content": base64.b64encode(raw).decode(), "file_type": suffix.removeprefix(".")}

    def _list(self, call: Call) -> dict[str, Any]:
        path: str = call.need("path")
        place = self._there(path)
        found = sorted(place.iterdir()) if place.is_dir() else [place]
        return {"objects": [self._shown(one) for one in found]}

    def _status(self, call: Call) -> dict[str, Any]:
        return self._shown(self._there(call.need("path")))

    def _delete(self, call: Call) -> None:
        path: str = call.need("path")
        with self._workspace.lock:
            place = self._there(path)
            short = self.tree.shown(place)
            if short in {"/", "/Users", "/Shared", "/Repos"}:
                raise Refusal(403, "PERMISSION_DENIED", f"{short} cannot be deleted.")
            self.tree.remove(short, recursive=bool(call.body.get("recursive")))
            for known in [one for one in self._notebooks if one == short or one.startswith(short + "/")]:
                del self._notebooks[known]

    def _put(self, call: Call) -> None:
        overwrite = call.query.get("overwrite") == "true"
        self._keep("/" + call.path["path"].lstrip("/"), call.raw, "RAW", "", overwrite=overwrite)

    def _fetch(self, call: Call) -> Response:
        raw = self.find("/" + call.path["path"].lstrip("/")).read_bytes()
        return Response(raw, media_type="application/octet-stream")

    def _there(self, path: str) -> Path:
        place = self.tree.place(_short(path))
        if not place.exists():
            raise missing(f"Path ({path}) doesn't exist.")
        return place

    def _shown(self, place: Path) -> dict[str, Any]:
        path = self.tree.shown(place)
        number = self._ids.get(path)
        if number is None:
            number = self._ids[path] = next(self._numbers)
        stat = place.stat()
        shown: dict[str, Any] = {"path": path, "object_id": number, "resource_id": str(number)}
        if place.is_dir():
            return shown | {"object_type": "DIRECTORY"}
        shown |= {"created_at": int(stat.st_ctime * 1000), "modified_at": int(stat.st_mtime * 1000)}
        if path in self._notebooks:
            return shown | {"object_type": "NOTEBOOK", "language": self._notebooks[path]}
        return shown | {"object_type": "FILE", "size": stat.st_size}


def _short(path: str) -> str:
    clean = cleaned(path)
    return (
        clean.removeprefix("/Workspace") or "/" if clean == "/Workspace" or clean.startswith("/Workspace/") else clean
    )
