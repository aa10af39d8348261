"""LanceDB behind `ConnectedStore`: tables in a folder.

The columns are those of ``langchain_lancedb`` (``vector``, ``text``, ``metadata``, ``id``), so its own
class reads and adds to the same table; that class has no filters and no ids on what it finds, so
searching is ours. ``metadata`` is a JSON column, which takes any keys and which filters can look into,
and ``words`` holds the terms of `ziggurat.index.words`, so that hybrid search finds Chinese too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ziggurat.index.inputs import Vectors
from ziggurat.index.records import Records
from ziggurat.index.words import index_terms
from ziggurat.optional import require
from ziggurat.stores.address import Address
from ziggurat.stores.backend import Connected, Recorded, check_dimensions, gathered, nothing
from ziggurat.stores.conditions import Clause, Condition, cannot, fold
from ziggurat.stores.packing import Rough, is_plain, pack, unpack, within_64_bits

_RECORD = "ziggurat"
_COLUMNS = ["id", "text", "metadata", "vector"]
_LARGEST_EXACT = 2**53
_UNINDEXED = 2048
"""Rows the words index may lag behind; they are searched one by one meanwhile."""


class LanceBackend(Connected):
    """One table of LanceDB."""

    kind: ClassVar[str] = "LanceDB"

    def __init__(self, address: Address, database: Any, table: Any) -> None:
        super().__init__(address)
        self._database = database
        self._table = table

    @classmethod
    def connect(cls, address: Address, *, create: bool) -> Self:
        """Open a table; it is made when it is first written to.

        Args:
            address: Of a folder and a table in it.
            create: Whether a table that is not there may be made.

        Raises:
            IndexNotFound: If it is not there and may not be made.
        """
        lancedb = require("lancedb", for_="a LanceDB store", extra="lancedb")
        backend = cls(address, None, None)
        if not create and not Path(address.place).is_dir():
            raise backend.missing("LanceDB folder")
        with backend.telling("to be opened"):
            backend._database = lancedb.connect(address.place)
            if address.collection in backend._database.list_tables().tables:
                backend._table = backend._database.open_table(address.collection)
        if backend._table is None and not create:
            raise backend.missing(f"LanceDB table {address.collection!r}")
        return backend

    def inner(self, embedding: Embeddings) -> VectorStore:
        """A ``langchain_lancedb.LanceDB`` over the same table."""
        package = require("langchain_lancedb", for_="LanceDB's LangChain class", extra="lancedb")
        made: VectorStore = package.LanceDB(embedding, uri=self.address.place, table_name=self.address.collection)
        return made

    def recorded(self) -> Recorded | None:
        """From the metadata of the column of vectors."""
        if self._table is None:
            return None
        with self.telling("to be read"):
            self._table.checkout_latest()
            kept = self._table.schema.field("vector").metadata or {}
        return Recorded.from_json(kept.get(_RECORD.encode(), b"null").decode())

    def record(self, model: Recorded) -> None:
        """Into the metadata of the column of vectors."""
        with self.telling("to remember the embedding model"):
            self._table.update_field_metadata({"path": "vector", "metadata": {_RECORD: model.to_json()}})

    def prepare(self, dimensions: int) -> None:
        """Make the table, with its index of words."""
        pa = _arrow()
        from lancedb.index import FTS

        if self._table is None:
            columns: Any = [
                ("vector", pa.list_(pa.float32(), dimensions)),
                ("text", pa.string()),
                ("metadata", pa.json_(pa.string())),
                ("id", pa.string()),
                ("words", pa.string()),
            ]
            with self.telling("to make the table"):
                self._table = self._database.create_table(
                    self.address.collection, schema=pa.schema(columns), exist_ok=True
                )
                if not self._table.list_indices():
                    self._table.create_index("words", config=FTS(**_TOKENS))
        check_dimensions(self.dimensions(), dimensions, self.where)

    def dimensions(self) -> int | None:
        """As the column was made for; None while there is no table."""
        if self._table is None:
            return None
        with self.telling("to be read"):
            size = getattr(self._table.schema.field("vector").type, "list_size", None)
        return size if isinstance(size, int) and size > 0 else None

    def count(self) -> int:
        """How many rows it holds."""
        if self._table is None:
            return 0
        with self.telling("to be counted"):
            self._table.checkout_latest()
            return int(self._table.count_rows())

    def compile(self, condition: Condition) -> str:
        """A SQL condition of LanceDB."""

        def test(one: Clause) -> str:
            sql = _positive(one, self.where)
            return f"(NOT {sql})" if one.negated else sql

        return fold(condition, test, lambda parts: f"({' AND '.join(parts)})", lambda parts: f"({' OR '.join(parts)})")

    def search(self, vector: Vectors, k: int, condition: str | None) -> Records:
        """Exact, or by the table's vector index if it has been given one."""
        if self._table is None:
            return nothing()
        with self.telling("to search"):
            self._table.checkout_latest()
            query = self._table.search(vector).distance_type("cosine").limit(k)
            if condition is not None:
                query = query.where(condition, prefilter=True)
            return self._records(query.select([*_COLUMNS, "_distance"]).to_arrow())

    def words(self, query: str, k: int, condition: str | None) -> tuple[Records, list[float]]:
        """By BM25 over the terms."""
        terms = index_terms(query).strip()
        if self._table is None or not terms:
            return nothing(), []
        with self.telling("to search"):
            self._table.checkout_latest()
            asked = self._table.search(_match(terms), query_type="fts").limit(k)
            if condition is not None:
                asked = asked.where(condition, prefilter=True)
            found = asked.select([*_COLUMNS, "_score"]).to_arrow()
        return self._records(found), found.column("_score").to_pylist()

    def put(self, records: Records) -> None:
        """In one commit."""
        pa = _arrow()

        ids, texts, metadatas, vectors = records
        fields = [json.dumps(pack(metadata, _hold), ensure_ascii=False) for metadata in metadatas]
        flat = pa.array(vectors.reshape(-1), pa.float32())
        table = pa.table(
            {
                "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
                "text": texts,
                "metadata": fields,
                "id": ids,
                "words": [index_terms(text) for text in texts],
            }
        )
        with self.telling("to store texts"):
            merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(table)
            stats = self._table.index_stats("words_idx")
            if stats is not None and stats.num_unindexed_rows > _UNINDEXED:
                self._table.optimize()

    def get(self, ids: Sequence[str]) -> Records:
        """By id."""
        if self._table is None or not ids:
            return nothing()
        with self.telling("to be read"):
            self._table.checkout_latest()
            listed = f"id IN ({', '.join(map(_literal, ids))})"
            return self._records(self._table.search().where(listed).select(_COLUMNS).to_arrow())

    def delete(self, ids: Sequence[str] | None) -> None:
        """By id, or every row."""
        if self._table is None or ids == []:
            return
        with self.telling("to remove texts"):
            self._table.checkout_latest()
            self._table.delete("true" if ids is None else f"id IN ({', '.join(map(_literal, ids))})")

    def pages(self, batch: int) -> Iterator[Records]:
        """One version of the table, in its own order."""
        if self._table is None:
            return
        pa = _arrow()

        with self.telling("to be read"):
            self._table.checkout_latest()
            reader = self._table.search().select(_COLUMNS).to_batches(batch)
        while True:
            with self.telling("to be read"):
                part = next(reader, None)
            if part is None:
                return
            if part.num_rows:
                yield self._records(pa.Table.from_batches([part]))

    def close(self) -> None:
        """Let go of the table."""
        self._table = self._database = None

    def _records(self, found: Any) -> Records:
        columns = (found.column(name).to_pylist() for name in _COLUMNS)
        return gathered(
            [
                (one, text or "", unpack(json.loads(fields or "{}"), self.where), vector)
                for one, text, fields, vector in zip(*columns, strict=True)
            ]
        )


_TOKENS: dict[str, Any] = {
    "base_tokenizer": "whitespace",
    "stem": False,
    "remove_stop_words": False,
    "ascii_folding": True,
    "lower_case": True,
    "with_position": False,
    "max_token_length": None,
}
"""The terms come apart already; only case and accents are left to fold."""


def _arrow() -> ModuleType:
    return require("pyarrow", for_="a LanceDB store", extra="lancedb")


def _match(terms: str) -> Any:
    """Any of the terms."""
    return require("lancedb.query", for_="a LanceDB store", extra="lancedb").MatchQuery(terms, "words")


def _hold(_key: str, value: Any) -> Any:
    return value if is_plain(value) else Rough(within_64_bits(value))


def _positive(test: Clause, where: str) -> str:
    if not test.key:
        raise cannot("LanceDB", "by an empty key", where, "rename it in the metadata")
    path = _literal(f'$."{test.key}"')
    at = f"json_extract(metadata, {path})"
    if test.operator == "exists":
        return f"json_exists(metadata, {path})"
    if test.operator == "eq":
        return _equal(at, test.value)
    if test.operator == "in":
        return f"({' OR '.join(_equal(at, value) for value in test.value)})"
    sign = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[test.operator]
    if isinstance(test.value, str):
        return f"coalesce({at} LIKE '\"%' AND {_unquoted(at)} {sign} {_literal(test.value)}, false)"
    return f"coalesce(try_cast({at} AS double) {sign} {float(test.value)!r}, false)"


def _equal(at: str, value: Any) -> str:
    if isinstance(value, float) or (type(value) is int and abs(value) <= _LARGEST_EXACT):
        # A text is quoted in JSON, so that only a number becomes one.
        return f"coalesce(try_cast({at} AS double) = {float(value)!r}, false)"
    return f"coalesce({at} = {_literal(json.dumps(value, ensure_ascii=False))}, false)"


def _unquoted(at: str) -> str:
    """The text that a JSON text stands for, as far as quotes, backslashes, tabs and ends of line go."""
    sql = f"regexp_replace({at}, '^\"(.*)\"$', '$1')"
    # A backslash waits as a character that JSON never shows, until the other escapes are undone.
    for shown, meant in (("\\\\", "\x01"), ('\\"', '"'), ("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\x01", "\\")):
        sql = f"replace({sql}, {_literal(shown)}, {_literal(meant)})"
    return sql


def _literal(text: str) -> str:
    return "'" + re.sub("'", "''", text) + "'"
