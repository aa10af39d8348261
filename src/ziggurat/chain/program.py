"""A wiring compiled for running: where every value lies, and how each stage's inputs are read.

The run's inputs and the stages' outputs share one list of slots; reading an input is an index into
it. What can be decided once per chain is decided here, so that a run only moves values.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from ziggurat.chain.plan import DONE, Plan
from ziggurat.chain.stage import COMPOSITE, EVERY, Call, CallKind, Policy, Ref, StageName, Template, Value
from ziggurat.chain.wiring import Wiring
from ziggurat.errors import InputError

MISSING: Any = type("MISSING", (), {"__repr__": lambda _: "MISSING"})()
"""In the slot of a run input that was not given."""

Getter = Callable[[list[Any]], Any]


class Limiter:
    """Bounds how many calls are under way at once, on each event loop that runs them."""

    __slots__ = ("_by_loop", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]
        self._by_loop = weakref.WeakKeyDictionary()

    def here(self) -> asyncio.Semaphore:
        """The semaphore of the running event loop."""
        return self._by_loop.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self._limit))


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One stage, ready to run.

    Attributes:
        name: Its name.
        call: What to call.
        policy: How.
        target: What ``call`` calls.
        slot: Where its output goes.
        position: Its position in the wiring.
        direct: Parameters that are one slot's value as it is.
        getters: The other parameters, each with a function of the slots.
        is_plain: Whether nothing was asked of how it is run.
        is_plain_async: Whether it is, besides, a coroutine function.
        limiter: Bounds its calls, or None.
        is_composite: Whether its work is done by stages inside it.
    """

    name: StageName
    call: Call
    policy: Policy
    target: Any
    slot: int
    position: int
    direct: tuple[tuple[str, int], ...]
    getters: tuple[tuple[str, Getter], ...]
    is_plain: bool
    is_plain_async: bool
    limiter: Limiter | None
    is_composite: bool

    def inputs(self, slots: list[Any], overrides: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        """The stage's inputs by name, from the slots of a run."""
        given = {param: slots[slot] for param, slot in self.direct}
        if self.getters:
            for param, get in self.getters:
                found = get(slots)
                if found is not MISSING:
                    given[param] = found
        if overrides and (own := overrides.get(self.position)):
            given.update(own)
        return given


class Program:
    """A chain that can run, any number of times at once.

    Attributes:
        wiring: What it was compiled from.
        steps: One for each stage, by position.
        slot_of: Where the value of each run input lies.
        slots: How many values a run has.
        names: The stages' names.
        remembered: Identities of stages that cannot change, by position; `identity` keeps them here.
    """

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        stages = len(wiring.names)
        self.slot_of: dict[str, int] = {name: stages + offset for offset, name in enumerate(wiring.inputs)}
        self.slots = stages + len(wiring.inputs)
        self.names = frozenset(wiring.names)
        self.steps = tuple(self._step(position) for position in range(stages))
        self.remembered: dict[int, Any] = {}
        self._outputs = tuple((wiring.names[position], position) for position in wiring.outputs)

    def outputs(self, slots: Sequence[Any]) -> dict[str, Any]:
        """The values a run returns, by stage."""
        return {name: slots[slot] for name, slot in self._outputs}

    def finished(self, slots: Sequence[Any], plan: Plan) -> dict[str, Any]:
        """The values of the stages that are done, by stage."""
        return {
            name: slots[position] for position, name in enumerate(self.wiring.names) if plan.states[position] is DONE
        }

    def _step(self, position: int) -> Step:
        stage, name = self.wiring.stages[position], self.wiring.names[position]
        direct: list[tuple[str, int]] = []
        getters: list[tuple[str, Getter]] = []
        for feed in self.wiring.feeds[position]:
            match feed.binding:
                case Ref(root, ()) if feed.required:
                    direct.append((feed.param, self._slot(root, position)))
                case Ref() as reference:
                    getters.append((feed.param, self._reader(reference, position)))
                case Template() as template:
                    getters.append((feed.param, self._filler(template, position)))
                case Value(constant):
                    getters.append((feed.param, _constant(constant)))
        return Step(
            name,
            stage.call,
            stage.policy,
            stage.call.target,
            position,
            position,
            tuple(direct),
            tuple(getters),
            is_plain=stage.policy.is_plain,
            is_plain_async=stage.call.kind is CallKind.ASYNC and stage.policy.is_plain,
            limiter=Limiter(stage.policy.limit) if stage.policy.limit is not None else None,
            is_composite=stage.call.kind in COMPOSITE,
        )

    def _slot(self, root: str, position: int) -> int:
        names = self.wiring.names
        if root in names and root != names[position]:
            return self.wiring.position(root)
        return self.slot_of[root]

    def _reader(self, reference: Ref, position: int) -> Getter:
        slot = self._slot(reference.root, position)

        def read(slots: list[Any]) -> Any:
            return follow(slots[slot], reference)

        return read

    def _filler(self, template: Template, position: int) -> Getter:
        parts = [part if isinstance(part, str) else self._reader(part, position) for part in template.parts]

        def fill(slots: list[Any]) -> str:
            return "".join(part if isinstance(part, str) else str(part(slots)) for part in parts)

        return fill


class Compiled(Protocol):
    """What runs and forecasts need to know of a chain."""

    @property
    def program(self) -> Program:
        """The chain, compiled."""

    @property
    def name(self) -> str | None:
        """What it is called."""


NO_OVERRIDES: Mapping[int, Mapping[str, Any]] = MappingProxyType({})


def _constant(value: Any) -> Getter:
    def get(_: list[Any]) -> Any:
        return value

    return get


def follow(start: Any, reference: Ref) -> Any:
    """What a reference's path leads to inside a value: a mapping's key, a list's item, an attribute.

    Raises:
        InputError: If there is no such thing; it names the step that was missing.
    """
    return MISSING if start is MISSING else _walk(start, reference.path, reference)


def _walk(found: Any, path: tuple[str, ...], reference: Ref) -> Any:
    for position, step in enumerate(path):
        try:
            if step == EVERY:
                return [_walk(item, path[position + 1 :], reference) for item in _items(found)]
            if isinstance(found, Mapping):
                found = found[step]
            elif isinstance(found, Sequence) and not isinstance(found, str) and step.isdecimal():
                found = found[int(step)]
            else:
                found = getattr(found, step)
        except (KeyError, IndexError, AttributeError, TypeError) as error:
            raise InputError(
                f"The reference {str(reference)!r} leads nowhere: {type(found).__name__} has no {step!r}."
            ) from error
    return found


def _items(found: Any) -> Sequence[Any]:
    if isinstance(found, Sequence) and not isinstance(found, str | bytes):
        return found
    raise TypeError(type(found))
