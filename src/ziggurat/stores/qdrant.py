"""Qdrant behind `ConnectedStore`: the client's local mode in a folder, or a server.

Points carry ``page_content`` and ``metadata`` as ``langchain_qdrant`` lays them out, so its own class
reads and writes the same collection. A point's id is a UUID: an id of another form is hashed to one and
kept beside the text. Qdrant lets an element of a list pass for the list; here a list equals no value.
Local mode keeps its points as pickles; what they may hold is checked before they are loaded.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar, Self

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ziggurat.errors import IndexFault
from ziggurat.index.inputs import Vectors
from ziggurat.index.records import Records
from ziggurat.optional import require
from ziggurat.stores.address import Address
from ziggurat.stores.backend import Connected, Recorded, check_dimensions, gathered, nothing, picked
from ziggurat.stores.conditions import Clause, Condition, cannot, fold, kind_of
from ziggurat.stores.packing import Rough, is_plain, pack, unpack, within_64_bits
from ziggurat.stores.qdrant_folder import check_folder

_TEXT, _METADATA, _OURS = "page_content", "metadata", "_ziggurat"
_RECORD = "ziggurat"
_NAMES = uuid.UUID("8c5f9d5e-6f0b-5a9e-9a53-2d1f6f0c7d11")
_LARGEST_EXACT = 2**53
_AT_ONCE = 256


class QdrantBackend(Connected):
    """One collection of Qdrant."""

    kind: ClassVar[str] = "Qdrant"

    def __init__(self, address: Address, client: Any, secrets: Sequence[str] = ()) -> None:
        super().__init__(address, secrets)
        self._client = client
        self._name = address.collection
        # The client's folder mode keeps one SQLite connection, on which two threads undo one another's commits.
        self._turn: AbstractContextManager[Any] = nullcontext() if address.is_server else threading.RLock()

    @contextmanager
    def telling(self, doing: str) -> Iterator[None]:
        """The same, one thread at a time where the store is a folder."""
        with self._turn, super().telling(doing):
            yield

    @classmethod
    def connect(cls, address: Address, *, create: bool, api_key: str | None = None) -> Self:
        """Open a collection; it is made when it is first written to.

        Args:
            address: Of a folder or a server.
            create: Whether a collection that is not there may be made.
            api_key: Of the server; by default what ``QDRANT_API_KEY`` says.

        Raises:
            IndexNotFound: If it is not there and may not be made.
            IndexFault: If the folder is open elsewhere, or the server cannot be reached.
        """
        require("langchain_qdrant", for_="a Qdrant store", extra="qdrant")
        from qdrant_client import QdrantClient

        key = api_key or os.environ.get("QDRANT_API_KEY") if address.is_server else None
        backend = cls(address, None, (key,) if key else ())
        with backend.telling("to be opened"):
            if address.is_server:
                backend._client = QdrantClient(url=address.place, api_key=key, check_compatibility=False)
            else:
                if not create and not (Path(address.place) / "meta.json").is_file():
                    raise backend.missing("Qdrant database in this folder")
                check_folder(Path(address.place))
                backend._client = QdrantClient(path=os.fspath(address.place))
        try:
            backend._check(create=create)
        except BaseException:
            backend.close()
            raise
        return backend

    def _check(self, *, create: bool) -> None:
        if self.dimensions() is None and not create:
            raise self.missing(f"Qdrant collection {self._name!r}")

    def _exists(self) -> bool:
        with self.telling("to be opened"):
            return bool(self._client.collection_exists(self._name))

    def inner(self, embedding: Embeddings) -> VectorStore:
        """A ``langchain_qdrant.QdrantVectorStore`` over the same collection."""
        from langchain_qdrant import QdrantVectorStore

        return QdrantVectorStore(
            client=self._client,
            collection_name=self._name,
            embedding=embedding,
            validate_embeddings=False,
            validate_collection_config=False,
        )

    def recorded(self) -> Recorded | None:
        """From the collection's metadata."""
        return Recorded.from_json(self._metadata().get(_RECORD))

    def _metadata(self) -> dict[str, Any]:
        if not self._exists():
            return {}
        with self.telling("to be read"):
            return dict(self._client.get_collection(self._name).config.metadata or {})

    def record(self, model: Recorded) -> None:
        """Into the collection's metadata."""
        with self.telling("to remember the embedding model"):
            self._client.update_collection(self._name, metadata={**self._metadata(), _RECORD: model.to_json()})

    def prepare(self, dimensions: int) -> None:
        """Make the collection, by cosine."""
        from qdrant_client import models

        with self._turn:
            if not self._exists():
                with self.telling("to make the collection"):
                    vectors = models.VectorParams(size=dimensions, distance=models.Distance.COSINE)
                    self._client.create_collection(self._name, vectors_config=vectors)
        check_dimensions(self.dimensions(), dimensions, self.where)

    def dimensions(self) -> int | None:
        """As the collection was made for.

        Raises:
            IndexFault: If its vectors have names, as LangChain's class gives them none.
        """
        if not self._exists():
            return None
        with self.telling("to be read"):
            vectors = self._client.get_collection(self._name).config.params.vectors
        size = getattr(vectors, "size", None)
        if not isinstance(size, int):
            raise IndexFault(
                "The collection has named vectors.",
                where=self.where,
                fix="use a collection with one vector without a name",
            )
        return size

    def count(self) -> int:
        """How many points it holds."""
        if not self._exists():
            return 0
        with self.telling("to be counted"):
            return int(self._client.count(self._name, exact=True).count)

    def compile(self, condition: Condition) -> Any:
        """A ``Filter`` of Qdrant."""
        from qdrant_client import models

        def test(one: Clause) -> Any:
            positive = _positive(one, self.where)
            return models.Filter(must_not=[positive]) if one.negated else positive

        return fold(condition, test, lambda parts: models.Filter(must=parts), lambda parts: models.Filter(should=parts))

    def search(self, vector: Vectors, k: int, condition: Any | None) -> Records:
        """Exact in local mode, approximate on a server."""
        if not self._exists():
            return nothing()
        with self.telling("to search"):
            found = self._client.query_points(
                self._name, query=vector.tolist(), query_filter=condition, limit=k, with_payload=True, with_vectors=True
            )
        return self._records(found.points)

    def put(self, records: Records) -> None:
        """As points."""
        from qdrant_client import models

        points = [
            models.PointStruct(id=_point(one), vector=vector.tolist(), payload=_payload(one, text, metadata))
            for one, text, metadata, vector in zip(*records, strict=True)
        ]
        with self.telling("to store texts"):
            for at in range(0, len(points), _AT_ONCE):
                self._client.upsert(self._name, points[at : at + _AT_ONCE])

    def get(self, ids: Sequence[str]) -> Records:
        """By id."""
        if not ids or not self._exists():
            return nothing()
        with self.telling("to be read"):
            points = self._client.retrieve(self._name, _points(ids), with_payload=True, with_vectors=True)
        wanted = set(ids)
        found = self._records(points)
        return picked(found, [at for at, one in enumerate(found.ids) if one in wanted])

    def delete(self, ids: Sequence[str] | None) -> None:
        """By id, or every point."""
        from qdrant_client import models

        if not self._exists() or ids == []:
            return
        with self.telling("to remove texts"):
            if ids is None:
                self._client.delete(self._name, models.FilterSelector(filter=models.Filter()))
            else:
                self._client.delete(self._name, models.PointIdsList(points=_points(self.get(ids).ids)))

    def pages(self, batch: int) -> Iterator[Records]:
        """In the order of the points' ids."""
        after: Any = None
        while self._exists():
            with self.telling("to be read"):
                points, after = self._client.scroll(
                    self._name, limit=batch, offset=after, with_payload=True, with_vectors=True
                )
            if points:
                yield self._records(points)
            if after is None:
                return

    def close(self) -> None:
        """Let go of the client, and of the folder's lock."""
        if self._client is not None:
            with suppress(Exception):  # closing is best effort: nothing is lost
                self._client.close()

    def _records(self, points: Sequence[Any]) -> Records:
        rows = []
        for point in points:
            payload = point.payload or {}
            one = str((payload.get(_OURS) or {}).get("id", point.id))
            metadata = unpack(payload.get(_METADATA), self.where)
            rows.append((one, payload.get(_TEXT) or "", metadata, point.vector))
        return gathered(rows)


def _point(given: str) -> str:
    """The id of a point: a UUID is its own, anything else is hashed."""
    try:
        if str(uuid.UUID(given)) == given:
            return given
    except ValueError:
        pass
    return str(uuid.uuid5(_NAMES, given))


def _points(ids: Sequence[str]) -> list[str | int]:
    """The points that may bear these ids, ones that other programs wrote included."""
    points: dict[str | int, None] = {}
    for one in ids:
        points[_point(one)] = None
        if one.isascii() and one.isdigit() and str(int(one)) == one:
            points[int(one)] = None
    return list(points)


def _payload(given: str, text: str, metadata: dict[str, Any]) -> dict[str, Any]:
    ours: dict[str, Any] = {"id": given}
    if lists := [key for key, value in metadata.items() if isinstance(value, (list, tuple))]:
        ours["lists"] = lists
    return {_TEXT: text, _METADATA: pack(metadata, _hold), _OURS: ours}


def _hold(_key: str, value: Any) -> Any:
    return value if is_plain(value) else Rough(within_64_bits(value))


def _positive(test: Clause, where: str) -> Any:
    from qdrant_client import models

    path = f'{_METADATA}."{test.key}"'
    if test.operator == "eq":
        return _equal(path, test.value)
    if test.operator == "in":
        return models.Filter(should=[_equal(path, value) for value in test.value])
    field = models.PayloadField(key=path)
    if test.operator == "exists":
        # An empty list counts as empty, and a null too; the first is told by our own list of lists.
        return models.Filter(
            should=[
                models.Filter(must_not=[models.IsEmptyCondition(is_empty=field)]),
                models.IsNullCondition(is_null=field),
                models.FieldCondition(key=f"{_OURS}.lists", match=models.MatchValue(value=test.key)),
            ]
        )
    if isinstance(test.value, str):
        raise cannot(
            "Qdrant", f"by the order of texts ({test.key!r})", where, "order numbers, for example a date as 20240131"
        )
    return _no_element(path, range=models.Range(**{test.operator: test.value}))


def _equal(path: str, value: Any) -> Any:
    from qdrant_client import models

    kind = kind_of(value)
    if kind == "null":
        element = models.IsNullCondition(is_null=models.PayloadField(key=f"{path}[]"))
        return models.Filter(must=[models.IsNullCondition(is_null=models.PayloadField(key=path))], must_not=[element])
    if kind == "number" and abs(value) <= _LARGEST_EXACT:
        return _no_element(path, range=models.Range(gte=value, lte=value))
    if kind == "number" and isinstance(value, float):
        return _no_element(path, range=models.Range(gte=value, lte=value))
    return _no_element(path, match=models.MatchValue(value=value))


def _no_element(path: str, **condition: Any) -> Any:
    """A condition on a value that no element of a list may meet for its list."""
    from qdrant_client import models

    return models.Filter(
        must=[models.FieldCondition(key=path, **condition)],
        must_not=[models.FieldCondition(key=f"{path}[]", **condition)],
    )
