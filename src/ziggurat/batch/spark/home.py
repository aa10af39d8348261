"""What Spark's own processes are given when we start them: quiet logs, folders that go away, this Python.

Knows nothing of what runs on Spark. Invariant: nothing of a session that we start stays on the disk when
the process has ended, and Spark writes nothing to the user's terminal.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from ziggurat.batch.spark.address import Address

_LOG4J = """\
status = error
rootLogger.level = error
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"


@cache
def scratch() -> Path:
    """A folder of this process for what Spark reads from it later; it goes when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="ziggurat-spark-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def settings(address: Address, app: str, conf: Mapping[str, str]) -> dict[str, str]:
    """Spark's configuration for a session that we start; what the user sets in ``conf`` wins."""
    log4j = scratch() / "log4j2.properties"
    log4j.write_text(_LOG4J, encoding="utf-8")
    ours = {
        "spark.master": address.url,
        "spark.app.name": app,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": str(scratch() / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
    }
    if address.kind in ("local", "local-cluster"):
        ours |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(scratch() / "local"),
        }
    merged = ours | dict(conf)
    options = merged.get(_JAVA_OPTIONS, "")
    if "log4j" not in options:
        merged[_JAVA_OPTIONS] = f"{options} -Dlog4j2.configurationFile={log4j.as_uri()}".strip()
    return merged


@contextmanager
def environment(address: Address) -> Iterator[None]:
    """The environment variables that Spark's processes inherit while they are started, and only then."""
    wanted: dict[str, str] = {}
    if address.kind in ("local", "local-cluster"):
        # one JVM serves all sessions of a process: a later one may be a local cluster
        wanted = {
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_HOME": str(home_of_its_own()),
        }
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def spark_home() -> Path:
    """Where the installed PySpark has its jars and scripts."""
    import pyspark

    return Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)


def home_of_its_own() -> Path:
    """Links to the installed Spark: workers of a local cluster write to ``$SPARK_HOME/work``, wherever that is."""
    home = scratch() / "home"
    if not home.exists():
        home.mkdir()
        for entry in spark_home().iterdir():
            if entry.name != "work":
                (home / entry.name).symlink_to(entry)
    return home
