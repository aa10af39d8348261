"""Drives a plan with asyncio: starts stages, waits, repeats, falls back, tells what happens.

The plan decides *what* may start; this room decides only *how*. A stage that makes exactly one other ready
goes on to it in its own task, so a chain costs no task at all and a fan one task a branch. (Stages
on one such path share a context, as functions that call each other do.) A stage that fails cancels
nothing: what does not depend on it runs on. With no reader, no event is made.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ziggurat.chain.callbacks import stage_config
from ziggurat.chain.calling import perform, text_of
from ziggurat.chain.events import (
    Event,
    RunFinished,
    StageFailed,
    StageFinished,
    StageRetried,
    StageSkipped,
    StageStarted,
    Token,
)
from ziggurat.chain.plan import Plan
from ziggurat.chain.program import Program
from ziggurat.chain.stage import Call, Policy, StageName, Value
from ziggurat.chain.usage import NO_USAGE, UsageMeter
from ziggurat.errors import ChainError, ContextLengthError, InputError, StageTimeout

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForChainRun
    from langchain_core.runnables import RunnableConfig

Reader = Callable[[Event], Awaitable[None]]
"""Where events go. Awaited, so that a slow reader slows the run instead of filling memory."""

_HOPELESS = (InputError, ContextLengthError)
"""Errors that another attempt with the same inputs cannot mend."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run is embedded in.

    Attributes:
        config: The LangChain configuration the run was called with.
        manager: The callback manager of the run's own trace.
    """

    config: RunnableConfig | None = None
    manager: AsyncCallbackManagerForChainRun | None = None


class Run:
    """One execution of a program over one set of inputs.

    Args:
        program: The compiled chain.
        slots: Values by slot, the run's inputs filled in; stage outputs are added as they come.
        overrides: Inputs given to single stages, by stage position.
        run_id: Names the run in events and errors.
        reader: Is told every event, or None.
        surroundings: The LangChain configuration and trace to run under, or None.
    """

    __slots__ = (
        "_began", "_failures", "_idle", "_live", "_overrides", "_plan", "_program", "_reader",
        "_slots", "_surroundings", "_tasks", "_usage", "run_id",
    )  # fmt: skip

    def __init__(
        self,
        program: Program,
        slots: list[Any],
        overrides: Mapping[int, Mapping[str, Any]],
        *,
        run_id: str,
        reader: Reader | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.run_id = run_id
        self._program = program
        self._slots = slots
        self._overrides = overrides
        self._plan = Plan(program.wiring)
        self._reader = reader
        self._surroundings = surroundings
        self._tasks: list[asyncio.Task[None]] = []
        self._live = 1
        self._idle: asyncio.Future[None] | None = None
        self._failures: dict[int, tuple[BaseException, Mapping[str, Any]]] = {}
        self._usage = NO_USAGE
        self._began = time.perf_counter()

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
        for task in self._tasks:
            if task.done() and not task.cancelled() and (broken := task.exception()) is not None:
                raise broken
        error = self._error() if self._failures else None
        if self._reader is not None:
            outputs = self._finished()
            await self._reader(
                RunFinished(run=self.run_id, at=self._now(), outputs=outputs, usage=self._usage, error=error)
            )
        if error is not None:
            raise error
        return self._program.outputs(self._slots)

    def _spawn(self, stage: int) -> None:
        self._live += 1
        self._tasks.append(asyncio.get_running_loop().create_task(self._follow(stage)))

    async def _follow(self, stage: int) -> None:
        """Run a stage, then whatever it makes ready: the first in this task, the rest in their own."""
        program, plan, slots, plain = self._program, self._plan, self._slots, self._is_plain()
        try:
            while True:
                step = program.steps[stage]
                if plain and step.is_plain_async:
                    inputs: Mapping[str, Any] = {}
                    try:
                        inputs = step.inputs(slots, self._overrides)
                        slots[step.slot] = await step.target(**inputs)
                    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (kept as the stage's failure)
                        _pass_on_cancellation(error)
                        await self._fail(stage, error, inputs)
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

    def _is_plain(self) -> bool:
        return self._reader is None and self._surroundings is None

    async def _run_stage(self, stage: int) -> bool:
        """Run one stage under its policy, telling the reader; whether it finished."""
        step, reader = self._program.steps[stage], self._reader
        began = time.perf_counter()
        meter = UsageMeter() if reader is not None else None
        inputs: Mapping[str, Any] = {}
        try:
            inputs = step.inputs(self._slots, self._overrides)
            if reader is not None:
                await reader(StageStarted(run=self.run_id, at=self._now(), stage=step.name))
            output, fell_back, streamed = await self._under_policy(step.name, step.call, step.policy, inputs, meter)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (kept as the stage's failure)
            _pass_on_cancellation(error)
            await self._fail(stage, error, inputs, time.perf_counter() - began, meter)
            return False
        self._slots[step.slot] = output
        if reader is not None:
            usage = meter.total if meter else NO_USAGE
            self._usage += usage
            await reader(
                StageFinished(
                    run=self.run_id,
                    at=self._now(),
                    stage=step.name,
                    output=output,
                    seconds=time.perf_counter() - began,
                    usage=usage,
                    streamed=streamed,
                    fell_back=fell_back,
                )
            )
        return True

    async def _under_policy(
        self, name: StageName, call: Call, policy: Policy, inputs: Mapping[str, Any], meter: UsageMeter | None
    ) -> tuple[Any, bool, bool]:
        """The output, whether it is the fallback's, and whether its pieces were told."""
        try:
            async with self._program.limiter(name) if policy.limit else nullcontext():
                output, streamed = await self._with_retries(name, call, policy, inputs, meter)
                return output, False, streamed
        except Exception:
            match policy.fallback:
                case None:
                    raise
                case Value(constant):
                    return constant, True, False
                case Call() as other:
                    output, _ = await self._attempt(name, other, policy, inputs, meter, tell=False)
                    return output, True, False

    async def _with_retries(
        self, name: StageName, call: Call, policy: Policy, inputs: Mapping[str, Any], meter: UsageMeter | None
    ) -> tuple[Any, bool]:
        """The output, and whether its pieces were told, after as many attempts as the policy allows."""
        if policy.retry is None:
            return await self._attempt(name, call, policy, inputs, meter)
        from tenacity import (
            AsyncRetrying,
            RetryCallState,
            retry_if_exception,
            stop_after_attempt,
            wait_exponential_jitter,
        )

        retry = policy.retry

        async def tell(state: RetryCallState) -> None:
            if self._reader is not None and state.outcome is not None and state.next_action is not None:
                error = state.outcome.exception()
                await self._reader(
                    StageRetried(
                        run=self.run_id,
                        at=self._now(),
                        stage=name,
                        attempt=state.attempt_number,
                        wait=state.next_action.sleep,
                        error=error if error is not None else RuntimeError("unknown"),
                    )
                )

        attempts = AsyncRetrying(
            stop=stop_after_attempt(retry.attempts),
            wait=wait_exponential_jitter(multiplier=retry.wait, max=retry.max_wait, jitter=retry.wait),
            retry=retry_if_exception(lambda error: isinstance(error, retry.on) and not isinstance(error, _HOPELESS)),
            before_sleep=tell,
            reraise=True,
        )
        return await attempts(self._attempt, name, call, policy, inputs, meter)

    async def _attempt(
        self,
        name: StageName,
        call: Call,
        policy: Policy,
        inputs: Mapping[str, Any],
        meter: UsageMeter | None,
        *,
        tell: bool = True,
    ) -> tuple[Any, bool]:
        """One call within its time; the output, and whether its pieces were told."""
        config = self._config(name, meter)
        sink = partial(self._tell_token, name) if self._reader is not None and tell else None
        working = perform(call, inputs, config, sink)
        if policy.timeout is None:
            return await working
        try:
            async with asyncio.timeout(policy.timeout) as clock:
                return await working
        except TimeoutError as error:
            if not clock.expired():
                raise
            raise StageTimeout(
                f"Stage {name!r} took longer than {policy.timeout:g} s.", fix="raise its timeout, or give it less to do"
            ) from error

    def _config(self, name: StageName, meter: UsageMeter | None) -> RunnableConfig | None:
        """What the stage's LangChain parts run with; nothing where nobody reads and nobody configured."""
        if self._surroundings is None and meter is None:
            return None
        around = self._surroundings or Surroundings()
        return stage_config(around.config, around.manager, name, meter)

    async def _tell_token(self, name: StageName, chunk: Any) -> None:
        if self._reader is not None:
            await self._reader(Token(run=self.run_id, at=self._now(), stage=name, chunk=chunk, text=text_of(chunk)))

    async def _fail(
        self,
        stage: int,
        error: BaseException,
        inputs: Mapping[str, Any],
        seconds: float = 0.0,
        meter: UsageMeter | None = None,
    ) -> None:
        self._failures[stage] = (error, inputs)
        skipped = self._plan.failed(stage)
        if self._reader is None:
            return
        names, usage = self._program.wiring.names, meter.total if meter else NO_USAGE
        self._usage += usage
        await self._reader(
            StageFailed(run=self.run_id, at=self._now(), stage=names[stage], error=error, seconds=seconds, usage=usage)
        )
        for one in skipped:
            await self._reader(StageSkipped(run=self.run_id, at=self._now(), stage=names[one], cause=names[stage]))

    def _now(self) -> float:
        return time.perf_counter() - self._began

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _finished(self) -> dict[str, Any]:
        return self._program.finished(self._slots, self._plan)

    def _error(self) -> ChainError:
        names = self._program.wiring.names
        stage, (error, inputs) = next(iter(self._failures.items()))
        skipped: dict[str, str] = {names[one]: names[cause] for one, cause in self._plan.cause.items()}
        others = f"; {len(self._failures) - 1} more failed" if len(self._failures) > 1 else ""
        also = f"; skipped: {', '.join(skipped)}" if skipped else ""
        raised = ChainError(
            f"Stage {names[stage]!r} failed with {type(error).__name__}: {error}{others}{also}.",
            stage=names[stage],
            inputs_digest=digest(inputs),
            outputs=self._finished(),
            failed={names[one]: its_error for one, (its_error, _) in self._failures.items()},
            skipped=skipped,
            where=f"run {self.run_id}, inputs {digest(inputs)}",
        )
        raised.__cause__ = error
        return raised


def _pass_on_cancellation(error: BaseException) -> None:
    """Raise a cancellation of the run; one that a stage raised of itself is a failure like any other."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error


def digest(inputs: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that tell two sets of inputs apart without showing them."""
    return hashlib.sha256(repr(sorted(inputs.items())).encode(errors="replace")).hexdigest()[:12]
