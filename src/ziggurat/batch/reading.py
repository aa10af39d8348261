"""Tables as record batches: Parquet, CSV, JSON lines, Arrow and Delta files, and what is in memory.

Each is read by the library made for it, a piece at a time, and can be read more than once. Types are what the file
says, or for CSV and JSON lines what its beginning shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.json
import pyarrow.parquet

from ziggurat.errors import TableError
from ziggurat.optional import require
from ziggurat.suggest import did_you_mean

Format = Literal["parquet", "csv", "jsonl", "arrow", "delta"]

SUFFIXES: Mapping[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".delta": "delta",
}
_PARQUET = b"PAR1"
_INDEX = re.compile(r"__index_level_\d+__")
_READ_ROWS = 8192
_BLOCK_BYTES = 8 << 20
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be read, more than once.

    Attributes:
        schema: Its columns.
        name: What to call it: its path, or what it is.
        format: What its files are; None for one in memory.
        files: The files it is made of, for those who read them otherwise.
        rows: How many rows it has, where that is known without reading them.
        read: Reads some columns, as record batches of any size.
    """

    schema: pa.Schema
    name: str
    format: Format | None
    files: tuple[str, ...]
    rows: int | None
    read: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]


def open_table(table: Any) -> Table:
    """Open a table.

    Args:
        table: A path; or an Arrow table, a pandas or Polars frame, or mappings by column, which are kept in memory.

    Raises:
        TableError: If there is no such file, or it is none of these.
    """
    if isinstance(table, str | Path):
        return _opened(Path(table) if not str(table).startswith("delta:") else str(table))
    if isinstance(table, pa.Table):
        return _in_memory(table)
    if hasattr(table, "__arrow_c_stream__"):
        found = pa.table(table)  # (with a column for a data frame's index that has no name, which nobody asked for)
        return _in_memory(found.select([name for name in found.schema.names if not _INDEX.fullmatch(name)]))
    if isinstance(table, Iterable):
        rows = list(table)
        if all(isinstance(row, Mapping) for row in rows):
            try:
                names = dict.fromkeys(name for row in rows for name in row)
                return _in_memory(pa.table({name: [row.get(name) for row in rows] for name in names}))
            except (pa.ArrowException, TypeError) as error:
                raise TableError(f"These rows are no table: {error}.") from error
    raise TableError(
        f"A {type(table).__name__} is no table.", fix="a path, an Arrow table, a data frame, or a list of mappings"
    )


def values_of(column: Any) -> list[Any]:
    """A column's values as Python has them; times are in microseconds, which is as fine as Python's are."""
    kind = column.type
    if getattr(kind, "unit", "") == "ns":
        if pa.types.is_timestamp(kind):
            coarser = pa.timestamp("us", kind.tz)
        else:
            coarser = pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us")
        column = column.cast(coarser, safe=False)
    values: list[Any] = column.to_pylist()
    return values


def format_of(path: Path | str, *, what: str = "table") -> Format:
    """What a path's name, or what lies there, says of its format.

    Raises:
        TableError: If it says nothing.
    """
    path = Path(str(path).removeprefix("delta:")) if str(path).startswith("delta:") else Path(path)
    if (path / "_delta_log").is_dir():
        return "delta"
    found = SUFFIXES.get(path.suffix.lower())
    if found is None and path.is_file() and _is_parquet(path):
        found = "parquet"
    if found is None and path.is_dir():
        inside = {
            SUFFIXES.get(one.suffix.lower()) for one in path.iterdir() if one.is_file() and one.name[0] not in "._"
        }
        found = next(iter(inside)) if len(inside) == 1 else None
    if found is None and not path.suffix and what == "output":
        return "parquet"
    if found is None:
        raise TableError(
            f"The name of the {what} does not say its format{did_you_mean(path.suffix, SUFFIXES)}.",
            where=str(path),
            fix=f"end it in one of {', '.join(SUFFIXES)}",
        )
    return found


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET


def _opened(given: Path | str) -> Table:
    path = Path(str(given).removeprefix("delta:"))
    if not path.exists():
        neighbours = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        raise TableError(f"There is no table {str(path)!r}{did_you_mean(path.name, neighbours)}.")
    kind: Format = "delta" if str(given).startswith("delta:") else format_of(path)
    try:
        return _delta(path) if kind == "delta" else _files(path, kind)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableError(f"The table cannot be read as {kind}: {error}.", where=str(path)) from error


def _files(path: Path, kind: Format) -> Table:
    found = pa.dataset.dataset(path, format=_format(path, kind), exclude_invalid_files=False)
    _refuse_namesakes(found.schema.names, str(path))

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return _said_of(path, kind, found, columns)

    rows = found.count_rows() if kind in ("parquet", "arrow") else None
    return Table(found.schema, str(path), kind, tuple(found.files), rows, read)


def _said_of(path: Path, kind: Format, found: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of files, in order; what the library says of bad ones is told as ours."""
    try:
        for file in found.get_fragments():
            yield from _of_file(file, kind, found.schema, list(columns))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableError(
            f"A row of the table cannot be read: {error}.", where=str(path), fix="mend the file, or write it as Parquet"
        ) from error


def _of_file(file: Any, kind: Format, schema: pa.Schema, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of one file, a piece at a time: the scanner that reads any format decodes up to a gigabyte ahead."""
    wanted = pa.schema([schema.field(name) for name in columns])
    if kind == "parquet" and file.physical_schema.names == schema.names:
        with pa.parquet.ParquetFile(file.path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as parquet:
            for batch in parquet.iter_batches(_READ_ROWS, columns=columns):
                yield batch.select(columns).cast(wanted)
        return
    yield from file.to_batches(schema=schema, columns=columns, batch_size=_READ_ROWS, batch_readahead=2)


def _format(path: Path, kind: Format) -> Any:
    match kind:
        case "csv":
            delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
            parse = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
            return pa.dataset.CsvFileFormat(parse, read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES))
        case "jsonl":
            return pa.dataset.JsonFileFormat(read_options=pa.json.ReadOptions(block_size=_BLOCK_BYTES))
        case "arrow":
            return "ipc"
        case _:
            return "parquet"


def _delta(path: Path) -> Table:
    deltalake = require("deltalake", for_="Delta tables", extra="tables")
    try:
        table = deltalake.DeltaTable(str(path))
        found = table.to_pyarrow_dataset()
    except Exception as error:  # (its errors have no common class of their own)
        raise TableError(f"The Delta table cannot be read: {error}.", where=str(path)) from error

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return _said_of(path, "delta", found, columns)

    return Table(found.schema, str(path), "delta", tuple(table.file_uris()), found.count_rows(), read)


def _refuse_namesakes(names: Sequence[str], where: str) -> None:
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise TableError(f"Columns have the same name: {', '.join(twice)}.", where=where, fix="rename them")


def _in_memory(table: Any) -> Table:
    _refuse_namesakes(table.schema.names, "the table in memory")

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield from table.select(list(columns)).to_batches(max_chunksize=_READ_ROWS)

    return Table(table.schema, f"{table.num_rows:,} rows in memory", None, (), table.num_rows, read)
