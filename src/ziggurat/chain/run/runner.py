"""Drives a plan with asyncio: starts stages, waits, collects what failed.

The plan decides *what* may start; `execution` carries one stage out; this room joins them. A stage
that makes exactly one other ready goes on to it in its own task, so a chain costs no task at all and a fan
one task a branch. (Stages on one such path share a context, as functions that call each other do.) A
stage that fails cancels nothing: what does not depend on it runs on. A chain inside a chain is driven
by a `Run` of its own, in the same context. With no context, no event, mark or meter is ever made.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

from ziggurat.chain.composite import Body
from ziggurat.chain.events import StageSkipped
from ziggurat.chain.plan import Plan
from ziggurat.chain.program import Program
from ziggurat.chain.run.admission import admit
from ziggurat.chain.run.callbacks import Surroundings, is_traced, stage_config, traced
from ziggurat.chain.run.calling import perform
from ziggurat.chain.run.context import Context
from ziggurat.chain.run.execution import Execution, Sink, is_cancelled
from ziggurat.chain.run.nesting import run_branch, run_map, run_repeat
from ziggurat.chain.stage import Call, CallKind, StageName
from ziggurat.errors import ChainError, ZigguratError, gist


class Run:
    """One execution of a program over one set of inputs.

    Args:
        program: The compiled chain.
        slots: Values by slot, the run's inputs filled in; stage outputs are added as they come.
        overrides: Inputs given to single stages, by stage position.
        caller: Calls its stages.
        prefix: What the paths of its stages begin with: empty, or the path of the chain they are in
            and a slash.
        item: The item or time the chain belongs to, or None.
    """

    __slots__ = (
        "_caller", "_context", "_failures", "_idle", "_item", "_live", "_overrides", "_plan", "_prefix", "_program",
        "_slots", "_tasks",
    )  # fmt: skip

    def __init__(
        self,
        program: Program,
        slots: list[Any],
        overrides: Mapping[int, Mapping[str, Any]],
        caller: Caller,
        *,
        prefix: str = "",
        item: int | None = None,
    ) -> None:
        self._caller = caller
        self._context = caller.context
        self._program = program
        self._slots = slots
        self._overrides = overrides
        self._prefix = prefix
        self._item = item
        self._plan = Plan(program.wiring)
        self._tasks: list[asyncio.Task[None]] = []
        self._live = 1
        self._idle: asyncio.Future[None] | None = None
        self._failures: dict[int, tuple[BaseException, Mapping[str, Any]]] = {}

    async def execute(self) -> dict[str, Any]:
        """Run every stage; returns the outputs by stage.

        Raises:
            ChainError: If a stage failed, after everything that could still run has run.
        """
        first, *others = self._plan.start()
        try:
            for stage in others:
                self._spawn(stage)
            await self._follow(first)
            if self._live:
                self._idle = asyncio.get_running_loop().create_future()
                await self._idle
        except BaseException:
            await self._cancel()
            raise
        broken = [task.exception() for task in self._tasks if task.done() and not task.cancelled()]
        for error in broken:
            if error is not None:  # no failure of a stage: those are kept
                raise error
        if self._failures:
            raise self._error()
        return self._program.outputs(self._slots)

    def finished(self) -> dict[str, Any]:
        """The outputs of the stages that are done, by stage."""
        return self._program.finished(self._slots, self._plan)

    # -- the plan --------------------------------------------------------------------------------

    def _spawn(self, stage: int) -> None:
        self._live += 1
        self._tasks.append(asyncio.get_running_loop().create_task(self._follow(stage)))

    async def _follow(self, stage: int) -> None:
        """Run a stage, then whatever it makes ready: the first in this task, the rest in their own."""
        program, plan, slots = self._program, self._plan, self._slots
        plain = self._context is None and self._caller.surroundings is None
        try:
            while True:
                step = program.steps[stage]
                if plain and step.is_plain_async:
                    inputs: Mapping[str, Any] = {}
                    try:
                        inputs = step.inputs(slots, self._overrides)
                        slots[step.slot] = await step.target(**inputs)
                    except (Exception, asyncio.CancelledError) as error:
                        if is_cancelled(error):
                            raise
                        await self._fail(stage, error, inputs, None)
                        return
                elif not await self._run_stage(stage):
                    return
                ready = plan.finished(stage)
                if not ready:
                    return
                for other in ready[1:]:
                    self._spawn(other)
                stage = ready[0]
        finally:
            self._live -= 1
            if not self._live and self._idle is not None and not self._idle.done():
                self._idle.set_result(None)

    async def _run_stage(self, stage: int) -> bool:
        """Carry one stage out; whether it has an output."""
        step = self._program.steps[stage]
        work = Execution(step, self._program, self._context, step.name, self._prefix + step.name, self._item)
        inputs: Mapping[str, Any] = {}
        try:
            inputs = step.inputs(self._slots, self._overrides)
            self._slots[step.slot] = await work.as_stage(inputs, self._caller)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            if self._context is not None and self._context.ledger is not None:
                self._context.ledger.check()
            await self._fail(stage, error, inputs, work)
            return False
        return True

    async def _fail(self, stage: int, error: BaseException, inputs: Mapping[str, Any], work: Execution | None) -> None:
        self._failures[stage] = (error, inputs)
        skipped = self._plan.failed(stage)
        context = self._context
        if context is None or work is None:
            return
        await work.failed(error)
        names = self._program.wiring.names
        if context.ledger is not None:
            await context.ledger.skipped({self._prefix + names[one]: names[stage] for one in skipped})
        if context.reader is None:
            return
        for one in skipped:
            await context.reader(
                StageSkipped(
                    run=context.run_id, at=context.now, stage=names[one], path=self._prefix + names[one],
                    item=self._item, cause=names[stage],
                )
            )  # fmt: skip

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _error(self) -> ChainError:
        names = self._program.wiring.names
        stage, (error, inputs) = next(iter(self._failures.items()))
        skipped: dict[str, str] = {names[one]: names[cause] for one, cause in self._plan.cause.items()}
        others = f"; {len(self._failures) - 1} more failed" if len(self._failures) > 1 else ""
        also = f"; skipped: {', '.join(skipped)}" if skipped else ""
        raised = ChainError(
            f"Stage {names[stage]!r} failed with {type(error).__name__}: {gist(error).rstrip('.')}{others}{also}.",
            stage=names[stage],
            inputs_digest=short_digest(inputs),
            outputs=self.finished(),
            failed={names[one]: its_error for one, (its_error, _) in self._failures.items()},
            skipped=skipped,
            run=self._caller.run_id,
            where=f"run {self._caller.run_id}, inputs {short_digest(inputs)}",
            fix=error.fix if isinstance(error, ZigguratError) else None,
        )
        raised.__cause__ = error
        return raised


class Caller:
    """Calls stages, each the way its kind asks for; what a `Run` and all inside it have in common.

    Args:
        run_id: Names the run in errors.
        context: What the run's stages share, or None.
        surroundings: The LangChain trace the calls are shown in, or None.
    """

    __slots__ = ("context", "run_id", "surroundings")

    def __init__(self, run_id: str, context: Context | None, surroundings: Surroundings | None) -> None:
        self.run_id = run_id
        self.context = context
        self.surroundings = surroundings

    async def __call__(self, call: Call, inputs: Mapping[str, Any], work: Execution, sink: Sink | None) -> Any:
        """Call a stage once."""
        if self.surroundings is None:
            if call.kind is CallKind.ASYNC:
                return await call.target(**inputs)
            return await self._call(call, inputs, work, sink)
        if call.kind in (CallKind.RUNNABLE, CallKind.RUNNABLE_VALUE):
            return await perform(call, inputs, stage_config(self.surroundings, work.name), sink)

        async def inside(around: Surroundings) -> Any:
            return await Caller(self.run_id, self.context, around)._call(call, inputs, work, sink)  # noqa: SLF001 (its own)

        return await traced(self.surroundings, work.name, inputs, inside)

    async def _call(self, call: Call, inputs: Mapping[str, Any], work: Execution, sink: Sink | None) -> Any:
        match call.kind:
            case CallKind.CHAIN:
                return await self._chain(call.target, inputs, work)
            case CallKind.MAP:
                return await run_map(_Inside(self, work), call.target, inputs, work.name)
            case CallKind.BRANCH:
                return await run_branch(_Inside(self, work), call.target, inputs)
            case CallKind.REPEAT:
                return await run_repeat(_Inside(self, work), call.target, inputs)
            case _:
                return await perform(call, inputs, self.surroundings.config if self.surroundings else None, sink)

    async def _chain(self, chain: Any, inputs: Mapping[str, Any], work: Execution) -> dict[str, Any]:
        """A chain inside this one, under the path of the stage that it is."""
        slots, overrides = admit(chain.program, inputs, chain.name)
        return await Run(chain.program, slots, overrides, self, prefix=f"{work.path}/", item=work.item).execute()


class _Inside:
    """What carries out the stages inside one stage."""

    __slots__ = ("_caller", "_work", "context")

    def __init__(self, caller: Caller, work: Execution) -> None:
        self._caller = caller
        self._work = work
        self.context = caller.context

    @property
    def is_bare(self) -> bool:
        """Whether nobody reads, writes, counts or traces what happens inside."""
        around = self._caller.surroundings
        return self.context is None and (around is None or not is_traced(around))

    async def arm(self, body: Body, inputs: Mapping[str, Any], name: str) -> Any:
        """Carry a body out as a stage of its own, inside this one."""
        path = f"{self._work.path}/{name}"
        work = Execution(body.step, body.program, self.context, StageName(name), path, self._work.item)
        try:
            return await work.as_stage(inputs, self._caller)
        except Exception as error:
            await work.failed(error)
            raise

    async def one(self, body: Body, inputs: Mapping[str, Any], item: int, total: int | None) -> Any:
        """Carry a body out as one item of this one."""
        path = f"{self._work.path}[{item}]"
        work = Execution(body.step, body.program, self.context, self._work.name, path, item)
        return await work.as_item(inputs, self._caller, total)


def short_digest(inputs: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that tell two sets of inputs apart without showing them."""
    return hashlib.sha256(repr(sorted(inputs.items())).encode(errors="replace")).hexdigest()[:12]
