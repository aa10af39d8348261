"""Spark, opened: a session of ours or one that is there already, classic or Connect, as one `Cluster`.

What runs on it is known elsewhere. Invariants: only a session that was made here is ended here; a place that
cannot be, or does not answer, is refused in bounded time and before a JVM is started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

from ziggurat.batch.spark.address import Address, parse_address
from ziggurat.batch.spark.bounded import bounded
from ziggurat.batch.spark.kinds import is_connect
from ziggurat.batch.spark.shipping import Shipper, shipped
from ziggurat.batch.spark.starting import connect, session_there, speaking, start, stop
from ziggurat.batch.spark.workers import Answer, check_workers
from ziggurat.errors import ClusterError
from ziggurat.optional import require

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Answer", "Cluster", "open_spark", "shipped"]

PATIENCE_SECS = 120.0
"""How long a server that listens, or a first free core, is waited for."""
_REACHED_SECS = 10.0
_SETTLED_SECS = 1.0


class Cluster:
    """A Spark session with what a batch needs of it.

    Attributes:
        session: The session.
        is_connect: Whether it speaks Spark Connect (then there is no ``sparkContext``).
        where: The address, without secrets.
        patience_secs: How long its first task is waited for.
    """

    def __init__(
        self, session: SparkSession, *, where: str, slots: int | None = None, patience_secs: float = PATIENCE_SECS
    ) -> None:
        self.session = session
        self.is_connect = is_connect(session)
        self.where = where
        self.patience_secs = patience_secs
        self._slots = slots
        self._shipper = Shipper(session, connect=self.is_connect)

    @property
    def slots(self) -> int:
        """How many tasks run at once, as far as Spark tells: the cores it has now, or ``spark.default.parallelism``.

        Raises:
            ClusterError: If no task runs within `patience_secs`.
        """
        if self._slots is None:
            with self.speaking():
                self._slots = self._measured_slots()
        return self._slots

    def send(self, path: str | Path) -> str:
        """Send a local file or folder to every worker; `shipped` finds it there by the name this gives.

        The name is made of the content: sending the same again sends nothing.

        Raises:
            ClusterError: If there is nothing at ``path``, or the cluster does not take it.
        """
        return self._shipper.send(Path(path).absolute())

    def prepare(self, out: str | Path, extras: Sequence[str] = ()) -> tuple[Answer, ...]:
        """See that every worker can do the work; a package that only lacks there is sent.

        Args:
            out: A folder on storage that this process and the workers share; it is made.
            extras: Import names of optional modules that the work needs.

        Returns:
            What each slot said.

        Raises:
            ClusterError: If a worker lacks a module, has another Python, or does not share ``out``, or if
                no task runs within `patience_secs`.
        """
        slots = self.slots
        with self.speaking():
            return check_workers(
                self.session,
                slots=slots,
                out=Path(out).absolute(),
                extras=extras,
                send_package=self._shipper.send_package,
                patience_secs=self.patience_secs,
            )

    def speaking(self) -> AbstractContextManager[None]:
        """A block in which PySpark makes functions and frames for this kind of session.

        PySpark keeps the kind in one variable for the whole process. `open_spark` sets it; a process that has a
        classic and a Connect session open at once sets it around what it does with each.
        """
        return speaking(self.session)

    def _measured_slots(self) -> int:
        session = self.session

        def partitions() -> int:
            # Spark cuts a range into as many parts as it would run at once; this is all that Connect tells
            frame = session.range(0, 1 << 20).selectExpr("spark_partition_id() AS part")
            return frame.distinct().count()

        def settled() -> int:
            last, until = partitions(), monotonic() + 10 * _SETTLED_SECS
            while monotonic() < until:
                # executors register one by one after the first task has begun
                sleep(_SETTLED_SECS)
                now = partitions()
                if now == last:
                    break
                last = now
            return last

        found = bounded(
            session,
            settled if not self.is_connect else partitions,
            secs=self.patience_secs,
            what=f"The cluster ran no task within {self.patience_secs:g} s.",
            fix="See whether it has workers with free cores and memory (a job waits for them for ever).",
        )
        return max(1, found // int(session.conf.get("spark.task.cpus", "1") or 1))


@contextmanager
def open_spark(
    where: str | SparkSession,
    *,
    app: str = "ziggurat batch",
    conf: Mapping[str, str] | None = None,
    patience_secs: float = PATIENCE_SECS,
) -> Iterator[Cluster]:
    """Open Spark for a ``with`` block.

    Args:
        where: ``spark://HOST:PORT``, ``local[N]``, ``local-cluster[EXECUTORS,CORES,MIB]``, ``sc://HOST:PORT``
            (Spark Connect), ``session`` for the one a notebook has, or a session. One that was there is left open.
        app: The name the cluster shows for the work.
        conf: Spark settings for a session that is made; they win over ours.
        patience_secs: How long a server that listens, and later a first task, is waited for.

    Raises:
        MissingDependency: If PySpark is not installed.
        ClusterError: If the address is none, nobody answers there, or Spark does not start.
    """
    require("pyspark", for_="a batch on Spark", extra="spark")
    address = parse_address(where) if isinstance(where, str) else Address("session", "session")
    session = session_there(address) if isinstance(where, str) else where
    if session is None and address.kind == "session":
        raise ClusterError(
            "There is no active Spark session in this process.",
            where="--spark session",
            fix="Make one first (SparkSession.builder.getOrCreate()), or name the cluster's URL.",
        )
    ours = session is None
    if session is None:
        address.must_answer(min(_REACHED_SECS, patience_secs))
        if address.kind == "connect":
            session = connect(address, conf or {}, patience_secs)
        else:
            session = start(address, app, conf or {})
    try:
        cluster = Cluster(session, where=address.shown, slots=address.slots, patience_secs=patience_secs)
        with cluster.speaking():
            yield cluster
    finally:
        if ours:
            stop(session)
