"""Records to rows and back, and the tables they stand in: the same for SQLite and Postgres.

Pure but for the encoding of usage. A cell's value is its row's last column, so that reading all but
the values of a run does not follow them to other pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ormsgpack import packb, unpackb

from ziggurat.chain.journal.records import Cell, CellStatus, RunRecord, RunStatus
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.chain.values import decode, encode

HASH_BYTES = 32
"""Of a blob; a cell's hashes are stored one behind another."""

# {serial}, {blob}, {real} and {int} are a database's own words for them. Rows of cells are numbered
# in the order in which their paths were first recorded, and keep their number when replaced.
TABLES = (
    """
CREATE TABLE runs (
  run {serial},
  id TEXT NOT NULL UNIQUE,
  chain TEXT NOT NULL,
  status TEXT NOT NULL,
  began {real} NOT NULL,
  ended {real},
  usage {blob},
  cost TEXT,
  replay_of TEXT,
  target TEXT NOT NULL,
  error TEXT NOT NULL,
  identities {blob} NOT NULL,
  shape {blob} NOT NULL,
  inputs {blob} NOT NULL
);
CREATE TABLE cells (
  cell {serial},
  run {int} NOT NULL,
  path TEXT NOT NULL,
  status TEXT NOT NULL,
  identity {blob} NOT NULL,
  content {blob} NOT NULL,
  inputs {blob},
  blobs {blob},
  usage {blob},
  attempts {int} NOT NULL,
  began {real} NOT NULL,
  seconds {real} NOT NULL,
  source TEXT NOT NULL,
  error TEXT NOT NULL,
  value {blob},
  UNIQUE (run, path)
);
CREATE TABLE identities (digest {blob} PRIMARY KEY, description {blob} NOT NULL);
CREATE TABLE blobs (hash {blob} PRIMARY KEY, data {blob} NOT NULL);
CREATE TABLE uses (hash {blob} NOT NULL, run {int} NOT NULL, PRIMARY KEY (hash, run))""",
)

_CELL_COLUMNS = (
    "path, status, identity, content, inputs, blobs, usage, attempts, began, seconds, source, error, value".split(", ")
)
READ_CELL = ", ".join(_CELL_COLUMNS[:-1])
RECORD = (
    f"INSERT INTO cells (run, {', '.join(_CELL_COLUMNS)}) VALUES (?{', ?' * len(_CELL_COLUMNS)}) "  # noqa: S608 (names of our own columns)
    f"ON CONFLICT (run, path) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _CELL_COLUMNS[1:])}"
)
_RUN_COLUMNS = "id, chain, status, began, ended, usage, cost, replay_of, target, error, shape, inputs".split(", ")
READ_RUN = f"{', '.join(_RUN_COLUMNS)}, (SELECT count(*) FROM cells WHERE cells.run = runs.run)"  # noqa: S608 (names of our own columns)
BEGIN = (
    f"INSERT INTO runs (identities, {', '.join(_RUN_COLUMNS)}) VALUES (?{', ?' * len(_RUN_COLUMNS)}) "  # noqa: S608 (the same)
    "ON CONFLICT (id) DO NOTHING"
)


def cell_row(run: int, cell: Cell) -> tuple[Any, ...]:
    """What `RECORD` binds."""
    inputs = cell.inputs
    usage = cell.usage
    return (
        run,
        cell.path,
        cell.status._value_,
        cell.identity,
        cell.key,
        packb(inputs if type(inputs) is dict else dict(inputs)) if inputs else None,
        b"".join(cell.blobs) if cell.blobs else None,
        encode(usage) if usage.lines else None,
        cell.attempts,
        cell.began,
        cell.seconds,
        cell.source,
        clean(cell.error) if cell.error else "",
        cell.value,
    )


def cell_of(row: tuple[Any, ...]) -> Cell:
    """A cell from the columns of `READ_CELL`, without its value."""
    path, status, identity, content, inputs, blobs, usage, attempts, began, seconds, source, error = row
    return Cell(
        path,
        CellStatus(status),
        identity,
        content,
        _inputs(inputs),
        None,
        split_hashes(blobs),
        _usage(usage),
        attempts,
        began,
        seconds,
        source,
        error,
    )


def run_row(run: RunRecord, identities: bytes) -> tuple[Any, ...]:
    """What `BEGIN` binds."""
    return (
        identities,
        run.id,
        clean(run.chain),
        run.status.value,
        run.began,
        run.ended,
        encode(run.usage) if run.usage else None,
        run.cost,
        run.replay_of,
        clean(run.target),
        clean(run.error),
        run.shape,
        run.inputs,
    )


def run_of(row: tuple[Any, ...]) -> RunRecord:
    """A run from the columns of `READ_RUN`."""
    id_, chain, status, began, ended, usage, cost, replay_of, target, error, shape, inputs, cells = row
    return RunRecord(
        id_,
        chain,
        RunStatus(status),
        began,
        ended,
        inputs,
        _usage(usage),
        cost,
        replay_of,
        target,
        shape,
        error,
        cells,
    )


def split_hashes(joined: bytes | None) -> tuple[bytes, ...]:
    """Hashes that stand one behind another."""
    if not joined:
        return ()
    return tuple(joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES))


def clean(text: str) -> str:
    """A text that every database takes: lone surrogates and NULs are shown by their escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _inputs(packed: bytes | None) -> Mapping[str, bytes]:
    return unpackb(packed) if packed else {}


def _usage(encoded: bytes | None) -> Usage:
    if encoded is None:
        return NO_USAGE
    found = decode(encoded)
    return found if isinstance(found, Usage) else NO_USAGE
