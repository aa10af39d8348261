"""A worker's connection for cells: claims and paces that wait side by side on one event loop.

Knows tickets and frames; what the answers mean for the rows is the caller's. What is asked within one turn of the loop
leaves as one message. Invariant: an answer that comes after its asker has given up is handed back, so that
no cell stays claimed and no permit stays out for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ziggurat.batch import wire
from ziggurat.batch.coordination import Place
from ziggurat.batch.line import gone, welcomed

_T = TypeVar("_T")

_USED_SECONDS = 0.01
"""The word that permits were used waits at most so long for other words."""


class CellsLink(asyncio.Protocol):
    """The connection.

    Args:
        loop: The event loop it lives on.
        address: Where it leads, for messages.
        on_stop: Called when no further row is to be begun.
        on_gone: Called when the connection has ended.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: str,
        on_stop: Callable[[], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._loop, self._address = loop, address
        self._on_stop, self._on_gone = on_stop, on_gone
        self._frames = wire.Frames()
        self._transport: asyncio.Transport | None = None
        self._greeted: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._parted: asyncio.Future[None] = loop.create_future()
        self._claims: dict[int, tuple[asyncio.Future[Place | None], bytes]] = {}
        self._paces: dict[int, tuple[asyncio.Future[int], int]] = {}
        self._next_claim = self._next_pace = 0
        self._publishes: list[tuple[bytes, str, int]] = []
        self._releases: list[bytes] = []
        self._keys: list[bytes] = []
        self._units: list[int] = []
        self._used = self._back = 0
        self._flushing: asyncio.Handle | None = None

    # -- asked by the rows -------------------------------------------------------------------------

    async def greet(self, token: str, role: str, name: str, session: int) -> None:
        """Say the token.

        Raises:
            ClusterError: If it is refused.
        """
        self._write(wire.frame("hello", token, role, name, session))
        await self._greeted

    async def claim(self, key: bytes) -> Place | None:
        """Ask for a cell, and wait until it is the caller's or finished."""
        answer: asyncio.Future[Place | None] = self._future()
        self._claims[self._next_claim] = answer, key
        self._next_claim += 1
        self._keys.append(key)
        self._soon()
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.result() is None:
                self.release(key)
            raise

    async def permit(self, units: int) -> int:
        """Wait for a permit; the number of the heartbeat that its giver had heard last."""
        answer: asyncio.Future[int] = self._future()
        self._paces[self._next_pace] = answer, units
        self._next_pace += 1
        self._units.append(units)
        self._soon()
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled():
                self.back(units)
            raise

    def used(self, units: int) -> None:
        """A permit is used now."""
        self._used += units
        if self._flushing is None:
            self._flushing = self._loop.call_later(_USED_SECONDS, self._flush)

    def back(self, units: int) -> None:
        """A permit will not be used."""
        self._back += units
        self._soon()

    def publish(self, key: bytes, place: Place) -> None:
        """A cell is finished."""
        self._publishes.append((key, place.segment, place.offset))
        self._soon()

    def release(self, key: bytes) -> None:
        """A cell was not finished."""
        self._releases.append(key)
        self._soon()

    async def bye(self, seconds: float) -> None:
        """Wait until all that was said has arrived, and end."""
        if self._transport is not None:
            self._flush()
            self._write(wire.frame("bye"))
            await asyncio.wait([self._parted], timeout=seconds)
        self.abort()
        await asyncio.sleep(0)  # the transport's last turn

    def abort(self) -> None:
        """End at once; whoever waits is told."""
        if self._transport is not None:
            self._transport.abort()

    # -- told by the loop --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is this link's."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (for the type checker)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers came."""
        try:
            for message in self._frames.feed(data):
                self._received(*message)
        except wire.Garbled:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Everybody who waits is told."""
        self._transport = None
        if self._flushing is not None:
            self._flushing.cancel()
        waiting: list[asyncio.Future[Any]] = [one for one, _ in self._claims.values()]
        waiting += [one for one, _ in self._paces.values()]
        waiting += [self._greeted]
        for one in waiting:
            if not one.done():
                one.set_exception(gone(self._address))
        if self._greeted.done() and not self._greeted.cancelled():
            self._greeted.exception()  # whoever asked for it was told, or has gone
        if not self._parted.done():
            self._parted.set_result(None)
            self._on_gone()

    def _received(self, kind: str, *parts: Any) -> None:
        match kind:
            case "claimed":
                for ticket, segment, offset in parts[0]:
                    self._claimed(ticket, wire.place_in(segment, offset))
            case "paced":
                tickets, beat = parts
                for ticket in tickets:
                    self._paced(ticket, beat)
            case "stop":
                self._on_stop()
            case "bye":
                if not self._parted.done():
                    self._parted.set_result(None)
            case _ if not self._greeted.done():
                try:
                    self._greeted.set_result(welcomed([kind, *parts], self._address))
                except Exception as error:  # noqa: BLE001 (told to the one who greeted)
                    self._greeted.set_exception(error)
            case _:
                raise wire.Garbled(f"{kind!r} is nothing a coordinator says.")

    def _claimed(self, ticket: int, place: Place | None) -> None:
        answer, key = self._claims.pop(ticket)
        if not answer.done():
            answer.set_result(place)
        elif place is None:
            self.release(key)

    def _paced(self, ticket: int, beat: int) -> None:
        answer, units = self._paces.pop(ticket)
        if answer.done():
            self.back(units)
        else:
            answer.set_result(beat)

    # -- what leaves -------------------------------------------------------------------------------

    def _future(self) -> asyncio.Future[Any]:
        if self._transport is None:
            raise gone(self._address)
        return self._loop.create_future()

    def _soon(self) -> None:
        """Send at the end of this turn, however many words come until then."""
        if isinstance(self._flushing, asyncio.TimerHandle):
            self._flushing.cancel()
            self._flushing = None
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        out = [wire.frame("publish", part) for _, part in _parts(self._publishes)]
        out += [wire.frame("release", part) for _, part in _parts(self._releases)]
        first = self._next_claim - len(self._keys)
        out += [wire.frame("claim", first + at, part) for at, part in _parts(self._keys)]
        first = self._next_pace - len(self._units)
        if self._used or self._back:
            out.append(wire.frame("pace", first, [], self._used, self._back))
        out += [wire.frame("pace", first + at, part, 0, 0) for at, part in _parts(self._units)]
        self._publishes, self._releases, self._keys, self._units = [], [], [], []
        self._used = self._back = 0
        self._write(b"".join(out))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._transport.write(data)


def _parts(all_of: list[_T]) -> Iterator[tuple[int, list[_T]]]:
    """A list in pieces that fit a message, each with where it begins."""
    for at in range(0, len(all_of), wire.MANY):
        yield at, all_of[at : at + wire.MANY]
