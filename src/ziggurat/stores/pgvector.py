"""Postgres with pgvector behind `ConnectedStore`.

The table is made by ``langchain_postgres`` (``PGVectorStore``, which has taken the place of
``PGVector``), with texts for ids, so its own class reads and writes the same rows. That class filters
only on columns that were declared when the table was made, and commits row by row; so searching,
filtering inside the JSON and writing are SQL of ours over the same table. Every filter can be expressed.
Invariant: a batch is one transaction; values reach SQL only as parameters.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Self

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ziggurat.errors import IndexFault
from ziggurat.index.inputs import Vectors
from ziggurat.index.records import Records
from ziggurat.optional import require
from ziggurat.stores.address import Address
from ziggurat.stores.backend import Connected, Recorded, check_dimensions, gathered, nothing
from ziggurat.stores.conditions import Clause, Condition, fold
from ziggurat.stores.packing import LOST, Rough, is_plain, pack, unpack

_ID, _TEXT, _VECTOR, _METADATA = "langchain_id", "content", "embedding", "langchain_metadata"
_RECORDS = "ziggurat_collections"
_JSON = f"coalesce({_METADATA}::jsonb, jsonb_build_object())"
_ITERATIVE = (0, 8)
"""The version of pgvector from which a filtered index scan goes on until it has found enough."""

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

Where = tuple[str, tuple[Any, ...]]


class PgvectorBackend(Connected):
    """One table of Postgres."""

    kind: ClassVar[str] = "Postgres"

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._table = address.collection
        self._connection: Any = None
        self._lock = threading.RLock()
        self._engine: Any = None
        self._scans_on = False

    @classmethod
    def connect(cls, address: Address, *, create: bool) -> Self:
        """Open a table; it is made when it is first written to.

        Args:
            address: Of the server, the database and the table.
            create: Whether a table that is not there may be made.

        Raises:
            IndexNotFound: If it is not there and may not be made.
            IndexFault: If the server cannot be reached, or has no pgvector.
        """
        require("langchain_postgres", for_="a Postgres store", extra="pgvector")
        backend = cls(address)
        try:
            backend._check(create=create)
        except BaseException:
            backend.close()
            raise
        return backend

    def _check(self, *, create: bool) -> None:
        if not self._there() and not create:
            raise self.missing(f"table {self._table!r} with vectors")

    @contextmanager
    def _transaction(self, doing: str) -> Iterator[Any]:
        """A transaction on the one connection, which is made anew when it broke."""
        import psycopg

        with self._lock, self.telling(doing):
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self.address.place, application_name="ziggurat", autocommit=True)
                self._learn_vectors(self._connection)
            with self._connection.transaction():
                yield self._connection

    def _learn_vectors(self, connection: Any) -> None:
        """Read and write the type ``vector``, once the extension is there; `prepare` makes it and comes back."""
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        if row is not None:
            require("pgvector.psycopg", for_="a Postgres store", extra="pgvector").register_vector(connection)
            self._scans_on = tuple(map(int, row[0].split(".")[:2])) >= _ITERATIVE

    def _named(self, statement: str) -> Any:
        from psycopg import sql

        return sql.SQL(statement).format(table=sql.Identifier(self._table))

    def inner(self, embedding: Embeddings) -> VectorStore:
        """A ``langchain_postgres.PGVectorStore`` over the same table.

        Raises:
            IndexFault: While the table is not there yet.
        """
        from langchain_postgres import PGVectorStore

        if not self._there():
            raise IndexFault("The table is made with the first text; there is none yet.", where=self.where)
        with self.telling("to be opened"):
            return PGVectorStore.create_sync(self._langchain_engine(), embedding, self._table)

    def _langchain_engine(self) -> Any:
        from langchain_postgres import PGEngine

        if self._engine is None:
            self._engine = PGEngine.from_connection_string(
                self.address.place.replace("postgresql:", "postgresql+psycopg:", 1)
            )
        return self._engine

    def recorded(self) -> Recorded | None:
        """From a small table of ours in the same schema."""
        with self._transaction("to be read") as connection:
            if connection.execute("SELECT to_regclass(%s)", (_RECORDS,)).fetchone()[0] is None:
                return None
            row = connection.execute(
                f"SELECT model FROM {_RECORDS} WHERE collection = %s",  # noqa: S608 (a name of ours)
                (self._table,),
            ).fetchone()
        return Recorded.from_json(row[0]) if row else None

    def record(self, model: Recorded) -> None:
        """Into a small table of ours in the same schema."""
        with self._transaction("to remember the embedding model") as connection:
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {_RECORDS} (collection text PRIMARY KEY, model text NOT NULL)"
            )
            connection.execute(
                f"INSERT INTO {_RECORDS} VALUES (%s, %s) "  # noqa: S608 (a name of ours)
                "ON CONFLICT (collection) DO UPDATE SET model = excluded.model",
                (self._table, model.to_json()),
            )

    def prepare(self, dimensions: int) -> None:
        """Make the extension and the table."""
        from langchain_postgres import Column

        if not self._there():
            with self.telling("to make the table"):
                self._langchain_engine().init_vectorstore_table(
                    self._table, dimensions, id_column=Column(_ID, "TEXT", nullable=False)
                )
            with self._transaction("to make the table") as connection:
                # JSON is parsed again for every row a filter looks at; JSONB is not.
                connection.execute(
                    self._named(f"ALTER TABLE {{table}} ALTER COLUMN {_METADATA} TYPE jsonb USING {_METADATA}::jsonb")
                )
                self._learn_vectors(connection)
        check_dimensions(self.dimensions(), dimensions, self.where)

    def dimensions(self) -> int | None:
        """As the column was made for; None while there is no table, or where it takes any."""
        return self._size() or None

    def _there(self) -> bool:
        return self._size() is not None

    def _size(self) -> int | None:
        """None without a table, 0 where the column takes any length."""
        with self._transaction("to be opened") as connection:
            row = connection.execute(
                "SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped",
                (f'"{self._table.replace(chr(34), chr(34) * 2)}"', _VECTOR),
            ).fetchone()
        return None if row is None else max(0, int(row[0]))

    def count(self) -> int:
        """How many rows it holds."""
        if not self._there():
            return 0
        with self._transaction("to be counted") as connection:
            return int(connection.execute(self._named("SELECT count(*) FROM {table}")).fetchone()[0])

    def compile(self, condition: Condition) -> Where:
        """A SQL condition with its parameters."""

        def joined(word: str, parts: list[Where]) -> Where:
            return f"({word.join(sql for sql, _ in parts)})", tuple(value for _, values in parts for value in values)

        return fold(condition, _tested, lambda parts: joined(" AND ", parts), lambda parts: joined(" OR ", parts))

    def search(self, vector: Vectors, k: int, condition: Where | None) -> Records:
        """Exact, or by the table's vector index if it has been given one."""
        if not self._there():
            return nothing()
        clause, values = condition or ("true", ())
        with self._transaction("to search") as connection:
            if self._scans_on:
                # A scan of a vector index that stops early would find fewer than k that pass.
                connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
            rows = connection.execute(
                self._named(f"{_SELECT} WHERE {clause} ORDER BY {_VECTOR} <=> %s LIMIT %s"), (*values, vector, k)
            ).fetchall()
        return self._records(rows)

    def put(self, records: Records) -> None:
        """In one transaction."""
        rows = [
            (one, text, vector, json.dumps(pack(metadata, _hold), ensure_ascii=False))
            for one, text, metadata, vector in zip(*records, strict=True)
        ]
        with self._transaction("to store texts") as connection:
            connection.cursor().executemany(self._named(_PUT), rows)

    def get(self, ids: Sequence[str]) -> Records:
        """By id."""
        if not self._there():
            return nothing()
        with self._transaction("to be read") as connection:
            rows = connection.execute(self._named(f"{_SELECT} WHERE {_ID} = ANY(%s)"), (list(ids),)).fetchall()
        return self._records(rows)

    def delete(self, ids: Sequence[str] | None) -> None:
        """By id, or every row."""
        if not self._there():
            return
        with self._transaction("to remove texts") as connection:
            if ids is None:
                connection.execute(self._named(_DELETE))
            else:
                connection.execute(self._named(f"{_DELETE} WHERE {_ID} = ANY(%s)"), (list(ids),))

    def pages(self, batch: int) -> Iterator[Records]:
        """By id; a row that is written meanwhile is seen if its id still lies ahead."""
        last = None
        while self._there():
            with self._transaction("to be read") as connection:
                rows = connection.execute(
                    self._named(
                        f'{_SELECT} WHERE %s::text IS NULL OR {_ID} COLLATE "C" > %s ORDER BY {_ID} COLLATE "C" LIMIT %s'
                    ),
                    (last, last, batch),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield self._records(rows)

    def close(self) -> None:
        """Close both connections."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            if self._engine is not None:
                engine, self._engine = self._engine, None
                with suppress(Exception):  # closing is best effort: nothing is lost
                    engine._run_as_sync(engine.close())  # noqa: SLF001 (its public close is async only)

    def _records(self, rows: Sequence[tuple[Any, ...]]) -> Records:
        return gathered([(str(one), text, unpack(fields, self.where), np.asarray(v)) for one, text, fields, v in rows])


_SELECT = f"SELECT {_ID}, {_TEXT}, {_METADATA}, {_VECTOR} FROM {{table}}"  # noqa: S608 (names of ours)
_DELETE = "DELETE FROM {table}"
_PUT = (
    f"INSERT INTO {{table}} ({_ID}, {_TEXT}, {_VECTOR}, {_METADATA}) VALUES (%s, %s, %s, %s) "  # noqa: S608 (names of ours)
    f"ON CONFLICT ({_ID}) DO UPDATE SET {_TEXT} = excluded.{_TEXT}, {_VECTOR} = excluded.{_VECTOR}, "
    f"{_METADATA} = excluded.{_METADATA}"
)


def _hold(key: str, value: Any) -> Any:
    """Postgres's JSON has no NUL, for which it shows a replacement character, and writes 1e16 as a whole number."""
    if "\0" in key:
        return LOST
    shown = _shown(value)
    return shown if is_plain(value) else Rough(shown)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, (list, tuple)):
        return [_shown(one) for one in value]
    if isinstance(value, dict):
        return {_shown(key): _shown(one) for key, one in value.items()}
    return value


def _tested(test: Clause) -> Where:
    sql, values = _positive(test)
    return (f"NOT {sql}" if test.negated else sql), values


def _positive(test: Clause) -> Where:
    at = f"{_JSON} -> %s::text"
    if test.operator == "exists":
        return f"({_JSON} ? %s::text)", (test.key,)
    if test.operator == "eq":
        return f"coalesce({at} = %s::jsonb, false)", (test.key, json.dumps(test.value))
    if test.operator == "in":
        listed = [json.dumps(value) for value in test.value]
        return f"coalesce({at} = ANY(%s::text[]::jsonb[]), false)", (test.key, listed)
    sign = _SIGNS[test.operator]
    if isinstance(test.value, str):
        typed = f"jsonb_typeof({at}) = 'string' AND ({_JSON} ->> %s::text) COLLATE \"C\" {sign} %s"
        return f"coalesce({typed}, false)", (test.key, test.key, test.value)
    typed = f"jsonb_typeof({at}) = 'number' AND {at} {sign} %s::jsonb"
    return f"coalesce({typed}, false)", (test.key, test.key, json.dumps(test.value))
