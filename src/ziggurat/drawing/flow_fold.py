"""A long chart folded into rows, as a text is into lines.

It is cut where no box or frame stands and few arrows pass; those are led round the end of their row
to the start of the next. A chart that has no such places is left as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

from ziggurat.drawing.flow_layout import FlowArrow, FlowLayout
from ziggurat.drawing.layout import Point

_ASPECT = 1.7
"""Width to height that a folded chart should have."""

_GAP = 56.0
"""Pixels between rows: room for the arrows that pass there."""

_LANE = 9.0
_MOST_PASSING = 4
_BEFORE_TIP = 12.0


def folded(layout: FlowLayout) -> FlowLayout:
    """The chart in rows, or as it is where it cannot be cut."""
    rows = round(math.sqrt(layout.width / (_ASPECT * (layout.height + _GAP))))
    cuts = _cuts(layout, rows)
    if not cuts:
        return layout
    edges = [0.0, *cuts, layout.width]
    wide = max(end - start for start, end in pairwise(edges))
    step = layout.height + _GAP
    side = _LANE * (_MOST_PASSING + 1)

    def row(x: float) -> int:
        return sum(x > cut for cut in cuts)

    def moved(point: Point, at: int) -> Point:
        return point[0] - edges[at] + side, point[1] + at * step

    boxes = []
    for box in layout.boxes:
        x, y = moved((box.x, box.y), row(box.x))
        boxes.append(replace(box, x=x, y=y))
    frames = []
    for frame in layout.frames:
        x, y = moved((frame.x, frame.y), row(frame.x))
        frames.append(replace(frame, x=x, y=y))
    arrows, lanes = [], [0] * (len(cuts) + 1)
    for arrow in layout.arrows:
        first, last = row(arrow.points[0][0]), row(arrow.tip[0])
        if first == last:
            label_at = None if arrow.label_at is None else moved(arrow.label_at, first)
            kept = tuple(moved(point, first) for point in arrow.points)
            arrows.append(FlowArrow(arrow.line, kept, moved(arrow.tip, first), label_at))
            continue
        lanes[first] += 1
        ends = moved(arrow.points[0], first), moved(arrow.tip, last)
        arrows.append(_led_round(arrow, ends, (wide + side, first, step), lanes[first]))
    height = layout.height + len(cuts) * step
    return FlowLayout(wide + 2 * side, height, tuple(boxes), tuple(frames), tuple(arrows))


def _cuts(layout: FlowLayout, rows: int) -> list[float]:
    """Where to cut into so many rows: empty when that cannot be done well."""
    if rows < 2:  # noqa: PLR2004 (one row is no folding)
        return []
    spans = [(box.x - box.width / 2, box.x + box.width / 2) for box in layout.boxes]
    spans += [(frame.x, frame.x + frame.width) for frame in layout.frames]
    free = list(_gaps(spans))
    wanted = [number * layout.width / rows for number in range(1, rows)]
    cuts = sorted({min(free, key=partial(_distance, at)) for at in wanted}) if free else []
    for cut in cuts:
        passing = [one for one in layout.arrows if (one.points[0][0] < cut) != (one.tip[0] < cut)]
        if len(passing) > _MOST_PASSING or any(one.tip[0] < cut for one in passing):
            return []
    return cuts


def _distance(one: float, other: float) -> float:
    return abs(one - other)


def _gaps(spans: Sequence[tuple[float, float]]) -> Iterator[float]:
    """The middles of the gaps between spans."""
    reached = -math.inf
    for start, end in sorted(spans):
        if start > reached > -math.inf:
            yield (start + reached) / 2
        reached = max(reached, end)


def _led_round(arrow: FlowArrow, ends: tuple[Point, Point], course: tuple[float, int, float], lane: int) -> FlowArrow:
    """An arrow to a later row: out at the right, back between the rows, in at the left."""
    (x0, y0), (x1, y1) = ends
    right, first, step = course
    aside = lane * _LANE
    between = (first + 1) * step - _GAP / 2 + aside - _GAP / 4
    left = aside
    corners = [
        (x0, y0),
        (right + aside, y0),
        (right + aside, between),
        (left, between),
        (left, y1),
        (x1 - _BEFORE_TIP, y1),
    ]
    label_at = None if arrow.label_at is None else ((left + right) / 2, between)
    return FlowArrow(arrow.line, tuple(_rounded(corners)), (x1, y1), label_at)


def _rounded(corners: Sequence[Point], radius: float = 10.0) -> Iterator[Point]:
    """A path along corners, in cubic pieces, the corners rounded."""
    yield corners[0]
    at = corners[0]
    for corner, after in pairwise(corners[1:]):
        before, behind = _towards(corner, at, radius), _towards(corner, after, radius)
        yield from (at, before, before)
        yield from (corner, corner, behind)
        at = behind
    yield from (at, corners[-1], corners[-1])


def _towards(start: Point, end: Point, far: float) -> Point:
    """The point some way from one to another, half way at most."""
    length = math.hypot(end[0] - start[0], end[1] - start[1]) or 1.0
    share = min(far / length, 0.5)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
