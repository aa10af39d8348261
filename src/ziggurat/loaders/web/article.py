"""A fetched page into documents: the main content of a web page, or whatever file was sent.

What a page is about is told apart from its menus and notices by trafilatura; where that finds nothing,
the whole page is read as a file of its type, like everything else. Knows nothing of how a page is
fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from ziggurat.errors import UnsupportedDocument
from ziggurat.loaders import sniff
from ziggurat.loaders.addresses import plain
from ziggurat.loaders.charset import python_name
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import fit
from ziggurat.loaders.hush import hushed
from ziggurat.loaders.markup import decode_page
from ziggurat.loaders.parsers import PARSERS, Parser, parse
from ziggurat.loaders.text import parse_markdown, parse_text
from ziggurat.loaders.web.fetching import Page
from ziggurat.optional import require

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_NO_TEXT = ("image/", "audio/", "video/", "font/")
_LONGEST = 1 << 20
"""Characters of markup past which the whole page is read: telling apart takes seconds a megabyte."""


def wanted(page: Page) -> None:
    """Refuse a page by its headers, before it is read.

    Raises:
        UnsupportedDocument: If it is a picture, sound, film or font.
    """
    if page.media_type.startswith(_NO_TEXT):
        raise UnsupportedDocument(f"Nothing reads {page.media_type}.", where=plain(page.address))


def is_html(page: Page) -> bool:
    """Whether it is a web page."""
    if page.media_type:
        return page.media_type in _HTML
    found = sniff.sniff(page.data, plain(page.address))
    return found is sniff.HTML


def documents(page: Page, key: str, *, main_content: bool = True) -> Iterator[SourceDocument]:
    """The documents in a page.

    Args:
        page: As it was fetched.
        key: What their source is.
        main_content: Whether menus, notices and the like are left out.

    Raises:
        UnsupportedDocument: If nothing reads its type.
        UnreadableDocument: If it is empty, damaged, protected, or not what its type says.
    """
    from langchain_core.documents.base import Blob

    moved = {} if plain(page.address) == key else {"moved_to": plain(page.address)}
    if main_content and is_html(page):
        found = _main(page, key)
        if found is not None:
            yield replace(found, metadata={**found.metadata, **moved})
            return
    content_type = page.content_type or ("text/html" if is_html(page) else "")
    if page.media_type.endswith("+json"):
        content_type = "application/json"
    blob = Blob.from_data(page.data, path=key, mime_type=content_type or None)
    for one in parse(blob, parsers=_parsers(page)):
        yield replace(one, metadata={**one.metadata, **moved})


def _parsers(page: Page) -> Mapping[str, Parser]:
    """The parsers, with plain text read in the encoding that the server names, whatever its suffix."""
    encoding = python_name(page.content_type.lower().partition("charset=")[2].partition(";")[0])
    table: dict[str, Parser] = dict(PARSERS)
    textual = (
        page.media_type.startswith("text/") or page.media_type == "application/xml" or page.media_type.endswith("+xml")
    )
    if textual and PurePath(urlsplit(page.address).path).suffix.lower() not in table:
        table[""] = parse_text
    if encoding is None or encoding == "utf-8":
        return table
    own = (parse_text, parse_markdown)
    return {suffix: partial(parser, encoding=encoding) if parser in own else parser for suffix, parser in table.items()}


def _main(page: Page, key: str) -> SourceDocument | None:
    trafilatura = require("trafilatura", for_="reading web pages", extra="web")
    text, metadata = decode_page(page.data, page.content_type.partition("charset=")[2].partition(";")[0] or None)
    if len(text) > _LONGEST:
        return None
    try:
        with hushed():
            found = trafilatura.bare_extraction(
                text,
                output_format="python",
                include_formatting=True,
                include_comments=False,
                include_tables=True,
                with_metadata=True,
                date_extraction_params={"extensive_search": False, "original_date": True},
            )
    except Exception:  # noqa: BLE001 (whatever it stumbles over, the whole page can still be read)
        return None
    body = fit(found.text or "").strip() if found is not None else ""
    if not body:
        return None
    about = {name: getattr(found, name, None) for name in ("title", "date", "author", "language")}
    return SourceDocument(key, body, "markdown", {"source": key, **_said(about), **metadata})


def _said(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fit(str(value)).strip() for name, value in about.items() if value and str(value).strip()}
