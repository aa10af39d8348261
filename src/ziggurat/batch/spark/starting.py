"""Making a Spark session, or finding the one this process has.

Knows how each kind is started and what it says when it is not; what is done with it is known elsewhere.
Invariant: waiting for a master or a server ends in bounded time, with what it said last.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from ziggurat.batch.spark.address import Address
from ziggurat.batch.spark.bounded import bounded
from ziggurat.batch.spark.home import environment, scratch, settings
from ziggurat.batch.spark.kinds import is_connect
from ziggurat.errors import ClusterError
from ziggurat.optional import require

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CONNECT_MODE = "SPARK_CONNECT_MODE_ENABLED"
_QUERY_LOG = "DataFrameQueryContextLogger"
_STOP_SECS = 20.0
_SAID_LINES = 3


def session_there(address: Address) -> SparkSession | None:
    """The session this process has already, if the address means it.

    Raises:
        ClusterError: If the process has a classic session on another master: it cannot have two.
    """
    if address.kind == "session":
        return _active()
    if address.kind == "connect":
        return None
    from pyspark import SparkContext

    context = SparkContext._active_spark_context  # noqa: SLF001 (the only way to ask without starting one)
    if context is None:
        return None
    if context.master != address.url:
        raise ClusterError(
            f"This process has a Spark session on {context.master} already; it can have one that is not Connect.",
            where=address.shown,
            fix="Name that one ('session'), or stop it first.",
        )
    return _active()


def _active() -> SparkSession | None:
    from pyspark.sql import SparkSession
    from pyspark.sql.utils import is_remote

    remote = sys.modules.get("pyspark.sql.connect.session")
    kinds = [SparkSession] if is_remote() or remote is None else [SparkSession, remote.SparkSession]
    for kind in kinds:
        with suppress(Exception):  # both raise where there is none
            session: SparkSession = kind.active()
            return session
    return None


def start(address: Address, app: str, conf: Mapping[str, str]) -> SparkSession:
    """Start a JVM, if this process has none yet, and a classic session in it.

    Raises:
        ClusterError: If Java is not there, or Spark does not start.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    wanted = list(settings(address, app, conf).items())
    log = scratch() / "spark.log"
    logging.getLogger(_QUERY_LOG).setLevel(logging.CRITICAL)  # what it would print is raised as well
    try:
        with _mode(on=False), environment(address), log.open("ab") as said:
            gateway: Any = SparkContext._gateway  # noqa: SLF001 (a JVM that is there is used again)
            if gateway is None:
                launch: Any = launch_gateway  # it has no types
                gateway = launch(SparkConf(loadDefaults=False).setAll(wanted), {"stderr": said})
                SparkContext._ensure_initialized(gateway=gateway)  # noqa: SLF001 (makes it the process's own)
            return SparkSession(SparkContext(conf=SparkConf().setAll(wanted)))
    except Exception as error:
        raise ClusterError(
            f"Spark did not start: {_said(error, log.read_text(encoding='utf-8', errors='replace'))}",
            where=address.shown,
            fix="Spark 4 needs Java 17 or later: JAVA_HOME, or java on the PATH.",
        ) from error


def connect(address: Address, conf: Mapping[str, str], patience_secs: float) -> SparkSession:
    """A new session on a Spark Connect server.

    Raises:
        ClusterError: If what listens there is no such server, or it does not answer.
    """
    grpc = require("grpc", for_="Spark Connect", extra="spark")
    require("grpc_status", for_="Spark Connect", extra="spark")
    from pyspark.sql.connect.client import DefaultChannelBuilder
    from pyspark.sql.connect.session import SparkSession as Remote

    fix = "See whether a Spark Connect server listens there, and whether it wants TLS (…/;use_ssl=true) or a token."
    try:
        channel = DefaultChannelBuilder(address.url).toChannel()
        try:
            grpc.channel_ready_future(channel).result(timeout=patience_secs)
        finally:
            channel.close()
    except grpc.FutureTimeoutError:
        raise ClusterError(
            f"What listens there did not answer as a Spark Connect server within {patience_secs:g} s.",
            where=address.shown,
            fix=fix,
        ) from None
    except Exception as error:
        raise ClusterError(
            "The parameters of the Spark Connect address cannot be read.", where=address.shown, fix=fix
        ) from error

    session: Any = Remote(connection=address.url)  # Connect's own class, with the same methods

    def greet() -> None:
        _ = session.version
        for name, value in conf.items():
            session.conf.set(name, value)

    try:
        bounded(
            session,
            greet,
            secs=patience_secs,
            what=f"The Spark Connect server did not answer within {patience_secs:g} s.",
            fix=fix,
        )
    except ClusterError:
        raise
    except Exception as error:
        raise ClusterError(
            f"The Spark Connect server refused: {(str(error).strip() or repr(error)).splitlines()[0][:300]}",
            where=address.shown,
            fix=fix,
        ) from error
    return cast("SparkSession", session)


def stop(session: SparkSession) -> None:
    """End a session; a server that is gone is not waited for."""
    if not is_connect(session):
        with suppress(Exception):
            session.stop()
        return
    # PySpark would tell a lost server goodbye for ten minutes
    thread = threading.Thread(target=lambda: _quietly(session.stop), daemon=True)
    thread.start()
    thread.join(_STOP_SECS)


def _quietly(stop: Any) -> None:
    with suppress(Exception):
        stop()


def speaking(session: SparkSession) -> AbstractContextManager[None]:
    """Let ``pyspark.sql.functions`` make expressions for this kind of session, for a ``with`` block."""
    return _mode(on=is_connect(session))


@contextmanager
def _mode(*, on: bool) -> Iterator[None]:
    before = os.environ.pop(_CONNECT_MODE, None)
    if on:
        os.environ[_CONNECT_MODE] = "1"
    try:
        yield
    finally:
        os.environ.pop(_CONNECT_MODE, None)
        if before is not None:
            os.environ[_CONNECT_MODE] = before


def _said(error: Exception, log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip() and not line.startswith(("\t", "WARNING"))]
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return " / ".join([first, *lines[-_SAID_LINES:]])[:600]
