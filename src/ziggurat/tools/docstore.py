"""A document store as two tools: Search opens a page, Lookup finds a word in the page that is open.

As in Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models", 2022. A store is anything
that gives pages for a title: an index of ours, or Wikipedia. Which page is open is remembered by the run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable

from langchain_core.documents import Document
from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field

from ziggurat.tools.bounds import CHARACTERS, apart, cut
from ziggurat.tools.index_search import as_retriever
from ziggurat.tools.making import make
from ziggurat.tools.memo import Remembered

_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_OPENING = 1200
"""Characters of a page that Search shows."""
_PAGE = 8000
"""Characters of an index's document that count as a page."""


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page.

    Attributes:
        title: Its name.
        text: What stands in it, plain.
    """

    title: str
    text: str


@runtime_checkable
class PageStore(Protocol):
    """Something that knows pages by what they are about."""

    async def find(self, topic: str) -> tuple[StoredPage | None, list[str]]:
        """The page about a topic, and the titles of others that may be meant."""


class IndexPages:
    """The documents of an index as pages.

    Args:
        index: What `index_search` takes.
    """

    def __init__(self, index: Any) -> None:
        from ziggurat.index import VectorIndex

        wide = {"parent": _PAGE} if isinstance(index, str | PurePath | VectorIndex) else {}
        self._retriever = as_retriever(index, 5, **wide)

    async def find(self, topic: str) -> tuple[StoredPage | None, list[str]]:
        """The best document, and the titles of the next ones."""
        found = await self._retriever.ainvoke(topic)
        titles = list(dict.fromkeys(map(_title, found)))
        named = next((title for title in titles if title.casefold() == topic.strip().casefold()), None)
        title = named or (titles[0] if titles else None)
        if title is None:
            return None, []
        text = "\n".join(dict.fromkeys(one.page_content for one in found if _title(one) == title))
        return StoredPage(title, text), [one for one in titles if one != title]


class WikipediaPages:
    """Wikipedia's articles as pages.

    Args:
        client: A `ziggurat.tools.engines.Wikipedia`.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    async def find(self, topic: str) -> tuple[StoredPage | None, list[str]]:
        """The article of that name, or the first that a search finds."""
        titles = [one.title for one in await apart(lambda: self._client.search(topic, 5))]
        text = await apart(lambda: self._client.article(topic))
        if text:
            return StoredPage(topic, text), [one for one in titles if one.casefold() != topic.casefold()]
        for title in titles:
            if text := await apart(partial(self._client.article, title)):
                return StoredPage(title, text), [one for one in titles if one != title]
        return None, titles


class Topic(BaseModel):
    """What the page is about."""

    topic: str = Field(description="The name of one person, place or thing.", min_length=1, max_length=300)


class Term(BaseModel):
    """What is looked up."""

    term: str = Field(description="A word or a short phrase.", min_length=1, max_length=200)


def docstore(store: Any, *, characters: int = CHARACTERS) -> list[BaseTool]:
    """Two tools over a document store: ``Search`` and ``Lookup``.

    Args:
        store: A `PageStore`, or what `index_search` takes.
        characters: Of a result at most.
    """
    pages: PageStore = store if isinstance(store, PageStore) else IndexPages(store)
    opened = Remembered()

    async def search(topic: str) -> str:
        page, others = await pages.find(topic)
        if page is None:
            near = f" Similar: {', '.join(others)}." if others else ""
            return f"There is no page about {topic!r}.{near}"
        opened.put(_Reading(page))
        more = f"\n(Other pages: {', '.join(others[:4])}.)" if others else ""
        return f"{page.title}: {cut(page.text.strip(), min(_OPENING, characters))}{more}"

    async def lookup(term: str) -> str:
        reading: _Reading | None = opened.get()
        if reading is None:
            return "No page is open yet: use Search first."
        return cut(reading.next(term), characters)

    return [
        make(
            "Search",
            "Opens the page about one person, place or thing and shows how it begins. Use it first.",
            Topic,
            awork=search,
            characters=characters,
        ),
        make(
            "Lookup",
            "Finds the next sentence with a word in the page that was opened by Search. "
            "Called again with the same word, it finds the sentence after that.",
            Term,
            awork=lookup,
            characters=characters,
        ),
    ]


class _Reading:
    """An open page, and how far each word was looked up in it."""

    def __init__(self, page: StoredPage) -> None:
        self._page = page
        self._sentences = [one.strip() for one in _SENTENCE.split(page.text) if one.strip()]
        self._seen: dict[str, int] = {}

    def next(self, term: str) -> str:
        """The next sentence with a term."""
        wanted = term.strip().casefold()
        found = [one for one in self._sentences if wanted in one.casefold()]
        if not found:
            return f"{term!r} does not stand in the page {self._page.title!r}."
        at = self._seen.get(wanted, 0)
        if at >= len(found):
            return f"There are no more than {len(found)} sentences with {term!r} in the page {self._page.title!r}."
        self._seen[wanted] = at + 1
        return f"(Result {at + 1} of {len(found)}) {found[at]}"


def _title(document: Document) -> str:
    metadata = document.metadata
    if title := metadata.get("title"):
        return str(title)
    source = str(metadata.get("source") or document.id or document.page_content[:40])
    return PurePath(source).stem or source
