"""The links of a web page, and whether it wants them followed. Knows nothing of who follows them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import PurePath
from urllib.parse import urljoin, urlsplit

from ziggurat.errors import InputError
from ziggurat.loaders.addresses import normal
from ziggurat.loaders.parsers import PARSERS

MAX_LINKS = 10_000
"""How many links of one page are looked at."""
_MADE = frozenset(".php .php5 .asp .aspx .jsp .jspx .cgi .pl .do .shtml .cfm".split())
"""Suffixes of programs that answer with a page."""


@dataclass(slots=True)
class Links:
    """What a page links to.

    Attributes:
        found: Addresses in the page's order, each once.
        followed: Whether the page lets programs follow them (``<meta name="robots">``).
        indexed: Whether it lets programs keep its text.
    """

    found: list[str] = field(default_factory=list)
    followed: bool = True
    indexed: bool = True


def links(text: str, address: str) -> Links:
    """The links of a page that may lead to something readable.

    Args:
        text: Its markup.
        address: Where it is; links are taken from there, or from its ``<base>``.
    """
    reader = _Reader(address)
    with suppress(AssertionError):  # the standard library's reader asserts its own state on some broken markup
        reader.feed(text)
    return reader.links


def may_be_text(address: str) -> bool:
    """Whether, by its name, an address leads to something that can be read."""
    suffix = PurePath(urlsplit(address).path).suffix.lower()
    return not suffix or suffix in PARSERS or suffix in _MADE or not suffix[1:].isalpha()


class _Reader(HTMLParser):
    def __init__(self, address: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links = Links()
        self._base = address
        self._known: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        if tag in ("a", "area") and "href" in about:
            if "nofollow" not in about.get("rel", "").lower().split():
                self._add(about["href"])
        elif tag == "base" and about.get("href"):
            self._base = _joined(self._base, about["href"]) or self._base
        elif tag == "meta" and about.get("name", "").lower() in ("robots", "ziggurat"):
            said = {word.strip() for word in about.get("content", "").lower().split(",")}
            self.links.followed &= not said & {"nofollow", "none"}
            self.links.indexed &= not said & {"noindex", "none"}

    def _add(self, href: str) -> None:
        address = _joined(self._base, href)
        if address and address not in self._known and len(self._known) < MAX_LINKS:
            self._known.add(address)
            self.links.found.append(address)


def _joined(base: str, href: str) -> str | None:
    try:
        return normal(urljoin(base, href.strip()))
    except (InputError, ValueError):
        return None
