"""Stages made of stages: `Map` (one for each item), `Branch` (the one whose condition holds), `Repeat`.

What they are, checked when they are made; how they run is in `run.nesting`. Each is wired like any
other stage: its inputs are what the stages inside need and do not give one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.condition import Condition, condition
from ziggurat.chain.program import Program
from ziggurat.chain.stage import ANY, Call, CallKind, Param, Ref, Stage, ref
from ziggurat.chain.wiring import wire
from ziggurat.errors import WiringError
from ziggurat.suggest import did_you_mean

OUTPUT = "output"
"""What the output of a repeated stage is called in ``until`` and ``carry``, unless it is a chain."""

DEFAULT_LIMIT = 16
_DEFAULT_TIMES = 10
_INSIDE = "the-stage-inside"  # a name that no Python parameter has


class Body:
    """A stage inside a stage, compiled: inputs by root name in, the stage's own inputs out.

    Args:
        thing: What `as_stage` takes.
    """

    __slots__ = ("program", "stage", "step")

    def __init__(self, thing: Any) -> None:
        self.stage: Stage = as_stage(thing)
        self.program = Program(wire([(_INSIDE, self.stage)]))
        self.step = self.program.steps[0]

    @property
    def params(self) -> tuple[Param, ...]:
        """What it needs from outside."""
        return tuple(Param(one.name, one.type, one.required) for one in self.program.wiring.inputs.values())


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """Why one item of a `Map` has no result.

    Attributes:
        item: Its position, from 0.
        type: The exception's class.
        message: What it said.
    """

    item: int
    type: str
    message: str


class Items(list[Any]):
    """The results of a `Map` that keeps failures: None where an item failed.

    Attributes:
        failures: The items that failed, by position.
    """

    def __init__(self, values: Iterable[Any] = (), failures: Mapping[int, ItemFailure] | None = None) -> None:
        super().__init__(values)
        self.failures: dict[int, ItemFailure] = dict(failures or {})

    @property
    def ok(self) -> list[Any]:
        """The results of the items that did not fail, in order."""
        return [value for position, value in enumerate(self) if position not in self.failures]

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and (not isinstance(other, Items) or self.failures == other.failures)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # a list is not hashable


class Map:
    """A stage for each item of a list.

    Args:
        body: The stage; a chain, too. Its policy (retry, timeout, fallback) holds for each item.
        each: The input that gets one item at a time; the others get the same for every item. It may
            be left out where the body has one input. ``given(body, text=ref("row.text"))`` with
            ``each="row"`` reads into the item.
        limit: Items under way at once.
        on_error: ``raise`` starts no further item once one failed, and fails the stage; ``keep`` goes
            on, and the output is `Items`, with the failures beside the results.

    The input ``each`` takes any iterable but a text or a mapping. Output: a list, in the items' order.

    Raises:
        WiringError: If the body has no such input, or the limit lets nothing run.
    """

    def __init__(
        self,
        body: Any,
        each: str | None = None,
        *,
        limit: int = DEFAULT_LIMIT,
        on_error: Literal["raise", "keep"] = "raise",
    ) -> None:
        self.body = Body(body)
        names = [param.name for param in self.body.params]
        required = [param.name for param in self.body.params if param.required]
        if each is None and len(required or names) != 1:
            raise _refused(f"a Map needs to know which of {', '.join(names) or 'no inputs'} gets the items: each=...")
        self.each = each or (required or names)[0]
        if self.each not in names:
            raise _refused(
                f"the mapped stage {self.body.stage.label!r} reads no {self.each!r}"
                + (did_you_mean(self.each, names) or f"; it reads {', '.join(names) or 'nothing'}")
            )
        if limit < 1:
            raise _refused(f"a limit of {limit} items lets nothing run")
        if on_error not in ("raise", "keep"):
            raise _refused(f"on_error is 'raise' or 'keep', not {on_error!r}")
        self.limit = limit
        self.on_error = on_error
        self.name = f"Map({self.body.stage.label})"

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The body's inputs, one of them as many."""
        return tuple(Param(param.name, Iterable) if param.name == self.each else param for param in self.body.params)

    @property
    def stage_output(self) -> Any:
        """A list."""
        return list

    @property
    def stage_call(self) -> Call:
        """How it is called."""
        return Call(CallKind.MAP, self)


class Branch:
    """The stage whose condition holds; None where none does.

    Args:
        when: A reference that must be true, or a condition such as ``"kind == 'sql'"``.
        then: The stage that runs if it holds.
        otherwise: The stage that runs if not; None for no stage, and None as output.

    Every input of every arm must be there before the choice is made.

    Raises:
        InputError: If the condition cannot be read.
    """

    def __init__(self, when: str | Ref | Condition, then: Any, otherwise: Any = None) -> None:
        self.arms: tuple[tuple[Condition, Body], ...] = ((condition(when), Body(then)),)
        self.otherwise = None if otherwise is None else Body(otherwise)
        self.name = "Branch"

    @classmethod
    def on(cls, reference: str | Ref, cases: Mapping[Any, Any], otherwise: Any = None) -> Branch:
        """The stage whose case equals what ``reference`` leads to: ``Branch.on("kind", {"sql": ask_sql})``.

        Raises:
            WiringError: If there is no case.
        """
        if not cases:
            raise _refused("a Branch needs at least one case")
        target = ref(reference) if isinstance(reference, str) else reference
        made = cls.__new__(cls)
        made.arms = tuple((Condition(target, "==", case), Body(thing)) for case, thing in cases.items())
        made.otherwise = None if otherwise is None else Body(otherwise)
        made.name = "Branch"
        return made

    @property
    def bodies(self) -> tuple[Body, ...]:
        """All arms, the last one for when no condition holds."""
        return (*(body for _, body in self.arms), *((self.otherwise,) if self.otherwise else ()))

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """What the conditions look at (each named as it is written), then what the arms need."""
        looked_at = {str(one.ref): Param(str(one.ref)) for one, _ in self.arms}
        return (*looked_at.values(), *_union(self.bodies, looked_at))

    @property
    def stage_given(self) -> dict[str, Ref]:
        """The conditions' own references."""
        return {str(one.ref): one.ref for one, _ in self.arms if one.ref.path}

    @property
    def stage_output(self) -> Any:
        """Anything: it depends on the arm."""
        return ANY

    @property
    def stage_call(self) -> Call:
        """How it is called."""
        return Call(CallKind.BRANCH, self)


class Repeat:
    """A stage again and again, until a condition on its output holds or it ran often enough.

    Args:
        body: The stage; a chain, too.
        until: A reference into the body's output, or a condition on one: ``"critique.ok"`` for a chain
            with a stage ``critique``, ``"output.done"`` for a stage that is not a chain.
        at_most: How often it runs at most.
        carry: Which input of the next time comes from where in this time's output:
            ``{"draft": "revised.text"}``. May be left out where the body is not a chain and has one
            input: that one gets the output.

    Output: the body's last output.

    Raises:
        WiringError: If nothing is carried, or a name is neither an input nor an output of the body.
    """

    def __init__(
        self,
        body: Any,
        *,
        until: str | Ref | Condition,
        at_most: int = _DEFAULT_TIMES,
        carry: Mapping[str, str | Ref] | None = None,
    ) -> None:
        self.body = Body(body)
        self.is_chain = self.body.stage.call.kind is CallKind.CHAIN
        self.until = condition(until)
        self.at_most = at_most
        names = [param.name for param in self.body.params]
        if carry is None:
            carry = {names[0]: OUTPUT} if len(names) == 1 and not self.is_chain else {}
        self.carry = {name: ref(one) if isinstance(one, str) else one for name, one in carry.items()}
        self.name = f"Repeat({self.body.stage.label})"
        findings = [
            f"the repeated stage has no input {name!r} to carry to{did_you_mean(name, names)}"
            for name in self.carry
            if name not in names
        ]
        outputs = self._outputs()
        findings += [
            f"{str(one)!r} begins with no output of the repeated stage"
            + (did_you_mean(one.root, outputs) or f"; it has {', '.join(outputs)}")
            for one in (self.until.ref, *self.carry.values())
            if one.root not in outputs
        ]
        if not self.carry:
            findings.append("nothing is carried from one time to the next, so every time is the same: carry=...")
        if at_most < 1:
            findings.append(f"it runs at most {at_most} times, which is never")
        if findings:
            raise _refused(*findings)

    def _outputs(self) -> list[str]:
        if not self.is_chain:
            return [OUTPUT]
        wiring = self.body.stage.call.target.wiring
        return [wiring.names[position] for position in wiring.outputs]

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The body's inputs: what the first time gets."""
        return self.body.params

    @property
    def stage_output(self) -> Any:
        """What the body returns."""
        return self.body.stage.returns

    @property
    def stage_call(self) -> Call:
        """How it is called."""
        return Call(CallKind.REPEAT, self)


def bodies_of(call: Call) -> tuple[tuple[str, Body], ...]:
    """The stages inside a Map, Branch or Repeat, each with what tells it from the others."""
    match call.target:
        case Map() | Repeat() as one:
            return (("", one.body),)
        case Branch() as branch:
            named = [(str(when), body) for when, body in branch.arms]
            return (*named, *((("otherwise", branch.otherwise),) if branch.otherwise else ()))
        case _:
            return ()


def _union(bodies: Iterable[Body], taken: Mapping[str, Param]) -> tuple[Param, ...]:
    found: dict[str, Param] = {}
    for param in (param for body in bodies for param in body.params):
        before = found.get(param.name)
        if before is None:
            found[param.name] = param
        elif param.required and not before.required:
            found[param.name] = Param(param.name, before.type, required=True)
    return tuple(param for name, param in found.items() if name not in taken)


def _refused(*findings: str) -> WiringError:
    return WiringError(f"This stage cannot run: {'; '.join(findings)}.", findings=findings)
