"""The rows of one search index: kept in an SQLite database in memory, with their vectors beside it.

Finds rows by vector, by words and by both; knows no HTTP and no models: vectors are given. A score by vector is
1 / (1 + d²) for the distance d, as AI Search gives it; by words it is BM25, and both are joined by reciprocal
ranks. Invariant: every row has a vector of the index's dimension, or the index has none.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ziggurat.databricks.local.call import invalid, unimplemented
from ziggurat.databricks.local.search_filters import Where, quoted, where
from ziggurat.index.words import TOKENISER, index_terms, match_expression

Row = dict[str, Any]
Scored = list[tuple[Row, float]]

_RANKED = 60  # the constant of reciprocal rank fusion, as the service documents it
_LEG = 1000
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION)


class Rows:
    """The rows of an index; safe to use from any thread.

    Args:
        schema: Each column's type, as Databricks writes it: ``long``, ``string``, ``array<float>``.
        primary_key: The column that tells rows apart.
        vector_column: The column of vectors, if the index has one.
        dimension: Of the vectors; 0 for what the first one has.
    """

    def __init__(
        self, schema: Mapping[str, str], primary_key: str, vector_column: str = "", dimension: int = 0
    ) -> None:
        self.schema = dict(schema)
        self.primary_key = primary_key
        self.vector_column = vector_column
        self.dimension = dimension
        self.columns = [name for name in schema if name != vector_column]
        self._lists = {name for name, kind in schema.items() if kind.startswith("array")}
        self._texts = [name for name, kind in schema.items() if kind == "string"]
        self._vectors: dict[int, npt.NDArray[np.float32]] = {}
        self._lock = threading.RLock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        named = ", ".join(quoted(name) for name in self.columns)
        try:
            self._db.execute(f"CREATE TABLE held (__number INTEGER PRIMARY KEY, __row TEXT, {named})")
        except sqlite3.Error as error:
            raise invalid(f"The schema cannot be used: {error}") from error
        self._db.execute(f"CREATE UNIQUE INDEX held_key ON held ({quoted(primary_key)})")
        self._db.execute(f'CREATE VIRTUAL TABLE words USING fts5(said, tokenize="{TOKENISER}")')
        self._db.execute("PRAGMA case_sensitive_like = ON")

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._db.close()

    def __len__(self) -> int:
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM held").fetchone()[0])

    def upsert(self, rows: Sequence[Row], vectors: Sequence[Sequence[float]] | None = None) -> None:
        """Write rows, those with a known key anew; ``vectors`` where they do not come in the rows.

        Raises:
            Refusal: 400 if a row has no key, an unknown column or a vector that does not fit; nothing is written.
        """
        told = [self._checked(row) for row in rows]
        made = [self._vector(row, None if vectors is None else vectors[at]) for at, row in enumerate(rows)]
        marks = ", ".join("?" * (len(self.columns) + 1))
        with self._lock:
            for row, vector in zip(told, made, strict=True):
                self._remove(row[self.primary_key])
                values = [_held(row.get(name)) for name in self.columns]
                number = (
                    self._db.execute(
                        f"INSERT INTO held (__row, {', '.join(map(quoted, self.columns))}) VALUES ({marks})",  # noqa: S608 (names are quoted, values are parameters)
                        [json.dumps(row), *values],
                    ).lastrowid
                    or 0
                )
                said = " ".join(index_terms(str(row[name])) for name in self._texts if row.get(name) is not None)
                self._db.execute("INSERT INTO words (rowid, said) VALUES (?, ?)", [number, said])
                if vector is not None:
                    self._vectors[number] = vector

    def delete(self, keys: Iterable[Any]) -> int:
        """Remove rows by their keys; how many there were."""
        told = [self._key(key) for key in keys]
        if not all(isinstance(key, str | int | float) for key in told):
            raise invalid("Primary keys are numbers or texts.")
        with self._lock:
            return sum(self._remove(key) for key in told)

    def _key(self, key: Any) -> Any:
        """A key as it is held: whole numbers come as text in a query's parameters."""
        whole = self.schema[self.primary_key] in ("int", "integer", "long", "bigint", "short")
        return int(key) if whole and isinstance(key, str) and re.fullmatch(r"-?\d+", key) else key

    def _remove(self, key: Any) -> bool:
        found = self._db.execute(f"SELECT __number FROM held WHERE {quoted(self.primary_key)} = ?", [key]).fetchone()  # noqa: S608 (the same)
        if found is None:
            return False
        self._db.execute("DELETE FROM held WHERE __number = ?", found)
        self._db.execute("DELETE FROM words WHERE rowid = ?", found)
        self._vectors.pop(found[0], None)
        return True

    def scan(self, count: int, after: Any = None) -> list[Row]:
        """Rows by key, the first or those after one."""
        key = quoted(self.primary_key)
        begins = "1" if after is None else f"{key} > ?"
        given = [] if after is None else [self._key(after)]
        with self._lock:
            sql = f"SELECT __number, __row FROM held WHERE {begins} ORDER BY {key} LIMIT ?"  # noqa: S608 (the same)
            return [self._whole(number, told) for number, told in self._db.execute(sql, [*given, count])]

    def filtered(self, filters: object, filter_string: str | None) -> set[int] | None:
        """The rows that a filter leaves, by number; None for all.

        Raises:
            Refusal: 400 if it cannot be understood.
        """
        if filter_string:
            with self._lock:
                self._db.set_authorizer(_one_reading())
                try:
                    return self._selected((filter_string, []))
                finally:
                    self._db.set_authorizer(None)
        if not filters or filters == "{}":
            return None
        return self._selected(where(filters, set(self.columns), self._lists))

    def _selected(self, condition: Where) -> set[int]:
        sql, given = condition
        with self._lock:
            try:
                return {found[0] for found in self._db.execute(f"SELECT __number FROM held WHERE ({sql})", given)}  # noqa: S608 (values are parameters; a text from outside may only read)
            except sqlite3.Error as error:
                raise invalid(f"The filter cannot be understood: {error}") from error

    def nearest(self, vector: Sequence[float], among: set[int] | None, count: int) -> Scored:
        """Rows by the distance of their vectors, nearest first."""
        return self._rows(self._near(vector, among, count))

    def saying(self, question: str, among: set[int] | None, count: int) -> Scored:
        """Rows by their words, best first."""
        return self._rows(self._said(question, among, count))

    def both(self, question: str, vector: Sequence[float], among: set[int] | None, count: int) -> Scored:
        """Rows by both, joined by reciprocal ranks; the best possible score is 1."""
        joined: dict[int, float] = {}
        for leg in (self._near(vector, among, _LEG), self._said(question, among, _LEG)):
            for rank, (number, _) in enumerate(leg, start=1):
                joined[number] = joined.get(number, 0.0) + (_RANKED + 1) / (2 * (_RANKED + rank))
        best = sorted(joined.items(), key=lambda one: (-one[1], one[0]))
        return self._rows(best[:count])

    def _near(self, vector: Sequence[float], among: set[int] | None, count: int) -> list[tuple[int, float]]:
        asked = np.asarray(vector, dtype=np.float32)
        if self.dimension and asked.shape != (self.dimension,):
            raise invalid(
                f"The query vector has {asked.size} dimensions; the index {self.vector_column!r} has {self.dimension}."
            )
        with self._lock:
            numbers = [number for number in self._vectors if among is None or number in among]
            if not numbers:
                return []
            held = np.stack([self._vectors[number] for number in numbers])
        distances = ((held - asked) ** 2).sum(axis=1)
        order = np.argsort(distances, kind="stable")[:count]
        return [(numbers[at], float(1.0 / (1.0 + distances[at]))) for at in order]

    def _said(self, question: str, among: set[int] | None, count: int) -> list[tuple[int, float]]:
        asked = match_expression(question)
        if asked is None:
            return []
        sql = "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY bm25(words), rowid"
        with self._lock:
            found = [(int(number), float(score)) for number, score in self._db.execute(sql, [asked])]
        return [one for one in found if among is None or one[0] in among][:count]

    def _rows(self, ranked: Sequence[tuple[int, float]]) -> Scored:
        with self._lock:
            told = [
                (self._db.execute("SELECT __row FROM held WHERE __number = ?", [n]).fetchone(), n, s) for n, s in ranked
            ]
            return [(self._whole(number, found[0]), score) for found, number, score in told if found]

    def _whole(self, number: int, told: str) -> Row:
        row: Row = json.loads(told)
        if self.vector_column in self.schema and number in self._vectors:
            row[self.vector_column] = self._vectors[number].tolist()
        return row

    def _checked(self, row: Row) -> Row:
        key = row.get(self.primary_key)
        if key is None:
            raise invalid(f"A row has no value for the primary key {self.primary_key!r}.")
        if not isinstance(key, str | int | float):
            raise invalid(f"The primary key {self.primary_key!r} is a number or a text, not a {type(key).__name__}.")
        unknown = sorted(row.keys() - self.schema.keys())
        if unknown:
            raise invalid(f"Column {unknown[0]!r} is not in the index's schema: {sorted(self.schema)}.")
        return {name: value for name, value in row.items() if name != self.vector_column}

    def _vector(self, row: Row, given: Sequence[float] | None) -> npt.NDArray[np.float32] | None:
        if not self.vector_column:
            return None
        told = row.get(self.vector_column) if given is None else given
        if told is None:
            raise invalid(f"Row {row.get(self.primary_key)!r} has no vector in {self.vector_column!r}.")
        try:
            vector = np.asarray(told, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise invalid(f"Row {row.get(self.primary_key)!r} has no numbers in {self.vector_column!r}.") from error
        if not np.isfinite(vector).all():
            raise invalid(
                f"Row {row.get(self.primary_key)!r} has numbers in {self.vector_column!r} that are not finite."
            )
        self.dimension = self.dimension or vector.size
        if vector.shape != (self.dimension,):
            raise invalid(
                f"Row {row.get(self.primary_key)!r} has a vector of {vector.size} dimensions; the index has "
                f"{self.dimension}."
            )
        return vector


def schema_of(rows: Sequence[Row]) -> dict[str, str]:
    """The schema of rows that come with none, by their first values."""
    schema: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                schema.setdefault(name, _kind(value))
    return schema


def _kind(value: Any) -> str:
    for kind, name in ((bool, "boolean"), (int, "long"), (float, "double"), (str, "string")):
        if isinstance(value, kind):
            return name
    if isinstance(value, list):
        return f"array<{_kind(value[0]) if value else 'string'}>"
    raise unimplemented(f"columns of type {type(value).__name__} in a search index")


def _held(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _one_reading() -> Callable[..., int]:
    """What SQLite asks before it runs a text from outside: one SELECT, ours, that reads and calls functions."""
    begun = False

    def allowed(action: int, *_: Any) -> int:
        nonlocal begun
        nested = action == sqlite3.SQLITE_SELECT and begun
        begun = begun or action == sqlite3.SQLITE_SELECT
        return sqlite3.SQLITE_OK if action in _ALLOWED and not nested else sqlite3.SQLITE_DENY

    return allowed
