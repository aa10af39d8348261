"""`SearchServer`: SerpAPI, DuckDuckGo's HTML form and a MediaWiki in one local server, over a few pages.

For code that searches the web through their own clients, with the network off. A page is found by the words
of the query that stand in it. Invariant: what the three say of one query is the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from ziggurat.testing.local_http import LocalServer, QuietHandler

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Searched:
    """A request that a `SearchServer` received: which service, and its parameters."""

    service: str
    parameters: dict[str, str] = field(default_factory=dict)


class SearchServer(LocalServer):
    """A local stand-in of three search services.

    Args:
        pages: Texts by title.
        key: The only key that SerpAPI takes; any if there is none.
        status: With which every request is answered; 200 unless a failure is wanted.

    Example:
        >>> from ziggurat.tools import web_search
        >>> with SearchServer({"Lisbon": "Lisbon is the capital of Portugal."}) as server:  # doctest: +SKIP
        ...     web_search("wikipedia", address=server.wikipedia).invoke({"query": "capital of Portugal"})
    """

    def __init__(self, pages: Mapping[str, str], *, key: str | None = None, status: int = 200) -> None:
        super().__init__(_Handler)
        self.pages = dict(pages)
        self.key = key
        self.status = status
        self.received: list[Searched] = []

    @property
    def serpapi(self) -> str:
        """The address for `ziggurat.tools.SerpApi`."""
        return self.url

    @property
    def duckduckgo(self) -> str:
        """The address for `ziggurat.tools.DuckDuckGo`."""
        return f"{self.url}/html/"

    @property
    def wikipedia(self) -> str:
        """The address for `ziggurat.tools.Wikipedia`."""
        return f"{self.url}/w/"

    def found(self, query: str) -> list[tuple[str, str]]:
        """The pages that have words of a query in them, those with most first."""
        wanted = {word for word in _WORD.findall(query.lower()) if len(word) > 2}  # noqa: PLR2004 (shorter ones say little)
        ranked = [
            (-len(wanted & set(_WORD.findall(f"{title} {text}".lower()))), title, text)
            for title, text in self.pages.items()
        ]
        return [(title, text) for score, title, text in sorted(ranked) if score]


class _Handler(QuietHandler):
    owner: SearchServer

    def do_GET(self) -> None:  # noqa: N802 (the standard library's name)
        """Answer SerpAPI and the wiki."""
        parts = urlsplit(self.path)
        self._serve(parts.path, {name: one[-1] for name, one in parse_qs(parts.query).items()})

    def do_POST(self) -> None:  # noqa: N802 (the standard library's name)
        """Answer DuckDuckGo's form."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._serve(urlsplit(self.path).path, {name: one[-1] for name, one in parse_qs(body).items()})

    def _serve(self, path: str, given: dict[str, str]) -> None:
        service = {"/search": "serpapi", "/html/": "duckduckgo", "/w/api.php": "wikipedia"}.get(path, "")
        self.owner.received.append(Searched(service, given))
        if not service or self.owner.status != 200:  # noqa: PLR2004 (HTTP's OK)
            self._send(self.owner.status if service else 404, "text/plain", "no")
        elif service == "serpapi":
            if self.owner.key is not None and given.get("api_key") != self.owner.key:
                self._json({"error": "Invalid API key."}, 401)
                return
            found = self.owner.found(given.get("q", ""))
            results = [{"title": title, "link": _link(title), "snippet": text[:300]} for title, text in found]
            self._json({"organic_results": results})
        elif service == "duckduckgo":
            self._send(200, "text/html; charset=utf-8", _html(self.owner.found(given.get("q", ""))))
        else:
            self._json(self._wiki(given))

    def _wiki(self, given: dict[str, str]) -> dict[str, Any]:
        if given.get("list") == "search":
            most = int(given.get("srlimit", "10"))
            found = self.owner.found(given.get("srsearch", ""))[:most]
            return {"query": {"search": [{"title": title, "snippet": escape(text[:200])} for title, text in found]}}
        title = given.get("titles", "")
        named = next((one for one in self.owner.pages if one.casefold() == title.casefold()), None)
        if named is None:
            return {"query": {"pages": {"-1": {"title": title, "missing": ""}}}}
        return {"query": {"pages": {"1": {"title": named, "extract": self.owner.pages[named]}}}}

    def _json(self, data: Any, status: int = 200) -> None:
        self._send(status, "application/json", json.dumps(data))

    def _send(self, status: int, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _link(title: str) -> str:
    return f"https://example.org/{quote(title.replace(' ', '_'))}"


def _html(found: list[tuple[str, str]]) -> str:
    items = "".join(
        f'<div class="links_main result__body"><h2><a href="{_link(title)}">{escape(title)}</a></h2>'
        f'<a class="result__snippet" href="{_link(title)}">{escape(text[:300])}</a></div>'
        for title, text in found
    )
    return f"<html><body>{items}</body></html>"
