"""A budget given out to many workers as shares, so that a call is reserved where it is sent.

A worker that is short asks for more, says what it spent, and gives the rest of its share back when it leaves.
Pure: no sockets, no threads, the time is told. Invariant: what is out in shares and what was spent is never more
than the budget, whoever is lost: what a lost worker had and did not report counts as spent, since
it may have been, and may still be.

Theory of operation: a share is as large as the worker's pace needs for about a second. It doubles when the worker
is soon back and halves when it comes late, so a loss costs about what its worker spends in that time, however
large the budget is. And it is never more than ``rest / (2 workers)`` (guided self-scheduling, Polychronopoulos
and Kuck 1987), so that the shares shrink as the rest does and little is out when it runs dry. A worker that asks for
more than the rest is refused at once, although others may hold what they will not need: a reservation is
made on an event loop, which must not wait for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from ziggurat.chain.budget import NOTHING, Amounts, Budget

_SLICES = 2
"""A share is at most the rest divided by so many times the workers."""

_SOON, _LATE = 0.5, 2.0
"""Seconds: a worker that asks again sooner gets twice as much, one that asks later half."""

_FIRST, _MOST = 4.0, 2.0**40
"""The first share, and the largest, in calls like the one it is asked for."""

_TRILLIONTH = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no share left that large.

    Attributes:
        bound: ``usd``, ``tokens`` or ``calls``.
        rest: What nobody has.
    """

    bound: str
    rest: Decimal | int


@dataclass(slots=True)
class _Worker:
    """One worker's account.

    Attributes:
        given: All its shares so far.
        spent: What it said it spent of them.
        asked: When it last asked.
        times: How many times what it lacks it is given.
    """

    given: Amounts = NOTHING
    spent: Amounts = NOTHING
    asked: float | None = None
    times: float = _FIRST


class LeaseBook:
    """The account of a budget among workers; ``seconds`` of it are the driver's own affair.

    Args:
        budget: What all workers together may spend; None for any amount.

    Attributes:
        written_off: What lost workers had and had not reported, in all.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        budget = budget or Budget()
        self._usd = None if budget.usd is None else Decimal(str(budget.usd))
        self._tokens, self._calls = budget.tokens, budget.calls
        self._workers: dict[int, _Worker] = {}
        self._given = NOTHING  # shares of the workers that are here, and what they spent beyond
        self._ended = NOTHING  # spent by those that left or were lost
        self._reported = NOTHING
        self.written_off = NOTHING

    @property
    def workers(self) -> int:
        """Workers that are here."""
        return len(self._workers)

    @property
    def spent(self) -> Amounts:
        """What was reported, and what was written off."""
        return self._ended + self._reported

    @property
    def out(self) -> Amounts:
        """What workers have in hand: given and not reported as spent."""
        return self._given - self._reported

    def rest(self) -> tuple[Decimal | None, int | None, int | None]:
        """US dollars, tokens and calls that nobody has; None where there is no bound."""
        gone = self._given + self._ended
        return (
            None if self._usd is None else max(Decimal(0), self._usd - gone.usd),
            None if self._tokens is None else max(0, self._tokens - gone.tokens),
            None if self._calls is None else max(0, self._calls - gone.calls),
        )

    def join(self, worker: int) -> None:
        """A worker is here; it has no share yet."""
        self._workers[worker] = _Worker()

    def ask(self, worker: int, lacking: Amounts, now: float) -> Amounts | Refused:
        """A further share of at least what a worker lacks, or nothing at all.

        Args:
            worker: Who asks.
            lacking: What it lacks for its next call; 0 where it lacks nothing, and then it gets nothing.
            now: Seconds.
        """
        one = self._workers[worker]
        usd, tokens, calls = self.rest()
        if calls is not None and lacking.calls > calls:
            return Refused("calls", calls)
        if tokens is not None and lacking.tokens > tokens:
            return Refused("tokens", tokens)
        if usd is not None and lacking.usd > usd:
            return Refused("usd", usd)
        if one.asked is not None:
            since = now - one.asked
            one.times *= 2 if since < _SOON and one.times < _MOST else 0.5 if since > _LATE and one.times > 1 else 1
        one.asked = now
        slices = _SLICES * max(1, len(self._workers))
        share = Amounts(
            lacking.usd if not lacking.usd or usd is None else _dollars(lacking.usd, one.times, usd / slices),
            lacking.tokens if tokens is None else _whole(lacking.tokens, one.times, tokens // slices),
            lacking.calls if calls is None else _whole(lacking.calls, one.times, calls // slices),
        )
        one.given += share
        self._given += share
        return share

    def report(self, worker: int, spent: Amounts) -> None:
        """What a worker spent since it is here, in all.

        It may be a little more than it was given: a model may use more than was set aside for a call.
        """
        one = self._workers[worker]
        spent = _largest(spent, one.spent)
        self._reported += spent - one.spent
        one.spent = spent
        beyond = _largest(spent, one.given) - one.given
        one.given += beyond
        self._given += beyond

    def leave(self, worker: int, spent: Amounts) -> None:
        """A worker ends and has sent its last call: the rest of its share goes back."""
        self.report(worker, spent)
        one = self._workers.pop(worker)
        self._given -= one.given
        self._reported -= one.spent
        self._ended += one.spent

    def lose(self, worker: int) -> None:
        """A worker is gone without a word: its whole share counts as spent."""
        one = self._workers.pop(worker)
        self._given -= one.given
        self._reported -= one.spent
        self._ended += one.given
        self.written_off += one.given - one.spent


def _whole(lacking: int, times: float, most: int) -> int:
    return max(lacking, min(int(lacking * times), most))


def _dollars(lacking: Decimal, times: float, most: Decimal) -> Decimal:
    return max(lacking, min(lacking * int(times), most).quantize(_TRILLIONTH, ROUND_DOWN))


def _largest(one: Amounts, other: Amounts) -> Amounts:
    return Amounts(max(one.usd, other.usd), max(one.tokens, other.tokens), max(one.calls, other.calls))
