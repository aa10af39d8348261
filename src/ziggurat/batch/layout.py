"""Which columns feed which inputs of a chain, and which columns its outputs become: checked before any row.

Pure: it knows schemas, not rows. Every finding is said at once, with the name that was probably meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ziggurat.batch.types import ColumnType, column_type, field_type, has_fields, python_type, without_none
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.stage import Ref, ref
from ziggurat.chain.types import can_meet, missing_field, type_name
from ziggurat.errors import InputError, TableError
from ziggurat.suggest import did_you_mean

ERROR = "error"
"""The column that says what went wrong with a row."""

ERROR_TYPE = pa.struct([pa.field(name, pa.string()) for name in ("stage", "type", "message")])


@dataclass(frozen=True, slots=True)
class Feed:
    """One input of the chain that a column feeds.

    Attributes:
        name: The input.
        column: The column.
        takes_none: Whether the input may be None.
        required: Whether the chain cannot do without it.
        record: The type to make of a struct, or None to give values as they are.
    """

    name: str
    column: str
    takes_none: bool
    required: bool
    record: Any = None


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One column of the output that the chain makes.

    Attributes:
        name: The column.
        source: The stage, and the path inside its output.
        type: The column's type and how values come to it.
    """

    name: str
    source: Ref
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is fed to a chain and what comes out.

    Attributes:
        feeds: The inputs that columns feed.
        constants: The inputs that are the same for every row.
        keys: The columns that identify a row; empty if its inputs do.
        carried: The columns of the table that the output has, too.
        outputs: The columns that the chain makes.
        table: The table's schema.
        error: The name of the column for errors.
    """

    feeds: tuple[Feed, ...]
    constants: Mapping[str, Any]
    keys: tuple[str, ...]
    carried: tuple[str, ...]
    outputs: tuple[OutputColumn, ...]
    table: pa.Schema
    error: str = ERROR

    @property
    def read(self) -> tuple[str, ...]:
        """The columns of the table that are read."""
        wanted = {*self.carried, *self.keys, *(feed.column for feed in self.feeds)}
        return tuple(name for name in self.table.names if name in wanted)

    @property
    def schema(self) -> pa.Schema:
        """The schema of the output."""
        return pa.schema(
            [
                *(self.table.field(name).remove_metadata() for name in self.carried),
                *(pa.field(column.name, column.type.arrow) for column in self.outputs),
                pa.field(self.error, ERROR_TYPE),
            ]
        )


def lay_out(
    chain: MultiChain,
    table: pa.Schema,
    *,
    inputs: Mapping[str, str] | None = None,
    constants: Mapping[str, Any] | None = None,
    keys: Sequence[str] = (),
    outputs: Mapping[str, str] | Sequence[str] | None = None,
    carry: Sequence[str] | None = None,
    error: str = ERROR,
) -> Layout:
    """Decide, and check, how a table is fed to a chain.

    Args:
        chain: The chain.
        table: The table's schema.
        inputs: Columns by the input they feed, where they are called otherwise than it.
        constants: Values by input, the same for every row.
        keys: The columns that identify a row.
        outputs: What becomes a column: stages and paths inside their outputs (``qa.text``), or such by the
            column's name. None for what the chain returns.
        carry: The columns of the table to carry over; None for all.
        error: The name of the column for errors.

    Raises:
        TableError: If something does not fit, with everything that does not.
    """
    constants = constants or {}
    findings: list[str] = []
    feeds = _feeds(chain, table, inputs or {}, constants, findings)
    findings += [
        f"there is no column {name!r}{did_you_mean(name, table.names)}"
        for name in (*keys, *(carry or ()))
        if name not in table.names
    ]
    columns = _outputs(chain, outputs, findings)
    carried = tuple(table.names if carry is None else dict.fromkeys((*keys, *carry)))
    taken = set(carried) | {error}
    for column in columns:
        if column.name in taken:
            findings.append(
                f"the output column {column.name!r} has the name of another column: call it otherwise, "
                f"for example {column.name}_out={column.source}"
            )
        taken.add(column.name)
    if error in carried:
        findings.append(f"the table has a column {error!r} already: call the one for errors otherwise")
    if findings:
        raise TableError(
            "The table does not fit the chain: " + "; ".join(findings) + ".",
            where=f"chain {chain.name!r}, which reads {', '.join(chain.run_inputs) or 'nothing'}; "
            f"table with {', '.join(table.names)}",
        )
    return Layout(feeds, constants, tuple(keys), carried, columns, table, error)


def _feeds(
    chain: MultiChain,
    table: pa.Schema,
    inputs: Mapping[str, str],
    constants: Mapping[str, Any],
    findings: list[str],
) -> tuple[Feed, ...]:
    feeds = []
    findings += [
        f"the chain has no input {name!r}{did_you_mean(name, chain.run_inputs)}"
        for name in (*inputs, *constants)
        if name not in chain.run_inputs
    ]
    for name, one in chain.run_inputs.items():
        if name in constants:
            continue
        column = inputs.get(name, name)
        if column not in table.names:
            if one.required or name in inputs:
                readers = ", ".join(one.readers)
                findings.append(
                    f"there is no column {column!r} for the input {name!r}, which {readers} reads"
                    f"{did_you_mean(column, table.names)}"
                )
            continue
        arrow = table.field(column).type
        given = python_type(arrow)
        record = made if given is dict and has_fields(made := without_none(one.type)) else None
        if record is None and not can_meet(given, one.type):
            findings.append(
                f"the column {column!r} holds {arrow}, and the input {name!r} takes {type_name(one.type)}: cast the column"
            )
        takes_none = one.type is not Any and can_meet(type(None), one.type)
        feeds.append(Feed(name, column, takes_none, one.required, record))
    if not feeds and chain.run_inputs:
        findings.append("no column feeds any input, so every row would be the same")
    return tuple(feeds)


def _outputs(
    chain: MultiChain, outputs: Mapping[str, str] | Sequence[str] | None, findings: list[str]
) -> tuple[OutputColumn, ...]:
    stages = chain.stages
    if outputs is None:
        outputs = [chain.wiring.names[position] for position in chain.wiring.outputs]
    if not isinstance(outputs, Mapping):
        outputs = {one.replace(".", "_").replace("*", "all"): one for one in outputs}
    columns = []
    for name, path in outputs.items():
        try:
            source = ref(path)
        except InputError as error:
            findings.append(error.what)
            continue
        if source.root not in stages:
            findings.append(f"the chain has no stage {source.root!r}{did_you_mean(source.root, stages)}")
            continue
        returns = stages[source.root].returns
        problem = missing_field(returns, source.path)
        if problem:
            findings.append(f"the output {path!r} leads nowhere: {problem}")
            continue
        columns.append(OutputColumn(name, source, column_type(field_type(returns, source.path))))
    if not columns and not findings:
        findings.append("the chain returns nothing: name the outputs")
    return tuple(columns)
