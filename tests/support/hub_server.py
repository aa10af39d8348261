"""A stand-in of LangSmith's prompt hub on 127.0.0.1: the part of its HTTP API that the client's pull and push use.

Written from the requests that ``langsmith.Client`` sends: settings, repositories, commits, by handle and by hash. It
keeps what is pushed, checks the parent of a commit, and asks for a key. It is not LangSmith.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any
from urllib.parse import urlsplit

from ziggurat.testing.local_http import LocalServer, QuietHandler

KEY = "lsv2_pt_only_here"
_MOMENT = "2026-01-01T00:00:00Z"


class HubServer(LocalServer):
    """The hub of one tenant, ``mill``, which also has the prompts of others."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.commits: dict[str, list[dict[str, Any]]] = {}
        self.about: dict[str, str] = {}
        self.status: int | None = None

    def put(self, name: str, manifest: Any) -> str:
        """A commit as another client would make it; returns its hash."""
        told = hashlib.sha256(json.dumps([name, manifest, len(self.commits.get(name, ()))]).encode()).hexdigest()
        made = {"id": str(uuid.uuid4()), "commit_hash": told, "manifest": manifest, "examples": []}
        self.commits.setdefault(name, []).insert(0, made)
        return told


class _Handler(QuietHandler):
    owner: HubServer

    def do_GET(self) -> None:  # noqa: N802 (http.server's name)
        parts = self._parts()
        match parts:
            case None:
                return
            case ["settings"]:
                self._say(200, {"id": "t1", "display_name": "Mill", "created_at": _MOMENT, "tenant_handle": "mill"})
            case ["info"]:
                self._say(200, {"version": "0"})
            case ["repos", owner, name] if self._name(owner, name) in self.owner.commits:
                self._say(200, {"repo": self._repo(self._name(owner, name))})
            case ["commits", owner, name] if self._name(owner, name) in self.owner.commits:
                found = self.owner.commits[self._name(owner, name)]
                self._say(200, {"commits": found, "total": len(found)})
            case ["commits", owner, name, which]:
                found = self.owner.commits.get(self._name(owner, name), [])
                one = next((c for c in found if which == "latest" or c["commit_hash"].startswith(which)), None)
                self._say(200 if one else 404, one or {"detail": "Not found"})
            case _:
                self._say(404, {"detail": "Not found"})

    def do_POST(self) -> None:  # noqa: N802 (http.server's name)
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self._parts():
            case None:
                return
            case ["repos"]:
                name = f"mill/{sent['repo_handle']}"
                self.owner.commits[name], self.owner.about[name] = [], sent["description"]
                self._say(200, {"repo": self._repo(name)})
            case ["commits", owner, name]:
                whole = self._name(owner, name)
                latest = next(iter(self.owner.commits[whole]), {}).get("commit_hash")
                if sent["parent_commit"] != latest:
                    self._say(409, {"detail": "the parent is not the latest"})
                    return
                told = self.owner.put(whole, sent["manifest"])
                self._say(200, {"commit": {"commit_hash": told, "id": self.owner.commits[whole][0]["id"]}})
            case _:
                self._say(404, {"detail": "Not found"})

    def do_PATCH(self) -> None:  # noqa: N802 (http.server's name)
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self._parts():
            case ["repos", owner, name]:
                self.owner.about[self._name(owner, name)] = sent.get("description", "")
                self._say(200, {"repo": self._repo(self._name(owner, name))})
            case _:
                self._say(404, {"detail": "Not found"})

    def _parts(self) -> list[str] | None:
        if self.owner.status is not None:
            self._say(self.owner.status, {"detail": "as the test wants it"})
            return None
        if self.headers.get("x-api-key") != KEY:
            self._say(401, {"detail": "Invalid token"})
            return None
        return [part for part in urlsplit(self.path).path.split("/") if part]

    def _name(self, owner: str, name: str) -> str:
        return f"{'mill' if owner == '-' else owner}/{name}"

    def _repo(self, name: str) -> dict[str, Any]:
        owner, _, handle = name.partition("/")
        return {
            "repo_handle": handle, "owner": owner, "full_name": name, "id": "r1", "tenant_id": "t1",
            "created_at": _MOMENT, "updated_at": _MOMENT, "is_public": False, "is_archived": False, "tags": [],
            "num_likes": 0, "num_downloads": 0, "num_views": 0, "num_commits": len(self.owner.commits[name]),
            "description": self.owner.about.get(name, ""),
        }  # fmt: skip

    def _say(self, status: int, told: Any) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
