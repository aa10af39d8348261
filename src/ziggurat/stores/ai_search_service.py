"""One index of AI Search as the service speaks of it: looked at, made, asked, written to, page by page.

Over ``databricks-sdk``'s ``vector_search_indexes``; rows are plain mappings of columns. Knows nothing of texts,
metadata or embedding models. What the SDK raises passes through; who calls it tells it in our words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ziggurat.errors import IndexFault, IndexNotFound, InputError
from ziggurat.stores.ai_search_filters import Filters
from ziggurat.stores.ai_search_layout import ID, TEXT, VECTOR, Layout, layout_of

Row = Mapping[str, Any]

_LARGEST_UPSERT = 4_000_000
_LONGEST_QUERY = 4_000
"""Characters of the ids that one request removes: they stand in its address."""

_MOST_FOUND = 10_000
_GUESSED_TEXT = ("text", "page_content", "content", "chunk", "chunk_text", "body")


@dataclass(frozen=True, slots=True)
class Described:
    """What the service tells of an index.

    Attributes:
        layout: Its columns.
        dimensions: Of its vectors, where that is known.
        table: What a Delta Sync index is filled from; None for a Direct Access index.
    """

    layout: Layout
    dimensions: int | None
    table: str | None


class SearchService:
    """One index.

    Args:
        client: A ``WorkspaceClient``.
        endpoint: The search endpoint it is on.
        name: ``catalog.schema.index``.
        where: Its address, for messages.
    """

    def __init__(self, client: Any, endpoint: str, name: str, where: str) -> None:
        self._indexes = client.vector_search_indexes
        self._endpoints = client.vector_search_endpoints
        self._endpoint = endpoint
        self._name = name
        self._where = where

    def look(self, text_column: str | None) -> Described | None:
        """How the index is laid out; None if it is not there.

        Raises:
            InputError: If it is on another endpoint, or nothing tells where its texts are.
        """
        from databricks.sdk.errors import NotFound

        try:
            found: dict[str, Any] = self._indexes.get_index(self._name).as_dict()
        except NotFound:
            return None
        if found.get("endpoint_name") != self._endpoint:
            raise InputError(
                f"The index is on the search endpoint {found.get('endpoint_name')!r}, not on {self._endpoint!r}.",
                where=self._where,
                fix=f"databricks-search:{found.get('endpoint_name')}/{self._name}",
            )
        synced = found.get("delta_sync_index_spec")
        spec: dict[str, Any] = synced or found.get("direct_access_index_spec") or {}
        vectors: dict[str, Any] = next(iter(spec.get("embedding_vector_columns") or []), {})
        sources: dict[str, Any] = next(iter(spec.get("embedding_source_columns") or []), {})
        source = str(sources.get("name") or "")
        vector, key = str(vectors.get("name") or f"__db_{source}_vector"), str(found.get("primary_key"))
        example = {} if spec.get("schema_json") else next(iter(self.scanned(1, None)[0]), {})
        types = json.loads(spec.get("schema_json") or "{}") or dict.fromkeys(spec.get("columns_to_sync") or example, "")
        types.setdefault(key, "")
        text = text_column or source or self._guessed_text(types)
        table = str(synced.get("source_table", "")) if synced else None
        size = int(vectors.get("embedding_dimension") or 0) or len(example.get(vector) or ()) or None
        return Described(layout_of(key, text, vector, types), size, table)

    def _guessed_text(self, types: Mapping[str, str]) -> str:
        guessed = next((name for name in _GUESSED_TEXT if name in types), None)
        if guessed is None and len(types) > 1:
            raise InputError(
                "Nothing tells which column of the index holds its texts.",
                where=self._where,
                fix=f"text_column=, one of {', '.join(sorted(types))}",
            )
        return guessed or TEXT

    def check_endpoint(self) -> None:
        """See that the endpoint is there.

        Raises:
            IndexNotFound: If it is not.
        """
        from databricks.sdk.errors import NotFound

        try:
            self._endpoints.get_endpoint(self._endpoint)
        except NotFound:
            known = ", ".join(str(one.name) for one in self._endpoints.list_endpoints())
            raise IndexNotFound(
                f"There is no search endpoint {self._endpoint!r}.",
                where=self._where,
                fix=f"known: {known or 'none'}; it is made in the workspace, since it costs while it runs",
            ) from None

    def make(self, schema: Mapping[str, str], dimensions: int | None, wait_seconds: float) -> None:
        """Make a Direct Access index, and wait until it is ready; one that is there by then is left as it is.

        Raises:
            IndexFault: If it is not ready in time.
        """
        from databricks.sdk.errors import AlreadyExists, ResourceAlreadyExists
        from databricks.sdk.service import vectorsearch as api

        with suppress(AlreadyExists, ResourceAlreadyExists):  # another program was quicker
            self._indexes.create_index(
                name=self._name,
                primary_key=ID,
                endpoint_name=self._endpoint,
                index_type=api.VectorIndexType.DIRECT_ACCESS,
                direct_access_index_spec=api.DirectAccessVectorIndexSpec(
                    embedding_vector_columns=[api.EmbeddingVectorColumn(name=VECTOR, embedding_dimension=dimensions)],
                    schema_json=json.dumps(dict(schema)),
                ),
            )
        until, pause = time.monotonic() + wait_seconds, 0.05
        while True:
            status = self._indexes.get_index(self._name).status
            if status is not None and status.ready:
                return
            if time.monotonic() > until:
                said = status.message if status else "it tells no status"
                raise IndexFault(f"The new index is not ready: {said}", where=self._where, fix="a larger wait_seconds")
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    def count(self) -> int:
        """Rows, as far as the service has counted."""
        status = self._indexes.get_index(self._name).status
        return int(status.indexed_row_count or 0) if status else 0

    def asked(
        self,
        columns: Sequence[str],
        k: int,
        filters: Filters | None,
        *,
        vector: list[float] | None = None,
        text: str | None = None,
    ) -> tuple[list[dict[str, Any]], list[float]]:
        """The rows that answer a query by a vector, or by words, with their scores."""
        page = self._indexes.query_index(
            self._name,
            list(columns),
            num_results=min(k, _MOST_FOUND),
            filters_json=json.dumps(filters, ensure_ascii=False) if filters else None,
            query_vector=vector,
            query_text=text,
            query_type="ANN" if text is None else "FULL_TEXT",
        )
        rows: list[dict[str, Any]] = []
        scores: list[float] = []
        while True:
            for one in (page.result.data_array if page.result else None) or []:
                rows.append(dict(zip(columns, one, strict=False)))
                scores.append(float(one[-1]))  # the service adds it behind the columns
            if not page.next_page_token or len(rows) >= k:
                return rows, scores
            page = self._indexes.query_next_page(
                self._name, endpoint_name=self._endpoint, page_token=page.next_page_token
            )

    def scanned(self, count: int, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """Rows by key after one, and the key of the last."""
        page = self._indexes.scan_index(self._name, last_primary_key=after, num_results=count)
        rows = [{str(one.key): _value(one.value) for one in struct.fields or []} for struct in page.data or []]
        return rows, page.last_primary_key

    def upsert(self, rows: Sequence[Row]) -> None:
        """Write rows, in requests of a few megabytes.

        Raises:
            IndexFault: If the service did not store all of them.
        """
        for part in _parts(rows):
            answer = self._indexes.upsert_data_vector_index(self._name, json.dumps(part, ensure_ascii=False))
            failed = list((answer.result and answer.result.failed_primary_keys) or [])
            if failed or (answer.status is not None and answer.status.value != "SUCCESS"):
                raise IndexFault(
                    f"AI Search did not store {len(failed) or 'all'} of {len(part)} texts: {', '.join(failed[:5])}",
                    where=self._where,
                    fix="add them again",
                )

    def remove(self, keys: Sequence[str]) -> None:
        """Remove rows by their keys."""
        rest = list(keys)
        while rest:
            length = count = 0
            while count < len(rest) and (length == 0 or length + len(quote(rest[count])) < _LONGEST_QUERY):
                length += len(quote(rest[count])) + len("&primary_keys=")
                count += 1
            self._indexes.delete_data_vector_index(self._name, rest[:count])
            rest = rest[count:]


def _parts(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows in parts that one request takes."""
    part: list[Row] = []
    size = 0
    for row in rows:
        length = len(json.dumps(row))
        if part and size + length > _LARGEST_UPSERT:
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def _value(told: Any) -> Any:
    """A value of a scanned row."""
    if told is None:
        return None
    if told.list_value is not None:
        return [_value(one) for one in told.list_value.values or []]
    return next((one for one in (told.string_value, told.number_value, told.bool_value) if one is not None), None)
