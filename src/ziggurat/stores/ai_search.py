"""Databricks AI Search behind `ConnectedStore`: one index of a search endpoint.

A Direct Access index is made when it is first written to, with columns for the metadata it then sees; the search
endpoint, which costs money while it runs, is never made here. A Delta Sync index is only read. Vectors are ours:
the service is asked by vector, or by words (``FULL_TEXT``). The embedding model is remembered by a row of its own
that no search finds. Columns are `ai_search_layout`'s, filters `ai_search_filters`', requests `ai_search_service`'s. Writes show after a
moment.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ziggurat import workspace
from ziggurat.errors import InputError, MissingDependency
from ziggurat.index.inputs import Vectors
from ziggurat.index.records import Records
from ziggurat.optional import require
from ziggurat.stores.address import Address
from ziggurat.stores.ai_search_filters import compiled, refused_writing
from ziggurat.stores.ai_search_layout import ID, METADATA, OWN_ROW, Layout, check_declared, schema_for
from ziggurat.stores.ai_search_service import SearchService
from ziggurat.stores.backend import Connected, Recorded, check_dimensions, gathered, nothing
from ziggurat.stores.conditions import Condition

_FOR, _EXTRA = "an AI Search store", "databricks"
_AT_ONCE = 100
_FAR = 1000.0
"""Length of the vector of the row that remembers the model: the service measures distances, so it comes last."""

_MOST_WORDS = 200
"""Results of a search by words, as the service allows."""


class AISearchBackend(Connected):
    """One index of AI Search.

    Args:
        address: Of a search endpoint and an index.
        client: A ``WorkspaceClient``.
        columns: As for `connect`.
        text_column: As for `connect`.
        wait_seconds: As for `connect`.
        secrets: What must not stand in a message.
    """

    kind: ClassVar[str] = "AI Search"

    def __init__(
        self,
        address: Address,
        client: Any,
        *,
        columns: Mapping[str, str] | None = None,
        text_column: str | None = None,
        wait_seconds: float = 900.0,
        secrets: Sequence[str] = (),
    ) -> None:
        super().__init__(address, secrets)
        endpoint, _, self._name = address.place.partition("/")
        self._client = client
        self._service = SearchService(client, endpoint, self._name, self.where)
        self._columns = columns
        self._text_column = text_column
        self._wait_seconds = wait_seconds
        self._layout: Layout | None = None
        self._table: str | None = None
        self._size: int | None = None
        self._model: Recorded | None = None
        self._model_is_kept = False
        self._making = threading.Lock()

    @classmethod
    def connect(
        cls,
        address: Address,
        *,
        create: bool,
        host: str | None = None,
        token: str | None = None,
        profile: str | None = None,
        columns: Mapping[str, str] | None = None,
        text_column: str | None = None,
        wait_seconds: float = 900.0,
    ) -> Self:
        """Open an index.

        Args:
            address: Of a search endpoint and an index.
            create: Whether an index that is not there may be made.
            host: Of the workspace; by default as `ziggurat.workspace.access` finds it.
            token: Of the workspace; the same.
            profile: Of ``~/.databrickscfg``.
            columns: For an index that is made: metadata keys with their types (``string``, ``double``,
                ``boolean``), instead of the keys of the first texts.
            text_column: For an index of another make: where its texts are.
            wait_seconds: How long a new index may take to be ready.

        Raises:
            InputError: If ``columns`` cannot be, or nothing tells where the texts are.
            IndexNotFound: If there is no such endpoint, or no such index and none may be made.
            WorkspaceDenied: If there are no credentials.
            WorkspaceUnavailable: If the workspace cannot be reached.
            MissingDependency: If ``databricks-sdk`` is not installed.
        """
        require("databricks.sdk", for_=_FOR, extra=_EXTRA)
        check_declared(columns, str(address))
        client = workspace.client(host, token, profile=profile)
        backend = cls(
            address,
            client,
            columns=columns,
            text_column=text_column,
            wait_seconds=wait_seconds,
            secrets=[one for one in (token, client.config.token) if one],
        )
        with backend.telling("to be opened"):
            backend._look()
            if backend._layout is None:
                if not create:
                    raise backend.missing(f"AI Search index {backend._name!r}")
                backend._service.check_endpoint()
        return backend

    def _look(self) -> None:
        if (found := self._service.look(self._text_column)) is not None:
            self._layout, self._size, self._table = found.layout, found.dimensions, found.table

    def inner(self, embedding: Embeddings) -> VectorStore:
        """A ``databricks_langchain.DatabricksVectorSearch`` over the same index, where that package is installed."""
        layout = self._there()
        try:
            package = require("databricks_langchain", for_="Databricks' LangChain class", extra=_EXTRA)
        except MissingDependency as missing:
            raise MissingDependency(missing.what, fix="pip install databricks-langchain") from missing
        made: VectorStore = package.DatabricksVectorSearch(
            self._name,
            embedding=embedding,
            text_column=layout.text,
            columns=layout.plain,
            workspace_client=self._client,
        )
        return made

    def recorded(self) -> Recorded | None:
        """From the row that remembers it."""
        if self._model is None and self._layout is not None and self._layout.ours:
            with self.telling("to be read"):
                rows, _ = self._service.asked([ID, METADATA], 1, {ID: OWN_ROW}, vector=self._any_vector())
            self._model = Recorded.from_json(rows[0][METADATA]) if rows else None
            self._model_is_kept = self._model is not None
        return self._model

    def record(self, model: Recorded) -> None:
        """Into a row of its own, with the next texts at the latest; an index of another make keeps none."""
        self._model = model
        if self._layout is not None and self._layout.ours:
            self._keep_model(self._layout)

    def _keep_model(self, layout: Layout) -> None:
        if self._model is None or self._model_is_kept:
            return
        vector = [one * _FAR for one in self._any_vector()]
        row = layout.row(OWN_ROW, "", {}, vector, self.where) | {METADATA: self._model.to_json()}
        with self.telling("to remember the embedding model"):
            self._service.upsert([row])
        self._model_is_kept = True

    def _any_vector(self) -> list[float]:
        found: list[float] = np.eye(1, self._size or 1, dtype=np.float32)[0].tolist()
        return found

    def prepare(self, dimensions: int) -> None:
        """Only check: the index is made with its first texts, whose metadata say which columns it needs."""
        self._check_writable("written to")
        check_dimensions(self._size, dimensions, self.where)
        self._size = dimensions

    def _check_writable(self, what: str) -> None:
        if self._table is not None:
            raise refused_writing(what, self._table, self.where)

    def dimensions(self) -> int | None:
        """As the index was made for, or is about to be."""
        return self._size

    def count(self) -> int:
        """How many rows it holds, as far as the service has counted."""
        if self._layout is None:
            return 0
        own = self.recorded() is not None and self._model_is_kept
        with self.telling("to be counted"):
            return max(0, self._service.count() - own)

    def compile(self, condition: Condition) -> Condition:
        """The condition as it is, once it is known to have a form: the form depends on an index that may not be yet."""
        if self._layout is not None:
            compiled(condition, self._layout, self.where)
        return condition

    def search(self, vector: Vectors, k: int, condition: Condition | None) -> Records:
        """The service's approximate search."""
        if self._layout is None:
            return nothing()
        filters = compiled(condition, self._layout, self.where)
        with self.telling("to search"):
            rows, _ = self._service.asked(self._layout.columns, k, filters, vector=vector.tolist())
            return self._records(rows)

    def words(self, query: str, k: int, condition: Condition | None) -> tuple[Records, list[float]]:
        """The service's search by words, which looks into all columns of texts."""
        if self._layout is None:
            return nothing(), []
        filters = compiled(condition, self._layout, self.where)
        with self.telling("to search"):
            rows, scores = self._service.asked(self._layout.columns, min(k, _MOST_WORDS), filters, text=query)
            return self._records(rows), scores

    def put(self, records: Records) -> None:
        """In requests of a few megabytes; the first makes the index."""
        self._check_writable("written to")
        with self._making, self.telling("to make the index"):
            if self._layout is None:
                self._service.make(schema_for(records.metadatas, self._columns), self._size, self._wait_seconds)
                self._look()
        layout = self._there()
        if layout.vector not in layout.types:
            raise InputError("The index makes its vectors itself; it takes none of ours.", where=self.where)
        if layout.ours and OWN_ROW in records.ids:
            raise InputError(f"The id {OWN_ROW!r} is reserved.", where=self.where, fix="choose another")
        rows = [
            layout.row(one, text, metadata, vector.tolist(), self.where)
            for one, text, metadata, vector in zip(*records, strict=True)
        ]
        if layout.ours:
            self._keep_model(layout)
        with self.telling("to store texts"):
            self._service.upsert(rows)

    def get(self, ids: Sequence[str]) -> Records:
        """By id."""
        if self._layout is None:
            return nothing()
        layout, wanted = self._layout, [one for one in dict.fromkeys(ids) if one != OWN_ROW]
        rows: list[dict[str, Any]] = []
        with self.telling("to be read"):
            for at in range(0, len(wanted), _AT_ONCE):
                keys = [layout.key_of(one) for one in wanted[at : at + _AT_ONCE]]
                rows += self._service.asked(layout.columns, len(keys), {layout.key: keys}, vector=self._any_vector())[0]
        return self._records(rows)

    def delete(self, ids: Sequence[str] | None) -> None:
        """By id, or every row."""
        self._check_writable("deleted from")
        if self._layout is None:
            return
        if ids is None:
            ids = [one for page in self.pages(1000) for one in page.ids]
        with self.telling("to remove texts"):
            self._service.remove([str(self._layout.key_of(one)) for one in ids if one != OWN_ROW])

    def pages(self, batch: int) -> Iterator[Records]:
        """In the order of the keys."""
        after: str | None = None
        while self._layout is not None:
            with self.telling("to be read"):
                rows, after = self._service.scanned(batch, after)
            if not rows:
                return
            found = self._records([row for row in rows if row.get(self._layout.key) != OWN_ROW])
            if found.ids:
                yield found

    def _there(self) -> Layout:
        if self._layout is None:
            raise self.missing(f"AI Search index {self._name!r} yet")
        return self._layout

    def _records(self, rows: Sequence[Mapping[str, Any]]) -> Records:
        layout = self._there()
        return gathered([layout.record(row, self.where) for row in rows])

    def close(self) -> None:
        """Nothing is held open but idle connections, which go with the SDK's client."""
