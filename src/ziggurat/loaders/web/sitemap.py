"""A site by its site map: each page it lists is an item, with the day it was changed as the stamp.

The protocol of sitemaps.org: lists of pages, lists of lists, plain text, any of them gzipped. Lists come
from strangers: no entity is expanded, and how many lists, pages and bytes are read is bounded. Knows
nothing of what is in a page.
Invariant: a list is read once, so lists that name one another end.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from ziggurat.errors import InputError, UnreadableDocument, gist
from ziggurat.loaders.addresses import normal, plain
from ziggurat.loaders.charset import decode_declared
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.source import Item
from ziggurat.loaders.web import article
from ziggurat.loaders.web.fetching import Fetcher, Page
from ziggurat.loaders.web.listing import Choice, again, failing, problem
from ziggurat.loaders.web.robots import Robots
from ziggurat.loaders.web.unpacking import GZIP, inflated
from ziggurat.optional import require

MAX_LISTS = 500
"""How many lists of one site are read."""
MAX_LIST_BYTES = 50 << 20
"""The largest list, unpacked: what sitemaps.org allows."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a list names: a page, or another list.

    Attributes:
        address: Where it is.
        changed: When it was changed, as the list says it.
        is_list: Whether it is a list.
        broken: Whether what stands there is no web address.
    """

    address: str
    changed: str | None = None
    is_list: bool = False
    broken: bool = False


@dataclass(frozen=True)
class SitemapSource:
    """The pages that a site's map lists.

    Args:
        address: The map, or the site, whose robots.txt then names it.
        fetcher: What fetches.
        robots: What may be read.
        choice: Which pages are meant.
        limit: How many pages are listed at most.
        main_content: Whether menus, notices and the like are left out of pages.
    """

    address: str = field(repr=False)
    fetcher: Fetcher
    robots: Robots
    choice: Choice
    limit: int
    main_content: bool = True

    @property
    def name(self) -> str:
        """The map's address."""
        return plain(self.address)

    def items(self) -> Iterator[Item]:
        """A page each, in the order of the lists; then what could not be listed.

        Raises:
            InputError: If there is no map at the address.
        """
        seen: set[str] = set()
        elsewhere: dict[str, int] = {}
        broken: list[str] = []
        for entry in self._entries():
            if isinstance(entry, Item):
                yield entry
                continue
            if entry.broken:
                broken.append(entry.address)
                continue
            address = entry.address
            key = plain(address)
            if key in seen or not self.choice.takes(address):
                continue
            if not self.choice.of_site(address):
                host = urlsplit(address).netloc.rpartition("@")[2]
                elsewhere[host] = elsewhere.get(host, 0) + 1
                continue
            if len(seen) == self.limit:
                yield problem(
                    f"{self.name}#limit",
                    f"The site lists more than {self.limit:,} pages; the others were not listed.",
                    where=self.name,
                    fix="give a larger limit, or include=...",
                    hides="",
                )
                break
            seen.add(key)
            yield Item(key, self._reading(address, key), entry.changed)
        if broken:
            yield problem(
                f"{self.name}#broken",
                f"What the site map lists is no web address, {len(broken):,} times: {broken[0]!r}.",
                where=self.name,
            )
        for host, count in elsewhere.items():
            yield problem(
                f"{self.name}#{host}",
                f"Pages of another host were passed over: {count:,} of {host}.",
                where=self.name,
                fix=f'hosts=("{host}",)',
            )

    def _entries(self) -> Iterator[Entry | Item]:
        """What all lists name; an item for each list that cannot be read."""
        lists = deque(self._first())
        known = set(lists)
        first, read = True, 0
        while lists:
            address = lists.popleft()
            if read == MAX_LISTS:
                yield problem(
                    f"{self.name}#lists",
                    f"The site has more than {MAX_LISTS} lists of pages; the others were not read.",
                    where=self.name,
                )
                return
            read += 1
            try:
                for entry in self._list(address):
                    first = False
                    if not entry.is_list:
                        yield entry
                    elif entry.address not in known and self.choice.of_site(entry.address):
                        known.add(entry.address)
                        lists.append(entry.address)
            except UnreadableDocument as error:
                if first and not lists:
                    raise InputError(
                        f"The site map cannot be read. {gist(error)}", where=plain(address), fix=error.fix
                    ) from error
                yield failing(plain(address), again(error), hides="")

    def _first(self) -> list[str]:
        """The lists to begin with."""
        if urlsplit(self.address).path not in ("", "/"):
            return [self.address]
        rules = self.robots.rules(self.address)
        named = [normal(one) for one in rules.sitemaps]
        return named or [urljoin(self.address, "/sitemap.xml")]

    def _list(self, address: str) -> Iterator[Entry]:
        page = self.fetcher.get(address, max_bytes=MAX_LIST_BYTES)
        data = page.data
        if data.startswith(GZIP):
            data = _gunzipped(data, address)
        yield from entries(data, page.address)

    def _reading(self, address: str, key: str) -> _Reading:
        return _Reading(address, key, self.fetcher, self.robots, self.main_content)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads one page, if robots.txt lets it."""

    address: str
    key: str
    fetcher: Fetcher
    robots: Robots
    main_content: bool

    def __call__(self) -> Iterator[SourceDocument]:
        self.robots.check(self.address)
        page: Page = self.fetcher.get(self.address, wanted=article.wanted)
        yield from article.documents(page, self.key, main_content=self.main_content)


def entries(data: bytes, address: str) -> Iterator[Entry]:
    """What one list names, in its order; relative addresses are taken from the list's own.

    Args:
        data: The list: XML, or an address a line.
        address: Where it is.

    Raises:
        UnreadableDocument: If it is no list, or breaks off; what stands well before that was given.
    """
    where = plain(address)
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head.startswith(b"<") and b"\0" not in head:
        yield from _lines(data, address, where)
        return
    defused = require("defusedxml.ElementTree", for_="reading site maps", extra="web")
    from xml.etree.ElementTree import ParseError

    root, space, found = None, "", dict[str, str]()
    try:
        for event, element in defused.iterparse(io.BytesIO(data), events=("start", "end"), forbid_dtd=True):
            if root is None:
                root, space = element, element.tag.rpartition("}")[0]
            inside, _, name = element.tag.rpartition("}")
            if inside != space:
                continue  # an extension's, as of pictures
            if element is root and event == "start":
                if name not in ("urlset", "sitemapindex"):
                    raise UnreadableDocument(f"This is no site map: it begins with <{name[:40]}>.", where=where)
            elif event == "end" and name in ("loc", "lastmod"):
                found.setdefault(name, (element.text or "").strip())
            elif event == "end" and name in ("url", "sitemap"):
                yield _entry(found, address, is_list=name == "sitemap")
                found = {}
                root.clear()
    except ParseError as error:
        raise UnreadableDocument(f"The site map is damaged: {error}.", where=where) from error
    except ValueError as error:  # what defusedxml refuses
        raise UnreadableDocument(f"The site map is refused: {type(error).__name__}.", where=where) from error


def _entry(found: dict[str, str], address: str, *, is_list: bool) -> Entry:
    where = found.get("loc", "")
    try:
        return Entry(normal(urljoin(address, where) if where else ""), found.get("lastmod") or None, is_list)
    except (InputError, ValueError):
        return Entry(plain(where)[:100], broken=True)


def _lines(data: bytes, address: str, where: str) -> Iterator[Entry]:
    text, _ = decode_declared(data, None)
    some = False
    for line in text.splitlines():
        if line.strip().lower().startswith(("http://", "https://")):
            some = True
            yield _entry({"loc": line.strip()}, address, is_list=False)
    if not some:
        raise UnreadableDocument("This is no site map: no line of it is a web address.", where=where)


def _gunzipped(data: bytes, address: str) -> bytes:
    out = bytearray()
    try:
        for piece in inflated([data]):
            out += piece
            if len(out) > MAX_LIST_BYTES:
                raise UnreadableDocument(f"The site map has more than {MAX_LIST_BYTES:,} bytes.")  # noqa: TRY301 (named once, below)
    except UnreadableDocument as error:
        raise UnreadableDocument(error.what, where=plain(address)) from error
    return bytes(out)
