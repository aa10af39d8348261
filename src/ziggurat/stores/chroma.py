"""Chroma behind `ConnectedStore`: embedded in this process, or its server.

Texts, metadata and vectors lie as ``langchain_chroma`` lays them out, so its own class reads and
writes the same collection. Chroma keeps the old keys of a text that is written again; here they go.
What its filters cannot say is in `chroma_where`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ziggurat.errors import InputError
from ziggurat.index.inputs import Vectors
from ziggurat.index.records import Records
from ziggurat.optional import require
from ziggurat.stores.address import Address
from ziggurat.stores.backend import Connected, Recorded, check_dimensions, gathered, nothing
from ziggurat.stores.chroma_where import where_of
from ziggurat.stores.conditions import Clause, Condition, fold
from ziggurat.stores.packing import ABSENT, LOST, PACKED, Rough, is_plain, pack, unpack

_RECORD = "ziggurat"
_LARGEST_GET = 500
_PORTS = {"http": 8000, "https": 443}


class ChromaBackend(Connected):
    """One collection of Chroma."""

    kind: ClassVar[str] = "Chroma"

    def __init__(self, address: Address, client: Any, collection: Any, secrets: Sequence[str] = ()) -> None:
        super().__init__(address, secrets)
        self._client = client
        self._collection = collection

    @classmethod
    def connect(cls, address: Address, *, create: bool, headers: Mapping[str, str] | None = None) -> Self:
        """Open a collection; it is made when it is first written to.

        Args:
            address: Of a folder or a server.
            create: Whether a collection that is not there may be made.
            headers: Sent to the server with every request, for its authentication.

        Raises:
            IndexNotFound: If it is not there and may not be made.
        """
        require("langchain_chroma", for_="a Chroma store", extra="chroma")
        import chromadb  # comes with langchain_chroma
        from chromadb.config import Settings

        backend = cls(address, None, None, tuple((headers or {}).values()))
        settings = Settings(anonymized_telemetry=False)
        with backend.telling("to be opened"):
            if address.is_server:
                url = urlsplit(address.place)
                backend._client = chromadb.HttpClient(
                    host=url.hostname or "",
                    port=url.port or _PORTS[url.scheme],
                    ssl=url.scheme == "https",
                    headers=dict(headers or {}),
                    settings=settings,
                )
            else:
                if headers:
                    raise InputError("Headers are for a Chroma server, and this is a folder.", where=str(address))
                if not create and not (Path(address.place) / "chroma.sqlite3").is_file():
                    raise backend.missing("Chroma database in this folder")
                backend._client = _persistent(chromadb, os.fspath(address.place), settings)
            names = [one.name for one in backend._client.list_collections()]
            if address.collection in names:
                backend._collection = backend._client.get_collection(address.collection, embedding_function=None)
        if backend._collection is None and not create:
            raise backend.missing(f"Chroma collection {address.collection!r}")
        return backend

    def inner(self, embedding: Embeddings) -> VectorStore:
        """A ``langchain_chroma.Chroma`` over the same collection."""
        from langchain_chroma import Chroma

        with self.telling("to be opened"):
            return Chroma(
                collection_name=self.address.collection,
                embedding_function=embedding,
                client=self._client,
                collection_configuration=_CONFIGURATION,
            )

    def recorded(self) -> Recorded | None:
        """From the collection's metadata."""
        if self._collection is None:
            return None
        with self.telling("to be read"):
            fresh = self._client.get_collection(self.address.collection, embedding_function=None)
        return Recorded.from_json((fresh.metadata or {}).get(_RECORD))

    def record(self, model: Recorded) -> None:
        """Into the collection's metadata."""
        with self.telling("to remember the embedding model"):
            # What says how the collection is searched cannot be written again.
            kept = {k: v for k, v in (self._collection.metadata or {}).items() if not k.startswith("hnsw:")}
            self._collection.modify(metadata={**kept, _RECORD: model.to_json()})

    def prepare(self, dimensions: int) -> None:
        """Make the collection, by cosine."""
        if self._collection is None:
            with self.telling("to make the collection"):
                self._collection = self._client.get_or_create_collection(
                    self.address.collection, embedding_function=None, configuration=_CONFIGURATION
                )
        check_dimensions(self.dimensions(), dimensions, self.where)

    def dimensions(self) -> int | None:
        """Of the first vector."""
        if self._collection is None:
            return None
        with self.telling("to be read"):
            found = self._collection.get(limit=1, include=["embeddings"])["embeddings"]
        return None if found is None or len(found) == 0 else len(found[0])

    def count(self) -> int:
        """How many texts it holds."""
        if self._collection is None:
            return 0
        with self.telling("to be counted"):
            return int(self._collection.count())

    def compile(self, condition: Condition) -> dict[str, Any]:
        """A ``where`` of Chroma."""

        def test(one: Clause) -> dict[str, Any]:
            return where_of(one, self.where)

        return fold(condition, test, lambda parts: {"$and": parts}, lambda parts: {"$or": parts})

    def search(self, vector: Vectors, k: int, condition: dict[str, Any] | None) -> Records:
        """Chroma's approximate search."""
        if self._collection is None:
            return nothing()
        with self.telling("to search"):
            found = self._collection.query(
                query_embeddings=[vector],
                n_results=k,
                where=condition,
                include=["documents", "metadatas", "embeddings"],
            )
        parts = ("ids", "documents", "metadatas", "embeddings")
        return self._records(*(found[part][0] for part in parts))

    def put(self, records: Records) -> None:
        """In batches as large as the client allows."""
        with self.telling("to store texts"):
            largest = self._client.get_max_batch_size()
            for at in range(0, len(records.ids), largest):
                ids = records.ids[at : at + largest]
                fields = [pack(metadata, _hold) for metadata in records.metadatas[at : at + largest]]
                for old, new in zip(self._fields(ids), fields, strict=True):
                    new.update(dict.fromkeys(old.keys() - new.keys()))
                self._collection.upsert(
                    ids=ids,
                    documents=records.texts[at : at + largest],
                    embeddings=records.vectors[at : at + largest],
                    metadatas=[one or None for one in fields],
                )

    def _fields(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        found = self._collection.get(ids=list(ids), include=["metadatas"])
        known = {one: fields or {} for one, fields in zip(found["ids"], found["metadatas"], strict=True)}
        return [known.get(one, {}) for one in ids]

    def get(self, ids: Sequence[str]) -> Records:
        """By id."""
        if self._collection is None or not ids:
            return nothing()
        with self.telling("to be read"):
            found = self._collection.get(ids=list(dict.fromkeys(ids)), include=["documents", "metadatas", "embeddings"])
        return self._records(found["ids"], found["documents"], found["metadatas"], found["embeddings"])

    def delete(self, ids: Sequence[str] | None) -> None:
        """By id, or page by page until nothing is left."""
        if self._collection is None:
            return
        with self.telling("to remove texts"):
            if ids is not None:
                if ids:
                    self._collection.delete(ids=list(ids))
                return
            while page := self._collection.get(limit=_LARGEST_GET, include=[])["ids"]:
                self._collection.delete(ids=page)

    def pages(self, batch: int) -> Iterator[Records]:
        """In Chroma's own order, which is that of adding."""
        at = 0
        while self._collection is not None:
            with self.telling("to be read"):
                found = self._collection.get(limit=batch, offset=at, include=["documents", "metadatas", "embeddings"])
            if not found["ids"]:
                return
            at += len(found["ids"])
            yield self._records(found["ids"], found["documents"], found["metadatas"], found["embeddings"])

    def close(self) -> None:
        """Let go of the client."""
        client, self._client, self._collection = self._client, None, None
        if client is None:
            return
        client.close()
        # A client of a server, and the second one it makes for itself, never close their sessions.
        for one in (client, getattr(client, "_admin_client", None)):
            session = getattr(getattr(one, "_server", None), "_session", None)
            if session is not None:
                session.close()

    def _records(self, ids: Any, texts: Any, metadatas: Any, vectors: Any) -> Records:
        rows = zip(ids, texts, metadatas, vectors, strict=True)
        return gathered([(one, text or "", unpack(fields, self.where), vector) for one, text, fields, vector in rows])


def _persistent(chromadb: ModuleType, folder: str, settings: Any) -> Any:
    """A client of a folder, also where this process has it open already with Chroma's own settings."""
    try:
        return chromadb.PersistentClient(path=folder, settings=settings)
    except ValueError as error:
        if "different settings" not in str(error):
            raise
        return chromadb.PersistentClient(path=folder)


_CONFIGURATION: Any = {"hnsw": {"space": "cosine"}}


def _hold(key: str, value: Any) -> Any:
    if not key or key.startswith(("chroma:", "$")) or key in {PACKED, ABSENT}:
        return LOST
    if isinstance(value, float):
        return value if is_plain(value) else Rough(value)
    return value if isinstance(value, (str, int)) and is_plain(value) else LOST
