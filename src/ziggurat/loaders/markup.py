"""HTML and XHTML into Markdown: what a browser would show, in its order.

Every markup inside other formats (mails, books, notes, saved pages) comes through here. Scripts,
styles and hidden elements are left out; tables that only lay out a page become its blocks. The tree
is walked without recursion, so depth costs nothing but the parser's own bound.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders import marks
from ziggurat.loaders.charset import decode_declared
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.page import PageWriter
from ziggurat.loaders.xml import local
from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w:.+-]+)|<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w:.+-]+)""",
    re.IGNORECASE,
)
_HEAD = 4096
_XML = re.compile(r"\s*(?:<\?xml|<!doctype[^>]*xhtml[^>]*>\s*<html[^>]*xmlns|<html[^>]*xmlns)", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def parse_html(blob: Blob) -> Iterator[SourceDocument]:
    """A web page."""
    where = str(blob.source)
    declared = (blob.mimetype or "").partition("charset=")[2] or None
    text, metadata = decode_page(blob.as_bytes(), declared)
    draft = Draft(where)
    title, language = write_page(text, draft, where)
    yield draft.document("markdown", {"title": title, "language": language, **metadata})


def decode_page(data: bytes, declared: str | None = None) -> tuple[str, dict[str, Any]]:
    """The text of a page's bytes, and what is to be said of its encoding.

    Args:
        data: The page.
        declared: The encoding that a header names; it goes before what the page says itself.
    """
    found = _DECLARED.search(data[:_HEAD])
    label = declared or (found and (found[1] or found[2]).decode("ascii", "replace")) or None
    if label and label.lower().startswith("utf-16"):
        label = "utf-8"  # a page whose declaration can be read byte by byte is not in UTF-16
    return decode_declared(data, label)


def write_page(
    text: str, draft: Draft, where: str, *, media: Callable[[Any], str] | None = None
) -> tuple[str | None, str | None]:
    """Write what a page shows into a draft.

    Args:
        text: The markup.
        draft: What is written into.
        where: The page's name, for messages.
        media: What to write for an element of media that is no image: Evernote has its own.

    Returns:
        Its title (the first heading where it names none) and its language, where it tells them.
    """
    root = _tree(text, where)
    if root is None:
        return None, None
    writer = PageWriter(draft, media)
    writer.write(root)
    named = next((element for element in root.iter() if local(element) == "title"), None)
    title = marks.one_line("".join(named.itertext())) if named is not None else None
    return title or writer.first_heading, root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang")


def page_text(text: str, where: str) -> str:
    """What a page shows, as Markdown; empty if it shows nothing."""
    draft = Draft(where)
    write_page(text, draft, where)
    return "" if draft.empty else draft.document("markdown").text


def _tree(text: str, where: str) -> Any:
    etree = require("lxml.etree", for_="reading HTML", extra="documents")
    text = text.replace("\0", "\ufffd")
    data = text.encode("utf-8", "replace")
    if _XML.match(text[:_HEAD]):  # in XHTML an empty <title/> or <a/> is closed, which HTML's rules do not see
        body = _XML_DECLARATION.sub("", text, count=1).lstrip().encode("utf-8", "replace")
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, encoding="utf-8"
        )
        try:
            return etree.fromstring(body, parser=parser)
        except etree.XMLSyntaxError:
            pass  # not well-formed: browsers fall back to HTML, and so does this
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = etree.fromstring(data, parser=parser)
    except etree.ParserError:
        return None
    except etree.XMLSyntaxError as error:
        if not text.strip():
            return None
        raise UnreadableDocument("The page cannot be read as HTML.", where=where) from error
    if any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log):
        raise UnreadableDocument("The page is nested too deeply to be read.", where=where)
    return root
