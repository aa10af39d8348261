"""SVG to PNG, safely, with the story of the picture written into the file.

resvg aborts the whole process on absurd sizes, reads local files through ``href`` and silently
leaves out text whose font is missing. So sizes are capped, elements are on a list, links are
refused, and only our fonts are used; what passes `checked` can be given to it.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from ziggurat.drawing.fonts import font_files
from ziggurat.errors import PictureError
from ziggurat.optional import require

MAX_SIDE = 8192
"""Pixels of the longest side of a picture."""

_MAX_BYTES = 8_000_000
_ALLOWED = frozenset(
    "svg g title rect circle ellipse path polygon polyline line text tspan defs linearGradient radialGradient stop "
    "clipPath".split()
)


def checked(svg: str) -> tuple[int, int]:
    """The width and height of an SVG that may be rasterised, in pixels.

    Raises:
        PictureError: If it is no SVG, too large, or holds an element or link that is not allowed.
    """
    if len(svg) > _MAX_BYTES:
        raise PictureError(f"The SVG is {len(svg):,} characters long; {_MAX_BYTES:,} is the limit.")
    if "<!" in svg:
        raise PictureError("An SVG with declarations or comments is not rasterised.", fix="remove DOCTYPE and ENTITY")
    try:
        root = ET.fromstring(svg)  # noqa: S314 (declarations, and with them entities, were refused above)
    except ET.ParseError as error:
        raise PictureError(f"The SVG cannot be read: {error}.") from error
    for element in root.iter():
        name = str(element.tag).rpartition("}")[2]
        if name not in _ALLOWED:
            raise PictureError(f"The SVG element <{name}> is not allowed.")
        for key, value in element.attrib.items():
            attribute = key.rpartition("}")[2].lower()
            outside = "url(" in value.lower() and not value.strip().lower().startswith("url(#")
            if attribute in ("href", "src", "style") or attribute.startswith("on") or outside:
                raise PictureError(f"The SVG attribute {attribute} of <{name}> is not allowed.")
    try:
        width, height = round(float(root.get("width", ""))), round(float(root.get("height", "")))
    except (ValueError, OverflowError) as error:
        raise PictureError("The SVG does not say its width and height in pixels.") from error
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise PictureError(f"A picture of {width} x {height} pixels cannot be drawn; {MAX_SIDE} is the longest side.")
    return width, height


def rasterise(svg: str, provenance: Mapping[str, str]) -> bytes:
    """The PNG of an SVG, with ``provenance`` as its text entries.

    Raises:
        MissingDependency: Without resvg-py or Pillow.
        PictureError: If the SVG is not allowed or cannot be drawn.
    """
    checked(svg)
    resvg = require("resvg_py", for_="drawing pictures", extra="pictures")
    try:
        png = bytes(
            resvg.svg_to_bytes(
                svg_string=svg, skip_system_fonts=True, font_files=list(font_files()), font_family="Inter"
            )
        )
    except ValueError as error:
        raise PictureError(f"The picture cannot be drawn: {error}.") from error
    return with_text(png, provenance)


def with_text(png: bytes, entries: Mapping[str, str]) -> bytes:
    """The same PNG with text entries (international, UTF-8)."""
    image_module: Any = require("PIL.Image", for_="writing picture metadata", extra="pictures")
    png_module: Any = require("PIL.PngImagePlugin", for_="writing picture metadata", extra="pictures")
    info = png_module.PngInfo()
    for key, value in entries.items():
        info.add_itxt(key, value.encode("utf-8", errors="replace").decode())
    out = io.BytesIO()
    with image_module.open(io.BytesIO(png)) as image:
        image.save(out, format="PNG", pnginfo=info)
    return out.getvalue()


def read_text(png: bytes) -> dict[str, str]:
    """The text entries of a PNG."""
    image_module: Any = require("PIL.Image", for_="reading picture metadata", extra="pictures")
    with image_module.open(io.BytesIO(png)) as image:
        return {key: str(value) for key, value in image.text.items()}
