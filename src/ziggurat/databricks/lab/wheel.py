"""This package as a wheel, from the files that are installed; no network, no build tool.

The version carries a digest of the files, so that a cluster that has an earlier wheel installs this one.
Invariant: the same files make the same wheel, byte for byte.
"""

from __future__ import annotations

import base64
import configparser
import io
import zipfile
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import ziggurat

PACKAGE = "ziggurat"
ENTRY = "ziggurat-lab-job"
BATCH_ENTRY = "ziggurat-batch-job"
_TARGETS = {ENTRY: "ziggurat.databricks.lab.job:main", BATCH_ENTRY: "ziggurat.cli.databricks_batch_job:main"}
"""What only a job runs; the package itself installs neither."""

_LEFT_OUT = frozenset({"__pycache__"})
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)


def wheel() -> tuple[str, bytes]:
    """The wheel's file name, and its bytes."""
    root = Path(ziggurat.__file__).parent
    files = {
        f"{PACKAGE}/{one.relative_to(root).as_posix()}": one.read_bytes()
        for one in sorted(root.rglob("*"))
        if one.is_file() and not _LEFT_OUT & set(one.parts) and one.suffix != ".pyc" and one.name[0] != "."
    }
    distribution = metadata.distribution(PACKAGE)
    whole = sha256()
    for name, raw in files.items():
        whole.update(name.encode() + b"\0" + raw)
    version = f"{distribution.version.partition('+')[0]}+lab.{whole.hexdigest()[:10]}"
    info = f"{PACKAGE}-{version}.dist-info"
    files |= {
        f"{info}/METADATA": _described(distribution, version),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: ziggurat\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": _entries(distribution.read_text("entry_points.txt") or ""),
    }
    lines = [f"{name},sha256={_encoded(raw)},{len(raw)}" for name, raw in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(zipfile.ZipInfo(name, _FIRST_DAY), raw, zipfile.ZIP_DEFLATED, 6)
    return f"{PACKAGE}-{version}-py3-none-any.whl", packed.getvalue()


def _described(distribution: metadata.Distribution, version: str) -> bytes:
    lines = (distribution.read_text("METADATA") or "").splitlines()
    head = lines.index("") if "" in lines else len(lines)
    told = [f"Version: {version}" if line.startswith("Version:") else line for line in lines[:head]]
    return ("\n".join(told) + "\n").encode()


def _entries(text: str) -> bytes:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(text)
    if not parser.has_section("console_scripts"):
        parser.add_section("console_scripts")
    for entry, target in _TARGETS.items():
        parser.set("console_scripts", entry, target)
    written = io.StringIO()
    parser.write(written)
    return written.getvalue().encode()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(sha256(raw).digest()).rstrip(b"=").decode()
