"""How texts and metadata lie in the columns of an AI Search index, and which columns a filter may ask.

An index has a fixed schema, made before its first row. One of ours has the text, the vector, the metadata whole as
JSON, and for each key of the first rows two columns: its value, for orders and for other programs, and its *sign*,
a digest of kind and value that is never null. Keys that come later have marks, in a list that a filter can look
into. An index of another make is read by its own columns. Knows no client.
Invariant: what `Layout.row` writes, `Layout.record` reads back equal.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ziggurat.errors import InputError
from ziggurat.stores.packing import pack, unpack

ID, TEXT, VECTOR, METADATA, MARKS = "id", "text", "text_vector", "metadata", "_ziggurat_marks"
OWN_ROW = "_ziggurat"
"""The id of the row that remembers the embedding model; no search finds it."""

TYPES = ("string", "double", "boolean")
_MOST_KEYS = 20
"""Keys with columns of their own: an index may have 50 columns."""

_SIGN, _VALUE = "_ziggurat_s_", "_ziggurat_v_"
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_TAKEN = frozenset({ID, TEXT, VECTOR, METADATA, "score"})
_WHOLE = frozenset({"byte", "tinyint", "short", "smallint", "int", "integer", "long", "bigint"})
_REAL = frozenset({"float", "double", "real"})
_LARGEST_FLOAT = 2**1023


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of an index.

    Attributes:
        key: The primary key.
        text: The column of texts.
        vector: The column of vectors.
        types: Each column's type as Databricks writes it; an empty text where it is not known.
        ours: Whether it was made by `schema_for`.
    """

    key: str
    text: str
    vector: str
    types: Mapping[str, str]
    ours: bool

    @property
    def columns(self) -> list[str]:
        """What is asked for to make a record, the vector last."""
        if self.ours:
            return [ID, TEXT, METADATA, VECTOR]
        others = [name for name in self.types if name not in {self.key, self.text, self.vector}]
        return [self.key, self.text, *others, self.vector]

    @property
    def plain(self) -> list[str]:
        """What another program may show beside the text."""
        hidden = {self.text, self.vector, METADATA} if self.ours else {self.text, self.vector}
        return [name for name in self.types if name not in hidden and not (self.ours and name.startswith(OWN_ROW))]

    def record(self, row: Mapping[str, Any], where: str) -> tuple[str, str, dict[str, Any], list[float]]:
        """A row as id, text, metadata and vector."""
        told = row.get(self.vector) or []
        vector: list[float] = json.loads(told) if isinstance(told, str) else told
        text = row.get(self.text) or ""
        if self.ours:
            return str(row[ID]), text, unpack(json.loads(row.get(METADATA) or "{}"), where), vector
        hidden = {self.key, self.text, self.vector}
        metadata = {name: value for name, value in row.items() if name not in hidden and value is not None}
        return str(row[self.key]), text, metadata, vector

    def row(
        self, given: str, text: str, metadata: Mapping[str, Any], vector: list[float], where: str
    ) -> dict[str, Any]:
        """A record as a row.

        Raises:
            InputError: If a key is reserved, or a column of another make's index does not take it.
        """
        if not self.ours:
            return self._foreign_row(given, text, metadata, vector, where)
        fields = pack(metadata, lambda _, value: value)
        row: dict[str, Any] = {ID: given, TEXT: text, VECTOR: vector, METADATA: json.dumps(fields, ensure_ascii=False)}
        row[MARKS] = sorted(
            mark for key, value in fields.items() if sign_column(key) not in self.types for mark in _marks(key, value)
        )
        for name in self.types:
            if name.startswith(_SIGN):
                row[name] = sign(None, present=False)
        for key, value in fields.items():
            if (column := sign_column(key)) in self.types:
                row[column] = sign(value)
                row[value_column(key)] = _typed(value, self.types[value_column(key)])
        return row

    def _foreign_row(
        self, given: str, text: str, metadata: Mapping[str, Any], vector: list[float], where: str
    ) -> dict[str, Any]:
        for key, value in metadata.items():
            if key not in self.types or key in {self.key, self.text, self.vector}:
                raise InputError(
                    f"The index has no column for the metadata key {key!r}.",
                    where=where,
                    fix=f"it has {', '.join(sorted(self.types))}; an index that is made here takes any key",
                )
            if isinstance(value, Mapping):
                raise InputError(f"A column of an index of another make takes no object ({key!r}).", where=where)
        return {self.key: self.key_of(given), self.text: text, self.vector: vector, **metadata}

    def key_of(self, given: str) -> str | int:
        """An id as the primary key's type has it."""
        whole = self.types.get(self.key) in _WHOLE and re.fullmatch(r"-?\d+", given)
        return int(given) if whole else given

    def kind(self, column: str) -> str:
        """``text``, ``number``, ``boolean``, ``other``, or nothing where the type is not known."""
        told = self.types.get(column, "").lower()
        if not told:
            return ""
        if told in _WHOLE or told in _REAL:
            return "number"
        return {"string": "text", "boolean": "boolean"}.get(told, "other")


def layout_of(key: str, text: str, vector: str, types: Mapping[str, str]) -> Layout:
    """The layout of an index that is there."""
    return Layout(key, text, vector, dict(types), MARKS in types)


def schema_for(metadatas: Iterable[Mapping[str, Any]], declared: Mapping[str, str] | None) -> dict[str, str]:
    """The schema of a new index: from the keys that are declared, or from those of the first rows.

    Args:
        metadatas: Of the first rows.
        declared: Metadata keys with their types, any of `TYPES`.
    """
    keys = declared if declared is not None else _keys_of(metadatas)
    schema = {ID: "string", TEXT: "string", VECTOR: "array<float>", METADATA: "string", MARKS: "array<string>"}
    for key, kind in keys.items():
        schema[value_column(key)] = kind
        schema[sign_column(key)] = "string"
    return schema


def check_declared(declared: Mapping[str, str] | None, where: str) -> None:
    """Refuse columns that cannot be.

    Raises:
        InputError: If a type is unknown, or they are too many.
    """
    for key, kind in (declared or {}).items():
        if kind not in TYPES:
            raise InputError(f"The column {key!r} cannot be of type {kind!r}.", where=where, fix=", ".join(TYPES))
    if len(declared or {}) > _MOST_KEYS:
        raise InputError(f"An index takes columns for {_MOST_KEYS} keys at most.", where=where)


def _keys_of(metadatas: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The most frequent keys with the type of their values: a double wherever one is a number."""
    counted: Counter[str] = Counter()
    kinds: dict[str, set[str]] = {}
    for metadata in metadatas:
        for key, value in metadata.items():
            counted[key] += 1
            kinds.setdefault(key, set()).add(_type_of(value))
    chosen = [key for key, _ in counted.most_common(_MOST_KEYS)]
    return {
        key: next((kind for kind in ("double", "string", "boolean") if kind in kinds[key]), "string") for key in chosen
    }


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "double"
    return "string" if isinstance(value, str) else ""


def value_column(key: str) -> str:
    """The column of a key's values: the key itself where that is a plain name."""
    return key if _PLAIN_NAME.fullmatch(key) and key not in _TAKEN else f"{_VALUE}{_digest(key)}"


def sign_column(key: str) -> str:
    """The column of a key's signs."""
    return f"{_SIGN}{key if _PLAIN_NAME.fullmatch(key) else _digest(key)}"


def sign(value: Any, *, present: bool = True) -> str:
    """A digest that two values share if and only if a filter takes them for equal; lists and objects share one."""
    return _digest(_written(value)) if present else _digest("absent")


def mark(key: str, value: Any) -> str:
    """What a row without a column for the key carries if the key has this value."""
    return _digest(f"{json.dumps(key)}={_written(value)}")


def presence(key: str) -> str:
    """What a row without a column for the key carries if it has the key."""
    return _digest(f"{json.dumps(key)}?")


def _marks(key: str, value: Any) -> Sequence[str]:
    return [presence(key)] if isinstance(value, (list, tuple, Mapping)) else [presence(key), mark(key, value)]


def _written(value: Any) -> str:
    """A value so that equal ones read alike: 1 and 1.0 are equal, and neither equals True."""
    if value is None or isinstance(value, bool):
        return f"{value}"
    if isinstance(value, str):
        return f"text:{value}"
    if isinstance(value, int):
        return f"number:{value:x}"
    if isinstance(value, float):
        return f"number:{int(value):x}" if value.is_integer() else f"number:{value!r}"
    return "other"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _typed(value: Any, kind: str) -> Any:
    """A value in a column of a type; nothing where it is of another."""
    if kind == "double":
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST_FLOAT
        return float(value) if number else None
    fits = isinstance(value, str) if kind == "string" else isinstance(value, bool) and kind == "boolean"
    return value if fits else None
