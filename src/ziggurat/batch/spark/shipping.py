"""Sending files, folders and this package to Spark's workers, and finding them there.

A name is made of the content, so that sending the same again costs a hash and replaces nothing. Folders
travel packed and are unpacked where they are first asked for. The same on a classic session and on Connect.
Invariant: what `shipped` gives on a worker is byte for byte what `Shipper.send` was given.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ziggurat.batch.spark.home import scratch
from ziggurat.errors import ClusterError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PACKAGE = "ziggurat"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = ("__pycache__",)
_PACKED = ".packed"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def shipped(name: str) -> Path:
    """Where a worker finds what the driver sent. Call it inside a task.

    Raises:
        ClusterError: If nothing of that name was sent to this worker.
    """
    from pyspark.core.files import SparkFiles

    root = Path(SparkFiles.getRootDirectory())
    path, packed = root / name, root / f"{name}{_PACKED}"
    if not path.exists():
        if not packed.exists():
            raise ClusterError(f"{name!r} was not sent to this worker.", fix="Send it with Cluster.send first.")
        _unpack(packed, path)
    return path


def _unpack(packed: Path, path: Path) -> None:
    """Unpack here and not in the JVM, whose file names depend on its locale; of two at once the first counts."""
    half = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(half)
        half.rename(path)
    except OSError:
        if not path.exists():
            raise
    finally:
        shutil.rmtree(half, ignore_errors=True)


class Shipper:
    """Sends things to the workers of one session.

    Args:
        session: The session, classic or Connect.
        connect: Which of the two it is.
    """

    def __init__(self, session: SparkSession, *, connect: bool) -> None:
        self._session = session
        self._connect = connect
        self._sent: set[str] = set()

    def send(self, path: Path) -> str:
        """Send a file or a folder; the name by which `shipped` finds it.

        Raises:
            ClusterError: If there is nothing at ``path``, or the cluster does not take it.
        """
        if not path.exists():
            raise ClusterError("There is nothing to send to the workers.", where=str(path), fix="Check the path.")
        # Spark takes names for addresses: a space or an accent in one is a file that is not there
        name = f"{_digest(path)}-{_UNSAFE.sub('_', path.name)}"
        if path.is_dir():
            self._add(f"{name}{_PACKED}", lambda target: _archive(path, target))
        else:
            self._add(name, lambda target: _copy(path, target))
        return name

    def send_package(self) -> None:
        """Send this package and its metadata, where they are imported from before anything installed there.

        Spark's folder of files is on the workers' import path; the package is unpacked into it, so that it
        reads its own data files and entry points as it does here.
        """
        import ziggurat

        root = Path(ziggurat.__file__).parent
        self._add(PACKAGE, lambda target: _archive(root, target), unpacked=True)
        facts = metadata.distribution(PACKAGE)
        folder = scratch() / f"{PACKAGE}-{facts.version}.dist-info"
        folder.mkdir(exist_ok=True)
        for name in ("METADATA", "entry_points.txt"):
            folder.joinpath(name).write_text(facts.read_text(name) or "", encoding="utf-8")
        self._add(folder.name, lambda target: _archive(folder, target), unpacked=True)

    def _add(self, name: str, write: Callable[[Path], None], *, unpacked: bool = False) -> None:
        if name in self._sent:
            return
        files = scratch() / "sent"
        files.mkdir(exist_ok=True)
        target = files / (f"{name}.zip" if unpacked else name)
        if not target.exists():
            write(target)
        if not self._there_already(name):
            # the fragment is the folder's name on the worker
            url = f"{target}#{name}" if unpacked else str(target)
            try:
                if self._connect:
                    self._session.addArtifacts(url, archive=unpacked, file=not unpacked)
                elif unpacked:
                    self._session.sparkContext.addArchive(url)
                else:
                    self._session.sparkContext.addFile(url)
            except Exception as error:
                raise ClusterError(
                    f"The cluster did not take {name!r}: {_first_line(error)}",
                    fix="Put it on storage that the workers share, and name it there.",
                ) from error
        self._sent.add(name)

    def _there_already(self, name: str) -> bool:
        if self._connect:
            return False  # the server compares contents itself
        from pyspark.core.files import SparkFiles

        return (Path(SparkFiles.getRootDirectory()) / name).exists()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _digest(path: Path) -> str:
    """A name for the content of a file or folder: 16 hex digits over names and bytes."""
    total = hashlib.sha256()
    for name, file in _files(path):
        total.update(f"{len(name.encode())}:{name}".encode())
        if file is not None:
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]


def _files(path: Path) -> Iterator[tuple[str, Path | None]]:
    """Every file below, by its name inside; folders as names that end in a slash, without a file."""
    if path.is_file():
        yield path.name, path
        return
    for folder, inner, names in os.walk(path, followlinks=True):
        inner[:] = sorted(one for one in inner if one not in _LEFT_OUT)
        here = Path(folder)
        prefix = "" if here == path else f"{here.relative_to(path).as_posix()}/"
        if prefix:
            yield prefix, None
        for name in sorted(names):
            yield f"{prefix}{name}", here / name


def _archive(folder: Path, target: Path) -> None:
    half = target.with_suffix(".part")
    with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, file in _files(folder):
            entry = zipfile.ZipInfo(name, _EPOCH)
            if file is None:
                archive.writestr(entry, b"")
                continue
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    half.replace(target)


def _copy(file: Path, target: Path) -> None:
    half = target.with_suffix(".part")
    shutil.copyfile(file, half)
    half.replace(target)
