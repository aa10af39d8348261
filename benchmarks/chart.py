"""A report as one SVG: a panel of bars for each table, values and ratios beside them.

Only what `ziggurat.drawing.raster` allows is written, in the fonts and colours of our other drawings. A panel whose
longest bar would be thirty times its shortest has a logarithmic scale, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from report import Report, Role, Row, Table, number
from ziggurat.drawing.fonts import FAMILY, Weight, text_width

_INK, _SOFT, _LINE, _PAPER, _OURS, _TARGET = "#172033", "#5b6780", "#8793ab", "#fbfcff", "#4f46e5", "#c2410c"
_FILLS: dict[Role, str] = {"ours": _OURS, "peer": "#a9b4cb", "floor": "#dfe4ef"}
_WIDTH, _MARGIN, _GAP = 1200.0, 48.0, 14.0
_BAR, _STEP, _PANEL_TOP, _PANEL_BOTTOM = 20.0, 30.0, 66.0, 34.0
_TITLE_BAND, _FOOT_LINE = 92.0, 20.0
_LOGARITHMIC_FROM = 30.0


def chart_svg(report: Report) -> str:
    """The chart of a report; only its tables of more than one row are drawn."""
    tables = [table for table in report.tables if len(table.rows) > 1]
    foot = [*_wrapped(f"{report.date}: {report.machine}"), *_wrapped(_versions(report))]
    heights = [_PANEL_TOP + _STEP * len(table.rows) + _PANEL_BOTTOM for table in tables]
    height = _TITLE_BAND + sum(heights) + _FOOT_LINE * len(foot) + _MARGIN
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {_WIDTH:.0f} {height:.0f}" font-family={quoteattr(FAMILY)}>'
    )
    parts = [
        svg,
        f"<title>{escape(report.title)}</title>",
        f'<rect width="{_WIDTH:.0f}" height="{height:.0f}" fill="{_PAPER}"/>',
        _text(_MARGIN, 52, report.title, 27, weight="bold"),
        *_legend(tables, _MARGIN, 78),
    ]
    top = _TITLE_BAND
    labels = max(text_width(row.name, 14, _weight(row)) for table in tables for row in table.rows)
    for table, tall in zip(tables, heights, strict=True):
        parts += _panel(table, top, _MARGIN + labels + _GAP)
        top += tall
    parts += [_text(_MARGIN, top + 14 + _FOOT_LINE * at, line, 12.5, _SOFT) for at, line in enumerate(foot)]
    return "".join([*parts, "</svg>"])


def _panel(table: Table, top: float, left: float) -> Iterator[str]:
    sides = {row.name: _beside(table, row) for row in table.rows}
    value = max(text_width(number(row.value), 14, "bold") for row in table.rows)
    room = max(text_width(words, 13) for words in sides.values())
    right = _WIDTH - _MARGIN - value - room - 2 * _GAP
    scale = _Scale(table, left, right)
    order = "less is better" if table.better == "less" else "more is better"
    yield _text(_MARGIN, top + 26, table.title, 18, weight="bold")
    yield _text(_MARGIN, top + 47, f"{table.unit}; {order}{scale.words}", 13, _SOFT)
    bottom = top + _PANEL_TOP + _STEP * len(table.rows)
    for at, label in scale.ticks():
        yield _line(at, top + _PANEL_TOP - 4, at, bottom, "#e3e7f1")
        yield _text(at, bottom + 15, label, 11.5, _SOFT, anchor="middle")
    for position, row in enumerate(table.rows):
        target = table.targets.get(row.name)
        mark = None if target is None else scale.at(target)
        yield from _bar(
            row, sides[row.name], max(scale.at(row.value), left + 2), mark, left, top + _PANEL_TOP + _STEP * position
        )


def _bar(row: Row, beside: str, end: float, mark: float | None, left: float, top: float) -> Iterator[str]:
    """A bar with its words, which stand clear of the mark that it should end at."""
    base = top + _BAR / 2 + 5
    yield _text(left - _GAP, base, row.name, 14, _INK, weight=_weight(row), anchor="end")
    edge = f' stroke="{_LINE}"' if row.role == "floor" else ""
    yield (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{end - left:.1f}" height="{_BAR}" rx="3" '
        f'fill="{_FILLS[row.role]}"{edge}/>'
    )
    value = number(row.value)
    wide = text_width(value, 14, "bold")
    start = end + 8
    if mark is not None:
        yield _line(mark, top - 3, mark, top + _BAR + 3, _PAPER, 5.0)
        yield _line(mark, top - 3, mark, top + _BAR + 3, _TARGET, 2.4)
        if start - 8 < mark < start + wide + text_width(beside, 13) + 17:
            start = mark + 8
    yield _text(start, base, value, 14, _OURS if row.role == "ours" else _INK, weight="bold")
    yield _text(start + wide + 9, base, beside, 13, _SOFT)


class _Scale:
    """Where a value lies between two sides of a panel.

    Args:
        table: What is drawn.
        left: Where bars begin.
        right: Where the longest bar ends.
    """

    def __init__(self, table: Table, left: float, right: float) -> None:
        values = [row.value for row in table.rows if row.value > 0]
        values += table.targets.values()
        low, high = min(values, default=1.0), max(values, default=1.0)
        self._left, self._width = left, right - left
        self.is_logarithmic = high / low > _LOGARITHMIC_FROM
        self._low = 10 ** math.floor(math.log10(low / 1.5)) if self.is_logarithmic else 0.0
        self._high = high
        self.words = "; the scale is logarithmic" if self.is_logarithmic else ""

    def at(self, value: float) -> float:
        """The place of a value."""
        if self.is_logarithmic:
            share = math.log(max(value, self._low) / self._low) / math.log(self._high / self._low)
        else:
            share = value / self._high
        return self._left + self._width * share

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Places to name, with their values."""
        if self.is_logarithmic:
            tick = self._low
            while tick <= self._high * 1.0001:
                yield self.at(tick), _short(tick)
                tick *= 10
            return
        step = 10 ** math.floor(math.log10(self._high))
        step = next(one for one in (step / 5, step / 2, step, step * 2) if self._high / one <= 6)
        for count in range(int(self._high / step) + 1):
            yield self.at(count * step), _short(count * step)


def _beside(table: Table, row: Row) -> str:
    words = table.beside(row) if row.role != "floor" else ""
    floor = table.distance(row) if row.role == "ours" else ""
    floor = (f"{floor} the floor" if table.better == "less" else f"1/{floor[:-1]} of the floor") if floor else ""
    return ", ".join(one for one in (words, floor) if one)


def _legend(tables: Iterable[Table], left: float, base: float) -> Iterator[str]:
    names: dict[Role, str] = {
        "ours": "Ziggurat",
        "peer": "peers",
        "floor": "the floor: the same work with nothing around",
    }
    for role, words in names.items():
        edge = f' stroke="{_LINE}"' if role == "floor" else ""
        yield f'<rect x="{left:.1f}" y="{base - 11:.1f}" width="14" height="14" rx="3" fill="{_FILLS[role]}"{edge}/>'
        yield _text(left + 21, base, words, 13, _SOFT)
        left += 21 + text_width(words, 13) + 24
    if any(table.targets for table in tables):
        yield _line(left + 5, base - 13, left + 5, base + 5, _TARGET, 2.4)
        yield _text(left + 16, base, "to reach", 13, _SOFT)


def _versions(report: Report) -> str:
    return ", ".join(f"{name} {version}" for name, version in report.versions.items())


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, 12.5) > _WIDTH - 2 * _MARGIN:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _weight(row: Row) -> Weight:
    return "bold" if row.role == "ours" else "regular"


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, width: float = 1.0) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _text(
    x: float,
    y: float,
    words: str,
    size: float,
    colour: str = _INK,
    *,
    weight: Weight = "regular",
    anchor: str = "start",
) -> str:
    bold = ' font-weight="600"' if weight == "bold" else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{bold} '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )
