"""Record batches to a table: Parquet, CSV, JSON lines, Arrow and Delta. Whole, or not there at all.

Rows go to a file beside the output under a name of their own, which takes the output's name at the end; a Delta table
gets one commit. What a format cannot hold (a struct in CSV, bytes in JSON) becomes text: JSON, and base64.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ziggurat.batch.reading import Format
from ziggurat.batch.types import as_json
from ziggurat.errors import BatchError
from ziggurat.optional import require

_ROW_GROUP = 1 << 16


class _Sink(Protocol):
    def write(self, batch: Any, /) -> Any: ...
    def close(self) -> Any: ...


class TableWriter:
    """Writes one table.

    Args:
        out: Where it is to be.
        kind: Its format.
        schema: Its columns.

    Raises:
        BatchError: If the disk refuses.
    """

    def __init__(self, out: Path, kind: Format, schema: pa.Schema) -> None:
        self._out = out
        self._kind = kind
        self._schema = schema
        self._part = out.with_name(f".{out.name}.part")
        self._waiting: list[Any] = []
        self._rows = 0
        with _told(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            self._sink = _sink(self._part, kind, schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.abort()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= _ROW_GROUP:
            self._flush()

    def commit(self) -> None:
        """Put the table in its place; one that was there before is replaced."""
        self._flush()
        with _told(self._out):
            self._sink.close()
            if self._kind == "delta":
                _commit_delta(self._part, self._out)
                return
            if self._out.is_dir():
                shutil.rmtree(self._out)
            self._part.replace(self._out)

    def abort(self) -> None:
        """Leave nothing behind."""
        try:
            self._sink.close()
        except (OSError, pa.ArrowException):
            pass
        finally:
            self._part.unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._waiting:
            return
        with _told(self._out):
            self._sink.write(pa.Table.from_batches(self._waiting, schema=self._schema))
        self._waiting, self._rows = [], 0


class _told:  # noqa: N801 (used like a function)
    """Tells what the disk or the library refused."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError | pa.ArrowException) and not isinstance(error, BatchError):
            raise BatchError(
                f"The output cannot be written: {error}.",
                where=str(self._out),
                fix="make room, and start the batch again: every finished cell is kept",
            ) from error


def _sink(path: Path, kind: Format, schema: pa.Schema) -> _Sink:
    match kind:
        case "csv":
            delimiter = "\t" if path.name.removesuffix(".part").endswith(".tsv") else ","
            return _Csv(path, schema, delimiter)
        case "jsonl":
            return _JsonLines(path)
        case "arrow":
            sink: _Sink = pa.ipc.new_file(path, schema)
            return sink
        case _:
            parquet: _Sink = pa.parquet.ParquetWriter(path, schema, compression="zstd")
            return parquet


class _Csv:
    def __init__(self, path: Path, schema: pa.Schema, delimiter: str) -> None:
        flat = [pa.field(field.name, field.type if _is_flat(field.type) else pa.string()) for field in schema]
        self._schema = pa.schema(flat)
        self._writer = pa.csv.CSVWriter(path, self._schema, write_options=pa.csv.WriteOptions(delimiter=delimiter))

    def write(self, table: Any) -> None:
        columns = [
            column if _is_flat(column.type) else pa.array(_as_texts(column), pa.string()) for column in table.columns
        ]
        self._writer.write(pa.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, table: Any) -> None:
        lifted = [_lifted(column) for column in table.columns]
        names = table.schema.names
        for values in zip(*lifted, strict=True):
            self._file.write(as_json(dict(zip(names, values, strict=True))) + "\n")

    def close(self) -> None:
        self._file.close()


def _is_flat(kind: Any) -> bool:
    return not pa.types.is_nested(kind) and kind.id not in _NO_CSV


_NO_CSV = {kind.id for kind in (pa.binary(), pa.large_binary(), pa.binary(1), pa.binary_view(), pa.string_view())}


def _as_texts(column: Any) -> list[str | None]:
    made = (None if value is None else as_json(value) for value in _lifted(column))
    return [json.loads(one) if one is not None and one[0] == '"' else one for one in made]


def _lifted(column: Any) -> list[Any]:
    """A column's values with its maps as mappings: Arrow gives them as pairs."""
    lift = _lift(column.type)
    values = column.to_pylist()
    return values if lift is None else [None if one is None else lift(one) for one in values]


def _lift(kind: Any) -> Callable[[Any], Any] | None:
    if pa.types.is_map(kind):
        inside = _lift(kind.item_type)
        return lambda pairs: {key: inside(one) if inside and one is not None else one for key, one in pairs}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        item = _lift(kind.value_type)
        return None if item is None else lambda items: [one if one is None else item(one) for one in items]
    if pa.types.is_struct(kind):
        fields: Mapping[str, Any] = {kind.field(at).name: _lift(kind.field(at).type) for at in range(kind.num_fields)}
        if not any(fields.values()):
            return None
        return lambda record: {
            name: one if one is None or fields[name] is None else fields[name](one) for name, one in record.items()
        }
    return None


def _commit_delta(part: Path, out: Path) -> None:
    deltalake = require("deltalake", for_="Delta tables", extra="tables")
    file = pa.parquet.ParquetFile(part)
    rows = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(_ROW_GROUP))
    try:
        deltalake.write_deltalake(str(out), rows, mode="overwrite", schema_mode="overwrite")
    except Exception as error:  # (its errors have no common class of their own)
        raise BatchError(
            f"The Delta table cannot be written: {error}.",
            where=str(out),
            fix="give another output: every finished cell is kept",
        ) from error
    part.unlink()
