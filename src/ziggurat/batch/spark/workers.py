"""Seeing, before a batch begins, whether every worker can do it.

One small job asks each slot for its Python, its packages and the shared storage. What a worker tells is plain
data; the function it runs is sent by value and needs nothing of ours there. Invariant: a batch that passed
has this package, of this version, on every worker that was asked.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ziggurat.batch.spark.bounded import bounded
from ziggurat.errors import ClusterError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

NEEDED = (
    "faiss",
    "genai_prices",
    "httpx",
    "jsonschema",
    "langchain_core",
    "langchain_text_splitters",
    "numpy",
    "ormsgpack",
    "pydantic",
    "tenacity",
    "yaml",
)
"""The modules without which this package does not import on a worker."""
_PIP_NAMES = {
    "faiss": "faiss-cpu",
    "yaml": "PyYAML",
    "genai_prices": "genai-prices",
    "langchain_core": "langchain-core",
    "langchain_text_splitters": "langchain-text-splitters",
}
_FIELDS = "host string, python string, version string, missing string, storage string, mark string, broken string"
_ASKED_AT_MOST = 256
_WORD = b"ziggurat"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one slot said.

    Attributes:
        host: The machine's name and the Python process.
        python: Its Python, ``3.11``.
        version: The version of this package there; empty when it is not.
        missing: Modules it does not have.
        storage: What is wrong with the shared storage; empty when nothing is.
        mark: The name of the file it wrote there.
        broken: Why this package does not import there, though it is there.
    """

    host: str
    python: str
    version: str
    missing: tuple[str, ...]
    storage: str
    mark: str
    broken: str


def check_workers(
    session: SparkSession,
    *,
    slots: int,
    out: Path,
    extras: Sequence[str],
    send_package: Callable[[], None],
    patience_secs: float,
) -> tuple[Answer, ...]:
    """Ask the workers; send them this package if they lack it, and ask again.

    Args:
        session: The session, classic or Connect.
        slots: How many tasks run at once; each is asked (256 at most).
        out: A folder on storage that driver and workers share; it exists.
        extras: Modules that the work needs besides those of this package.
        send_package: Sends this package to the workers.
        patience_secs: How long to wait for each of the two jobs.

    Raises:
        ClusterError: If some worker could not do the work; it says which, and what to do.
    """
    version = metadata.version("ziggurat")
    asked = min(slots, _ASKED_AT_MOST)
    modules = tuple(dict.fromkeys((*NEEDED, *extras)))
    answers = _ask(session, asked, out, modules, version, patience_secs)
    if any(one.version != version for one in answers):
        send_package()
        answers = _ask(session, asked, out, modules, version, patience_secs)
    for one in answers:
        _must_have_the_package(one, version)
    return answers


def _must_have_the_package(one: Answer, version: str) -> None:
    where = f"worker {one.host}, Python {one.python}"
    if one.missing:
        packages = " ".join(f'"{_PIP_NAMES.get(name, name)}"' for name in one.missing)
        raise ClusterError(
            f"A worker lacks {', '.join(one.missing)}.",
            where=where,
            fix=f"Install there: pip install {packages}; or choose another environment with PYSPARK_PYTHON.",
        )
    if one.version != version or one.broken:
        raise ClusterError(
            f"Ziggurat {version} does not import on a worker: {one.broken or f'it found {one.version or None}'}.",
            where=where,
            fix=f"Install ziggurat=={version} in the workers' environment.",
        )


def _ask(
    session: SparkSession, slots: int, out: Path, modules: tuple[str, ...], version: str, patience_secs: float
) -> tuple[Answer, ...]:
    probe = out / f".probe-{uuid4().hex[:12]}"
    try:
        probe.mkdir(parents=True)
        probe.joinpath("driver").write_bytes(_WORD)
    except OSError as error:
        raise ClusterError(
            f"Nothing can be written beside the output: {error.strerror or error}.",
            where=str(out),
            fix="Choose a folder on storage that this machine and the workers can write.",
        ) from error
    try:
        rows = _rows(session, slots, str(probe), json.dumps(modules), version, patience_secs)
        answers = tuple(_answer(row) for row in rows)
        for one in answers:
            seen = one.storage or ("" if (probe / one.mark).exists() else "what it writes is not seen here")
            if seen:
                raise ClusterError(
                    f"A worker does not share the output's storage: {seen}.",
                    where=f"{out} on worker {one.host}",
                    fix="Choose a folder that the driver and every worker see under the same path (NFS, a mount, "
                    "/dbfs, /Volumes).",
                )
        return answers
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def _rows(session: SparkSession, slots: int, probe: str, modules: str, version: str, patience_secs: float) -> list[Any]:
    tell = _teller(probe, modules, version)
    try:
        return bounded(
            session,
            lambda: session.range(slots, numPartitions=slots).mapInArrow(tell, _FIELDS).collect(),
            secs=patience_secs,
            what=f"The cluster did not run a first task within {patience_secs:g} s.",
            fix="See whether it has workers with free cores and memory (a job waits for them for ever).",
        )
    except ClusterError:
        raise
    except Exception as error:
        text = str(error)
        mine = f"{sys.version_info[0]}.{sys.version_info[1]}"
        if "PYTHON_VERSION_MISMATCH" in text:
            raise ClusterError(
                f"The workers have another Python than this process, which has {mine}.",
                fix=f"Set PYSPARK_PYTHON for the workers to a Python {mine}.",
            ) from error
        for module in ("pyarrow", "pandas"):
            if f"No module named '{module}'" in text or f"{module} >=" in text:
                raise ClusterError(
                    f"The workers lack {module}, without which Spark runs no Python over tables.",
                    fix=f"Install {module} in the workers' environment.",
                ) from error
        raise ClusterError(
            f"The cluster could not run a first task: {_last_line(text)}",
            fix="See whether the workers' Python (PYSPARK_PYTHON) exists there.",
        ) from error


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("\tat", "  File"))]
    told = [line for line in lines if "Error" in line or "Exception" in line]
    return (told or lines or ["it said nothing"])[-1][:300]


def _answer(row: Any) -> Answer:
    return Answer(
        host=row.host,
        python=row.python,
        version=row.version,
        missing=tuple(json.loads(row.missing)),
        storage=row.storage,
        mark=row.mark,
        broken=row.broken,
    )


def _teller(probe: str, modules: str, version: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function each slot runs. Local, so that it travels by value: nothing of ours need be there."""

    def tell(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import importlib
        import importlib.metadata
        import importlib.util
        import json
        import os
        import socket
        import sys

        import pyarrow as pa

        if sum(batch.num_rows for batch in batches) == 0:
            return
        importlib.invalidate_caches()
        missing = [name for name in json.loads(modules) if importlib.util.find_spec(name) is None]
        found, broken = "", ""
        if importlib.util.find_spec("ziggurat") is not None:
            try:
                found = importlib.metadata.version("ziggurat")
            except importlib.metadata.PackageNotFoundError:
                found = "?"
        # one of another version is not imported: a worker process lives on, and would keep it
        if found == version and not missing:
            try:
                importlib.import_module("ziggurat")
            except Exception as error:  # noqa: BLE001 (it is told to the driver)
                broken = f"{type(error).__name__}: {error}"
        mark = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
        storage = ""
        try:
            with open(os.path.join(probe, "driver"), "rb") as file:  # noqa: PTH118, PTH123 (plain data travels)
                if not file.read():
                    storage = "a file written here is empty there"
            with open(os.path.join(probe, mark), "xb") as file:  # noqa: PTH118, PTH123
                file.write(b"1")
        except OSError as error:
            storage = error.strerror or type(error).__name__
        row = {
            "host": f"{socket.gethostname()} (process {os.getpid()})",
            "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
            "version": found,
            "missing": json.dumps(missing),
            "storage": storage,
            "mark": mark,
            "broken": broken,
        }
        yield pa.RecordBatch.from_pylist([row], schema=pa.schema([(name, pa.string()) for name in row]))

    return tell
