"""Search engines of the web behind one interface, each through its provider's own client.

SerpAPI (``serpapi``), DuckDuckGo (``ddgs``) and Wikipedia (``mwclient``, the client of every MediaWiki).
Knows nothing of tools. Each can be pointed at another address, such as a local stand-in or a mirror.
Invariant: whatever a client raises comes out as one `ZigguratError`, with no key in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any, Literal, Protocol, runtime_checkable
from urllib.parse import quote, urlsplit

from ziggurat.errors import InputError, ZigguratError
from ziggurat.loaders.addresses import without
from ziggurat.optional import require
from ziggurat.suggest import did_you_mean

EngineName = Literal["duckduckgo", "serpapi", "wikipedia"]
USER_AGENT = "Ziggurat/0.1 (searches for its user)"
KEY_VARIABLE = "SERPAPI_API_KEY"
_TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class Found:
    """One result of a search.

    Attributes:
        title: The page's.
        address: Where it is.
        text: What the engine shows of it.
    """

    title: str
    address: str
    text: str


@runtime_checkable
class SearchEngine(Protocol):
    """Something that searches the web."""

    def search(self, query: str, results: int) -> list[Found]:
        """At most so many results, best first.

        Raises:
            ZigguratError: If it cannot be reached or refuses.
        """


class SerpApi:
    """Google's results, by SerpAPI.

    Args:
        key: Of SerpAPI; the environment's ``SERPAPI_API_KEY`` if none is given.
        engine: Which of its engines, such as ``google`` or ``bing``.
        address: Of another server that answers as it does.
        seconds: A request may take.

    Raises:
        InputError: If there is no key.
    """

    def __init__(
        self, *, key: str | None = None, engine: str = "google", address: str | None = None, seconds: float = 20.0
    ) -> None:
        serpapi = require("serpapi", for_="searching with SerpAPI", extra="search")
        self._key = key or os.environ.get(KEY_VARIABLE, "")
        if not self._key:
            raise InputError("SerpAPI needs a key.", fix=f"set {KEY_VARIABLE}")
        self._engine = engine
        self._client = serpapi.Client(api_key=self._key, timeout=seconds)
        if address is not None:
            self._client.BASE_DOMAIN = address.rstrip("/")

    def search(self, query: str, results: int) -> list[Found]:
        """The answer box and the organic results."""
        with _told("SerpAPI", self._key):
            answer = dict(self._client.search({"engine": self._engine, "q": query, "num": results}))
            if said := answer.get("error"):
                if "hasn't returned any results" in str(said):
                    return []
                raise ZigguratError(f"SerpAPI refuses: {without(str(said), self._key)[:200]}")
            box = answer.get("answer_box") or {}
            short = box.get("answer") or box.get("snippet")
            found = [Found(str(box.get("title", "Answer")), str(box.get("link", "")), str(short))] if short else []
            found += [
                Found(str(one.get("title", "")), str(one.get("link", "")), str(one.get("snippet", "")))
                for one in answer.get("organic_results") or []
            ]
        return found[:results]


class DuckDuckGo:
    """DuckDuckGo's results.

    Args:
        region: Such as ``us-en`` or ``br-pt``.
        address: Of another server that answers as its HTML form does.
        seconds: A request may take.
    """

    def __init__(self, *, region: str = "us-en", address: str | None = None, seconds: float = 20.0) -> None:
        engines = require("ddgs.engines.duckduckgo", for_="searching with DuckDuckGo", extra="search")
        self._region = region
        self._engine = engines.Duckduckgo(timeout=max(1, round(seconds)))
        if address is not None:
            self._engine.search_url = address

    def search(self, query: str, results: int) -> list[Found]:
        """The results of its HTML form."""
        with _told("DuckDuckGo"):
            found = self._engine.search(query, region=self._region)
            if found is None:
                raise ZigguratError("DuckDuckGo refuses the search.", fix="try later, or another engine")
            return [Found(one.title, one.href, one.body) for one in found if one.title][:results]


class Wikipedia:
    """Wikipedia's search and its articles.

    Args:
        language: Such as ``en``, ``zh`` or ``pt``.
        address: Of another MediaWiki, such as ``https://wiki.example.org/w/``.
        seconds: A request may take.

    Raises:
        InputError: If the language or the address is none.
    """

    def __init__(self, *, language: str = "en", address: str | None = None, seconds: float = 20.0) -> None:
        mwclient = require("mwclient", for_="reading Wikipedia", extra="search")
        if not re.fullmatch(r"[a-z]{2,3}(-[a-z]+)*", language):
            raise InputError(f"{language!r} is not a language of Wikipedia.", fix="such as en, zh or pt")
        parts = urlsplit(address or f"https://{language}.wikipedia.org/w/")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InputError("This is no address of a wiki.", fix="such as https://wiki.example.org/w/")
        self._home = f"{parts.scheme}://{parts.netloc}"
        path = parts.path or "/"
        self._site = mwclient.Site(
            parts.netloc,
            path=path if path.endswith("/") else f"{path}/",
            scheme=parts.scheme,
            clients_useragent=USER_AGENT,
            max_retries=1,
            retry_timeout=0,
            do_init=False,
            connection_options={"timeout": seconds},
        )

    def search(self, query: str, results: int) -> list[Found]:
        """Articles, each with the lines that speak of the query."""
        with _told("Wikipedia"):
            answer = self._site.get("query", list="search", srsearch=query, srlimit=results, srprop="snippet")
            return [
                Found(one["title"], self._address(one["title"]), unescape(_TAG.sub("", one.get("snippet", ""))))
                for one in answer.get("query", {}).get("search", [])
            ]

    def article(self, title: str) -> str:
        """The plain text of an article; empty if there is none of that name."""
        with _told("Wikipedia"):
            answer = self._site.get("query", prop="extracts", titles=title, explaintext=1, redirects=1)
            pages = answer.get("query", {}).get("pages", {})
            every = pages.values() if isinstance(pages, dict) else pages
            return next((str(one["extract"]) for one in every if one.get("extract")), "")

    def _address(self, title: str) -> str:
        return f"{self._home}/wiki/{quote(title.replace(' ', '_'))}"


_ENGINES: dict[str, Any] = {"duckduckgo": DuckDuckGo, "serpapi": SerpApi, "wikipedia": Wikipedia}


def open_engine(engine: str, **options: Any) -> SearchEngine:
    """A search engine by name; options go to its class.

    Raises:
        InputError: If there is none of that name, or it has no such option.
    """
    if engine not in _ENGINES:
        raise InputError(f"No search engine is called {engine!r}{did_you_mean(engine, _ENGINES)}.", fix=_known())
    try:
        opened: SearchEngine = _ENGINES[engine](**options)
    except TypeError as error:
        raise InputError(f"{engine} does not take {', '.join(options)}.", fix="see its class") from error
    return opened


def _known() -> str:
    return f"there are {', '.join(_ENGINES)}"


@contextmanager
def _told(name: str, *secrets: str) -> Iterator[None]:
    """Whatever a client raises, as one error of ours without secrets."""
    try:
        yield
    except ZigguratError:
        raise
    except Exception as error:  # noqa: BLE001 (three clients raise what they please)
        said = " ".join(without(str(error), *secrets).split())[:200]
        raise ZigguratError(
            f"{name} could not be searched: {type(error).__name__}{f': {said}' if said else ''}",
            fix="try later, or another engine",
        ) from (None if secrets else error)
