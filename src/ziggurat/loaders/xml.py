"""XML from strangers: no entity is expanded, nothing is fetched, depth and size are bounded.

Knows no vocabulary.
"""

from __future__ import annotations

from typing import Any

from ziggurat.errors import UnreadableDocument
from ziggurat.optional import require


def parse_xml(data: bytes, where: str, *, huge: bool = False) -> Any:
    """The root element.

    Args:
        data: The file.
        where: Its name, for messages.
        huge: Whether single texts may be longer than 10 MB; entities stay unexpanded all the same.

    Raises:
        UnreadableDocument: If it is not well-formed.
    """
    etree = require("lxml.etree", for_="reading XML", extra="documents")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=huge)
    try:
        root = etree.fromstring(data, parser=parser)
    except etree.XMLSyntaxError as error:
        raise UnreadableDocument(
            "The file is damaged: its XML breaks off or is not well-formed.", where=where
        ) from error
    if root is None:
        raise UnreadableDocument("There is nothing in its XML.", where=where)
    return root


def local(element: Any) -> str:
    """The name of an element without its namespace; empty for comments, entities and instructions."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Any, name: str) -> str | None:
    """An attribute by its name without a namespace."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None
