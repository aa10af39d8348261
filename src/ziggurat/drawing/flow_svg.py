"""A placed sketch as SVG: a chart of a chain, as large as it needs to be.

The same elements, fonts and colours as `svg`, so what is drawn here can be rasterised there.
"""

from __future__ import annotations

import math
from xml.sax.saxutils import escape

from ziggurat.drawing.flow_fold import folded
from ziggurat.drawing.flow_layout import (
    FRAME_LABEL_SIZE,
    LABEL_SIZE,
    LINE_HEIGHT,
    LINE_LABEL_SIZE,
    NOTE_SIZE,
    STACK,
    FlowArrow,
    FlowBox,
    FlowFrame,
    FlowLayout,
    frame_label,
    frame_note,
    line_label,
    place_in,
)
from ziggurat.drawing.fonts import text_width
from ziggurat.drawing.raster import MAX_SIDE
from ziggurat.drawing.spec import shorten
from ziggurat.drawing.svg import INK, LINE, PAPER, SOFT, arrow_head, curve_of, svg_open, text_at
from ziggurat.sketch import Sketch

_STAGE, _INPUT, _CHOICE, _BACK = "#4f46e5", "#0284c7", "#d97706", "#c2410c"
_TITLE_SIZE, _CAPTION_SIZE = 26.0, 14.0
_MARGIN, _TITLE_BAND, _CAPTION_BAND = 40.0, 64.0, 30.0
_LONGEST_TITLE, _LONGEST_CAPTION = 90, 160
_SMALLEST = (420.0, 90.0)
_MAX_PIXELS = 40_000_000
_SHARP = 2.0
_GAIN = 1.2
"""How much larger a chart must come out otherwise to give up reading in one line from left to right."""

_GROUNDS = ("#f4f5fe", "#fdfdff")
"""The grounds of frames, by turns, so that nested ones stand out from one another."""


def chart_svg(sketch: Sketch, *, sharp: bool = False) -> str:
    """A chart of a sketch.

    Args:
        sketch: What to draw.
        sharp: Twice as large where that is allowed, for a picture of pixels.

    Raises:
        MissingDependency: Without pygraphviz or Pillow.
        PictureError: If there is nothing to draw, or it cannot be laid out.
    """
    layout = best_place(sketch)
    title, caption = shorten(sketch.title, _LONGEST_TITLE), shorten(sketch.note, _LONGEST_CAPTION)
    text = max(
        text_width(title, _TITLE_SIZE, "bold") + 20 if title else 0.0, text_width(caption, _CAPTION_SIZE), _SMALLEST[0]
    )
    top = _TITLE_BAND if title else 0.0
    width = max(layout.width, text) + 2 * _MARGIN
    height = max(layout.height + 2 * STACK, _SMALLEST[1]) + 2 * _MARGIN + top + (_CAPTION_BAND if caption else 0.0)
    scale = _scale(width, height, sharp=sharp)
    shown_w, shown_h = max(round(width * scale), 1), max(round(height * scale), 1)
    dx = (width - layout.width) / 2
    dy = _MARGIN + top + max(0.0, (_SMALLEST[1] - layout.height) / 2)
    parts = [
        svg_open(shown_w, shown_h),
        f"<title>{escape(title)}</title>" if title else "",
        f'<rect width="{shown_w}" height="{shown_h}" fill="{PAPER}"/>',
        f'<g transform="scale({scale:.5f})">',
        _title(title) if title else "",
        f'<g transform="translate({dx:.1f} {dy:.1f})">',
        *(_frame(one) for one in layout.frames),
        *(_arrow(one) for one in layout.arrows),
        *(_box(one) for one in layout.boxes),
        *(_arrow_label(one) for one in layout.arrows if one.label_at),
        *(_frame_label(one) for one in layout.frames),
        "</g>",
        text_at(caption, _MARGIN, height - 22, _CAPTION_SIZE, fill=SOFT, anchor="start") if caption else "",
        "</g></svg>",
    ]
    return "".join(parts)


def best_place(sketch: Sketch) -> FlowLayout:
    """Place a sketch from left to right, in rows where it is long, or downwards where that is much larger."""
    across = place_in(sketch, "LR")
    if across.fit == 1.0:
        return across
    others = (folded(across), place_in(sketch, "TB"))
    best = max(others, key=lambda one: one.fit)
    return best if best.fit > across.fit * _GAIN else across


def _scale(width: float, height: float, *, sharp: bool) -> float:
    """The scale at which a chart is as large as it should be and no larger than it may be."""
    largest = min(MAX_SIDE / width, MAX_SIDE / height, math.sqrt(_MAX_PIXELS / (width * height)))
    return min(_SHARP if sharp else 1.0, largest)


def _title(title: str) -> str:
    bar = f'<rect x="{_MARGIN:.1f}" y="{_MARGIN - 6:.1f}" width="5" height="34" rx="2.5" fill="{_STAGE}"/>'
    return bar + text_at(title, _MARGIN + 18, _MARGIN + 20, _TITLE_SIZE, weight=600, anchor="start")


def _rect(x: float, y: float, width: float, height: float, radius: float, look: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:.1f}" {look}/>'


def _box(box: FlowBox) -> str:
    x, y = box.x - box.width / 2, box.y - box.height / 2
    match box.shape.kind:
        case "input":
            look = f'fill="#e8f4fc" stroke="{_INPUT}" stroke-width="1.6"'
            drawn = _rect(x, y, box.width, box.height, box.height / 2, look)
        case "choice":
            corners = ((box.x, y), (x + box.width, box.y), (box.x, y + box.height), (x, box.y))
            at = " ".join(f"{corner_x:.1f},{corner_y:.1f}" for corner_x, corner_y in corners)
            drawn = f'<polygon points="{at}" fill="#fff7e8" stroke="{_CHOICE}" stroke-width="1.8"/>'
        case _:
            look = f'fill="#ffffff" stroke="{_STAGE}" stroke-width="1.8"'
            behind = (2 * STACK, STACK, 0.0) if box.shape.stacked else (0.0,)
            shift = STACK if box.shape.stacked else 0.0
            shadow = (
                ""
                if behind[1:]
                else _rect(x + 1, y + 3, box.width, box.height, 10, 'fill="#1e2a4a" fill-opacity="0.08"')
            )
            drawn = shadow + "".join(
                _rect(x + one - shift, y - one + shift, box.width, box.height, 10, look) for one in behind
            )
            return drawn + _lines(box, -shift, shift)
    return drawn + _lines(box, 0.0, 0.0)


def _lines(box: FlowBox, dx: float, dy: float) -> str:
    """A box's label and note, one below the other, in its middle."""
    high = (len(box.label) * LABEL_SIZE + len(box.note) * NOTE_SIZE) * LINE_HEIGHT
    at = box.y - high / 2 + dy
    parts = []
    for size, lines, fill, weight in ((LABEL_SIZE, box.label, INK, 600), (NOTE_SIZE, box.note, SOFT, 400)):
        for line in lines:
            parts.append(text_at(line, box.x + dx, at + size * 0.98, size, fill=fill, weight=weight))
            at += size * LINE_HEIGHT
    return "".join(parts)


def _frame(one: FlowFrame) -> str:
    ground = _GROUNDS[one.depth % len(_GROUNDS)]
    look = f'fill="{ground}" stroke="#a5b0d0" stroke-width="1.5"'
    behind = (2 * STACK, STACK) if one.frame.stacked else ()
    back = "".join(_rect(one.x + by, one.y - by, one.width, one.height, 14, look) for by in behind)
    dashes = "" if one.frame.stacked else ' stroke-dasharray="6 5"'
    return back + _rect(one.x, one.y, one.width, one.height, 14, look + dashes)


def _frame_label(one: FlowFrame) -> str:
    x, y = one.x + 14, one.y + 10 + FRAME_LABEL_SIZE
    label = frame_label(one.frame)
    wide = text_width(label, FRAME_LABEL_SIZE, "bold")
    drawn = text_at(label, x, y, FRAME_LABEL_SIZE, weight=600, anchor="start")
    if one.frame.note:
        drawn += text_at(frame_note(one.frame), x + wide + 10, y, NOTE_SIZE, fill=SOFT, anchor="start")
    return drawn


def _arrow(arrow: FlowArrow) -> str:
    colour = _BACK if arrow.line.back else LINE
    dashes = ' stroke-dasharray="5 4"' if arrow.line.back else ""
    return (
        f'<path d="{curve_of(arrow.points)}" fill="none" stroke="{colour}" stroke-width="1.9"{dashes}/>'
        f'<polygon points="{arrow_head(arrow.points[-1], arrow.tip, 4.5)}" fill="{colour}"/>'
    )


def _arrow_label(arrow: FlowArrow) -> str:
    x, y = arrow.label_at or (0.0, 0.0)
    text = line_label(arrow.line)
    width = text_width(text, LINE_LABEL_SIZE) + 10
    ground = _rect(x - width / 2, y - 10, width, 20, 6, f'fill="{PAPER}" fill-opacity="0.9"')
    fill = _BACK if arrow.line.back else SOFT
    return ground + text_at(text, x, y + LINE_LABEL_SIZE * 0.36, LINE_LABEL_SIZE, fill=fill)
