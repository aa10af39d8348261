"""The leader's server: a thread with an event loop of its own, so that it answers while the driver waits for Spark.

Sockets and time; what messages mean is `hub`'s. A worker is lost when a connection of it closes, when it says what
may not be said, or when it is silent for too long. Only who knows the token is heard. It listens at one address, by
default this machine's own; a cluster's workers need one that they reach.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ziggurat.batch import wire
from ziggurat.batch.claims import ClaimBook, Places
from ziggurat.batch.coordination import Tally
from ziggurat.batch.hub import Hub
from ziggurat.batch.leases import LeaseBook
from ziggurat.batch.places import PlaceTable
from ziggurat.batch.rates import Rate, RateBook
from ziggurat.chain.budget import Amounts, Budget
from ziggurat.errors import ClusterError, InputError
from ziggurat.prices import PACKAGE, Prices

_GREETING_SECONDS = 10.0
_UNREAD = 1 << 24  # bytes that a worker may leave unread before it counts as lost
_BACKLOG = 4096


class Coordinator:
    """Leads the workers of one batch.

    Args:
        budget: What they may spend together; its seconds begin when the coordinator does.
        prices: What models cost.
        rate: The most calls they may send together.
        stop_after: Failed rows after which no further row is begun; None to keep going.
        host: The address to listen at, as workers will reach it.
        port: 0 for any that is free.
        places: Cells that are finished already; those to come are noted in it. Used on the coordinator's thread.
        heartbeat: Seconds between two of a worker's.
        silence: Seconds after which a worker that says nothing is lost.

    Raises:
        InputError: If a number makes no sense.

    Example:
        >>> with Coordinator(budget=Budget(calls=1000), stop_after=10) as coordinator:
        ...     coordinator.tally.rows
        0
    """

    def __init__(
        self,
        *,
        budget: Budget | None = None,
        prices: Prices = PACKAGE,
        rate: Rate | None = None,
        stop_after: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        places: Places | None = None,
        heartbeat: float = 1.0,
        silence: float = 15.0,
    ) -> None:
        if stop_after is not None and stop_after < 1:
            raise InputError(f"stop_after={stop_after!r} would not begin.", fix="a number of at least 1, or None")
        if not 0 < heartbeat < silence:
            raise InputError("A worker must be heard more often than it may be silent.", fix="heartbeat < silence")
        self.token = secrets.token_hex(16)
        self._budget, self._rate = budget, rate
        self._prices = wire.prices_out(prices)
        self._heartbeat, self._silence = heartbeat, silence
        self._host, self._port = host, port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._began = time.monotonic()
        self._failure: BaseException | None = None
        self._listening = threading.Event()
        self._hub = Hub(
            self.token,
            LeaseBook(budget),
            ClaimBook(PlaceTable() if places is None else places),
            None if rate is None else RateBook(rate, silence),
            stop_after,
            self._welcome,
            time.monotonic,
            self._later,
        )

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            ClusterError: If the address cannot be listened at.
        """
        self._began = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, args=(self._loop,), name="ziggurat-batch-coordinator", daemon=True
        )
        self._thread.start()
        self._listening.wait()
        if self._failure is not None:
            self._thread.join()
            raise ClusterError(
                f"The batch's coordinator cannot listen at {self._host}: {self._failure}.",
                fix="give an address of this machine that the workers reach",
            ) from self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End: workers that are still here stop."""
        self._on_loop(self._ended.set)
        if self._thread is not None:
            self._thread.join()

    @property
    def address(self) -> str:
        """Where workers connect to: ``host:port``."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    @property
    def tally(self) -> Tally:
        """What all workers said they did."""
        return self._hub.tally

    @property
    def spent(self) -> Amounts:
        """US dollars (where the budget has them), tokens and calls; the shares of lost workers are in it, whole."""
        return self._hub.leases.spent

    @property
    def written_off(self) -> Amounts:
        """What lost workers had in hand."""
        return self._hub.leases.written_off

    @property
    def workers(self) -> int:
        """Workers that are here."""
        return len(self._hub.sessions)

    @property
    def lost(self) -> int:
        """Workers that were lost."""
        return self._hub.lost

    @property
    def messages(self) -> int:
        """Messages that came."""
        return self._hub.messages

    @property
    def stopped(self) -> bool:
        """Whether workers begin no further row."""
        return self._hub.stopped

    def stop(self) -> None:
        """Tell the workers to begin no further row. From any thread."""
        self._on_loop(self._hub.stop)

    def _on_loop(self, action: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(action)

    # -- on the coordinator's thread -------------------------------------------------------------

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_until_complete(self._serve(loop))
        except BaseException as error:  # noqa: BLE001 (told to the thread that waits in __enter__)
            self._failure = error
        finally:
            self._listening.set()
            loop.close()

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        links: set[_Connection] = set()
        server = await loop.create_server(
            lambda: _Connection(self._hub, loop, links), self._host, self._port, backlog=_BACKLOG
        )
        self._port = server.sockets[0].getsockname()[1]
        self._listening.set()
        try:
            while not self._ended.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), self._heartbeat)
                self._hub.lose_silent(self._silence)
        finally:
            server.close()
            for link in list(links):
                link.abort()
            await asyncio.sleep(0)

    def _later(self, seconds: float, action: Callable[[], None]) -> object:
        return None if self._loop is None else self._loop.call_later(seconds, action)

    def _welcome(self) -> dict[str, Any]:
        budget, rate = self._budget or Budget(), self._rate
        left = None
        if budget.seconds is not None:
            left = max(0.0, budget.seconds - (time.monotonic() - self._began))
        return {
            "budget": [None if budget.usd is None else str(budget.usd), budget.tokens, budget.calls, left],
            "seconds": budget.seconds,
            "prices": self._prices,
            "rate": None if rate is None else [rate.calls, rate.seconds],
            "heartbeat": self._heartbeat,
            "silence": self._silence,
        }


class _Connection(asyncio.Protocol):
    """One socket. Frames that are sent within one turn of the loop leave in one write."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop, links: set[_Connection]) -> None:
        self._hub, self._loop, self._links = hub, loop, links
        self._frames = wire.Frames(wire.LARGEST_UNKNOWN)
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._greeting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (for the type checker)
        self._transport = transport
        self._links.add(self)
        self._greeting = self._loop.call_later(_GREETING_SECONDS, self._ungreeted)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._frames.feed(data):
                self._hub.received(self, message)
                if self._frames.largest != wire.LARGEST and self._hub.known(self):
                    self._frames.largest = wire.LARGEST
                if self._transport is None or self._transport.is_closing():
                    return
        except Exception as error:  # noqa: BLE001 (whatever one worker says, the others go on)
            if not isinstance(error, wire.Garbled):
                self._loop.call_exception_handler(
                    {"message": "A worker's message could not be acted on.", "exception": error}
                )
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._transport = None
        self._links.discard(self)
        if self._greeting is not None:
            self._greeting.cancel()
        self._hub.closed(self)

    def send(self, data: bytes) -> None:
        """Send frames."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def close(self) -> None:
        """Send what is left, and end."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        out, self._out = b"".join(self._out), []
        if self._transport is None or not out:
            return
        self._transport.write(out)
        if self._transport.get_write_buffer_size() > _UNREAD:
            self._transport.abort()

    def _ungreeted(self) -> None:
        if not self._hub.known(self):
            self.abort()
