"""One stage's work under its policy: bounded, within time, repeated, and with a fallback at last.

Knows policies, not plans: what one call is, it is told by the runner. Wrong input, a prompt that is too
long and an empty purse are never tried again; a service that says how long to wait is obeyed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ziggurat.chain.frozen import value_class
from ziggurat.chain.program import Step
from ziggurat.chain.stage import Call, Policy, Retry, Value
from ziggurat.errors import BudgetExceeded, ContextLengthError, EffectUncertain, InputError, StageTimeout
from ziggurat.refusals import retry_after

if TYPE_CHECKING:
    from tenacity import RetryCallState

OneCall = Callable[[Call], Awaitable[Any]]
"""Calls a stage once, or its fallback."""

Told = Callable[[int, float, BaseException], Awaitable[None]]
"""Is told that an attempt failed: its number, seconds until the next one, the error."""

_HOPELESS = (InputError, ContextLengthError, BudgetExceeded, EffectUncertain)
"""Errors that another attempt with the same inputs cannot mend."""

_LONGEST_ASKED_WAIT = 300.0
"""Seconds beyond which a service's Retry-After is taken for a mistake."""


@value_class()
class Attempted:
    """How a stage's work came out.

    Attributes:
        output: The output.
        attempts: How often it was tried, the fallback not counted.
        fell_back: Whether the output is the fallback's.
    """

    output: Any
    attempts: int
    fell_back: bool = False


async def under_policy(step: Step, name: str, once: OneCall, told: Told, seconds_left: float | None) -> Attempted:
    """Do a stage's work as its policy asks.

    Args:
        step: The stage.
        name: What errors call it.
        once: Calls it, or its fallback.
        told: Is told of every attempt that another follows.
        seconds_left: What the run's budget leaves of time, or None.

    Raises:
        StageTimeout: If the last attempt took too long.
        BudgetExceeded: If the run's time ended first.
        Exception: What the last attempt, or the fallback, raised.
    """
    policy, attempts = step.policy, 0

    async def attempt() -> Any:
        nonlocal attempts
        attempts += 1
        return await _within(step.policy, name, once(step.call), seconds_left)

    try:
        async with step.limiter.here() if step.limiter is not None else nullcontext():
            if policy.retry is None:
                output = await attempt()
                return Attempted(output, attempts)
            output = await _with_retries(policy.retry, attempt, told)
            return Attempted(output, attempts)
    except (BudgetExceeded, EffectUncertain):
        raise
    except Exception:
        match policy.fallback:
            case None:
                raise
            case Value(constant):
                return Attempted(constant, attempts, fell_back=True)
            case Call() as other:
                output = await _within(step.policy, name, once(other), seconds_left)
                return Attempted(output, attempts, fell_back=True)


async def _with_retries(retry: Retry, attempt: Callable[[], Awaitable[Any]], told: Told) -> Any:
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

    backoff = wait_exponential_jitter(multiplier=retry.wait, max=retry.max_wait, jitter=retry.wait)

    def wait(state: RetryCallState) -> float:
        asked = retry_after(error) if (error := _error(state)) is not None else None
        return max(backoff(state), min(asked or 0.0, _LONGEST_ASKED_WAIT))

    async def before_sleep(state: RetryCallState) -> None:
        if (error := _error(state)) is not None and state.next_action is not None:
            await told(state.attempt_number, state.next_action.sleep, error)

    attempts = AsyncRetrying(
        stop=stop_after_attempt(retry.attempts),
        wait=wait,
        retry=retry_if_exception(lambda error: isinstance(error, retry.on) and not isinstance(error, _HOPELESS)),
        before_sleep=before_sleep,
        reraise=True,
    )
    return await attempts(attempt)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


async def _within(policy: Policy, name: str, working: Awaitable[Any], seconds_left: float | None) -> Any:
    """One call within the stage's time and what the budget leaves."""
    timeout = policy.timeout
    if timeout is None and seconds_left is None:
        return await working
    allowed = min(one for one in (timeout, seconds_left) if one is not None)
    try:
        async with asyncio.timeout(allowed) as clock:
            return await working
    except TimeoutError as error:
        if not clock.expired():
            raise
        if timeout is None or allowed < timeout:
            raise BudgetExceeded(
                f"The run's budget of time ended while stage {name!r} was running.",
                bound="seconds",
                fix="allow more seconds",
            ) from error
        raise StageTimeout(
            f"Stage {name!r} took longer than {timeout:g} s.", fix="raise its timeout, or give it less to do"
        ) from error
