"""`PineconeServer`: a local service that speaks Pinecone's API, for its real client.

One index by cosine: describe, upsert, query with filters, fetch, list, delete, statistics. It is as strict
as the service is documented to be: numbers are floats, lists are of texts, there is no null and no nesting,
ids are ASCII, metadata is small. Listens on 127.0.0.1 only; what it holds goes with its ``with`` block.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from ziggurat.testing.local_http import LocalServer, QuietHandler

_LARGEST_UPSERT = 1000
_LARGEST_METADATA = 40_960
_LONGEST_ID = 512
_LARGEST_PAGE = 100


class _Refused(Exception):
    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class PineconeServer(LocalServer):
    """A server for a ``with`` block.

    Args:
        index: Name of its one index.
        dimension: Of its vectors.
        api_key: If given, requests without it are refused with 401.
        absent_differs: Whether a vector without a field passes ``$ne`` and ``$nin`` on it; the service's
            documentation does not say.

    Attributes:
        namespaces: What it holds: vectors by id, by namespace.
        paths: The path of every request so far, oldest first.

    Example:
        >>> from ziggurat.testing import PineconeServer
        >>> with PineconeServer("notes", dimension=8) as server:
        ...     address = server.url
        >>> address.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self, index: str = "notes", *, dimension: int, api_key: str | None = None, absent_differs: bool = True
    ) -> None:
        self.index = index
        self.dimension = dimension
        self.absent_differs = absent_differs
        self.namespaces: dict[str, dict[str, dict[str, Any]]] = {}
        self.paths: list[str] = []
        self._api_key = api_key
        self._lock = threading.Lock()
        super().__init__(_Handler)

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            ValueError: If the request cannot be served.
        """
        with self._lock:
            self.paths.append(path)
            if method == "GET" and path == f"/indexes/{self.index}":
                return self._described()
            handlers: dict[str, Callable[[], dict[str, Any]]] = {
                "/vectors/upsert": lambda: self._upsert(body),
                "/query": lambda: self._query(body),
                "/vectors/fetch": lambda: self._fetch(query),
                "/vectors/list": lambda: self._list(query),
                "/vectors/delete": lambda: self._delete(body),
                "/describe_index_stats": self._statistics,
            }
            if path not in handlers:
                raise _Refused(f"There is nothing at {path}.", 404)
            return handlers[path]()

    def check(self, key: str | None) -> None:
        """Refuse a request without the key, where one is asked for."""
        if self._api_key is not None and key != self._api_key:
            raise _Refused("Invalid API Key", 401)

    def _described(self) -> dict[str, Any]:
        return {
            "name": self.index,
            "metric": "cosine",
            "dimension": self.dimension,
            "host": self.url,
            "spec": {"serverless": {"cloud": "aws", "region": "us-east-1"}},
            "status": {"ready": True, "state": "Ready"},
            "deletion_protection": "disabled",
            "vector_type": "dense",
        }

    def _space(self, name: Any) -> dict[str, dict[str, Any]]:
        return self.namespaces.get("" if name in {None, "__default__"} else str(name), {})

    def _upsert(self, body: Mapping[str, Any]) -> dict[str, Any]:
        vectors = body["vectors"]
        if len(vectors) > _LARGEST_UPSERT:
            raise _Refused("Too many vectors in one request.")
        checked = {one["id"]: self._checked(one) for one in vectors}
        name = body.get("namespace")
        self.namespaces.setdefault("" if name in {None, "__default__"} else str(name), {}).update(checked)
        return {"upsertedCount": len(vectors)}

    def _checked(self, one: Mapping[str, Any]) -> dict[str, Any]:
        identity, values, metadata = one["id"], one["values"], one.get("metadata") or {}
        if not identity or not identity.isascii() or len(identity) > _LONGEST_ID:
            raise _Refused("Vector ID must be ASCII and of 512 characters at most.")
        if len(values) != self.dimension:
            raise _Refused(f"Vector dimension {len(values)} does not match the dimension of the index {self.dimension}")
        if not any(values):
            raise _Refused("Dense vectors must contain at least one non-zero value.")
        if len(json.dumps(metadata, ensure_ascii=False).encode()) > _LARGEST_METADATA:
            raise _Refused("Metadata size exceeds the limit of 40960 bytes per vector.")
        kept = {key: _field(key, value) for key, value in metadata.items()}
        return {"id": identity, "values": np.asarray(values, dtype=np.float32), "metadata": kept}

    def _query(self, body: Mapping[str, Any]) -> dict[str, Any]:
        asked = np.asarray(body["vector"], dtype=np.float32)
        passes = self._filter(body.get("filter") or {})
        found = [one for one in self._space(body.get("namespace")).values() if passes(one["metadata"])]
        scores = [_cosine(asked, one["values"]) for one in found]
        order = sorted(range(len(found)), key=lambda at: (-scores[at], found[at]["id"]))[: body["topK"]]
        matches = [{**_shown(found[at]), "score": scores[at]} for at in order]
        return {"matches": matches, "namespace": body.get("namespace") or "", "usage": {"readUnits": 1}}

    def _fetch(self, query: Mapping[str, list[str]]) -> dict[str, Any]:
        name = query.get("namespace", [""])[0]
        space = self._space(name)
        found = {one: _shown(space[one]) for one in query.get("ids", []) if one in space}
        return {"vectors": found, "namespace": name, "usage": {"readUnits": 1}}

    def _list(self, query: Mapping[str, list[str]]) -> dict[str, Any]:
        name = query.get("namespace", [""])[0]
        limit = int(query.get("limit", [str(_LARGEST_PAGE)])[0])
        if not 1 <= limit <= _LARGEST_PAGE:
            raise _Refused("limit is between 1 and 100.")
        after = query.get("paginationToken", [""])[0]
        ids = sorted(one for one in self._space(name) if one > after)
        answer: dict[str, Any] = {"vectors": [{"id": one} for one in ids[:limit]], "namespace": name}
        if len(ids) > limit:
            answer["pagination"] = {"next": ids[limit - 1]}
        return answer

    def _delete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        space = self._space(body.get("namespace"))
        if body.get("deleteAll"):
            if not space:
                raise _Refused("Namespace not found", 404)
            space.clear()
        for one in body.get("ids") or ():
            space.pop(one, None)
        return {}

    def _statistics(self) -> dict[str, Any]:
        counts = {name: {"vectorCount": len(space)} for name, space in self.namespaces.items() if space}
        total = sum(one["vectorCount"] for one in counts.values())
        return {"namespaces": counts, "dimension": self.dimension, "indexFullness": 0.0, "totalVectorCount": total}

    def _filter(self, given: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:
        parts = [self._part(key, value) for key, value in given.items()]
        return lambda metadata: all(part(metadata) for part in parts)

    def _part(self, key: str, value: Any) -> Callable[[Mapping[str, Any]], bool]:
        if key in {"$and", "$or"}:
            parts = [self._filter(one) for one in value]
            joined = all if key == "$and" else any
            return lambda metadata: joined(part(metadata) for part in parts)
        if key.startswith("$"):
            raise _Refused(f"{key} is not a valid operator")
        if not isinstance(value, Mapping):
            value = {"$eq": value}
        tests = [self._test(key, operator, operand) for operator, operand in value.items()]
        return lambda metadata: all(test(metadata) for test in tests)

    def _test(self, key: str, operator: str, operand: Any) -> Callable[[Mapping[str, Any]], bool]:
        if operator == "$exists":
            return lambda metadata: (key in metadata) == operand
        if operator in {"$eq", "$in", "$ne", "$nin"}:
            wanted = operand if operator in {"$in", "$nin"} else [operand]
            if not isinstance(wanted, list) or not all(isinstance(one, (str, bool, int, float)) for one in wanted):
                raise _Refused(f"the {operator} operator must be followed by texts, numbers or booleans")
            if operator in {"$eq", "$in"}:
                return lambda metadata: key in metadata and _equals(metadata[key], wanted)
            return lambda metadata: not _equals(metadata[key], wanted) if key in metadata else self.absent_differs
        compare = _ORDERS.get(operator)
        if compare is None or isinstance(operand, bool) or not isinstance(operand, (int, float)):
            raise _Refused(f"{operator} is not valid here: it takes a number")
        return lambda metadata: isinstance(metadata.get(key), float) and compare(metadata[key], operand)


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda one, other: bool(one > other),
    "$gte": lambda one, other: bool(one >= other),
    "$lt": lambda one, other: bool(one < other),
    "$lte": lambda one, other: bool(one <= other),
}


def _field(key: str, value: Any) -> Any:
    if key.startswith("$") or not key:
        raise _Refused(f"{key!r} cannot be a metadata key")
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    raise _Refused(f"Metadata value must be a string, number, boolean or list of strings, got {value!r} for {key!r}")


def _equals(found: Any, wanted: Sequence[Any]) -> bool:
    values = found if isinstance(found, list) else [found]
    return any(one == other and isinstance(one, bool) == isinstance(other, bool) for one in values for other in wanted)


def _cosine(one: Any, other: Any) -> float:
    return float(one @ other / ((np.linalg.norm(one) * np.linalg.norm(other)) or 1.0))


def _shown(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": one["id"], "values": one["values"].tolist(), "metadata": one["metadata"]}


class _Handler(QuietHandler):
    owner: PineconeServer

    def do_GET(self) -> None:  # noqa: N802 (the standard library's name)
        self._serve({})

    def do_POST(self) -> None:  # noqa: N802 (the standard library's name)
        self._serve(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"))

    def _serve(self, body: dict[str, Any]) -> None:
        parts = urlsplit(self.path)
        try:
            self.owner.check(self.headers.get("Api-Key"))
            status, answer = 200, self.owner.answer(self.command, parts.path, parse_qs(parts.query), body)
        except _Refused as refused:
            status, answer = refused.status, {"code": 3, "message": str(refused), "details": []}
        except (KeyError, TypeError, ValueError) as error:
            status, answer = 400, {"code": 3, "message": f"The request cannot be used: {error}", "details": []}
        sent = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(sent)
