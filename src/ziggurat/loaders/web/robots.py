"""What a site's robots.txt lets programs read, as RFC 9309 says it.

The file is read by Protego: the standard library's reader takes the first rule that matches where the
longest one counts, and knows no wildcards. Knows nothing of pages.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.addresses import origin, plain
from ziggurat.loaders.charset import decode_declared
from ziggurat.loaders.web.fetching import SERVER_ERRORS, Fetcher, Refused
from ziggurat.optional import require

AGENT = "ziggurat"
"""The name that robots.txt knows us by."""
MAX_DELAY = 30.0
"""The longest ``Crawl-delay`` that is kept, in seconds."""
_MAX_BYTES = 512 << 10  # RFC 9309, section 2.5: at least 500 kibibytes


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one origin.

    Attributes:
        allows: Whether an address may be read.
        delay: Seconds to leave between two pages; 0 where nothing is said.
        sitemaps: The site maps that it names.
        why_not: Why nothing may be read, where that is not the file's own word.
    """

    allows: Callable[[str], bool]
    delay: float = 0.0
    sitemaps: tuple[str, ...] = ()
    why_not: str | None = None


class Robots:
    """The rules of every origin asked about, each fetched once.

    Args:
        fetcher: What fetches the files.
        ignore: Whether everything is allowed, and no file is fetched: for one's own site.
    """

    def __init__(self, fetcher: Fetcher, *, ignore: bool = False) -> None:
        self._fetcher = fetcher
        self._ignore = ignore
        self._known: dict[str, Rules] = {}
        self._lock = threading.Lock()

    def rules(self, address: str) -> Rules:
        """The rules of an address's origin."""
        site = origin(address)
        with self._lock:
            rules = self._known.get(site)
            if rules is None:
                rules = self._known[site] = Rules(_anything) if self._ignore else self._fetched(site)
                if rules.delay:
                    self._fetcher.slow_down(rules.delay)
        return rules

    def check(self, address: str) -> None:
        """Refuse what may not be read.

        Raises:
            UnreadableDocument: If robots.txt keeps programs away from it.
        """
        rules = self.rules(address)
        if not rules.allows(address):
            raise UnreadableDocument(
                rules.why_not or "The site's robots.txt keeps programs away from this page.",
                where=plain(address),
                fix="if the site is yours: ignore_robots=True",
            )

    def _fetched(self, site: str) -> Rules:
        protego = require("protego", for_="reading robots.txt", extra="web")
        try:
            page = self._fetcher.get(f"{site}/robots.txt", max_bytes=_MAX_BYTES)
        except Refused as refused:
            if refused.status < SERVER_ERRORS and refused.status != 429:  # noqa: PLR2004 (RFC 9309, section 2.3.1.3: no file, no rules)
                return Rules(_anything)
            return Rules(_nothing, why_not=f"The site's robots.txt cannot be had: {refused.what}")
        except UnreadableDocument as error:  # RFC 9309, section 2.3.1.4: unreachable means complete disallow
            return Rules(_nothing, why_not=f"The site's robots.txt cannot be had: {error.what}")
        parsed = protego.Protego.parse(decode_declared(page.data, None)[0])
        delay = parsed.crawl_delay(AGENT) or 0.0
        return Rules(_allowing(parsed), min(max(delay, 0.0), MAX_DELAY), tuple(_web(parsed.sitemaps)))


def _allowing(parsed: Any) -> Callable[[str], bool]:
    return lambda address: bool(parsed.can_fetch(address, AGENT))


def _anything(address: str) -> bool:  # noqa: ARG001 (whatever it is)
    return True


def _nothing(address: str) -> bool:  # noqa: ARG001 (whatever it is)
    return False


def _web(addresses: Iterator[str]) -> Iterator[str]:
    return (address for address in addresses if address.lower().startswith(("http://", "https://")))
