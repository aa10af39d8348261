"""One index of AI Search: how it was asked for, where its rows and vectors come from, how it answers a query.

Vectors that are not given are made by the index's embedding endpoint. Knows no HTTP. Invariant: what the index
cannot do is refused before rows are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ziggurat.databricks.local.call import Body, invalid, unimplemented
from ziggurat.databricks.local.search_rows import Row, Rows, Scored, schema_of
from ziggurat.databricks.local.timeline import Timeline

Embed = Callable[[str, Sequence[str]], list[list[float]]]
ReadTable = Callable[[str], list[Row]]

DIRECT, SYNCED = "DIRECT_ACCESS", "DELTA_SYNC"
_MOST_RESULTS = 10_000
_NOT_HERE = ("facets", "sort_columns", "reranker", "columns_to_rerank", "query_columns")


@dataclass(slots=True)
class Index:
    """An index.

    Attributes:
        name: ``catalog.schema.index``.
        endpoint: The search endpoint that it lives on.
        primary_key: The column that tells rows apart.
        kind: `DIRECT` or `SYNCED`.
        spec: As it was asked for.
        creator: Who made it.
        embed: Makes vectors by the name of an embedding endpoint.
        state: Whether it is online.
    """

    name: str
    endpoint: str
    primary_key: str
    kind: str
    spec: Mapping[str, Any]
    creator: str
    embed: Embed
    state: Timeline
    rows: Rows = field(init=False)

    def __post_init__(self) -> None:
        if self.kind == DIRECT:
            self.rows = self._empty(_schema(self.spec))

    @property
    def source(self) -> tuple[str, str, str]:
        """The column that is embedded, the endpoint that embeds it and the one for queries; empty for none."""
        told = (self.spec.get("embedding_source_columns") or [{}])[0]
        model = told.get("embedding_model_endpoint_name", "")
        return told.get("name", ""), model, told.get("model_endpoint_name_for_query") or model

    @property
    def vector(self) -> tuple[str, int]:
        """The column of vectors and their dimension."""
        told = (self.spec.get("embedding_vector_columns") or [{}])[0]
        name = told.get("name", "")
        if not name and self.source[0]:
            name = f"__db_{self.source[0]}_vector"
        return name, int(told.get("embedding_dimension") or 0)

    def sync(self, read: ReadTable) -> None:
        """Take over what the source table holds now.

        Raises:
            Refusal: 404 if there is none, 400 if it does not fit.
        """
        if self.kind != SYNCED:
            raise invalid(f"Index {self.name} is not a Delta Sync index and cannot be synced.")
        wanted = self.spec.get("columns_to_sync")
        table = read(str(self.spec.get("source_table", "")))
        vector = self.vector[0]
        always = {self.primary_key, self.source[0], vector}
        kept = [{k: v for k, v in row.items() if not wanted or k in wanted or k in always} for row in table]
        made = self._empty(schema_of(kept) or {self.primary_key: "string"})
        self._write(made, kept)
        self.rows = made

    def upsert(self, rows: Sequence[Row]) -> int:
        """Write rows; how many.

        Raises:
            Refusal: 400 if they do not fit, or the index is synced from a table.
        """
        self._direct("upsert")
        self._write(self.rows, rows)
        return len(rows)

    def delete(self, keys: Sequence[Any]) -> int:
        """Remove rows by their keys; how many there were."""
        self._direct("delete")
        return self.rows.delete(keys)

    def query(self, body: Body) -> Scored:
        """The rows that answer a query, best first, each with its score.

        Raises:
            Refusal: 400 if the query cannot be, 501 if it asks for what is not here.
        """
        for name in _NOT_HERE:
            if body.get(name):
                raise unimplemented(f"{name!r} in a query of AI Search")
        if not self.state.settled:
            raise invalid(f"Index {self.name} is not ready: its state is {self.state.now}.")
        text, vector = body.get("query_text"), body.get("query_vector")
        count = int(body.get("num_results") or 10)
        if not 0 < count <= _MOST_RESULTS:
            raise invalid(f"num_results must be between 1 and {_MOST_RESULTS}.")
        among = self.rows.filtered(body.get("filters_json"), body.get("filter_string"))
        kind = str(body.get("query_type") or "ANN").upper()
        if kind == "FULL_TEXT":
            found = self.rows.saying(_needed(text, kind), among, count)
        elif kind == "HYBRID":
            found = self.rows.both(_needed(text, kind), self._asked(text, vector), among, count)
        elif kind == "ANN":
            found = self.rows.nearest(self._asked(text, vector), among, count)
        else:
            raise invalid(f"query_type {kind!r} is not supported. Choose ANN, HYBRID or FULL_TEXT.")
        least = body.get("score_threshold") or 0.0
        return [one for one in found if one[1] >= least]

    def written(self, url: str) -> dict[str, Any]:
        """As the API answers it."""
        ready = self.state.settled
        named = "direct_access_index_spec" if self.kind == DIRECT else "delta_sync_index_spec"
        return {
            "name": self.name,
            "endpoint_name": self.endpoint,
            "primary_key": self.primary_key,
            "index_type": self.kind,
            named: dict(self.spec),
            "creator": self.creator,
            "status": {
                "message": "Index is ready." if ready else "Index is being created.",
                "indexed_row_count": len(self.rows),
                "ready": ready,
                "detailed_state": self.state.now,
                "index_url": f"{url}/api/2.0/vector-search/indexes/{self.name}",
            },
        }

    def _direct(self, verb: str) -> None:
        if self.kind != DIRECT:
            raise invalid(f"Index {self.name} is synced from a table; {verb} works for Direct Access indexes only.")

    def _empty(self, schema: Mapping[str, str]) -> Rows:
        if self.primary_key not in schema:
            raise invalid(f"The primary key {self.primary_key!r} is not in the schema: {sorted(schema)}.")
        name, dimension = self.vector
        return Rows(schema, self.primary_key, name, dimension)

    def _write(self, rows: Rows, given: Sequence[Row]) -> None:
        column, model, _ = self.source
        computed = bool(column and model)
        vectors = self.embed(model, [str(row.get(column) or "") for row in given]) if computed and given else None
        rows.upsert(given, vectors)

    def _asked(self, text: object, vector: object) -> Sequence[float]:
        """The vector of a query: as it came, or of its text."""
        if isinstance(vector, list) and vector:
            return vector
        model = self.source[2]
        if not text:
            raise invalid("Either query_text or query_vector must be given.")
        if not model:
            raise invalid(
                f"Index {self.name} has no embedding model endpoint: query_text cannot be embedded. Give query_vector."
            )
        return self.embed(model, [str(text)])[0]


def _needed(text: object, kind: str) -> str:
    if not isinstance(text, str) or not text:
        raise invalid(f"query_text is required for a query of type {kind}.")
    return text


def _schema(spec: Mapping[str, Any]) -> dict[str, str]:
    try:
        told = json.loads(spec.get("schema_json") or "")
    except ValueError as error:
        raise invalid("schema_json must be a JSON object of columns and types.") from error
    if not isinstance(told, dict) or not told:
        raise invalid("schema_json must be a JSON object of columns and types.")
    return {str(name): str(kind) for name, kind in told.items()}
