"""A placed diagram as SVG, in our own lines and colours.

Only elements on the short list that `raster` allows are written, and every text from outside is
escaped, so the file can be opened anywhere without running or fetching anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from ziggurat.drawing.fonts import FAMILY, text_width, wrap
from ziggurat.drawing.layout import EDGE_LABEL_SIZE, GROUP_LABEL_SIZE, ICON, LABEL_SIZE, Arrow, Box, Frame, Layout
from ziggurat.drawing.spec import Kind, shorten

INK, SOFT, LINE, PAPER = "#172033", "#5b6780", "#8793ab", "#fbfcff"
_FRAME_PAPER = "#f2f3fe"
_TITLE_SIZE = 38.0
_MARGIN = 70.0
_CAPTION_SIZE = 15.0
_CAPTION_LENGTH = 300
_MAX_SCALE = 1.5


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind of node looks.

    Attributes:
        colour: Of the icon's disc and the box's edge.
        glyph: White shapes on the disc, in a square of 24 by 24.
    """

    colour: str
    glyph: str


_STROKE = 'fill="none" stroke="#fff" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round"'

LOOKS: dict[Kind, Look] = {
    "person": Look(
        "#d97706",
        '<circle cx="12" cy="8.2" r="3.7" fill="#fff"/><path d="M4.8 19.6a7.2 6.6 0 0 1 14.4 0z" fill="#fff"/>',
    ),
    "document": Look("#0284c7", f'<path d="M7 4h7l4 4v12H7zM14 4v4h4M9.6 12.2h5.8M9.6 15.6h5.8" {_STROKE}/>'),
    "database": Look(
        "#4f46e5",
        f'<path d="M5.5 6.6v10.8c0 1.5 2.9 2.7 6.5 2.7s6.5-1.2 6.5-2.7V6.6M5.5 12c0 1.5 2.9 2.7 6.5 2.7s6.5-1.2 6.5-2.7" {_STROKE}/>'
        f'<ellipse cx="12" cy="6.6" rx="6.5" ry="2.7" {_STROKE}/>',
    ),
    "model": Look(
        "#7c3aed",
        '<path d="M12 3.2l2 5.6 5.8 2.2-5.8 2.2-2 5.6-2-5.6L4.2 11 10 8.800z" fill="#fff"/>'
        '<path d="M18.300 15.800l.9 2.300 2.300.900-2.300.900-.9 2.300-.9-2.300-2.300-.900 2.300-.900z" fill="#fff"/>',
    ),
    "process": Look(
        "#059669",
        f'<circle cx="12" cy="12" r="3" {_STROKE}/>'
        '<path d="M12 4.200v2.600M12 17.200v2.600M4.200 12h2.600M17.200 12h2.600M6.500 6.500l1.800 1.800M15.700 15.700l1.800 1.800'
        f'M6.500 17.500l1.800-1.800M15.700 8.300l1.800-1.800" {_STROKE}/>',
    ),
    "service": Look(
        "#2563eb",
        f'<path d="M7.600 18.200a4 4 0 0 1-.4-8 5.200 5.200 0 0 1 10-.6 4.400 4.400 0 0 1-.5 8.600z" {_STROKE}/>',
    ),
    "output": Look("#db2777", f'<path d="M5.400 12.600l4.400 4.400 8.800-9.400" {_STROKE}/>'),
    "decision": Look(
        "#dc2626", f'<path d="M12 4.200l7.800 7.800-7.800 7.800L4.200 12zM12 9v3.600M12 15.200v.2" {_STROKE}/>'
    ),
}


def diagram_svg(layout: Layout, title: str, caption: str, *, width: int, height: int) -> str:
    """A whole slide: title, diagram centred in what is left, caption at the foot.

    Args:
        layout: The placed diagram; scaled to fit.
        title: One line, made smaller if it is too long.
        caption: Who drew it from what, in small letters.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
    """
    unit = height / 900
    margin, top = _MARGIN * unit, 150 * unit
    title_size = min(_TITLE_SIZE * unit, _TITLE_SIZE * unit * (width - 2 * margin) / _width_of(title, unit))
    space_w, space_h = width - 2 * margin, height - top - 80 * unit
    scale = min(layout.scale_into(space_w, space_h), _MAX_SCALE * unit)
    dx = (width - layout.width * scale) / 2
    dy = top + (space_h - layout.height * scale) / 2
    return "".join(
        [
            svg_open(width, height),
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
            _bar(margin, 52 * unit, unit),
            text_at(title, margin + 24 * unit, 90 * unit, title_size, weight=600, anchor="start"),
            f'<g transform="translate({dx:.1f} {dy:.1f}) scale({scale:.4f})">',
            *(_frame(one) for one in layout.frames),
            *(_arrow(one) for one in layout.arrows),
            *(_box(one) for one in layout.boxes),
            *(_arrow_label(one) for one in layout.arrows if one.label_at),
            *(_frame_label(one) for one in layout.frames),
            "</g>",
            caption_text(caption, width, height, unit),
            "</svg>",
        ]
    )


def svg_open(width: int, height: int) -> str:
    """The opening tag of a picture."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family={quoteattr(FAMILY)}>'
    )


def caption_text(caption: str, width: int, height: int, unit: float, fill: str = SOFT) -> str:
    """The small line at the foot of a picture."""
    (line, *_) = wrap(shorten(caption, _CAPTION_LENGTH), _CAPTION_SIZE * unit, width - 2 * _MARGIN * unit, max_lines=1)
    return text_at(line, _MARGIN * unit, height - 28 * unit, _CAPTION_SIZE * unit, fill=fill, anchor="start")


def _bar(x: float, y: float, unit: float) -> str:
    size = f'width="{7 * unit:.1f}" height="{48 * unit:.1f}" rx="{3.5 * unit:.1f}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="#4f46e5"/>'


def _glyph(look: Look, x: float, y: float) -> str:
    return f'<g transform="translate({x:.1f} {y:.1f}) scale({ICON * 0.6 / 24:.3f})">{look.glyph}</g>'


def _width_of(title: str, unit: float) -> float:
    return max(text_width(title, _TITLE_SIZE * unit, "bold") + 24 * unit, 1.0)


def text_at(
    text: str, x: float, y: float, size: float, *, fill: str = INK, weight: int = 400, anchor: str = "middle"
) -> str:
    """A line of text with its anchor at a point; pixels."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>'
    )


def _box(box: Box) -> str:
    look = LOOKS[box.kind]
    x, y = box.x - box.width / 2, box.y - box.height / 2
    place = f'width="{box.width:.1f}" height="{box.height:.1f}" rx="14"'
    icon_x, icon_y = x + 14, box.y - ICON / 2
    text_x = icon_x + ICON + 12
    first = box.y - (len(box.lines) - 1) * LABEL_SIZE * 0.625 + LABEL_SIZE * 0.36
    return "".join(
        [
            f'<rect x="{x + 2:.1f}" y="{y + 5:.1f}" {place} fill="#1e2a4a" fill-opacity="0.09"/>',
            f'<rect x="{x:.1f}" y="{y:.1f}" {place} fill="#ffffff" stroke="{look.colour}" stroke-width="2"/>',
            f'<circle cx="{icon_x + ICON / 2:.1f}" cy="{box.y:.1f}" r="{ICON / 2:.1f}" fill="{look.colour}"/>',
            _glyph(look, icon_x + ICON * 0.2, icon_y + ICON * 0.2),
            *(
                text_at(line, text_x, first + number * LABEL_SIZE * 1.25, LABEL_SIZE, weight=600, anchor="start")
                for number, line in enumerate(box.lines)
            ),
        ]
    )


def curve_of(points: Sequence[tuple[float, float]]) -> str:
    """The path through a start point and groups of three control points (cubic Bézier)."""
    (x0, y0), *rest = points
    pieces = (rest[at : at + 3] for at in range(0, len(rest) - 2, 3))
    return f"M{x0:.1f} {y0:.1f}" + "".join("C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in piece) for piece in pieces)


def arrow_head(end: tuple[float, float], tip: tuple[float, float], half: float, length: float | None = None) -> str:
    """The corners of an arrow's head.

    Args:
        end: Where the line ends.
        tip: Where the head points to.
        half: Half its width, in pixels.
        length: How long it is; None for from the line's end, and a pixel over it.
    """
    (bx, by), (tx, ty) = end, tip
    away = math.hypot(tx - bx, ty - by) or 1.0
    ux, uy = (tx - bx) / away, (ty - by) / away
    x, y = (bx - ux, by - uy) if length is None else (tx - length * ux, ty - length * uy)
    corners = (tx, ty), (x - half * uy, y + half * ux), (x + half * uy, y - half * ux)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _arrow(arrow: Arrow) -> str:
    return (
        f'<path d="{curve_of(arrow.points)}" fill="none" stroke="{LINE}" stroke-width="2.4"/>'
        f'<polygon points="{arrow_head(arrow.points[-1], arrow.tip, 6, 12)}" fill="{LINE}"/>'
    )


def _arrow_label(arrow: Arrow) -> str:
    x, y = arrow.label_at or (0.0, 0.0)
    width = text_width(arrow.label, EDGE_LABEL_SIZE) + 12
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - 12:.1f}" width="{width:.1f}" height="24" rx="8" '
        f'fill="{PAPER}" fill-opacity="0.92"/>'
    ) + text_at(arrow.label, x, y + EDGE_LABEL_SIZE * 0.36, EDGE_LABEL_SIZE, fill=SOFT)


def _frame(frame: Frame) -> str:
    return (
        f'<rect x="{frame.x:.1f}" y="{frame.y:.1f}" width="{frame.width:.1f}" height="{frame.height:.1f}" rx="18" '
        f'fill="#4f46e5" fill-opacity="0.05" stroke="#a5b0d0" stroke-width="1.6" stroke-dasharray="7 6"/>'
    )


def _frame_label(frame: Frame) -> str:
    """A frame's label on a ground of its own, over any arrow that comes in there."""
    (x, y), width = frame.label_at, text_width(frame.label, GROUP_LABEL_SIZE, "bold") + 12
    return (
        f'<rect x="{x - 6:.1f}" y="{y - 18:.1f}" width="{width:.1f}" height="24" rx="8" '
        f'fill="{_FRAME_PAPER}" fill-opacity="0.92"/>'
    ) + text_at(frame.label, x, y, GROUP_LABEL_SIZE, fill=SOFT, weight=600, anchor="start")
