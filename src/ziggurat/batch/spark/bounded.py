"""Running one Spark job for no longer than we are willing to wait, and ending it when nobody waits any more.

Spark itself waits for ever: for a cluster without free cores as for a server that does not answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from ziggurat.batch.spark.kinds import is_connect
from ziggurat.errors import ClusterError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

T = TypeVar("T")

_TICK_SECS = 0.2


def bounded(session: SparkSession, job: Callable[[], T], *, secs: float, what: str, fix: str) -> T:
    """The result of ``job``, which uses ``session``.

    Args:
        session: The session, classic or Connect.
        job: What to run; in a thread of its own.
        secs: How long to wait.
        what: The message when it took longer.
        fix: What to do then.

    Raises:
        ClusterError: If it took longer; its Spark jobs were cancelled.
        Exception: What ``job`` raised.
    """
    tag = f"ziggurat-{uuid4().hex}"
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            session.addTag(tag)
            results.append(job())
        except BaseException as error:  # noqa: BLE001 (it is raised again where the caller waits)
            errors.append(error)

    thread = _thread(session, run)
    thread.start()
    until = monotonic() + secs
    try:
        while thread.is_alive() and monotonic() < until:
            thread.join(_TICK_SECS)
    finally:
        if thread.is_alive():
            # the server may be the one that does not answer: nobody waits for this either
            threading.Thread(target=_interrupt, args=(session, tag), daemon=True).start()
    if thread.is_alive():
        raise ClusterError(what, fix=fix)
    if errors:
        raise errors[0]
    return results[0]


def _interrupt(session: SparkSession, tag: str) -> None:
    with suppress(Exception):
        session.interruptTag(tag)


def _thread(session: SparkSession, run: Callable[[], None]) -> threading.Thread:
    if is_connect(session):
        return threading.Thread(target=run, daemon=True)
    import pyspark

    # PySpark's own thread closes its connection to the JVM when it ends
    made: Any = pyspark.InheritableThread(target=run)
    made.daemon = True
    thread: threading.Thread = made
    return thread
