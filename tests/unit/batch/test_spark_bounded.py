"""What is said of a cluster that does not answer, or answers with an error, without a cluster."""

from __future__ import annotations

import threading
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from ziggurat.batch.spark.bounded import bounded
from ziggurat.batch.spark.workers import NEEDED, check_workers
from ziggurat.errors import ClusterError


class Session:
    """As much of a Spark session as a bounded job needs."""

    def __init__(self, collect: Any = None) -> None:
        self.tags: list[str] = []
        self.interrupted = threading.Event()
        self.collect = collect

    def addTag(self, tag: str) -> None:  # noqa: N802 (Spark's name)
        self.tags.append(tag)

    def interruptTag(self, tag: str) -> list[str]:  # noqa: N802 (Spark's name)
        assert tag in self.tags
        self.interrupted.set()
        return []

    def range(self, *_: Any, **__: Any) -> Session:
        return self

    def mapInArrow(self, *_: Any) -> Session:  # noqa: N802 (Spark's name)
        return self


@pytest.fixture(autouse=True)
def plain_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ziggurat.batch.spark.bounded.is_connect", lambda _: True)


def _check(session: Any, out: Path) -> None:
    check_workers(session, slots=2, out=out, extras=(), send_package=lambda: None, patience_secs=0.5)


def test_a_job_that_ends_gives_its_result_and_one_that_fails_its_error():
    session: Any = Session()

    assert bounded(session, lambda: 3, secs=5, what="", fix="") == 3
    with pytest.raises(ZeroDivisionError):
        bounded(session, lambda: 1 // 0, secs=5, what="", fix="")
    assert len(set(session.tags)) == 2


def test_a_job_that_takes_too_long_is_cancelled_and_said_to_be():
    session: Any = Session()
    began = time.monotonic()

    with pytest.raises(ClusterError, match="nobody came"):
        bounded(session, lambda: session.interrupted.wait(30), secs=0.3, what="nobody came", fix="wait")

    assert session.interrupted.wait(5)
    assert time.monotonic() - began < 5


def test_a_cluster_without_a_free_core_is_not_waited_for_for_ever(tmp_path):
    session: Any = Session()
    session.collect = lambda: session.interrupted.wait(30)

    with pytest.raises(ClusterError, match=r"did not run a first task within 0.5 s"):
        _check(session, tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("... [PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.9 ...", "another Python than this"),
        ("ModuleNotFoundError: No module named 'pyarrow'\n\tat org.apache", "lack pyarrow"),
        ("PACKAGE_NOT_INSTALLED: pandas >= 2.2.0 must be installed", "lack pandas"),
        ('java.io.IOException: Cannot run program "/none/python": error=2\n\tat java.base', "Cannot run program"),
    ],
)
def test_what_spark_says_of_its_workers_is_said_with_what_to_do(tmp_path, said, told):
    def collect() -> None:
        raise RuntimeError(said)

    session: Any = Session(collect)

    with pytest.raises(ClusterError, match=told) as raised:
        _check(session, tmp_path)

    assert "try:" in str(raised.value)


def test_the_modules_that_are_asked_for_are_those_the_package_needs():
    requirements = [one for one in metadata.requires("ziggurat") or [] if "extra ==" not in one]
    modules = metadata.packages_distributions()
    asked = {name.lower().replace("_", "-") for module in NEEDED for name in modules[module]}
    names = {one.split(">")[0].split("<")[0].split("=")[0].strip().lower().replace("_", "-") for one in requirements}

    assert asked == names - {"click", "rich"}  # those two are the terminal's
