"""A run from its beginning to its end: claimed, begun on disk, driven, written off.

One `Session` for each run. It claims the run in the journal (so that two processes never run one at
once), gives its stages what they share, and whatever happens to it (an end, a failure, an empty purse, a
cancellation) writes that down and lets go of all it held.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from ziggurat.chain.budget import Purse
from ziggurat.chain.composite import bodies_of
from ziggurat.chain.events import Event, RunFinished
from ziggurat.chain.identity import Identities
from ziggurat.chain.journal import Cell, CellStatus, Journal, RunRecord, RunStatus
from ziggurat.chain.program import Compiled, Program, Step
from ziggurat.chain.run.admission import admit
from ziggurat.chain.run.callbacks import Surroundings
from ziggurat.chain.run.calling import in_thread
from ziggurat.chain.run.context import Context, Reader, Watcher
from ziggurat.chain.run.ledger import Ledger, check_storable
from ziggurat.chain.run.metering import Meter, current, metered
from ziggurat.chain.run.runner import Caller, Run
from ziggurat.chain.settings import Settings
from ziggurat.chain.stage import CallKind, Value
from ziggurat.chain.usage import Usage
from ziggurat.chain.values import decode, encode, why_not
from ziggurat.errors import BudgetExceeded, ChainError, EffectUncertain, ValueNotStorable
from ziggurat.prices import Prices

T = TypeVar("T")


def _once_for_a_program(work: Callable[[Program], T]) -> Callable[[Program], T]:
    """Remember what a function says of a program, which never changes, as long as the program lives."""
    known: WeakKeyDictionary[Program, T] = WeakKeyDictionary()

    def remembered(program: Program) -> T:
        if program not in known:
            known[program] = work(program)
        return known[program]

    return remembered


class Session:
    """One run of a chain.

    Args:
        chain: The chain.
        inputs: The run's inputs.
        settings: What it is run with.
        reader: Is told every event, or None.
        surroundings: The LangChain trace to run in, or None.
        earlier: The run to go on with, or to replay; None for a new one.
        replay: Whether ``earlier`` is replayed in a run of its own instead of gone on with.

    Raises:
        InputError: If an input is missing or unknown; nothing was started.
    """

    def __init__(
        self,
        chain: Compiled,
        inputs: Mapping[str, Any],
        settings: Settings,
        *,
        reader: Reader | None = None,
        surroundings: Surroundings | None = None,
        earlier: RunRecord | None = None,
        replay: bool = False,
    ) -> None:
        self._name = chain.name or "chain"
        self._program = chain.program
        self._inputs = inputs
        self._settings = settings
        self._reader = _all_of(settings.observers, reader)
        self._streams = reader is not None
        self._surroundings = surroundings
        self._earlier = earlier
        self._replay = replay
        self._slots, self._overrides = admit(chain.program, inputs, self._name)
        resumes = earlier is not None and not replay
        self.run_id = earlier.id if resumes and earlier else settings.run_id or uuid.uuid4().hex[:12]

    async def execute(self) -> dict[str, Any]:
        """Run to the end; returns the outputs by stage.

        Raises:
            ChainError: If a stage failed, after everything that could still run has run.
            EffectUncertain: If nobody knows whether a stage of the killed run acted on the world.
            RunInProgress: If another process, or another task, runs it.
            ValueNotStorable: If an input, or what a stage declares to return, cannot be written down.
        """
        pins = pins_of(self._program)
        if not pins:
            return await self._executed()
        with ExitStack() as held:
            for pin in pins:
                held.enter_context(pin())
            return await self._executed()

    async def _executed(self) -> dict[str, Any]:
        if self._settings.is_plain and self._reader is None:
            caller = Caller(self.run_id, None, self._surroundings)
            return await Run(self._program, self._slots, self._overrides, caller).execute()
        purse = Purse(self._settings.budget, self._settings.prices) if self._settings.budget else None
        watchers = cast(
            "tuple[Watcher, ...]", tuple(one for one in self._settings.observers if hasattr(one, "run_ended"))
        )
        context = Context(
            self.run_id,
            self._reader,
            streams=self._streams,
            cache=self._settings.cache,
            meter=Meter(current.get(), purse),
            watchers=watchers,
        )
        with metered(context.meter):
            journal = self._settings.journal
            if journal is None:
                return await self._watched(context)
            return await self._journaled(context, journal)

    async def _watched(self, context: Context) -> dict[str, Any]:
        """`_drive`, its beginning and its end told to those who need to know of them whatever happens."""
        for watcher in context.watchers:
            watcher.run_started(self.run_id, self._name)
        error: BaseException | None = None
        try:
            return await self._drive(context)
        except BaseException as raised:
            error = raised
            raise
        finally:
            for watcher in reversed(context.watchers):
                watcher.run_ended(self.run_id, error)

    async def _drive(self, context: Context) -> dict[str, Any]:
        """Run all stages and tell the end."""
        run = Run(self._program, self._slots, self._overrides, Caller(self.run_id, context, self._surroundings))
        error: ChainError | None = None
        broken = False
        try:
            return await run.execute()
        except ChainError as failed:
            error = failed
            raise
        except Exception:
            broken = True  # the run itself, not a stage: it has no end to tell, only the exception
            raise
        finally:
            if context.ledger is not None:
                await context.ledger.close()
            task = asyncio.current_task()
            if self._reader is not None and not broken and not (task is not None and task.cancelling()):
                await self._reader(
                    RunFinished(
                        run=self.run_id, at=context.now, outputs=run.finished(), usage=context.meter.total, error=error
                    )
                )

    async def _journaled(self, context: Context, journal: Journal) -> dict[str, Any]:
        """`_drive`, written down from beginning to end."""
        stored, blobs = self._checked()
        hold = await _do(journal, lambda: journal.hold(self.run_id))
        status, said, before = RunStatus.CANCELLED, "", Usage()
        try:
            before = await _do(journal, lambda: self._spent(journal))
            context.ledger = await _do(journal, lambda: self._begun(journal, stored, blobs, context.identities))
            try:
                outputs = await self._watched(context)
                status = RunStatus.DONE
            except ChainError as error:
                status, said = (RunStatus.STOPPED if stopped_by_budget(error) else RunStatus.FAILED), error.what
                raise
            except Exception as error:
                status, said = RunStatus.FAILED, f"{type(error).__name__}: {error}"
                raise
            finally:
                usage = before + context.meter.total
                cost = cost_of(usage, self._settings.prices)
                await _shielded(journal, lambda: journal.end(self.run_id, status, usage, cost, said))
            return outputs
        finally:
            hold.release()

    def _checked(self) -> tuple[bytes, dict[bytes, bytes]]:
        """The inputs, encoded; refuses what could never be written down."""
        check_outputs(self._program, self._name, "with a journal")
        return check_storable(self._inputs)

    def _begun(self, journal: Journal, stored: bytes, blobs: Mapping[bytes, bytes], identities: Identities) -> Ledger:
        """The run on disk as begun, or begun again."""
        if self._earlier is not None and not self._replay:
            kept = journal.cells(self.run_id)
            decided = self._decided(kept)
            journal.reopen(self.run_id)
            return Ledger(journal, self.run_id, kept=kept, decided=decided)
        record = RunRecord(
            self.run_id,
            self._name,
            RunStatus.RUNNING,
            time.time(),
            inputs=stored,
            replay_of=self._earlier.id if self._earlier else None,
            target=self._settings.target,
            shape=_shape(self._program),
        )
        journal.begin(record, _Descriptions(self._program, identities), blobs)
        if self._earlier is None:
            return Ledger(journal, self.run_id)
        return Ledger(journal, self.run_id, kept=journal.cells(self._earlier.id), source=self._earlier.id)

    def _spent(self, journal: Journal) -> Usage:
        """What a run that goes on had used: as its end says, or where it has none, as its stages do."""
        if self._earlier is None or self._replay:
            return Usage()
        if self._earlier.ended is not None:
            return self._earlier.usage
        cells = journal.cells(self.run_id).values()
        paid = (cell for cell in cells if cell.source not in ("inside", "cache", "kept"))
        return Usage.of(line for cell in paid for line in cell.usage.lines)

    def _decided(self, kept: Mapping[str, Cell]) -> dict[str, Value | None]:
        """What to do about effects that were begun and are not known to be done."""
        uncertain = [path for path, cell in kept.items() if cell.status is CellStatus.BEGUN]
        on_effect = self._settings.on_effect
        if uncertain and on_effect == "ask":
            raise EffectUncertain(
                f"Run {self.run_id} was killed while {', '.join(uncertain)} acted on the world; "
                "whether they did is not known.",
                paths=tuple(uncertain),
                where=f"run {self.run_id}",
                fix="find out, then resume with on_effect='repeat', 'skip', or a function that says which for each",
            )
        decided: dict[str, Value | None] = {}
        for path in uncertain:
            decision = on_effect(path) if callable(on_effect) else on_effect
            decided[path] = decision if isinstance(decision, Value) else None if decision == "repeat" else Value(None)
        return decided


def stopped_by_budget(error: BaseException | None) -> bool:
    """Whether a run ended because its budget did."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, BudgetExceeded):
            return True
        seen.add(id(error))
        error = error.__cause__
    return False


def cost_of(usage: Usage, prices: Prices) -> str:
    """US dollars as decimal text; empty where a price is unknown."""
    costs = [prices.cost(line) for line in usage.lines]
    known = [cost for cost in costs if cost is not None]
    return str(sum(known)) if len(known) == len(costs) else ""


def every_step(program: Program, prefix: str = "") -> Iterator[tuple[str, Step, Program]]:
    """All stages of a chain however deep, with their paths; a stage inside a map stands for all its items."""
    for step in program.steps:
        yield from _and_inside(step, program, prefix + step.name)


def _and_inside(step: Step, program: Program, path: str) -> Iterator[tuple[str, Step, Program]]:
    yield path, step, program
    match step.call.kind:
        case CallKind.CHAIN:
            yield from every_step(step.target.program, f"{path}/")
        case CallKind.MAP | CallKind.REPEAT:
            for _, body in bodies_of(step.call):
                yield from _and_inside(body.step, body.program, f"{path}[]")
        case CallKind.BRANCH:
            for name, body in bodies_of(step.call):
                yield from _and_inside(body.step, body.program, f"{path}/{name}")
        case _:
            pass


@_once_for_a_program
def _steps(program: Program) -> list[tuple[Step, Program]]:
    return [(step, home) for _, step, home in every_step(program)]


@_once_for_a_program
def pins_of(program: Program) -> list[Callable[[], AbstractContextManager[Any]]]:
    """What holds still, for the length of a run, the things that stages read: their ``stage_pin``."""
    found = (getattr(step.target, "stage_pin", None) for step, _ in _steps(program))
    return [pin for pin in found if callable(pin)]


class _Descriptions(Mapping[bytes, bytes]):
    """What the stages of a chain are, by digest; encoded when somebody reads it, which is seldom."""

    def __init__(self, program: Program, identities: Identities) -> None:
        found = (identities.of(step, home) for step, home in _steps(program))
        self._parts = {one.digest: one.parts for one in found}

    def __getitem__(self, identity: bytes) -> bytes:
        return encode(dict(self._parts[identity]))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def check_outputs(program: Program, name: str, how: str) -> None:
    """Refuse to run a chain the outputs of which can never be written down.

    Args:
        program: The chain.
        name: What it is called.
        how: How it was to be run, as it reads after "cannot be run".

    Raises:
        ValueNotStorable: If what a stage declares to return cannot be written down.
    """
    findings = _unstorable(program)
    if findings:
        raise ValueNotStorable(
            f"This chain cannot be run {how}: "
            + "; ".join(f"stage {path!r} returns {problem}" for path, problem in findings.items()),
            path=next(iter(findings)),
            type_name=next(iter(findings.values())),
            where=name,
            fix="return data, or give the stage the policy store=False",
        )


@_once_for_a_program
def _unstorable(program: Program) -> dict[str, str]:
    """Why the outputs of some stages can never be written down, by path."""
    return {
        path: problem
        for path, step, home in every_step(program)
        if step.policy.store and not step.is_composite
        and (problem := why_not(home.wiring.stages[step.position].returns))
    }  # fmt: skip


@_once_for_a_program
def _shape(program: Program) -> bytes:
    """What a chain looks like, encoded: for who reads the record without the chain."""
    wiring = program.wiring
    return encode(
        {
            "stages": list(wiring.names),
            "labels": [stage.label for stage in wiring.stages],
            "kinds": [stage.call.kind.value for stage in wiring.stages],
            "parents": [list(parents) for parents in wiring.parents],
        }
    )


def _all_of(observers: Sequence[Reader], reader: Reader | None) -> Reader | None:
    """One reader that tells all."""
    readers = (*observers, *((reader,) if reader is not None else ()))
    if len(readers) < 2:  # noqa: PLR2004 (one, or none)
        return readers[0] if readers else None

    async def tell(event: Event) -> None:
        for one in readers:
            await one(event)

    return tell


async def _do(journal: Journal, work: Callable[[], T]) -> T:
    return work() if journal.quick else await in_thread(work)


async def _shielded(journal: Journal, work: Callable[[], Any]) -> None:
    """Write the end down even while the run is being cancelled."""
    if journal.quick:
        work()
    else:
        await asyncio.shield(asyncio.ensure_future(in_thread(work)))


async def recorded(journal: Journal, run: str) -> tuple[RunRecord, dict[str, Any]]:
    """A recorded run, by its id or an unambiguous beginning of it, and what it was given.

    Raises:
        RunNotFound: If the journal has no such run.
    """

    def read() -> tuple[RunRecord, dict[str, Any]]:
        record = journal.run(run)
        return record, dict(decode(record.inputs, blob=journal.blob))

    return await _do(journal, read)
