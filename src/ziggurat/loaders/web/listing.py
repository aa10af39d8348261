"""What a listing of many pages keeps of all that a site names, and how it says where it stopped.

Knows nothing of site maps or links. Invariant: what is left out for any reason but the user's own choice
of pages becomes an item that says so when it is read; nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from ziggurat.errors import InputError, UnreadableDocument, ZigguratError
from ziggurat.loaders.addresses import origin
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.source import Item


@dataclass(frozen=True, slots=True)
class Choice:
    """Which pages of a site are meant.

    Args:
        home: The address that the site was opened by.
        include: Patterns (``/docs/*``) of which one fits the path; all pages if there is none.
        exclude: Patterns of which none fits. A pattern with ``://`` is held against the address.
        hosts: Other hosts whose pages belong to it.
    """

    home: str = field(repr=False)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def of_site(self, address: str) -> bool:
        """Whether an address is of this site, or of a host that belongs to it."""
        parts = urlsplit(address)
        return origin(address) == origin(self.home) or bool({parts.hostname, _host(address)} & set(self.hosts))

    def takes(self, address: str) -> bool:
        """Whether a page is meant."""
        return (not self.include or _fits(address, self.include)) and not _fits(address, self.exclude)


def patterns(name: str, given: str | Iterable[str]) -> tuple[str, ...]:
    """One or several patterns.

    Raises:
        InputError: If one is empty.
    """
    several = (given,) if isinstance(given, str) else tuple(given)
    for one in several:
        if not one:
            raise InputError(f"An empty pattern in {name} fits nothing.", fix='give texts such as "/docs/*"')
    return several


def bound(name: str, given: int) -> int:
    """A limit of at least one.

    Raises:
        InputError: If it is less.
    """
    if type(given) is not int or given < 1:
        raise InputError(f"{name}={given!r} is no limit.", fix="give a whole number of at least 1")
    return given


def problem(key: str, what: str, *, where: str | None = None, fix: str | None = None, hides: str | None = None) -> Item:
    """An item that says what is wrong when it is read."""
    return failing(key, lambda: UnreadableDocument(what, where=where or key, fix=fix), hides)


def failing(key: str, made: Callable[[], ZigguratError], hides: str | None = None) -> Item:
    """An item that raises when it is read; each time anew, so that no traceback grows."""

    def read() -> Iterator[SourceDocument]:
        raise made()
        yield  # pragma: no cover (this makes it a generator)

    return Item(key, read, hides=hides)


def again(error: UnreadableDocument) -> Callable[[], ZigguratError]:
    """Makes an error like one that was caught."""
    return lambda: UnreadableDocument(error.what, where=error.where, fix=error.fix)


def _host(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2]


def _fits(address: str, those: tuple[str, ...]) -> bool:
    path = urlsplit(address).path
    return any(fnmatchcase(address if "://" in pattern else path, pattern) for pattern in those)
