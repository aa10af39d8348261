"""A site by its links: from one page to all that it leads to, breadth first.

For sites without a map. A page is fetched to see its links; small ones are kept until they are read, so
that nothing is fetched twice, and the stamp is the digest of the page's bytes. Knows nothing of what is
in a page.
Invariant: an address is fetched once, and depth and number are bounded, so a site without an end, or
one whose pages link in circles, ends.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ziggurat.errors import DocumentError, InputError, UnreadableDocument, UnsupportedDocument, gist
from ziggurat.loaders.addresses import plain
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.markup import decode_page
from ziggurat.loaders.source import Item
from ziggurat.loaders.web import article
from ziggurat.loaders.web.fetching import Fetcher, Page
from ziggurat.loaders.web.links import links, may_be_text
from ziggurat.loaders.web.listing import Choice, again, failing, problem
from ziggurat.loaders.web.robots import Robots

_KEPT = 1 << 20
"""The largest page that is kept from its listing to its reading, in bytes."""


@dataclass(frozen=True)
class SiteSource:
    """The pages that can be reached from one page of a site.

    Args:
        address: The page to begin with.
        fetcher: What fetches.
        robots: What may be read.
        choice: Which pages are meant; links of the others are followed all the same.
        depth: How many links away from the first page the farthest is.
        limit: How many pages are fetched at most.
        main_content: Whether menus, notices and the like are left out of pages.
    """

    address: str = field(repr=False)
    fetcher: Fetcher
    robots: Robots
    choice: Choice
    depth: int
    limit: int
    main_content: bool = True

    @property
    def name(self) -> str:
        """The first page's address."""
        return plain(self.address)

    def items(self) -> Iterator[Item]:
        """A page each, the nearest first; then what was not followed.

        Raises:
            InputError: If the first page cannot be had.
        """
        waiting = deque([(self.address, 0)])
        known, keys = {self.address}, set[str]()
        forbidden = fetched = 0
        while waiting:
            address, depth = waiting.popleft()
            if not self._may_read(address):
                forbidden += 1
                continue
            if fetched == self.limit:
                yield problem(
                    f"{self.name}#limit",
                    f"The site has more than {self.limit:,} pages; the others were not read.",
                    where=self.name,
                    fix="give a larger limit, or a map of the site",
                    hides="",
                )
                break
            fetched += 1
            page = self._page(address)
            if not isinstance(page, Page):
                key = plain(address)
                if page is not None and key not in keys and self.choice.takes(address):
                    keys.add(key)
                    yield page
                continue
            known.add(page.address)
            if not self.choice.of_site(page.address) or not self._may_read(page.address):
                continue  # it leads elsewhere
            found = links(decode_page(page.data, _charset(page))[0], page.address) if article.is_html(page) else None
            key = plain(page.address)
            if key not in keys and self.choice.takes(page.address) and (found is None or found.indexed):
                keys.add(key)
                yield self._item(page, key)
            if found is not None and found.followed and depth < self.depth:
                for link in found.found:
                    if link not in known and may_be_text(link) and self.choice.of_site(link):
                        known.add(link)
                        waiting.append((link, depth + 1))
        if forbidden:
            yield problem(
                f"{self.name}#robots",
                f"The site's robots.txt keeps programs away from {forbidden:,} of the pages that are linked.",
                where=self.name,
                fix="if the site is yours: ignore_robots=True",
            )

    def _page(self, address: str) -> Page | Item | None:
        """A page; an item that says why not; None if it is no text at all."""
        try:
            return self.fetcher.get(address, wanted=article.wanted)
        except UnsupportedDocument:
            return None
        except UnreadableDocument as error:
            if address == self.address:
                raise self._unreadable(error) from error
            return failing(plain(address), again(error), hides="")

    def _may_read(self, address: str) -> bool:
        if address != self.address:
            return self.robots.rules(address).allows(address)
        try:
            self.robots.check(address)
        except UnreadableDocument as error:
            raise self._unreadable(error) from error
        return True

    def _unreadable(self, error: DocumentError) -> InputError:
        return InputError(f"The site cannot be read. {gist(error)}", where=self.name, fix=error.fix)

    def _item(self, page: Page, key: str) -> Item:
        stamp = hashlib.sha256(page.data).hexdigest()[:32]
        kept = page if len(page.data) <= _KEPT else None
        address = page.address

        def read() -> Iterator[SourceDocument]:
            fetched = kept or self.fetcher.get(address, wanted=article.wanted)
            yield from article.documents(fetched, key, main_content=self.main_content)

        return Item(key, read, stamp, len(page.data))


def _charset(page: Page) -> str | None:
    return page.content_type.partition("charset=")[2].partition(";")[0] or None
