"""AI Search: endpoints, indexes, their rows and queries.

Queries are answered by GET with a body and by POST alike, as clients differ. A Delta table is a file here: JSON,
JSON Lines or Parquet, by its path in a volume, or as ``/Volumes/<catalog>/<schema>/tables/<table>.jsonl``.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from ziggurat.databricks.local.call import Body, Call, Refusal, Route, invalid, missing, taken, unimplemented
from ziggurat.databricks.local.search_index import DIRECT, SYNCED, Index
from ziggurat.databricks.local.search_rows import Row, Scored
from ziggurat.databricks.local.served import EMBEDDINGS
from ziggurat.databricks.local.timeline import Timeline
from ziggurat.errors import MissingDependency
from ziggurat.optional import require

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_API = "/api/2.0/vector-search"
_NAME = re.compile(r"[\w-]{1,49}")
_PAGES_KEPT = 100
_ONLINE = {DIRECT: "ONLINE_DIRECT_ACCESS", SYNCED: "ONLINE_NO_PENDING_UPDATE"}


@dataclass(slots=True)
class _SearchEndpoint:
    name: str
    kind: str
    creator: str
    state: Timeline
    id: str = field(default_factory=lambda: token_hex(16))
    created: int = field(default_factory=lambda: int(time.time() * 1000))


class Search:
    """AI Search.

    Attributes:
        page_rows: Rows of a query's answer in one page.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.page_rows = 1000
        self._endpoints: dict[str, _SearchEndpoint] = {}
        self._indexes: dict[str, Index] = {}
        self._pages: dict[str, tuple[list[str], Scored]] = {}

    def routes(self) -> list[Route]:
        """What it answers."""
        endpoint, index = f"{_API}/endpoints/{{name}}", f"{_API}/indexes/{{index}}"
        return [
            Route("POST", f"{_API}/endpoints", self._create_endpoint, "make a search endpoint"),
            Route("GET", f"{_API}/endpoints", self._list_endpoints, "the search endpoints"),
            Route("GET", endpoint, self._get_endpoint, "a search endpoint with its state"),
            Route("DELETE", endpoint, self._delete_endpoint, "remove a search endpoint"),
            *(
                route
                for base in (_API, endpoint)
                for route in (
                    Route("POST", f"{base}/indexes", self._create, "make an index"),
                    Route("GET", f"{base}/indexes", self._list, "the indexes of an endpoint"),
                    Route("GET", f"{base}/indexes/{{index}}", self._get, "an index with its state"),
                    Route("DELETE", f"{base}/indexes/{{index}}", self._delete, "remove an index"),
                )
            ),
            Route("POST", f"{index}/upsert-data", self._upsert, "write rows"),
            Route("DELETE", f"{index}/delete-data", self._delete_data, "remove rows"),
            Route("POST", f"{index}/sync", self._sync, "take over what the source table holds"),
            *(
                route
                for method in ("GET", "POST")
                for route in (
                    Route(method, f"{index}/query", self._query, "search"),
                    Route(method, f"{index}/query-next-page", self._next, "the next page of a search"),
                    Route(method, f"{index}/scan", self._scan, "rows by key"),
                )
            ),
        ]

    def close(self) -> None:
        """End what it started."""
        with self._workspace.lock:
            for one in self._indexes.values():
                one.rows.close()
            self._indexes.clear()

    def _create_endpoint(self, call: Call) -> Body:
        name = call.need("name")
        if not _NAME.fullmatch(name):
            raise invalid(f"Invalid endpoint name {name!r}: use up to 49 letters, digits, hyphens and underscores.")
        state = Timeline([("PROVISIONING", self._workspace.delays.index), ("ONLINE", 0.0)])
        made = _SearchEndpoint(name, call.body.get("endpoint_type") or "STANDARD", call.user, state)
        with self._workspace.lock:
            if name in self._endpoints:
                raise taken(f"Vector search endpoint {name} already exists.")
            self._endpoints[name] = made
            return self._endpoint(made)

    def _endpoint(self, one: _SearchEndpoint) -> Body:
        indexes = sum(index.endpoint == one.name for index in self._indexes.values())
        return {
            "name": one.name,
            "id": one.id,
            "creator": one.creator,
            "creation_timestamp": one.created,
            "endpoint_type": one.kind,
            "endpoint_status": {"state": one.state.now},
            "num_indexes": indexes,
        }

    def _known_endpoint(self, name: str) -> _SearchEndpoint:
        found = self._endpoints.get(name)
        if found is None:
            raise missing(f"Vector search endpoint {name} does not exist.")
        return found

    def _list_endpoints(self, _: Call) -> Body:
        with self._workspace.lock:
            return {"endpoints": [self._endpoint(one) for one in self._endpoints.values()]}

    def _get_endpoint(self, call: Call) -> Body:
        with self._workspace.lock:
            return self._endpoint(self._known_endpoint(call.path["name"]))

    def _delete_endpoint(self, call: Call) -> None:
        with self._workspace.lock:
            name = self._known_endpoint(call.path["name"]).name
            held = [index.name for index in self._indexes.values() if index.endpoint == name]
            if held:
                raise Refusal(400, "BAD_REQUEST", f"Vector search endpoint {name} still has indexes: {held}.")
            del self._endpoints[name]

    def _create(self, call: Call) -> Body:
        name, key, kind = call.need("name"), call.need("primary_key"), call.need("index_type")
        if name.count(".") != 2:  # noqa: PLR2004 (catalog.schema.index)
            raise invalid(f"Index name {name!r} must have the form catalog.schema.index.")
        if kind not in _ONLINE:
            raise invalid(f"index_type must be {DIRECT} or {SYNCED}.")
        if str(call.body.get("index_subtype") or "HYBRID") not in ("HYBRID", "VECTOR"):
            raise unimplemented(f"indexes of subtype {call.body['index_subtype']}")
        spec = call.body.get("direct_access_index_spec" if kind == DIRECT else "delta_sync_index_spec") or {}
        begins = "PROVISIONING_ENDPOINT" if kind == DIRECT else "PROVISIONING_INITIAL_SNAPSHOT"
        state = Timeline([(begins, self._workspace.delays.index), (_ONLINE[kind], 0.0)])
        endpoint = call.path.get("name") or call.need("endpoint_name")
        with self._workspace.lock:
            self._known_endpoint(endpoint)
            if name in self._indexes:
                raise taken(f"Index {name} already exists.")
        made = Index(name, endpoint, key, kind, spec, call.user, self._embedded, state)
        if not made.vector[0] and not made.source[1]:
            raise invalid("An index needs embedding_vector_columns or embedding_source_columns.")
        if kind == SYNCED:
            made.sync(self._table)
        with self._workspace.lock:
            self._indexes[name] = made
        return made.written(self._workspace.url)

    def _embedded(self, endpoint: str, texts: Sequence[str]) -> list[list[float]]:
        serving = self._workspace.serving
        found = serving.find(endpoint)
        served = found.choose() if found and found.ready else None
        if served is None or served.task != EMBEDDINGS:
            raise invalid(f"{endpoint!r} is no embedding endpoint that is ready.")
        return serving.answering.embeddings(served.names).embed_documents(list(texts))

    def _table(self, name: str) -> list[Row]:
        """The rows behind a source table's name."""
        if name.startswith("/"):
            return _rows_of(self._workspace, name)
        parts = name.split(".")
        if len(parts) == 3:  # noqa: PLR2004 (catalog.schema.table)
            for ending in ("jsonl", "json", "parquet"):
                path = f"/Volumes/{parts[0]}/{parts[1]}/tables/{parts[2]}.{ending}"
                try:
                    return _rows_of(self._workspace, path)
                except Refusal as error:
                    if error.status != 404:  # noqa: PLR2004 (HTTP: it is not there)
                        raise
        raise missing(
            f"Table {name!r} does not exist. Here a table is a file of a volume: give its path, or write "
            "/Volumes/<catalog>/<schema>/tables/<table>.jsonl."
        )

    def _known(self, call: Call) -> Index:
        name = call.path["index"]
        with self._workspace.lock:
            found = self._indexes.get(name)
        if found is None or call.path.get("name", found.endpoint) != found.endpoint:
            raise missing(f"Index {name} does not exist.")
        return found

    def _list(self, call: Call) -> Body:
        endpoint = call.path.get("name") or call.need("endpoint_name")
        with self._workspace.lock:
            self._known_endpoint(endpoint)
            held = [one.written(self._workspace.url) for one in self._indexes.values() if one.endpoint == endpoint]
        named = ("name", "endpoint_name", "primary_key", "index_type", "creator")
        return {"vector_indexes": [{key: one[key] for key in named} for one in held]}

    def _get(self, call: Call) -> Body:
        return self._known(call).written(self._workspace.url)

    def _delete(self, call: Call) -> None:
        with self._workspace.lock:
            self._indexes.pop(self._known(call).name).rows.close()

    def _sync(self, call: Call) -> None:
        self._known(call).sync(self._table)

    def _upsert(self, call: Call) -> Body:
        told = call.need("inputs_json")
        try:
            rows = json.loads(told)
        except ValueError as error:
            raise invalid(f"inputs_json is not JSON: {error}") from error
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise invalid("inputs_json must be a list of rows.")
        count = self._known(call).upsert(rows)
        return {"status": "SUCCESS", "result": {"success_row_count": count, "failed_primary_keys": []}}

    def _delete_data(self, call: Call) -> Body:
        keys = call.body.get("primary_keys") or call.request.query_params.getlist("primary_keys")
        count = self._known(call).delete(keys)
        return {"status": "SUCCESS", "result": {"success_row_count": count, "failed_primary_keys": []}}

    def _scan(self, call: Call) -> Body:
        index = self._known(call)
        rows = index.rows.scan(int(call.body.get("num_results") or 10), call.body.get("last_primary_key"))
        data = [{"fields": [{"key": key, "value": _value(value)} for key, value in row.items()]} for row in rows]
        return {"data": data, "last_primary_key": str(rows[-1][index.primary_key])} if rows else {"data": []}

    def _query(self, call: Call) -> Body:
        index = self._known(call)
        columns = call.need("columns", list)
        unknown = sorted(set(columns) - index.rows.schema.keys())
        if unknown:
            raise invalid(f"Requested columns to fetch are not present in index: {', '.join(unknown)}")
        return self._page(columns, index.query(call.body))

    def _next(self, call: Call) -> Body:
        self._known(call)
        with self._workspace.lock:
            found = self._pages.pop(call.need("page_token"), None)
        if found is None:
            raise invalid("The page token is not known: it was used, or is too old.")
        return self._page(*found)

    def _page(self, columns: list[str], found: Scored) -> Body:
        shown, rest = found[: self.page_rows], found[self.page_rows :]
        answer: dict[str, Any] = {
            "manifest": {
                "column_count": len(columns) + 1,
                "columns": [{"name": name} for name in [*columns, "score"]],
            },
            "result": {
                "row_count": len(shown),
                "data_array": [[*(row.get(name) for name in columns), score] for row, score in shown],
            },
            "next_page_token": "",
            "debug_info": {},
        }
        if rest:
            answer["next_page_token"] = token = token_hex(16)
            with self._workspace.lock:
                self._pages[token] = (columns, rest)
                while len(self._pages) > _PAGES_KEPT:
                    del self._pages[next(iter(self._pages))]
        return answer


def _rows_of(workspace: Workspace, path: str) -> list[Row]:
    """The rows in a file of a volume."""
    place = workspace.files.find(path)
    if not place.is_file():
        raise missing(f"No file exists at {path}.")
    if path.endswith(".parquet"):
        try:
            parquet = require("pyarrow.parquet", for_="tables in Parquet", extra="mlflow")
        except MissingDependency as error:
            raise unimplemented("tables in Parquet without the package pyarrow") from error
        rows: list[Row] = parquet.read_table(place).to_pylist()
        return rows
    text = place.read_text(encoding="utf-8")
    try:
        told = json.loads(text) if path.endswith(".json") else [json.loads(line) for line in text.splitlines() if line]
    except ValueError as error:
        raise invalid(f"The table at {path} is not JSON: {error}") from error
    if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
        raise invalid(f"The table at {path} is not a list of rows.")
    return told


def _value(value: Any) -> Body:
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int | float):
        return {"number_value": value}
    if isinstance(value, list):
        return {"list_value": {"values": [_value(one) for one in value]}}
    return {"string_value": str(value)} if value is not None else {}
