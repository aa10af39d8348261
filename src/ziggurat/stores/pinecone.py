"""Pinecone behind `ConnectedStore`: one namespace of an index that is there already.

Texts and metadata lie as ``langchain_pinecone`` lays them out, so its own class reads and writes the same
namespace. Pinecone knows no None, no dict, no list but of texts, and no whole numbers: what it would change
is packed beside what its filters see. It orders only numbers, so filters that need more are refused.
The embedding model is remembered by one vector in a namespace of ours. Writes show after a moment.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ziggurat.errors import IndexNotFound, InputError
from ziggurat.index.inputs import Vectors
from ziggurat.index.records import Records
from ziggurat.optional import require
from ziggurat.stores.address import Address
from ziggurat.stores.backend import Connected, Recorded, check_dimensions, gathered, nothing
from ziggurat.stores.conditions import Clause, Condition, by_kind, cannot, fold
from ziggurat.stores.packing import ABSENT, LOST, PACKED, Rough, is_plain, pack, unpack

_TEXT, _ID = "text", "_ziggurat_id"
_MODELS = "ziggurat-models"
_DEFAULT_NAMESPACE = "__default__"
_AT_ONCE = 100
_LONGEST_ID = 512


class PineconeBackend(Connected):
    """One namespace of a Pinecone index."""

    kind: ClassVar[str] = "Pinecone"

    def __init__(self, address: Address, secrets: Sequence[str]) -> None:
        super().__init__(address, secrets)
        self._index: Any = None
        self._size = 0
        self._namespace = address.collection

    @classmethod
    def connect(cls, address: Address, *, create: bool, api_key: str | None = None, host: str | None = None) -> Self:
        """Open a namespace; Pinecone makes it when it is first written to.

        Args:
            address: Of an index and a namespace.
            create: Whether a namespace that is not there may be made.
            api_key: By default what ``PINECONE_API_KEY`` says.
            host: Of Pinecone's controller; by default what ``PINECONE_CONTROLLER_HOST`` says, or Pinecone's own.

        Raises:
            InputError: If there is no key.
            IndexNotFound: If there is no such index, or no such namespace and none may be made.
        """
        require("langchain_pinecone", for_="a Pinecone store", extra="pinecone")
        from pinecone import NotFoundException, Pinecone

        key = api_key or os.environ.get("PINECONE_API_KEY")
        if not key:
            raise InputError("Pinecone needs an API key.", where=str(address), fix="set PINECONE_API_KEY")
        backend = cls(address, (key,))
        with backend.telling("to be opened"):
            client = Pinecone(api_key=key, host=host, source_tag="ziggurat")
            try:
                described = client.describe_index(address.place)
            except NotFoundException:
                raise IndexNotFound(
                    f"There is no Pinecone index {address.place!r}.",
                    where=str(address),
                    fix="make it first, by cosine and with your model's dimensions: Pinecone wants to know where",
                ) from None
            backend._size = int(described.dimension)
            backend._index = client.Index(host=described.host)
        if not create and backend.count() == 0:
            raise backend.missing(f"Pinecone namespace {address.collection!r} with vectors")
        return backend

    def inner(self, embedding: Embeddings) -> VectorStore:
        """A ``langchain_pinecone.PineconeVectorStore`` over the same namespace."""
        from langchain_pinecone import PineconeVectorStore

        return PineconeVectorStore(index=self._index, embedding=embedding, namespace=self._namespace or None)

    def recorded(self) -> Recorded | None:
        """From the vector that stands for this namespace."""
        with self.telling("to be read"):
            found = self._index.fetch(ids=[self._own_id()], namespace=_MODELS).vectors.get(self._own_id())
        return None if found is None else Recorded.from_json((found.metadata or {}).get("model"))

    def record(self, model: Recorded) -> None:
        """Into a vector that stands for this namespace."""
        values = np.eye(1, self._size, dtype=np.float32)[0].tolist()
        with self.telling("to remember the embedding model"):
            self._index.upsert([(self._own_id(), values, {"model": model.to_json()})], namespace=_MODELS)

    def _own_id(self) -> str:
        return _point(self._namespace or _DEFAULT_NAMESPACE)

    def prepare(self, dimensions: int) -> None:
        """Only check: an index is made in Pinecone's console or by its client."""
        check_dimensions(self._size, dimensions, self.where)

    def dimensions(self) -> int | None:
        """As the index was made for."""
        return self._size

    def count(self) -> int:
        """How many vectors the namespace holds, as far as Pinecone has counted."""
        with self.telling("to be counted"):
            namespaces = self._index.describe_index_stats().namespaces
        found = namespaces.get(self._namespace) or namespaces.get(self._namespace or _DEFAULT_NAMESPACE)
        return 0 if found is None else int(found.vector_count)

    def compile(self, condition: Condition) -> dict[str, Any]:
        """A filter of Pinecone."""

        def test(one: Clause) -> dict[str, Any]:
            return _tested(one, self.where)

        return fold(condition, test, lambda parts: {"$and": parts}, lambda parts: {"$or": parts})

    def search(self, vector: Vectors, k: int, condition: dict[str, Any] | None) -> Records:
        """Pinecone's approximate search."""
        with self.telling("to search"):
            found = self._index.query(
                vector=vector.tolist(),
                top_k=k,
                namespace=self._namespace,
                filter=condition,
                include_values=True,
                include_metadata=True,
            )
        return self._records(found.matches)

    def put(self, records: Records) -> None:
        """In requests of a hundred."""
        rows = [
            (_point(one), vector.tolist(), _fields(one, text, metadata))
            for one, text, metadata, vector in zip(*records, strict=True)
        ]
        with self.telling("to store texts"):
            for at in range(0, len(rows), _AT_ONCE):
                self._index.upsert(rows[at : at + _AT_ONCE], namespace=self._namespace)

    def get(self, ids: Sequence[str]) -> Records:
        """By id."""
        return self._fetch([_point(one) for one in dict.fromkeys(ids)])

    def _fetch(self, points: Sequence[str]) -> Records:
        found: list[Any] = []
        with self.telling("to be read"):
            for at in range(0, len(points), _AT_ONCE):
                page = self._index.fetch(ids=list(points[at : at + _AT_ONCE]), namespace=self._namespace)
                found.extend(page.vectors.values())
        return self._records(found)

    def delete(self, ids: Sequence[str] | None) -> None:
        """By id, or the whole namespace."""
        with self.telling("to remove texts"):
            if ids is None:
                if self.count():
                    self._index.delete(delete_all=True, namespace=self._namespace)
                return
            for at in range(0, len(ids), _AT_ONCE):
                self._index.delete(ids=[_point(one) for one in ids[at : at + _AT_ONCE]], namespace=self._namespace)

    def pages(self, batch: int) -> Iterator[Records]:
        """By Pinecone's list of ids, which a serverless index has."""
        with self.telling("to be read"):
            listed = iter(self._index.list(namespace=self._namespace, limit=min(batch, _AT_ONCE)))
        while True:
            with self.telling("to be read"):
                points = next(listed, None)
            if points is None:
                return
            found = self._fetch(points) if points else nothing()
            if found.ids:
                yield found

    def close(self) -> None:
        """Let go of the connections."""
        if self._index is not None:
            self._index.close()

    def _records(self, found: Sequence[Any]) -> Records:
        rows = []
        for one in found:
            fields = dict(one.metadata or {})
            text = fields.pop(_TEXT, "")
            rows.append((fields.pop(_ID, one.id), text, unpack(fields, self.where), one.values))
        return gathered(rows)


def _point(given: str) -> str:
    """The id that Pinecone can hold: ASCII of some length is its own, anything else is hashed."""
    if given.isascii() and given.isprintable() and len(given) <= _LONGEST_ID:
        return given
    return f"ziggurat-{hashlib.sha256(given.encode()).hexdigest()}"


def _fields(given: str, text: str, metadata: dict[str, Any]) -> dict[str, Any]:
    fields = pack(metadata, _hold)
    fields[_TEXT] = text
    if _point(given) != given:
        fields[_ID] = given
    return fields


def _hold(key: str, value: Any) -> Any:
    if not key or key.startswith("$") or key in {_TEXT, _ID}:
        return LOST
    if isinstance(value, float):
        return value if is_plain(value) else Rough(value)
    if isinstance(value, (str, bool)):
        return value
    try:
        return float(value) if isinstance(value, int) else LOST
    except OverflowError:
        return LOST


def _tested(test: Clause, where: str) -> dict[str, Any]:
    key = test.key
    if not key or key in {_TEXT, _ID, PACKED, ABSENT}:
        raise cannot("Pinecone", f"by the key {key!r}", where, "rename it in the metadata")
    if test.operator == "exists":
        hidden = [f"null:{key}", f"other:{key}"]
        parts = [{key: {"$exists": not test.negated}}, _among(ABSENT, hidden, negated=test.negated)]
        return {"$and" if test.negated else "$or": parts}
    if test.operator in {"eq", "in"}:
        parts = [
            _among(ABSENT, [f"null:{key}"], negated=test.negated)
            if kind == "null"
            else _among(key, values, negated=test.negated)
            for kind, values in by_kind((test.value,) if test.operator == "eq" else test.value).items()
        ]
        return parts[0] if len(parts) == 1 else {"$and" if test.negated else "$or": parts}
    if isinstance(test.value, str):
        fix = "order numbers, for example a date as 20240131"
        raise cannot("Pinecone", f"by the order of texts ({key!r})", where, fix)
    if test.negated:
        opposite = {"gt": "$lte", "gte": "$lt", "lt": "$gte", "lte": "$gt"}[test.operator]
        fix = f"where it is always a number, write {opposite}"
        raise cannot("Pinecone", f"by the negation of an order ({key!r})", where, fix)
    return {key: {f"${test.operator}": test.value}}


def _among(key: str, values: Sequence[Any], *, negated: bool) -> dict[str, Any]:
    if not negated:
        return {key: {"$eq": values[0]} if len(values) == 1 else {"$in": list(values)}}
    # Whether a missing field differs from a value is not written down anywhere; so it is asked for.
    differs: dict[str, Any] = {"$ne": values[0]} if len(values) == 1 else {"$nin": list(values)}
    return {"$or": [{key: differs}, {key: {"$exists": False}}]}
