"""Web addresses into sources: one page, a site by its map, a site by its links.

Here options become the parts that do the work; nothing is fetched until items are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ziggurat.loaders.addresses import normal, plain
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.options import checked
from ziggurat.loaders.source import Item, Source
from ziggurat.loaders.web import article
from ziggurat.loaders.web.connection import Resolver, resolve
from ziggurat.loaders.web.fetching import MAX_BYTES, TIMEOUT, Fetcher
from ziggurat.loaders.web.listing import Choice, bound, patterns
from ziggurat.loaders.web.robots import Robots
from ziggurat.loaders.web.site import SiteSource
from ziggurat.loaders.web.sitemap import SitemapSource

DELAY = 0.2
"""Seconds between two requests to a site, unless its robots.txt asks for more."""


def open_web(address: str, **options: Any) -> Source:
    """The source of a web address: a video's transcript, a site map, a site, or one page.

    Args:
        address: With ``http://`` or ``https://``. A YouTube video goes to `open_youtube`; an address
            that ends in ``sitemap.xml`` (or ``.xml.gz``, ``sitemap.txt``) to `open_sitemap`; with
            ``depth`` or ``limit`` among the options, to `open_site`; every other to `open_page`.
        **options: Theirs.

    Raises:
        InputError: If it is no web address, or an option is not known.
    """
    from ziggurat.loaders.youtube import open_youtube, video_of

    opener: Callable[..., Source] = open_page
    if video_of(address) is not None:
        opener = open_youtube
    elif _is_map(address):
        opener = open_sitemap
    elif {"depth", "limit"} & options.keys():
        opener = open_site
    return opener(address, **checked(opener, options))


def open_page(
    address: str,
    *,
    allow_private: bool | str | Iterable[str] = (),
    max_bytes: int = MAX_BYTES,
    timeout: float = TIMEOUT,
    headers: Mapping[str, str] | None = None,
    main_content: bool = True,
    resolver: Resolver = resolve,
) -> WebPage:
    """One page, of whatever type the server says it is.

    Args:
        address: Its address. A user and password in it are sent, and shown nowhere.
        allow_private: Hosts that may be reached though their addresses are private (``"intranet"``,
            ``"127.0.0.1:8080"``), networks (``"10.1.0.0/16"``), or True for all.
        max_bytes: The largest page, unpacked.
        timeout: Seconds it may take in all, redirects and waiting included.
        headers: Sent to the first origin only, not to where it redirects.
        main_content: Whether menus, notices and the like are left out of web pages.
        resolver: What tells a host's addresses.

    Raises:
        InputError: If it is no web address, or an option is no bound.
    """
    fetcher = Fetcher(
        allow_private=allow_private, max_bytes=max_bytes, timeout=timeout, headers=headers, resolver=resolver
    )
    return WebPage(normal(address), fetcher, main_content)


def open_sitemap(
    address: str,
    *,
    include: str | Iterable[str] = (),
    exclude: str | Iterable[str] = (),
    limit: int = 10_000,
    hosts: str | Iterable[str] = (),
    delay: float = DELAY,
    ignore_robots: bool = False,
    allow_private: bool | str | Iterable[str] = (),
    max_bytes: int = MAX_BYTES,
    timeout: float = TIMEOUT,
    headers: Mapping[str, str] | None = None,
    main_content: bool = True,
    resolver: Resolver = resolve,
) -> SitemapSource:
    """The pages that a site map lists.

    Args:
        address: The map (``https://host/sitemap.xml``, ``sitemap://host/maps/all.xml``), or a site
            (``sitemap://host``), whose robots.txt names its maps. ``sitemap+http://`` goes without TLS.
        include: Patterns (``/docs/*``) of which one must fit a page's path.
        exclude: Patterns of which none may.
        limit: How many pages are listed; past it, an item says that there are more.
        hosts: Other hosts whose pages count as the site's.
        delay: Least seconds between two requests; a ``Crawl-delay`` may make it more.
        ignore_robots: Whether to read what robots.txt forbids: for one's own site.
        allow_private: As for `open_page`, and so on.
        max_bytes: Of one page.
        timeout: Of one page.
        headers: For every request to the site.
        main_content: See `open_page`.
        resolver: See `open_page`.

    Raises:
        InputError: If it is no web address, or an option is no bound.
    """
    fetcher = Fetcher(
        allow_private=allow_private,
        max_bytes=max_bytes,
        timeout=timeout,
        headers=headers,
        delay=delay,
        resolver=resolver,
    )
    home = normal(_unprefixed(address))
    choice = Choice(home, patterns("include", include), patterns("exclude", exclude), patterns("hosts", hosts))
    return SitemapSource(
        home, fetcher, Robots(fetcher, ignore=ignore_robots), choice, bound("limit", limit), main_content
    )


def open_site(
    address: str,
    *,
    depth: int = 3,
    limit: int = 200,
    include: str | Iterable[str] = (),
    exclude: str | Iterable[str] = (),
    hosts: str | Iterable[str] = (),
    delay: float = DELAY,
    ignore_robots: bool = False,
    allow_private: bool | str | Iterable[str] = (),
    max_bytes: int = MAX_BYTES,
    timeout: float = TIMEOUT,
    headers: Mapping[str, str] | None = None,
    main_content: bool = True,
    resolver: Resolver = resolve,
) -> SiteSource:
    """The pages that can be reached from one page by links, on the same host.

    Args:
        address: The page to begin with.
        depth: How many links away from it the farthest page is.
        limit: How many pages are fetched; past it, an item says that there are more.
        include: Patterns (``/docs/*``) of which one must fit a page's path for it to be listed.
        exclude: Patterns of which none may.
        hosts: See `open_sitemap`, and so on.
        delay: Least seconds between two requests.
        ignore_robots: Whether to read what robots.txt forbids.
        allow_private: See `open_page`.
        max_bytes: Of one page.
        timeout: Of one page.
        headers: For every request to the site.
        main_content: See `open_page`.
        resolver: See `open_page`.

    Raises:
        InputError: If it is no web address, or an option is no bound.
    """
    fetcher = Fetcher(
        allow_private=allow_private,
        max_bytes=max_bytes,
        timeout=timeout,
        headers=headers,
        delay=delay,
        resolver=resolver,
    )
    home = normal(address)
    choice = Choice(home, patterns("include", include), patterns("exclude", exclude), patterns("hosts", hosts))
    robots = Robots(fetcher, ignore=ignore_robots)
    return SiteSource(home, fetcher, robots, choice, bound("depth", depth + 1) - 1, bound("limit", limit), main_content)


@dataclass(frozen=True)
class WebPage:
    """One page.

    Args:
        address: Where it is, in normal form.
        fetcher: What fetches it.
        main_content: Whether menus, notices and the like are left out.
    """

    address: str = field(repr=False)
    fetcher: Fetcher
    main_content: bool = True

    @property
    def name(self) -> str:
        """Its address."""
        return plain(self.address)

    def items(self) -> Iterator[Item]:
        """The page, with the ETag or the day of change that a HEAD request tells as its stamp."""
        yield Item(self.name, self._read, self.fetcher.stamp(self.address))

    def _read(self) -> Iterator[SourceDocument]:
        page = self.fetcher.get(self.address, wanted=article.wanted)
        yield from article.documents(page, self.name, main_content=self.main_content)


def _is_map(address: str) -> bool:
    last = urlsplit(address).path.lower().rpartition("/")[2].removesuffix(".gz")
    return last.startswith("sitemap") and last.endswith((".xml", ".txt"))


def _unprefixed(address: str) -> str:
    scheme, mark, rest = address.partition("://")
    if scheme.lower() in ("sitemap", "sitemap+https"):
        return f"https{mark}{rest}"
    return f"http{mark}{rest}" if scheme.lower() == "sitemap+http" else address
