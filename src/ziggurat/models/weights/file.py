"""One file of known size and hash, and how bytes become it: the ground the sources stand on.

A transfer resumes: what arrived stays in a ``.part`` file and the next attempt, in this process or
another, asks only for the rest. Knows nothing of hubs, wheels or models. The invariant: a file gets
its final name only after its size and SHA-256 were checked, and one that fails the check is deleted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ziggurat.errors import HashMismatch, ModelUnavailable
from ziggurat.progress import Counter, Progress

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

CHUNK = 1 << 20
PATIENCE = 4
"""Attempts in a row that may bring no new byte before a transfer is given up."""
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 30.0


class SourceFailed(ModelUnavailable):
    """One source cannot give its files; another may."""


class _Dropped(Exception):
    """The connection ended early, or the server asked for patience."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as the catalogue knows it.

    Attributes:
        name: What it is called in the model's directory.
        size: Bytes.
        sha256: Lower-case hex digest of the whole file.
    """

    name: str
    size: int
    sha256: str


def digest(path: Path) -> str:
    """The SHA-256 of a file, lower-case hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check(path: Path, sha256: str, *, size: int | None = None, source: str) -> None:
    """Compare a finished file with what it must be; delete it when it is something else.

    Raises:
        HashMismatch: If the size or the hash differs; ``path`` no longer exists then.
    """
    actual_size = path.stat().st_size
    if size is not None and actual_size != size:
        path.unlink()
        raise HashMismatch(f"{source} gave {actual_size:,} bytes where {size:,} were expected; the file was deleted.")
    actual = digest(path)
    if actual != sha256:
        path.unlink()
        raise HashMismatch(
            f"{source} gave a file with SHA-256 {actual[:12]}… where {sha256[:12]}… was expected; it was deleted."
        )


def place(part: Path, target: Path) -> None:
    """Give a checked file its final name, durably: the bytes first, then the name."""
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)
    if os.name == "posix":
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def need_space(directory: Path, needed: int) -> None:
    """Refuse to start what cannot end.

    Raises:
        SourceFailed: If fewer than ``needed`` bytes are free where ``directory`` is.
    """
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise SourceFailed(
            f"{needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free on the disk of {directory}",
            fix="free some space, or set ZIGGURAT_HOME to a larger disk",
        )


def transfer(url: str, part: Path, *, label: str, progress: Progress, headers: Mapping[str, str] | None = None) -> None:
    """Bring the bytes behind ``url`` to ``part``, continuing where an earlier attempt stopped.

    Args:
        url: ``http(s)://`` or ``file://``.
        part: The growing file; kept when the transfer fails, so that the next one resumes.
        label: What the progress display calls it.
        progress: Where progress is shown, in bytes.
        headers: Sent with every request to the first host.

    Raises:
        SourceFailed: If the server refuses, or the connection keeps dropping without a new byte.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    if urlsplit(url).scheme == "file":
        _copy(Path(url2pathname(urlsplit(url).path)), part)
        return
    import httpx
    from tenacity import RetryError, Retrying, retry_if_exception_type, wait_exponential

    fruitless, reached = 0, -1

    def out_of_patience(state: RetryCallState) -> bool:  # noqa: ARG001 (tenacity passes it)
        nonlocal fruitless, reached
        now = _size(part)
        fruitless, reached = (0, now) if now > reached else (fruitless + 1, reached)
        return fruitless >= PATIENCE

    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    retrying = Retrying(
        retry=retry_if_exception_type((httpx.TransportError, _Dropped)),
        wait=wait_exponential(multiplier=0.25, max=8),
        stop=out_of_patience,
    )
    host = urlsplit(url).hostname
    try:
        with (
            httpx.Client(verify=_tls(), timeout=timeout, follow_redirects=True, headers=dict(headers or {})) as client,
            ExitStack() as display,
        ):
            counter = _LateCounter(display, progress, label)
            for attempt in retrying:
                with attempt:
                    _receive(client, url, part, counter)
    except RetryError as error:
        cause = error.last_attempt.exception()
        raise SourceFailed(f"{host}: {str(cause) or type(cause).__name__}") from cause
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceFailed(f"{host}: {str(error) or type(error).__name__}") from error


def _receive(client: httpx.Client, url: str, part: Path, counter: _LateCounter) -> None:
    """One request for whatever ``part`` still lacks."""
    have = _size(part)
    asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", url, headers=asked) as response:
        status = response.status_code
        if status == 416 and have:  # noqa: PLR2004 (range not satisfiable: complete already, or not ours)
            if response.headers.get("Content-Range", "") == f"bytes */{have}":
                return
            part.unlink()
            raise _Dropped("the file changed on the server")
        if status in {408, 425, 429} or status >= 500:  # noqa: PLR2004 (server errors)
            raise _Dropped(f"the server answered {status}")
        if status not in {200, 206}:
            raise SourceFailed(f"{response.url.host} answered {status} {response.reason_phrase}".rstrip())
        resumed = status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")  # noqa: PLR2004 (partial content)
        if status == 206 and not resumed:  # noqa: PLR2004 (partial content)
            part.unlink(missing_ok=True)
            raise _Dropped("the server sent another part of the file than was asked for")
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        counter.at(have, total)
        with part.open("ab" if resumed else "wb") as stream:
            for chunk in response.iter_raw():  # as they come: collecting larger ones would lose them in a drop
                stream.write(chunk)
                stream.flush()  # what arrived is kept even if this process is killed now
                counter.advance(len(chunk))
    if total is not None and _size(part) != total:
        raise _Dropped(f"the connection ended after {_size(part):,} of {total:,} bytes")


def _copy(source: Path, part: Path) -> None:
    try:
        shutil.copyfile(source, part)
    except OSError as error:
        raise SourceFailed(f"{source.name}: {error.strerror or error}") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class _LateCounter:
    """A counter opened when the first response tells the total; survives retries."""

    def __init__(self, display: ExitStack, progress: Progress, label: str) -> None:
        self._display, self._progress, self._label = display, progress, label
        self._counter: Counter | None = None
        self._shown = 0

    def at(self, done: int, total: int | None) -> None:
        if self._counter is None:
            self._counter = self._display.enter_context(self._progress(self._label, total, "bytes"))
        if done != self._shown:
            self.advance(done - self._shown)

    def advance(self, amount: int) -> None:
        self._shown += amount
        if self._counter is not None:
            self._counter.advance(amount)


@cache
def _tls() -> ssl.SSLContext:
    """Trust what pip trusts: the bundle the environment names, or the system's store and certifi's."""
    named = (os.environ.get(name) for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"))
    bundle = next((path for path in named if path and Path(path).is_file()), None)
    if bundle:
        return ssl.create_default_context(cafile=bundle)
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
