"""What Word, Excel and PowerPoint files have in common: their properties, and their variants' types.

A document with macros or a template has the same parts as a plain document, under another content
type, which the readers refuse; `plain_package` gives it the plain one. No macro is ever run.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

from ziggurat.loaders.archive import Archive
from ziggurat.loaders.xml import local, parse_xml

_TYPES = "[Content_Types].xml"
_CORE = "docProps/core.xml"
_NAMES = {"title": "title", "creator": "author", "created": "created", "modified": "modified"}
_MADE_UP = re.compile(
    r"(powerpoint presentation|powerpoint-präsentation|word document|slide \d+|untitled.*)$", re.IGNORECASE
)
_VARIANT = re.compile(
    rb"application/vnd\.(?:ms-(?:word|powerpoint)\.[\w.]+?|openxmlformats-officedocument\.(?:wordprocessingml|presentationml)\.(?:template|slideshow))"
    rb"(?:\.macroEnabled(?:Template)?)?\.main\+xml"
)


def plain_package(data: bytes, plain: str) -> bytes:
    """The package with its main part's content type as that of a plain document."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        if _TYPES not in package.NameToInfo:
            return data
        types = package.read(_TYPES)
        changed = _VARIANT.sub(plain.encode(), types)
        if changed == types:
            return data
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as copy:
            for name in package.namelist():
                copy.writestr(name, changed if name == _TYPES else package.read(name))
    return made.getvalue()


def core_properties(archive: Archive, where: str) -> dict[str, Any]:
    """What a document says of itself: title, author and times, as JSON values.

    Read from the file, not through the readers: they make up a title and a time where there are none.
    """
    if _CORE not in archive:
        return {}
    said: dict[str, Any] = {}
    for element in parse_xml(archive.read(_CORE), where):
        name = _NAMES.get(local(element))
        if name and element.text and element.text.strip():
            said[name] = element.text.strip()
    if _MADE_UP.match(said.get("title", "")):
        del said["title"]
    return said
