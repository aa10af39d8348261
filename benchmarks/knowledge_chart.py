"""Shares with their intervals as one SVG: a panel for each table, a bar, a whisker and the value for each line.

Drawn in the fonts and colours of our other charts, and only with what `ziggurat.drawing.raster` allows. All scales
run from 0 to 100 per cent, so that panels compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from ziggurat.drawing.fonts import FAMILY, text_width
from ziggurat.evaluation import Figure

Kind = Literal["ours", "peer", "floor"]

_INK, _SOFT, _GRID, _PAPER, _TARGET, _EDGE = "#172033", "#5b6780", "#e3e7f1", "#fbfcff", "#c2410c", "#8793ab"
_FILLS: dict[Kind, str] = {"ours": "#4f46e5", "peer": "#a9b4cb", "floor": "#dfe4ef"}
_NAMES: dict[Kind, str] = {"ours": "Ziggurat", "peer": "others, and each leg alone", "floor": "what it is held against"}
_WIDTH, _MARGIN, _GAP, _VALUE = 1200.0, 48.0, 14.0, 150.0
_BAR, _STEP, _HEAD, _FOOT, _TOP = 18.0, 29.0, 62.0, 36.0, 96.0


@dataclass(frozen=True)
class Bar:
    """One line of a panel."""

    name: str
    kind: Kind
    figure: Figure
    target: float | None = None


@dataclass(frozen=True)
class Panel:
    """One table."""

    title: str
    measure: str
    bars: Sequence[Bar]


def shares_svg(title: str, panels: Sequence[Panel], foot: str) -> str:
    """The whole chart."""
    height = _TOP + sum(_HEAD + _STEP * len(one.bars) + _FOOT for one in panels) + 40
    left = _MARGIN + _GAP + max(text_width(bar.name, 14, "bold") for one in panels for bar in one.bars)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {_WIDTH:.0f} {height:.0f}" font-family={quoteattr(FAMILY)}>'
        ),
        f'<title>{escape(title)}</title><rect width="{_WIDTH:.0f}" height="{height:.0f}" fill="{_PAPER}"/>',
        _text(_MARGIN, 50, title, 26, bold=True),
        *_legend(_MARGIN, 78),
    ]
    top = _TOP
    for one in panels:
        parts += _panel(one, top, left)
        top += _HEAD + _STEP * len(one.bars) + _FOOT
    return "".join([*parts, _text(_MARGIN, top + 16, foot, 12.5, _SOFT), "</svg>"])


def _panel(panel: Panel, top: float, left: float) -> Iterator[str]:
    right = _WIDTH - _MARGIN - _VALUE

    def at(share: float) -> float:
        return left + (right - left) * share

    bottom = top + _HEAD + _STEP * len(panel.bars)
    yield _text(_MARGIN, top + 24, panel.title, 18, bold=True)
    yield _text(_MARGIN, top + 44, f"{panel.measure}, %, with 95 % intervals; more is better", 13, _SOFT)
    for tenth in range(0, 11, 2):
        yield _line(at(tenth / 10), top + _HEAD - 4, at(tenth / 10), bottom, _GRID, 1)
        yield _text(at(tenth / 10), bottom + 14, str(tenth * 10), 11.5, _SOFT, anchor="middle")
    for place, bar in enumerate(panel.bars):
        yield from _bar(bar, top + _HEAD + _STEP * place, left, at(bar.figure.value), [at(0), at(1)], right)


def _bar(bar: Bar, top: float, left: float, end: float, scale: Sequence[float], right: float) -> Iterator[str]:
    middle, ours = top + _BAR / 2, bar.kind == "ours"

    def at(share: float) -> float:
        return scale[0] + (scale[1] - scale[0]) * share

    edge = f' stroke="{_EDGE}"' if bar.kind == "floor" else ""
    yield _text(left - _GAP, middle + 5, bar.name, 14, anchor="end", bold=ours)
    yield (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(end - left, 1):.1f}" height="{_BAR}" rx="3" '
        f'fill="{_FILLS[bar.kind]}"{edge}/>'
    )
    low, high = at(bar.figure.low), at(bar.figure.high)
    yield _line(low, middle, high, middle, _INK, 1.6)
    for side in (low, high):
        yield _line(side, middle - 4, side, middle + 4, _INK, 1.6)
    if bar.target is not None:
        yield _line(at(bar.target), top - 4, at(bar.target), top + _BAR + 4, _TARGET, 2.6)
    yield _text(right + 12, middle + 5, f"{100 * bar.figure.value:.1f}", 14, bold=ours)
    told = f"{100 * bar.figure.low:.1f} to {100 * bar.figure.high:.1f}"
    yield _text(right + 56, middle + 5, told, 12.5, _SOFT)


def _legend(left: float, base: float) -> Iterator[str]:
    for kind, words in _NAMES.items():
        yield f'<rect x="{left:.1f}" y="{base - 11:.1f}" width="14" height="14" rx="3" fill="{_FILLS[kind]}"/>'
        yield _text(left + 21, base, words, 13, _SOFT)
        left += 45 + text_width(words, 13)
    yield _line(left + 5, base - 13, left + 5, base + 5, _TARGET, 2.6)
    yield _text(left + 16, base, "to reach", 13, _SOFT)


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, width: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _text(
    x: float, y: float, words: str, size: float, colour: str = _INK, *, anchor: str = "start", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{weight} text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )
