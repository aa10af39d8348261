"""Addresses that open one file without a token, for a while: how large files are sent and fetched.

The real service signs addresses of the cloud's storage; here they lead back to the stand-in. Invariant: an
address does one thing (one part, one file, one abort), and nothing once its time is up.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, Protocol

from starlette.responses import Response

from ziggurat.databricks.local.call import Call, Refusal, Route, invalid, missing, unimplemented

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_API = "/api/2.0/fs"
_SECONDS = 3600.0


class Store(Protocol):
    """Where files are."""

    def inside(self, path: str) -> str:
        """Refuse a path outside any volume."""

    def find(self, path: str) -> Path:
        """A file that is there."""

    def write(self, path: str, content: bytes, *, overwrite: bool) -> None:
        """Put a file there."""

    def answer(self, path: str, call: Call) -> Response:
        """A file, or a range of it."""


@dataclass(slots=True)
class _Upload:
    path: str
    overwrite: bool
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Address:
    does: str
    path: str
    upload: str = ""
    part: int = 0
    until: float = field(default_factory=lambda: time.monotonic() + _SECONDS)


class SignedAddresses:
    """Uploads in parts, and downloads, through signed addresses."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self._workspace = workspace
        self._store = store
        self._uploads: dict[str, _Upload] = {}
        self._addresses: dict[str, _Address] = {}

    def routes(self) -> list[Route]:
        """What it answers."""
        address = "/local-storage/{address}"
        return [
            Route("POST", f"{_API}/create-upload-part-urls", self._part_urls, "addresses for parts of an upload"),
            Route("POST", f"{_API}/create-abort-upload-url", self._abort_url, "an address that ends an upload"),
            Route("POST", f"{_API}/create-download-url", self._download_url, "an address to download from"),
            Route("PUT", address, self._put, "a part of an upload, at a signed address", open=True, bytes=True),
            Route("GET", address, self._fetch, "a file, at a signed address", open=True),
            Route("DELETE", address, self._abort, "end an upload, at a signed address", open=True),
        ]

    def act(self, call: Call) -> dict[str, Any]:
        """Begin or complete an upload: ``POST /api/2.0/fs/files{path}?action=…``."""
        action, path = call.query.get("action", ""), call.path["path"]
        if action == "initiate-upload":
            self._store.inside(path)
            overwrite = call.query.get("overwrite", "true").lower() == "true"
            if not overwrite and self._exists(path):
                raise Refusal(409, "ALREADY_EXISTS", "The file being created already exists.")
            token = token_urlsafe(24)
            with self._workspace.lock:
                self._uploads[token] = _Upload(path, overwrite)
            return {"multipart_upload": {"session_token": token}}
        if action == "complete-upload":
            token = call.query.get("session_token", "")
            with self._workspace.lock:
                upload = self._upload(token, path)
                told = call.need("parts", list)
                for part in told:
                    number = int(part.get("part_number", 0))
                    if number not in upload.parts or _etag(upload.parts[number]) != part.get("etag"):
                        raise invalid(f"Part {number} was not uploaded, or has another etag.")
                whole = b"".join(upload.parts[int(part["part_number"])] for part in told)
                self._store.write(path, whole, overwrite=upload.overwrite)
                del self._uploads[token]
            return {}
        raise unimplemented(f"the action {action!r} of the Files API")

    def _exists(self, path: str) -> bool:
        try:
            self._store.find(path)
        except Refusal:
            return False
        return True

    def _part_urls(self, call: Call) -> dict[str, Any]:
        token, path = call.need("session_token"), call.need("path")
        first, number = call.need("start_part_number", int), call.need("count", int)
        with self._workspace.lock:
            self._upload(token, path)
            return {
                "upload_part_urls": [
                    {"url": self._sign(_Address("put", path, token, part)), "part_number": part, "headers": []}
                    for part in range(first, first + number)
                ]
            }

    def _abort_url(self, call: Call) -> dict[str, Any]:
        token, path = call.need("session_token"), call.need("path")
        with self._workspace.lock:
            self._upload(token, path)
            return {"abort_upload_url": {"url": self._sign(_Address("abort", path, token)), "headers": []}}

    def _download_url(self, call: Call) -> dict[str, Any]:
        path = call.need("path")
        self._store.find(path)
        return {"url": self._sign(_Address("get", path)), "headers": []}

    def _put(self, call: Call) -> Response:
        with self._workspace.lock:
            address = self._open(call, "put")
            self._upload(address.upload, address.path).parts[address.part] = call.raw
        return Response(status_code=200, headers={"ETag": _etag(call.raw)})

    def _fetch(self, call: Call) -> Response:
        return self._store.answer(self._open(call, "get").path, call)

    def _abort(self, call: Call) -> Response:
        with self._workspace.lock:
            self._uploads.pop(self._open(call, "abort").upload, None)
        return Response(status_code=204)

    def _sign(self, address: _Address) -> str:
        name = token_urlsafe(24)
        self._addresses = {key: one for key, one in self._addresses.items() if one.until > time.monotonic()}
        self._addresses[name] = address
        return f"{self._workspace.url}/local-storage/{name}"

    def _open(self, call: Call, does: str) -> _Address:
        address = self._addresses.get(call.path["address"])
        if address is None or address.does != does or address.until < time.monotonic():
            raise Refusal(403, "PERMISSION_DENIED", "The address is unknown, or its time is up.")
        return address

    def _upload(self, token: str, path: str) -> _Upload:
        upload = self._uploads.get(token)
        if upload is None or upload.path != path:
            raise missing(f"No upload of {path} is under way with this session token.")
        return upload


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
