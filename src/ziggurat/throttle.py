"""Requests and tokens a minute, for callers on any thread and in any event loop at once.

A `Throttle` knows nothing of models: it lets callers through in the order they came, so that no more
than the limit passes in any 60 seconds, and nobody while it is paused. It counts on a monotonic clock,
so that a wall clock that jumps changes nothing.

Theory of operation: what passed within the window stands in ``_passed``, who waits stands in ``_line``.
Whoever holds the lock and is awake lets pass all those at the head that fit; a waiter that sleeps in a
blocked event loop is let through by the others, and one in a closed loop is forgotten. A waiter that
gives up leaves the line, or hands back the place it had just been given. Corrections and departures may
come from the garbage collector in the middle of anything, so they never wait for the lock: they are left
in ``_later`` for whoever holds it.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ziggurat.errors import InputError

WINDOW = 60.0
"""Seconds over which both limits hold."""

_GRACE = 1.0  # seconds a waiter that is not the first lets the first act before it acts for it
_GRACE_STEP = 0.01  # seconds more for each place in the line, so that a long line does not wake at once
_SHORTEST = 0.001  # seconds; a timer that rings early must not become a busy loop


@dataclass(slots=True, eq=False)
class _Passed:
    """What passed at one moment, in tokens and requests; corrected while it is in the window."""

    at: float
    tokens: int
    requests: int
    counted: bool = True


class _Waiter:
    """One caller in the line: what it wants, how to wake it, and the answer."""

    __slots__ = ("error", "number", "passed", "tokens", "wake")

    def __init__(self, number: int, tokens: int, wake: Callable[[], object]) -> None:
        self.number = number
        self.tokens = tokens
        self.wake = wake
        self.passed: _Passed | None = None
        self.error: InputError | None = None


class Reservation:
    """A place that was given: one request and an estimate of its tokens.

    Attributes:
        tokens: The tokens that were reserved.
    """

    __slots__ = ("_owner", "_passed", "tokens")

    def __init__(self, owner: Throttle, passed: _Passed) -> None:
        self._owner = owner
        self._passed: _Passed | None = passed
        self.tokens = passed.tokens

    def settle(self, used: int) -> None:
        """Replace the estimate by what was really used; only the first correction counts.

        What was too much is given back at once; what was too little is counted as used now.
        """
        self._correct(max(0, used), requests=1)

    def release(self) -> None:
        """Give the place back: nothing was sent."""
        self._correct(0, requests=0)

    def _correct(self, tokens: int, *, requests: int) -> None:
        passed, self._passed = self._passed, None
        if passed is not None:
            self._owner._correct(passed, tokens, requests)  # noqa: SLF001 (a reservation is the throttle's other half)


class Throttle:
    """A turnstile for calls.

    Args:
        requests: Calls in any 60 seconds; None for any number.
        tokens: Tokens in any 60 seconds; None for any number.
        clock: Seconds that never run backwards.

    Raises:
        InputError: If a limit is not a whole number of at least 1.

    Example:
        >>> throttle = Throttle(requests=500, tokens=30_000)
        >>> place = throttle.reserve(tokens=1_200)
        >>> place.settle(used=950)
    """

    def __init__(
        self, requests: int | None = None, tokens: int | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.requests = _checked("requests", requests)
        self.tokens = _checked("tokens", tokens)
        self._clock = clock
        self._lock = threading.Lock()
        self._later: deque[Callable[[], None]] = deque()
        self._passed: deque[_Passed] = deque()
        self._line: deque[_Waiter] = deque()
        self._tokens_now = 0
        self._requests_now = 0
        self._paused_until = -math.inf
        self._numbers = 0

    def __repr__(self) -> str:
        return f"Throttle(requests={self.requests}, tokens={self.tokens})"

    @property
    def waiting(self) -> int:
        """Callers in the line."""
        return len(self._line)

    def reserve(self, tokens: int = 0) -> Reservation:
        """Wait for one's turn, blocking this thread.

        Args:
            tokens: An estimate of what the call will read and write.

        Raises:
            InputError: If so many tokens could never pass.
        """
        event = threading.Event()
        waiter = self._enter(tokens, event.set)
        try:
            while True:
                event.clear()
                answer = self._ask(waiter)
                if isinstance(answer, Reservation):
                    return answer
                event.wait(answer)
        except BaseException:
            self._leave(waiter)
            raise

    async def areserve(self, tokens: int = 0) -> Reservation:
        """The same without blocking the event loop; a cancelled waiter gives its place up."""
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        waiter = self._enter(tokens, lambda: loop.call_soon_threadsafe(event.set))
        try:
            while True:
                event.clear()
                answer = self._ask(waiter)
                if isinstance(answer, Reservation):
                    return answer
                timer = loop.call_later(answer, event.set)
                try:
                    await event.wait()
                finally:
                    timer.cancel()
        except BaseException:
            self._leave(waiter)
            raise

    def try_reserve(self, tokens: int = 0) -> Reservation | None:
        """A place if there is one now and nobody waits for it; else None.

        Raises:
            InputError: If so many tokens could never pass.
        """
        waiter = self._enter(tokens, _nobody)
        answer = self._ask(waiter)
        if isinstance(answer, Reservation):
            return answer
        self._leave(waiter)
        return None

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long; a pause that ends later is kept."""
        if seconds > 0:
            with self._held():
                self._paused_until = max(self._paused_until, self._clock() + seconds)

    def change(self, requests: int | None = None, tokens: int | None = None) -> None:
        """Set other limits; they hold for those who wait already.

        Raises:
            InputError: If a limit is not a whole number of at least 1.
        """
        requests, tokens = _checked("requests", requests), _checked("tokens", tokens)
        with self._held():
            self.requests, self.tokens = requests, tokens
            self._let_pass()
            self._wake_first()

    def open(self) -> None:
        """Lift both limits and the pause; everybody passes."""
        with self._held():
            self.requests = self.tokens = None
            self._paused_until = -math.inf
            self._let_pass()

    def _enter(self, tokens: int, wake: Callable[[], object]) -> _Waiter:
        with self._held():
            if self.tokens is not None and tokens > self.tokens:
                raise _too_large(tokens, self.tokens)
            self._numbers += 1
            waiter = _Waiter(self._numbers, max(0, tokens), wake)
            self._line.append(waiter)
            return waiter

    def _ask(self, waiter: _Waiter) -> Reservation | float:
        """The waiter's place, or the seconds after which it should ask again."""
        with self._held():
            if waiter.passed is None and waiter.error is None:
                due = self._let_pass(asking=waiter)
            if waiter.error is not None:
                raise waiter.error
            if waiter.passed is not None:
                return Reservation(self, waiter.passed)
            ahead = waiter.number - self._line[0].number
            return max(due, _SHORTEST) + (_GRACE + ahead * _GRACE_STEP if ahead else 0.0)

    def _leave(self, waiter: _Waiter) -> None:
        """Out of the line; a place that was given and never used goes back."""

        def leave() -> None:
            if waiter.passed is not None:
                self._recount(waiter.passed, 0, 0)
            elif waiter in self._line:
                self._line.remove(waiter)

        self._do(leave)

    def _correct(self, passed: _Passed, tokens: int, requests: int) -> None:
        def correct() -> None:
            more = tokens - passed.tokens
            self._recount(passed, min(tokens, passed.tokens), requests)
            if more > 0:
                self._count(_Passed(self._clock(), more, 0))

        self._do(correct)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The lock, and then whatever was left for its holder."""
        try:
            with self._lock:
                yield
        finally:
            self._catch_up()

    def _do(self, action: Callable[[], None]) -> None:
        """Act now if the lock is free, else leave it to the one who holds it."""
        self._later.append(action)
        self._catch_up()

    def _catch_up(self) -> None:
        while self._later and self._lock.acquire(blocking=False):
            try:
                while self._later:
                    self._later.popleft()()
                self._let_pass()
                self._wake_first()
            finally:
                self._lock.release()

    def _let_pass(self, asking: _Waiter | None = None) -> float:
        """Let all those at the head pass that fit; the seconds until the next one could."""
        now = self._clock()
        while self._passed and self._passed[0].at + WINDOW <= now:
            gone = self._passed.popleft()
            self._tokens_now -= gone.tokens
            self._requests_now -= gone.requests
            gone.counted = False
        while self._line:
            first = self._line[0]
            if self.tokens is not None and first.tokens > self.tokens:
                first.error = _too_large(first.tokens, self.tokens)
            else:
                wait = self._wait(now, first.tokens)
                if wait > 0:
                    return wait
                first.passed = _Passed(now, first.tokens, 1)
                self._count(first.passed)
            self._line.popleft()
            if first is not asking and not _woken(first) and first.passed is not None:
                self._recount(first.passed, 0, 0)  # its event loop is closed: nothing will be sent
        return 0.0

    def _wait(self, now: float, tokens: int) -> float:
        """Seconds until so many tokens fit, if nobody else comes."""
        until = self._paused_until
        over_requests = -math.inf if self.requests is None else self._requests_now + 1 - self.requests
        over_tokens = -math.inf if self.tokens is None else self._tokens_now + tokens - self.tokens
        for passed in self._passed:
            if over_requests <= 0 and over_tokens <= 0:
                break
            until = max(until, passed.at + WINDOW)
            over_requests -= passed.requests
            over_tokens -= passed.tokens
        return until - now

    def _count(self, passed: _Passed) -> None:
        self._passed.append(passed)
        self._tokens_now += passed.tokens
        self._requests_now += passed.requests

    def _recount(self, passed: _Passed, tokens: int, requests: int) -> None:
        """Count what passed as so much; what left the window long ago stays as it was."""
        if passed.counted:
            self._tokens_now += tokens - passed.tokens
            self._requests_now += requests - passed.requests
            passed.tokens, passed.requests = tokens, requests

    def _wake_first(self) -> None:
        """Let the head of the line look again, since its time may have come nearer."""
        while self._line and not _woken(self._line[0]):
            self._line.popleft()


def _woken(waiter: _Waiter) -> bool:
    """Wake a waiter; False if its event loop is closed."""
    try:
        waiter.wake()
    except RuntimeError:
        return False
    return True


def _nobody() -> None:
    """Wakes nobody: the caller does not wait."""


def _checked(name: str, limit: int | None) -> int | None:
    if limit is None or (type(limit) is int and limit >= 1):
        return limit
    raise InputError(
        f"{name}={limit!r} is no limit.",
        where="a rate limit",
        fix="give a whole number of at least 1 a minute, or None",
    )


def _too_large(tokens: int, limit: int) -> InputError:
    return InputError(
        f"A call of about {tokens:,} tokens can never pass a limit of {limit:,} tokens a minute.",
        where="a rate limit",
        fix="send less in one call, or raise the limit",
    )
