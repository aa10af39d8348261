"""Bad luck on request: refusals, cut answers and silences of the calls that models answer.

Knows nothing of endpoints: a route that is metered meets a `Fate`, drawn call by call from a seed, and a `Gate`
between the answer and the network lets it happen. Invariant: an answer that is cut never has its end sent, so
that the server closes the socket and the record does not count it.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ziggurat.databricks.local.call import Refusal, invalid
from ziggurat.errors import InputError

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_END = b"data: [DONE]"
_MOST_PIECES = 6
"""A stream is cut after at most this many of its pieces, so that short ones are cut too."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often what goes wrong; shares of all calls of models.

    Attributes:
        refuse: Answered 429 with ``Retry-After``, nothing done.
        unavailable: Answered 503 with ``Retry-After``, nothing done.
        cut: The connection ends half way through the answer.
        stall: The share that is silent for some seconds before the answer goes on, and those seconds.
        retry_after: Whole seconds in ``Retry-After``.
        seed: The same calls in the same order meet the same luck.

    Raises:
        InputError: If a share is no share, or they are more than all calls together.
    """

    refuse: float = 0.0
    unavailable: float = 0.0
    cut: float = 0.0
    stall: tuple[float, float] = (0.0, 0.0)
    retry_after: int = 1
    seed: int | None = None

    def __post_init__(self) -> None:
        shares = (self.refuse, self.unavailable, self.cut, self.stall[0])
        if not all(0 <= share <= 1 for share in shares) or self.refuse + self.unavailable + self.cut > 1:
            raise InputError(
                "The shares of faults are not shares of all calls.",
                where=f"refuse={self.refuse}, unavailable={self.unavailable}, cut={self.cut}, stall={self.stall}",
                fix="give each from 0 to 1, and refuse, unavailable and cut together at most 1",
            )
        if self.stall[1] < 0 or self.retry_after < 0:
            raise InputError("Seconds cannot be negative.", where=f"stall={self.stall}, retry_after={self.retry_after}")

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Faults:
        """Faults from a request's body; what it does not name is 0.

        Raises:
            Refusal: 400 if it names what does not exist, or a value cannot be.
        """
        unknown = sorted(body.keys() - {"refuse", "unavailable", "cut", "stall", "retry_after", "seed"})
        if unknown:
            raise invalid(f"There is no fault {unknown[0]!r}.")
        given = dict(body)
        try:
            if "stall" in given:
                share, seconds = given["stall"]
                given["stall"] = (float(share), float(seconds))
            if not isinstance(given.get("retry_after", 1), int) or not isinstance(given.get("seed"), int | None):
                raise TypeError("retry_after and seed must be whole numbers")  # noqa: TRY301 (told like the other types)
            return cls(**given)
        except (TypeError, ValueError) as error:
            raise invalid(str(error)) from error

    def written(self) -> dict[str, Any]:
        """The same as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Fate:
    """What one call meets.

    Attributes:
        status: Refused with this status instead of an answer; 0 for none.
        cut_after: The answer ends after this many of its pieces; None for a whole answer.
        stall: Seconds of silence before the first piece.
        retry_after: For the refusal.
    """

    status: int = 0
    cut_after: int | None = None
    stall: float = 0.0
    retry_after: int = 1

    def refuse(self) -> None:
        """Raise the refusal, if it is one."""
        if self.status == 429:  # noqa: PLR2004 (HTTP: too many requests)
            raise Refusal(
                429,
                "REQUEST_LIMIT_EXCEEDED",
                "REQUEST_LIMIT_EXCEEDED: Exceeded the rate limit of this endpoint. Please retry later.",
                {"Retry-After": str(self.retry_after)},
            )
        if self.status:
            raise Refusal(
                self.status,
                "TEMPORARILY_UNAVAILABLE",
                "The service is temporarily unavailable. Please retry later.",
                {"Retry-After": str(self.retry_after)},
            )


@dataclass(slots=True)
class Luck:
    """Draws what each call meets; safe to use from any thread."""

    faults: Faults = field(default_factory=Faults)
    _random: random.Random = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, repr=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.set(self.faults)

    def set(self, faults: Faults) -> None:
        """Other faults from now on; the seed begins anew."""
        with self._lock:
            self.faults = faults
            self._random = random.Random(faults.seed)  # noqa: S311 (bad luck is no secret)

    def draw(self) -> Fate:
        """What the next call meets."""
        with self._lock:
            faults, chance, quiet = self.faults, self._random.random(), self._random.random()
            pieces = self._random.randint(1, _MOST_PIECES)
        stall = faults.stall[1] if quiet < faults.stall[0] else 0.0
        fate = Fate(stall=stall, retry_after=faults.retry_after)
        if chance < faults.refuse:
            return replace(fate, status=429)
        if chance < faults.refuse + faults.unavailable:
            return replace(fate, status=503)
        if chance < faults.refuse + faults.unavailable + faults.cut:
            return replace(fate, cut_after=pieces)
        return fate


class Cut(Exception):
    """The answer ends here; the server closes the socket."""


class Gate:
    """What stands between an answer and the network.

    Args:
        send: The server's.
        fate: What this call meets; asked when the answer begins, since it is drawn after the call is let in.
        allowed: Whether whoever asked still may; asked before every piece, so that a token that is revoked ends a
            stream under way.
    """

    def __init__(self, send: Send, fate: Callable[[], Fate | None], allowed: Callable[[], bool]) -> None:
        self._send = send
        self._fate = fate
        self._allowed = allowed
        self._pieces = 0

    async def send(self, message: Message) -> None:
        """Pass a message on, or end the answer.

        Raises:
            Cut: If it ends here.
        """
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        fate = self._fate() or Fate()
        if self._pieces == 0 and fate.stall:
            await asyncio.sleep(fate.stall)
        body = message.get("body", b"")
        streamed = message.get("more_body", False) or self._pieces > 0
        more = message.get("more_body", False) and not body.startswith(_END)  # what comes after it, nobody reads
        after = 0 if streamed and not self._allowed() else fate.cut_after
        if after is not None:
            await self._cut_short(body, after, streamed=streamed, more=more)
        await self._send(message)
        self._pieces += 1

    async def _cut_short(self, body: bytes, after: int, *, streamed: bool, more: bool) -> None:
        """End the answer if it is time to: a stream between its pieces, another body in its middle."""
        if streamed and more and self._pieces < after:
            return
        if not streamed:
            await self._send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        raise Cut
