"""One row through a chain: its inputs from columns, its outputs to columns, its error as a value.

A row's run is a run of the chain like any other, its stages recorded in the batch's ledger. Whatever a row
does (null where a value is needed, a stage that fails, an output of another type than declared), it ends as a
row of the output; only a ledger that cannot be written ends more than the row.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from ziggurat.batch.cells import Cells
from ziggurat.batch.layout import Feed, Layout
from ziggurat.batch.records import RowEnd
from ziggurat.batch.row_cells import NotComputed, RowCells
from ziggurat.chain.budget import Purse
from ziggurat.chain.frozen import value_class
from ziggurat.chain.identity import Identities
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.program import MISSING, NO_OVERRIDES, follow
from ziggurat.chain.run.context import Context
from ziggurat.chain.run.metering import Meter, metered
from ziggurat.chain.run.runner import Caller, Run
from ziggurat.chain.run.session import stopped_by_budget
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.chain.values import digest
from ziggurat.errors import ChainError, InputError, ValueNotStorable, gist

_WORTH_NAMING = 0.01
"""Seconds that a row takes from which on the ledger says which it is even if nothing went wrong."""
_SHOWN = 200
"""Characters of a row's keys that the ledger keeps for people."""


@value_class()
class RowResult:
    """What became of a row.

    Attributes:
        outputs: The values of the output's columns, in order; None where there is none.
        end: How it ended.
        counts: Whether an error counts as a failed row: one for want of budget, or of permission to compute, does not.
        computed: Cells that were computed.
        kept: Cells that were there already.
        usage: What the models used.
    """

    outputs: Sequence[Any]
    end: RowEnd
    counts: bool = True
    computed: int = 0
    kept: int = 0
    usage: Usage = NO_USAGE


class RowRunner:
    """Runs single rows.

    Args:
        chain: The chain.
        layout: How the table is fed to it.
        columns: The columns of the rows' values, in order.
        cells: Where finished cells are.
        purse: What may be spent, or None.
    """

    def __init__(
        self, chain: MultiChain, layout: Layout, columns: Sequence[str], cells: Cells, purse: Purse | None
    ) -> None:
        self._program = chain.program
        self._layout = layout
        self._cells = cells
        self._cache = chain.settings.cache
        self._purse = purse
        self._identities = Identities()
        self._template = [MISSING] * chain.program.slots
        for name, constant in layout.constants.items():
            self._template[chain.program.slot_of[name]] = constant
        at = {name: position for position, name in enumerate(columns)}
        self._feeds = [(feed, at[feed.column], chain.program.slot_of[feed.name], _maker(feed)) for feed in layout.feeds]
        self._keys = [at[name] for name in (layout.keys or [feed.column for feed in layout.feeds])]
        self._nothing = (None,) * len(layout.outputs)
        self._names = chain.name or "chain"

    def digest(self, values: Sequence[Any]) -> bytes:
        """What identifies a row: its keys, or where it has none its inputs.

        Raises:
            ValueNotStorable: If a key is not plain data.
        """
        keys = self._keys
        return digest(values[keys[0]] if len(keys) == 1 else [values[position] for position in keys])

    async def run(self, values: Sequence[Any], *, alone: bool = False, refused: RowEnd | None = None) -> RowResult:
        """Run a row.

        Args:
            values: Its values, in the order of the columns.
            alone: Whether no other row runs meanwhile.
            refused: The end of a row that is not to be run.

        Raises:
            LedgerError: If the ledger cannot be written.
        """
        began = time.perf_counter()
        row = self.digest(values)
        recorder = RowCells(self._cells, row, alone=alone)
        if refused is not None:
            end = replace(refused, keys=self._shown(values))
            recorder.end(end)
            return RowResult(self._nothing, end)
        meter = Meter(None, self._purse)
        outputs: Mapping[str, Any] = {}
        stage = kind = message = ""
        counts = True
        try:
            slots = self._slots(values)
            context = Context(row.hex(), ledger=recorder, cache=self._cache, meter=meter, identities=self._identities)
            run = Run(self._program, slots, NO_OVERRIDES, Caller(context.run_id, context, None))
            with metered(meter):
                try:
                    await run.execute()
                finally:
                    outputs = run.finished()
        except ChainError as error:
            stage, (kind, message) = error.stage, _said(error.__cause__ or error)
            counts = not (stopped_by_budget(error) or isinstance(error.__cause__, NotComputed))
        except (InputError, ValueNotStorable) as error:
            kind, message = _said(error)
        except BaseException:
            recorder.drop()
            raise
        seconds = time.perf_counter() - began
        end = RowEnd(self._shown(values) if kind or seconds > _WORTH_NAMING else "", stage, kind, message, seconds)
        recorder.end(end)
        return RowResult(self._columns(outputs), end, counts, recorder.computed, recorder.found, meter.total)

    def _slots(self, values: Sequence[Any]) -> list[Any]:
        slots = self._template.copy()
        for feed, position, slot, make in self._feeds:
            given = values[position]
            if given is None and not feed.takes_none:
                if feed.required:
                    raise InputError(
                        f"The column {feed.column!r} is null, and the input {feed.name!r} needs a value.",
                        fix=f"give it a value, or a default to every stage that reads {feed.name!r}",
                    )
                continue
            slots[slot] = given if make is None or given is None else make(given)
        return slots

    def _columns(self, outputs: Mapping[str, Any]) -> list[Any]:
        found = []
        for column in self._layout.outputs:
            output = outputs.get(column.source.root)
            if output is not None and column.source.path:
                try:
                    output = follow(output, column.source)
                except InputError:  # an optional part that this row does not have
                    output = None
            found.append(output)
        return found

    def _shown(self, values: Sequence[Any]) -> str:
        shown = ", ".join(str(values[position]) for position in self._keys)
        return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def to_batch(layout: Layout, carried: pa.RecordBatch, results: Sequence[RowResult]) -> tuple[pa.RecordBatch, int]:
    """The rows of the output: what is carried over, what the chain gave, what went wrong.

    A value that is not of its column's type becomes null, and the row has an error that says so.

    Returns:
        The rows, and how many of them have an error that they did not have before.
    """
    errors: list[dict[str, str] | None] = [
        {"stage": end.stage, "type": end.type, "message": end.message} if (end := result.end).failed else None
        for result in results
    ]
    before = sum(error is not None for error in errors)
    arrays = [carried.column(name) for name in layout.carried]
    for position, column in enumerate(layout.outputs):
        values = [result.outputs[position] for result in results]
        try:
            lower = column.type.lower
            lowered = values if lower is None else [None if one is None else lower(one) for one in values]
            arrays.append(pa.array(lowered, column.type.arrow))
        except (TypeError, ValueError, OverflowError, AttributeError, pa.ArrowException):
            arrays.append(_one_by_one(column.name, str(column.source), column.type, values, errors))
    schema = layout.schema
    arrays.append(pa.array(errors, schema.field(layout.error).type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema), sum(error is not None for error in errors) - before


def _one_by_one(name: str, source: str, kind: Any, values: Sequence[Any], errors: list[dict[str, str] | None]) -> Any:
    lowered = []
    for position, one in enumerate(values):
        try:
            value = kind.lowered(one)
            pa.array([value], kind.arrow)
        except (TypeError, ValueError, OverflowError, AttributeError, pa.ArrowException) as error:
            value = None
            if errors[position] is None:
                errors[position] = {
                    "stage": source.partition(".")[0],
                    "type": "OutputMismatch",
                    "message": f"The column {name!r} is {kind.arrow}, and {source} is a {type(one).__name__}: {error}",
                }
        lowered.append(value)
    return pa.array(lowered, kind.arrow)


def _maker(feed: Feed) -> Any:
    """What makes the declared type of a struct, or None."""
    if feed.record is None:
        return None
    adapter: TypeAdapter[Any] = TypeAdapter(feed.record)

    def make(given: Any) -> Any:
        try:
            return adapter.validate_python(given)
        except ValidationError as error:
            raise InputError(f"The column {feed.column!r} is no {feed.record.__name__}: {error}") from error

    return make


def _said(error: BaseException) -> tuple[str, str]:
    return type(error).__name__, gist(error)
