"""A worker's side of a batch that is led elsewhere: `Coordination` over two connections.

One is asked and answered in turn, from any thread and from a heartbeat's own: shares of the budget, what was spent and
done. The other lives on the worker's event loop: claims and paces, as many at once as there are. A busy event loop
therefore stops no heartbeat, and a heartbeat stops no row. Invariant: when the leader is gone, nothing is begun that
it would have to know of: no further row, no claim, no call beyond the share in hand.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from types import TracebackType
from typing import Self

from ziggurat.batch import wire
from ziggurat.batch.cells_link import CellsLink
from ziggurat.batch.coordination import Place, Tally
from ziggurat.batch.hub import CELLS, PURSE
from ziggurat.batch.leased_purse import LeasedPurse
from ziggurat.batch.leases import Refused
from ziggurat.batch.line import Line, dialled, gone
from ziggurat.batch.rates import UNITS, Rate
from ziggurat.chain.budget import NOTHING, Amounts, Budget
from ziggurat.errors import ClusterError, InputError

_BYE_SECONDS = 5.0
_FAILURES_SECONDS = 0.02
"""Rows that fail within so long are told of together."""


class RemoteCoordination:
    """What a worker asks of a `Coordinator`. Made in the worker's process; close it when the rows are through.

    Args:
        address: The coordinator's.
        token: The coordinator's.
        worker_id: What the worker calls itself.
        timeout: Seconds to connect.
        clock: Seconds that only go forward.

    Raises:
        ClusterError: If the coordinator cannot be reached, or does not know the token.
    """

    def __init__(
        self,
        address: str,
        token: str,
        worker_id: str,
        *,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address, self._token, self._worker_id = address, token, worker_id
        self._timeout, self._clock = timeout, clock
        self._beats = {0: clock()}  # when each of the last heartbeats was sent
        self._line = Line(dialled(address, timeout), address)
        welcome = self._line.greet(token, PURSE, worker_id)
        self._session: int = welcome["session"]
        self._heartbeat: float = welcome["heartbeat"]
        self._lease: float = welcome["silence"]
        self._line.patience = self._lease
        self._rate = None if welcome["rate"] is None else Rate(*welcome["rate"])
        usd, tokens, calls, left = welcome["budget"]
        self._purse: LeasedPurse | None = None
        if any(bound is not None for bound in welcome["budget"]):
            budget = Budget(usd, tokens, calls, welcome["seconds"])
            prices = wire.prices_in(welcome["prices"])
            self._purse = LeasedPurse(budget, self._more, prices, seconds_left=left, clock=clock)
        self._stopped: bool = welcome["stopped"]
        self._is_gone = False
        self._tally = Tally()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_leaving = False
        self._cells: CellsLink | None = None
        self._connecting: asyncio.Future[CellsLink] | None = None
        self._early: list[tuple[bytes, Place]] = []  # published before there was a connection
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._beat, name="ziggurat-batch-heartbeat", daemon=True)
        self._thread.start()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def purse(self) -> LeasedPurse | None:
        """Is asked before each model call; None without a budget."""
        return self._purse

    @property
    def stopped(self) -> bool:
        """Whether no further row is to be begun: too many failed, or the coordinator is gone."""
        return self._stopped or self._is_gone

    @property
    def rate(self) -> Rate | None:
        """The most calls all workers may send together."""
        return self._rate

    async def pace(self, calls: float) -> None:
        """Wait until ``calls`` more calls may be sent under the batch's rate.

        A call that is sent much later than this returns is not in the window it was counted in.

        Raises:
            InputError: If so many can never pass.
            ClusterError: If the coordinator is gone.
        """
        if self._rate is None:
            return
        units = math.ceil(calls * UNITS)
        if not 0 <= units <= self._rate.calls * UNITS:
            raise InputError(f"{calls:g} calls at once never pass a rate of {self._rate.calls}.", where="a batch")
        while True:
            cells = await self._link()
            beat = await cells.permit(units)
            if self._clock() < self._beats.get(beat, -math.inf) + self._lease:
                cells.used(units)
                return
            cells.back(units)  # it came too late: whoever gave it may think this worker lost

    async def claim(self, key: bytes) -> Place | None:
        """Ask for a cell: None if it is the caller's to compute, else where it lies, once it is finished.

        Raises:
            ClusterError: If the coordinator is gone.
        """
        return await (await self._link()).claim(key)

    def publish(self, key: bytes, place: Place) -> None:
        """A claimed cell is finished and can be read."""
        if self._cells is not None:
            self._cells.publish(key, place)
        elif not self._is_gone:
            self._early.append((key, place))
            self._begin_connecting()

    def release(self, key: bytes) -> None:
        """A claimed cell was not finished: somebody else may try."""
        if self._cells is not None:
            self._cells.release(key)

    def tell(self, tally: Tally) -> None:
        """Say what was done; it leaves with the next heartbeat, at once if a row failed."""
        with self._lock:
            self._tally += tally
        if tally.failed:
            self._wake.set()

    async def aclose(self) -> None:
        """Say goodbye on both connections: what was published is known, what was not spent goes back."""
        if self._connecting is not None:
            with suppress(ClusterError):
                await self._connecting
        if self._cells is not None:
            await self._cells.bye(_BYE_SECONDS)
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """The same without the event loop; what was published in its last turn may be lost."""
        self._is_leaving = True
        self._wake.set()
        self._thread.join()

    # -- the line ------------------------------------------------------------------------------------

    def _more(self, lacking: Amounts, spent: Amounts) -> Amounts | Refused | None:
        """Ask for a further share; None if nobody answers."""
        try:
            kind, *parts = self._line.ask("ask", wire.amounts_out(lacking), wire.amounts_out(spent))
        except ClusterError:
            self._lose_leader()
            return None
        if kind == "share":
            return wire.amounts_in(parts[0])
        bound, rest = parts
        return Refused(bound, Decimal(rest) if bound == "usd" else int(rest))

    def _beat(self) -> None:
        """The heartbeat's thread: says what was spent and done, until it says goodbye."""
        number = 0
        try:
            while not self._is_leaving:
                if self._wake.wait(self._heartbeat):
                    time.sleep(_FAILURES_SECONDS)
                    self._wake.clear()
                if self._is_leaving:
                    break
                number += 1
                self._note_beat(number)
                spent = NOTHING if self._purse is None else self._purse.used
                answer = self._line.ask("beat", number, wire.amounts_out(spent), wire.tally_out(self._done()))
                self._stopped = self._stopped or bool(answer[1])
            spent = NOTHING if self._purse is None else self._purse.close()
            self._line.ask("leave", wire.amounts_out(spent), wire.tally_out(self._done()))
        except ClusterError:
            self._lose_leader()
        finally:
            self._line.close()

    def _note_beat(self, number: int) -> None:
        """When a heartbeat is sent; those that are older than a lease make no permit good any more."""
        now = self._clock()
        for old in [one for one, sent in self._beats.items() if sent + self._lease < now]:
            del self._beats[old]
        self._beats[number] = now

    def _done(self) -> Tally:
        with self._lock:
            tally, self._tally = self._tally, Tally()
            return tally

    def _lose_leader(self) -> None:
        self._is_gone = True
        if self._cells is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cells.abort)

    # -- the cells -----------------------------------------------------------------------------------

    async def _link(self) -> CellsLink:
        """The connection for cells, made when it is first needed."""
        if self._is_gone:
            raise gone(self._address)
        if self._cells is not None:
            return self._cells
        return await asyncio.shield(self._begin_connecting())

    def _begin_connecting(self) -> asyncio.Future[CellsLink]:
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
        return self._connecting

    async def _connect(self) -> CellsLink:
        self._loop = asyncio.get_running_loop()
        link = CellsLink(self._loop, self._address, self._told_stop, self._told_gone)
        try:
            connected = await asyncio.to_thread(dialled, self._address, self._timeout)
            await self._loop.create_connection(lambda: link, sock=connected)
            await link.greet(self._token, CELLS, self._worker_id, self._session)
        except ClusterError:
            self._is_gone = True
            raise
        for key, place in self._early:
            link.publish(key, place)
        self._early.clear()
        self._cells = link
        return link

    def _told_stop(self) -> None:
        self._stopped = True

    def _told_gone(self) -> None:
        self._is_gone = self._is_gone or not self._is_leaving
        self._wake.set()
