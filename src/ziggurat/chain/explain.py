"""What a run would do, said before it runs: stages, cache hits, bounds on calls, tokens and cost.

Nothing is called but what stages declare (``stage_bounds``) and what the cache has. A bound is the
most that can happen: all attempts, all items, the dearest arm of a branch. What is not known is said
to be unknown and never counted as nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from ziggurat.chain.composite import Body, bodies_of
from ziggurat.chain.program import MISSING, NO_OVERRIDES, Compiled, Program, Step
from ziggurat.chain.run.context import Context
from ziggurat.chain.run.nesting import slots_of
from ziggurat.chain.settings import Settings
from ziggurat.chain.stage import Call, CallBound, CallKind
from ziggurat.chain.values import decode
from ziggurat.errors import InputError, ValueNotStorable
from ziggurat.prices import Prices

Fate = Literal["runs", "cached", "depends"]
"""``depends``: what it is given is known only when the stages before it have run."""

_PLAIN_KINDS = frozenset({CallKind.SYNC, CallKind.ASYNC, CallKind.STREAM, CallKind.ASYNC_STREAM})


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that can be asked of models. None means unknown.

    Attributes:
        calls: Calls.
        tokens: Tokens read and written.
        usd: US dollars.
    """

    calls: int | None = 0
    tokens: int | None = 0
    usd: Decimal | None = Decimal(0)

    def __add__(self, other: Bound) -> Bound:
        return Bound(
            None if self.calls is None or other.calls is None else self.calls + other.calls,
            None if self.tokens is None or other.tokens is None else self.tokens + other.tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
        )

    def times(self, count: int | None) -> Bound:
        """So often; None for who knows how often, which only nothing survives."""
        if count is None:
            return Bound(
                0 if self.calls == 0 else None, 0 if self.tokens == 0 else None, self.usd if self.usd == 0 else None
            )
        return Bound(
            None if self.calls is None else self.calls * count,
            None if self.tokens is None else self.tokens * count,
            None if self.usd is None else self.usd * count,
        )

    def or_(self, other: Bound) -> Bound:
        """The most of two, of which one happens."""
        return Bound(
            None if self.calls is None or other.calls is None else max(self.calls, other.calls),
            None if self.tokens is None or other.tokens is None else max(self.tokens, other.tokens),
            None if self.usd is None or other.usd is None else max(self.usd, other.usd),
        )


NOTHING = Bound()


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one stage would do.

    Attributes:
        path: Its place in the run; ``[]`` stands for every item.
        label: What it is.
        kind: How it is called.
        depth: How many stages it is inside of.
        fate: Whether it runs.
        bound: The most it asks of models, those inside it included.
        models: The models it says it calls.
        declares: Whether it says what it asks of models; a plain function does not.
        note: What else there is to know.
    """

    path: str
    label: str
    kind: CallKind
    depth: int
    fate: Fate
    bound: Bound
    models: tuple[str, ...]
    declares: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a run would do.

    Attributes:
        chain: The chain's name.
        stages: In an order in which they could run.
        bound: The most the run asks of models, by the stages that say so.
        missing: Run inputs that are needed and were not given.
    """

    chain: str
    stages: tuple[Forecast, ...]
    bound: Bound
    missing: tuple[str, ...]

    @property
    def undeclared(self) -> tuple[str, ...]:
        """Stages that do not say what they ask of models: plain functions may ask on their own."""
        return tuple(one.path for one in self.stages if not one.declares)

    def __str__(self) -> str:
        width = max((len(one.path) + 2 * one.depth for one in self.stages), default=0)
        lines = [f"{self.chain}: {len(self.stages)} stages"]
        for one in self.stages:
            shown = "  " * one.depth + one.path
            lines.append(
                f"  {shown:{width}}  {one.fate:8}  {say(one.bound) if one.declares else 'not declared':40}  {one.note}".rstrip()
            )
        lines.append(
            f"at most {say(self.bound)}" + (f"; {len(self.undeclared)} functions do not say" if self.undeclared else "")
        )
        if self.missing:
            lines.append(f"still to be given: {', '.join(self.missing)}")
        return "\n".join(lines)


def say(bound: Bound) -> str:
    """A bound in words; unknown is unknown."""
    if bound == NOTHING:
        return "no model call"
    calls = (
        "an unknown number of calls" if bound.calls is None else f"{bound.calls} call{'s' if bound.calls != 1 else ''}"
    )
    tokens = "tokens unknown" if bound.tokens is None else f"{bound.tokens:,} tokens"
    cost = "cost unknown" if bound.usd is None else f"{bound.usd:.4f} USD"
    return f"{calls}, {tokens}, {cost}"


def explain(chain: Compiled, inputs: Mapping[str, Any], settings: Settings) -> Explanation:
    """Foretell a run; see `MultiChain.explain`."""
    program = chain.program
    slots: list[Any] = [MISSING] * program.slots
    for name, given in inputs.items():
        if name in program.slot_of:
            slots[program.slot_of[name]] = given
    missing = tuple(
        name for name, one in program.wiring.inputs.items() if one.required and slots[program.slot_of[name]] is MISSING
    )
    teller = _Teller(settings)
    stages = tuple(teller.of_program(program, slots, "", 0))
    total = NOTHING
    for one in stages:
        if one.depth == 0:
            total += one.bound
    return Explanation(chain.name or "chain", stages, total, missing)


class _Teller:
    def __init__(self, settings: Settings) -> None:
        self._prices: Prices = settings.prices
        self._cache = settings.cache
        self._context = Context("explain", cache=settings.cache)

    def of_program(self, program: Program, slots: list[Any], prefix: str, depth: int) -> Iterator[Forecast]:
        """The stages of a chain in order; fills in the outputs that the cache has."""
        for position in program.wiring.order:
            step = program.steps[position]
            inputs = _known_inputs(step, program, slots)
            yield from self._of_step(step, program, inputs, prefix + step.name, depth, slots)

    def _of_step(
        self,
        step: Step,
        program: Program,
        inputs: Mapping[str, Any] | None,
        path: str,
        depth: int,
        slots: list[Any] | None,
    ) -> Iterator[Forecast]:
        label = program.wiring.stages[step.position].label
        if inputs is not None and (found := self._cached(step, program, inputs)) is not MISSING:
            if slots is not None:
                slots[step.slot] = found
            yield Forecast(path, label, step.call.kind, depth, "cached", NOTHING, (), declares=True)
            return
        inside = list(self._inside(step, inputs, path, depth + 1))
        bound, models, declares = self._asked(step, inputs, inside, depth + 1)
        fate: Fate = "runs" if inputs is not None else "depends"
        yield Forecast(path, label, step.call.kind, depth, fate, bound, models, declares, self._note(step, program))
        yield from inside

    def _cached(self, step: Step, program: Program, inputs: Mapping[str, Any]) -> Any:
        if self._cache is None or not self._context.may_cache(step, program):
            return MISSING
        try:
            key = self._context.mark(step, program, inputs).key
        except ValueNotStorable:
            return MISSING
        hit = self._cache.get(key) if self._cache.has(key) else None
        return MISSING if hit is None else decode(hit.value, blob=hit.blobs.__getitem__)

    def _note(self, step: Step, program: Program) -> str:
        if step.policy.effect:
            return "acts on the world"
        if self._cache is not None and not step.is_composite and step.policy.cache is None:
            opaque = self._context.identities.of(step, program).opaque
            if opaque:
                return f"never cached: {opaque[0]} cannot be told apart"
        return ""

    def _inside(self, step: Step, inputs: Mapping[str, Any] | None, path: str, depth: int) -> Iterator[Forecast]:
        match step.call.kind:
            case CallKind.CHAIN:
                program = step.target.program
                slots: list[Any] = [MISSING] * program.slots
                for name, slot in program.slot_of.items():
                    slots[slot] = (inputs or {}).get(name, MISSING)
                yield from self.of_program(program, slots, f"{path}/", depth)
            case CallKind.BRANCH:
                for name, body in bodies_of(step.call):
                    given = _body_inputs(body, inputs)
                    yield from self._of_step(body.step, body.program, given, f"{path}/{name}", depth, None)
            case CallKind.MAP | CallKind.REPEAT:
                for _, body in bodies_of(step.call):
                    yield from self._of_step(body.step, body.program, None, f"{path}[]", depth, None)
            case _:
                pass

    def _asked(
        self, step: Step, inputs: Mapping[str, Any] | None, inside: Sequence[Forecast], depth: int
    ) -> tuple[Bound, tuple[str, ...], bool]:
        """The most a stage asks of models, which, and whether it says so."""
        direct = [one for one in inside if one.depth == depth]
        models = tuple(dict.fromkeys(model for one in direct for model in one.models))
        attempts = step.policy.retry.attempts if step.policy.retry else 1
        match step.call.kind:
            case CallKind.CHAIN:
                once = sum((one.bound for one in direct), NOTHING)
            case CallKind.BRANCH:
                once = NOTHING
                for one in direct:
                    once = once.or_(one.bound)
            case CallKind.REPEAT:
                once = direct[0].bound.times(step.target.at_most)
            case CallKind.MAP:
                items = (inputs or {}).get(step.target.each)
                once = direct[0].bound.times(len(items) if isinstance(items, Sized) else None)
            case _:
                return self._declared(step, inputs, attempts)
        return once.times(attempts), models, not direct or any(one.declares for one in direct)

    def _declared(
        self, step: Step, inputs: Mapping[str, Any] | None, attempts: int
    ) -> tuple[Bound, tuple[str, ...], bool]:
        total, models, declares = NOTHING, list[str](), True
        fallback = step.policy.fallback
        for call, times in ((step.call, attempts), *(((fallback, 1),) if isinstance(fallback, Call) else ())):
            bounds = _declared_bounds(call.target, inputs)
            if bounds is None:
                declares = False
                continue
            for one in bounds:
                models.append(one.model)
                total += self._priced(one).times(times)
        return total, tuple(dict.fromkeys(models)), declares

    def _priced(self, one: CallBound) -> Bound:
        if one.input_tokens is None or one.output_tokens is None:
            free = self._prices.bound(one.model, one.provider, 1, 1) == 0
            return Bound(one.calls, None, Decimal(0) if free else None)
        usd = self._prices.bound(one.model, one.provider, one.input_tokens, one.output_tokens)
        return Bound(one.calls, one.input_tokens + one.output_tokens, usd)


def _declared_bounds(target: Any, inputs: Mapping[str, Any] | None) -> Sequence[CallBound] | None:
    bounds = getattr(target, "stage_bounds", None)
    if callable(bounds):
        found: Sequence[CallBound] = bounds(inputs)
        return found
    if callable(getattr(target, "_get_ls_params", None)):  # a LangChain chat model, used as it is
        told = target._get_ls_params()  # noqa: SLF001 (LangChain has no public way to ask)
        name, longest = told.get("ls_model_name", type(target).__name__), told.get("ls_max_tokens")
        return [CallBound(str(name), str(told.get("ls_provider", "")), output_tokens=longest)]
    return None


def _known_inputs(step: Step, program: Program, slots: list[Any]) -> Mapping[str, Any] | None:
    """A stage's inputs, if everything they are made of is known."""
    wiring = program.wiring
    if any(slots[parent] is MISSING for parent in wiring.parents[step.position]):
        return None
    for name, one in wiring.inputs.items():
        if one.required and wiring.names[step.position] in one.readers and slots[program.slot_of[name]] is MISSING:
            return None
    try:
        return step.inputs(slots, NO_OVERRIDES)
    except InputError:
        return None


def _body_inputs(body: Body, inputs: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if inputs is None:
        return None
    return _known_inputs(body.step, body.program, slots_of(body, inputs))
