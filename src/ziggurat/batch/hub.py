"""The leader of a batch: what each worker's message does to the books, and what is answered.

Knows links that can be sent to and closed, and a clock; sockets and threads are `coordinator`'s. Invariant: a worker
is either in all books or in none; whatever it says that it may not say ends it, and nobody else.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ziggurat.batch import wire
from ziggurat.batch.claims import Answer, ClaimBook
from ziggurat.batch.coordination import Place, Tally
from ziggurat.batch.leases import LeaseBook, Refused
from ziggurat.batch.rates import RateBook
from ziggurat.errors import InputError

PURSE, CELLS = "purse", "cells"
"""The two connections of a worker: for its budget and heartbeats, asked and answered in turn; and for its cells."""


class Link(Protocol):
    """One connection of a worker."""

    def send(self, data: bytes) -> None:
        """Send frames, after those sent before."""

    def close(self) -> None:
        """Send what is left, and end it."""


@dataclass(eq=False, slots=True)
class Session:
    """A worker that is here.

    Attributes:
        number: By which the books know it.
        name: What it calls itself.
        heard: When it last said anything.
        beat: The number of its last heartbeat.
        links: Its connections.
    """

    number: int
    name: str
    heard: float
    beat: int = 0
    links: dict[str, Link] = field(default_factory=dict)


@dataclass(slots=True)
class Hub:
    """The state of a batch that has workers.

    Attributes:
        token: What a worker must know.
        leases: The budget.
        claims: The cells.
        rates: The pace, or None.
        stop_after: Failed rows after which no further row is begun; None for any number.
        welcome: What a new worker is told.
        clock: Seconds.
        later: Calls something after so many seconds.
        tally: What all workers did.
        stopped: Whether no further row is to be begun.
        lost: Workers that were lost.
        messages: Messages that came.
    """

    token: str
    leases: LeaseBook
    claims: ClaimBook
    rates: RateBook | None
    stop_after: int | None
    welcome: Callable[[], dict[str, Any]]
    clock: Callable[[], float]
    later: Callable[[float, Callable[[], None]], object]
    tally: Tally = field(default_factory=Tally)
    stopped: bool = False
    lost: int = 0
    messages: int = 0
    sessions: dict[int, Session] = field(default_factory=dict)
    _numbers: int = 0
    _owners: dict[Link, tuple[Session, str]] = field(default_factory=dict)
    _due: float | None = None

    def known(self, link: Link) -> bool:
        """Whether a connection has said the token."""
        return link in self._owners

    def received(self, link: Link, message: list[Any]) -> None:
        """Act on a message.

        Raises:
            Garbled: If it may not be sent, or not on this connection.
        """
        self.messages += 1
        kind, parts = wire.checked(message)
        owner = self._owners.get(link)
        if owner is None:
            if kind != "hello":
                raise wire.Garbled("The first message is not a greeting.")
            self._hello(link, *parts)
            return
        session, role = owner
        session.heard = self.clock()
        handler = _HANDLERS[role].get(kind)
        if handler is None:
            raise wire.Garbled(f"{kind!r} is not said on this connection.")
        handler(self, session, *parts)

    def closed(self, link: Link) -> None:
        """A connection has ended, by itself or because it was garbled; its worker is lost with it."""
        owner = self._owners.pop(link, None)
        if owner is not None and owner[0].links.get(owner[1]) is link:
            self._lose(owner[0])

    def lose_silent(self, silence: float) -> None:
        """Workers that have said nothing for so long are lost."""
        now = self.clock()
        for session in [one for one in self.sessions.values() if now - one.heard > silence]:
            self._lose(session)

    def stop(self) -> None:
        """No further row is to be begun, and every worker is told."""
        if self.stopped:
            return
        self.stopped = True
        for session in self.sessions.values():
            if CELLS in session.links:
                session.links[CELLS].send(wire.frame("stop"))

    # -- messages ----------------------------------------------------------------------------------

    def _hello(self, link: Link, token: str, role: str, name: str, number: int) -> None:
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            link.send(wire.frame("refused", "The token is not this batch's."))
            link.close()
            return
        session = self.sessions.get(number)
        if role == PURSE and number == 0:
            self._numbers += 1
            session = self.sessions[self._numbers] = Session(self._numbers, name, self.clock())
            self.leases.join(session.number)
        elif role != CELLS or session is None or CELLS in session.links:
            link.send(wire.frame("refused", "There is no such session."))
            link.close()
            return
        session.links[role] = link
        self._owners[link] = session, role
        link.send(wire.frame("welcome", {**self.welcome(), "session": session.number, "stopped": self.stopped}))

    def _beat(self, session: Session, number: int, spent: list[Any], tally: list[Any]) -> None:
        session.beat = number
        self.leases.report(session.number, wire.amounts_in(spent))
        self._count(wire.tally_in(tally))
        session.links[PURSE].send(wire.frame("beaten", self.stopped))

    def _ask(self, session: Session, lacking: list[Any], spent: list[Any]) -> None:
        self.leases.report(session.number, wire.amounts_in(spent))
        share = self.leases.ask(session.number, wire.amounts_in(lacking), self.clock())
        if isinstance(share, Refused):
            answer = wire.frame("none", share.bound, str(share.rest))
        else:
            answer = wire.frame("share", wire.amounts_out(share))
        session.links[PURSE].send(answer)

    def _leave(self, session: Session, spent: list[Any], tally: list[Any]) -> None:
        self._count(wire.tally_in(tally))
        self.leases.leave(session.number, wire.amounts_in(spent))
        link = session.links[PURSE]
        link.send(wire.frame("left"))
        self._gone(session)
        if self.rates is not None:
            self.rates.leave(session.number, self.clock())
            self._grant()

    def _claim(self, session: Session, ticket: int, keys: list[bytes]) -> None:
        claim, number = self.claims.claim, session.number
        found = [claim(key, number, ticket + place) for place, key in enumerate(keys)]
        self._answer([one for one in found if one is not None])

    def _publish(self, session: Session, cells: list[tuple[bytes, str, int]]) -> None:
        answers: list[Answer] = []
        for key, segment, offset in cells:
            answers += self.claims.publish(key, session.number, Place(segment, offset))
        self._answer(answers)

    def _release(self, session: Session, keys: list[bytes]) -> None:
        found = [self.claims.release(key, session.number) for key in keys]
        self._answer([one for one in found if one is not None])

    def _pace(self, session: Session, ticket: int, units: list[int], used: int, back: int) -> None:
        if self.rates is None:
            raise wire.Garbled("There is no rate to ask for.")
        self.rates.used(session.number, used, self.clock())
        self.rates.back(session.number, back)
        try:
            self.rates.ask(session.number, ticket, units)
        except InputError as error:
            raise wire.Garbled(error.what) from error
        self._grant()

    def _bye(self, session: Session) -> None:
        link = session.links.pop(CELLS)
        link.send(wire.frame("bye"))
        link.close()

    # -- inside --------------------------------------------------------------------------------------

    def _count(self, tally: Tally) -> None:
        self.tally += tally
        if self.stop_after is not None and self.tally.failed >= self.stop_after:
            self.stop()

    def _answer(self, answers: Iterable[Answer]) -> None:
        by_worker: dict[int, list[list[Any]]] = defaultdict(list)
        for one in answers:
            by_worker[one.worker].append([one.ticket, *wire.place_out(one.place)])
        for number, found in by_worker.items():
            self._to_cells(number, wire.frame("claimed", found))

    def _grant(self) -> None:
        if self.rates is None:
            return
        now = self.clock()
        permits, due = self.rates.grant(now)
        by_worker: dict[int, list[int]] = defaultdict(list)
        for one in permits:
            by_worker[one.worker].append(one.ticket)
        for number, tickets in by_worker.items():
            self._to_cells(number, wire.frame("paced", tickets, self.sessions[number].beat))
        if due is not None and (self._due is None or due < self._due):
            self._due = due
            self.later(max(0.0, due - now), self._grant_due)

    def _grant_due(self) -> None:
        self._due = None
        self._grant()

    def _to_cells(self, number: int, data: bytes) -> None:
        link = self.sessions[number].links.get(CELLS)
        if link is not None:
            link.send(data)

    def _lose(self, session: Session) -> None:
        self.lost += 1
        self.leases.lose(session.number)
        self._gone(session)
        if self.rates is not None:
            self.rates.lose(session.number, self.clock())
            self._grant()

    def _gone(self, session: Session) -> None:
        """Out of the hub: what it held goes to the next, and its connections end."""
        del self.sessions[session.number]
        for link in session.links.values():
            self._owners.pop(link, None)
            link.close()
        self._answer(self.claims.lose(session.number))


_HANDLERS: dict[str, dict[str, Callable[..., None]]] = {
    PURSE: {"beat": Hub._beat, "ask": Hub._ask, "leave": Hub._leave},  # noqa: SLF001 (the hub's own table)
    CELLS: {
        "claim": Hub._claim,  # noqa: SLF001 (the same)
        "publish": Hub._publish,  # noqa: SLF001 (the same)
        "release": Hub._release,  # noqa: SLF001 (the same)
        "pace": Hub._pace,  # noqa: SLF001 (the same)
        "bye": Hub._bye,  # noqa: SLF001 (the same)
    },
}
"""What is said on which connection."""
