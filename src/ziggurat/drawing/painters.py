"""How single things look in an illustration: a sky, a city, a flying car.

Each painter takes a `Canvas` and returns SVG; all sizes are shares of the canvas, all chance comes from
it. Which painters are called, and in which order, is decided in `scene`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ziggurat.drawing.canvas import SHORE, Canvas

Painter = Callable[[Canvas], str]


def _rect(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" {more}/>'


def _disc(x: float, y: float, radius: float, fill: str, more: str = "") -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" {more}/>'


def _gradient(name: str, *colours: str) -> str:
    stops = "".join(
        f'<stop offset="{position / (len(colours) - 1):.2f}" stop-color="{colour}"/>'
        for position, colour in enumerate(colours)
    )
    return f'<defs><linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1">{stops}</linearGradient></defs>'


def _ridge(canvas: Canvas, base: float, rise: float, rough: int, fill: str, opacity: float = 1.0) -> str:
    """A line of land: ``base`` and ``rise`` as shares of the height, ``rough`` the number of summits."""
    points = []
    phase = canvas.chance.uniform(0, math.tau)
    for step in range(rough * 8 + 1):
        at = step / (rough * 8)
        wave = math.sin(at * math.pi * rough + phase) * 0.5 + math.sin(at * math.pi * rough * 2.7 + 2 * phase) * 0.22
        points.append(f"{canvas.x(at):.1f} {canvas.y(base - rise * (wave + canvas.chance.uniform(0, 0.12))):.1f}")
    return (
        f'<path d="M0 {canvas.height} L{" L".join(points)} L{canvas.width} {canvas.height}z" '
        f'fill="{fill}" fill-opacity="{opacity}"/>'
    )


def sky(canvas: Canvas) -> str:
    """The sky with its sun or moon, and stars at night."""
    colours, chance = canvas.colours, canvas.chance
    parts = [_gradient("sky", *colours.sky), _rect(0, 0, canvas.width, canvas.height, "url(#sky)")]
    if canvas.mood in ("night", "sunset"):
        count = 170 if canvas.mood == "night" else 45
        parts += [
            _disc(
                canvas.x(chance.random()),
                canvas.y(chance.random() * (0.6 if canvas.mood == "night" else 0.28)),
                chance.uniform(0.6, 2.0),
                "#ffffff",
                f'fill-opacity="{chance.uniform(0.3, 0.95):.2f}"',
            )
            for _ in range(count)
        ]
    height = {"night": 0.2, "sunset": 0.52, "dawn": 0.46, "day": 0.18}[canvas.mood]
    x, y, radius = canvas.x(chance.uniform(0.62, 0.8)), canvas.y(height), canvas.y(0.075)
    parts += [
        _disc(x, y, radius * grow, colours.light, f'fill-opacity="{opacity}"')
        for grow, opacity in ((3.4, 0.08), (2.2, 0.12), (1.5, 0.2), (1.0, 1.0))
    ]
    return "".join(parts)


def clouds(canvas: Canvas) -> str:
    """Soft clouds in the upper third."""
    parts = []
    for _ in range(6):
        x, y, size = (
            canvas.chance.random() * canvas.width,
            canvas.y(canvas.chance.uniform(0.08, 0.34)),
            canvas.y(canvas.chance.uniform(0.025, 0.055)),
        )
        for offset in range(-2, 3):
            radius = size * (1.25 - abs(offset) * 0.28)
            opacity = 0.55 if canvas.mood in ("day", "dawn") else 0.16
            parts.append(_disc(x + offset * size * 1.05, y, radius, "#ffffff", f'fill-opacity="{opacity}"'))
    return "".join(parts)


def planet(canvas: Canvas) -> str:
    """A ringed planet, high at the left."""
    x, y, radius = canvas.x(0.2), canvas.y(0.24), canvas.y(0.12)
    ring = (
        f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{radius * 1.9:.1f}" ry="{radius * 0.5:.1f}" fill="none" '
        f'stroke="#ffe9c4" stroke-opacity="0.75" stroke-width="{radius * 0.12:.1f}" transform="rotate(-16 {x:.1f} {y:.1f})"/>'
    )
    shade = _disc(x + radius * 0.25, y + radius * 0.2, radius * 0.8, "#00000022")
    return _disc(x, y, radius, "#d98f6a") + shade + ring


def mountains(canvas: Canvas) -> str:
    """Three ranges, the farthest palest."""
    far, near = canvas.colours.far, canvas.colours.near
    return (
        _ridge(canvas, 0.52, 0.2, 5, far, 0.55)
        + _ridge(canvas, 0.62, 0.17, 6, far, 0.9)
        + _ridge(canvas, 0.76, 0.12, 4, near, 0.85)
    )


def hills(canvas: Canvas) -> str:
    """Rolling green land."""
    leaf = canvas.colours.leaf
    return (
        _ridge(canvas, 0.68, 0.05, 3, canvas.colours.far, 0.8)
        + _ridge(canvas, 0.76, 0.06, 2, leaf, 0.85)
        + _ridge(canvas, 0.88, 0.05, 3, leaf)
    )


def desert(canvas: Canvas) -> str:
    """Dunes."""
    return (
        _ridge(canvas, 0.66, 0.05, 3, "#e9b872", 0.9)
        + _ridge(canvas, 0.77, 0.06, 2, "#d99a4e")
        + _ridge(canvas, 0.9, 0.04, 3, "#b97433")
    )


def sea(canvas: Canvas) -> str:
    """Water from the horizon to the lower edge, with glints under the light."""
    parts = [
        _gradient("water", *canvas.colours.water),
        _rect(0, canvas.y(SHORE), canvas.width, canvas.y(1 - SHORE) + 1, "url(#water)"),
    ]
    for _ in range(90):
        depth = canvas.chance.random()
        length = canvas.x(0.01 + 0.05 * depth)
        x, y = canvas.chance.random() * canvas.width, canvas.y(SHORE + 0.02 + 0.32 * depth)
        parts.append(_rect(x, y, length, 1.5 + 2 * depth, canvas.colours.light, 'fill-opacity="0.28" rx="1.5"'))
    return "".join(parts)


def city(canvas: Canvas) -> str:
    """A skyline in three depths, with lit windows, spires and a street at its foot."""
    colours, chance = canvas.colours, canvas.chance
    parts = []
    for depth, (base, low, high, opacity) in enumerate(
        ((0.84, 0.2, 0.46, 0.45), (0.9, 0.22, 0.52, 0.75), (0.97, 0.14, 0.4, 1.0))
    ):
        fill = colours.far if depth == 0 else colours.near
        x = -canvas.x(0.02)
        while x < canvas.width:
            width = canvas.x(chance.uniform(0.032, 0.068))
            height = canvas.y(canvas.ground * chance.uniform(low, high)) * (0.72 if chance.random() < 0.4 else 1.0)  # noqa: PLR2004 (two of five are low)
            parts.append(
                _tower(
                    canvas,
                    x,
                    canvas.y(canvas.ground * base) - height,
                    width,
                    height + canvas.y(0.2),
                    fill,
                    opacity,
                    depth,
                )
            )
            x += width + canvas.x(chance.uniform(0.002, 0.016))
    parts.append(_rect(0, canvas.y(canvas.ground * 0.955), canvas.width, canvas.y(0.05), "#0d1022"))
    return "".join(parts)


def _tower(
    canvas: Canvas, x: float, y: float, width: float, height: float, fill: str, opacity: float, depth: int
) -> str:
    chance, parts = canvas.chance, []
    shape = chance.choice(("flat", "spire", "slant", "dome"))
    match shape:
        case "spire":
            parts.append(_rect(x + width * 0.47, y - width * 0.9, width * 0.06, width * 0.95, fill))
            parts.append(_disc(x + width * 0.5, y - width * 0.9, width * 0.05, "#ff5d7a"))
        case "slant":
            corners = f"{x:.1f},{y:.1f} {x + width:.1f},{y - width * 0.55:.1f} {x + width:.1f},{y + 1:.1f}"
            parts.append(f'<polygon points="{corners}" fill="{fill}"/>')
        case "dome":
            parts.append(_disc(x + width / 2, y, width / 2, fill))
    parts.append(_rect(x, y, width, height, fill))
    columns, step = max(2, int(width // 15)), width / max(2, int(width // 15))
    lit = 0.5 if canvas.mood in ("night", "sunset") else 0.3
    for row in range(int(height * 0.86 // 17)):
        for column in range(columns):
            if depth and chance.random() < lit:
                window_x, window_y = x + column * step + step * 0.28, y + 12 + row * 17
                bright = chance.uniform(0.35, 0.95)
                parts.append(
                    _rect(window_x, window_y, step * 0.44, 8, canvas.colours.window, f'fill-opacity="{bright:.2f}"')
                )
    return f'<g opacity="{opacity}">' + "".join(parts) + "</g>"


def forest(canvas: Canvas) -> str:
    """Conifers along the lower edge, near ones darker."""
    parts = []
    for row, opacity in ((0.8, 0.6), (0.9, 0.85), (1.0, 1.0)):
        floor = canvas.y(canvas.ground * (row - 0.015))
        parts.append(_rect(0, floor, canvas.width, canvas.y(0.25), canvas.colours.leaf, f'fill-opacity="{opacity}"'))
        for _ in range(34):
            x, height = canvas.chance.random() * canvas.width, canvas.y(canvas.ground * canvas.chance.uniform(0.1, 0.2))
            base = canvas.y(canvas.ground * row)
            tiers = "".join(
                f'<polygon points="{x:.1f},{base - height * (0.45 + 0.28 * tier):.1f} '
                f"{x - height * (0.26 - 0.06 * tier):.1f},{base - height * 0.26 * tier:.1f} "
                f'{x + height * (0.26 - 0.06 * tier):.1f},{base - height * 0.26 * tier:.1f}" '
                f'fill="{canvas.colours.leaf}"/>'
                for tier in range(3)
            )
            parts.append(f'<g opacity="{opacity}">{tiers}</g>')
    return "".join(parts)


def boats(canvas: Canvas) -> str:
    """Sailing boats on the lower half."""
    parts = []
    for _ in range(3):
        x, y, size = (
            canvas.x(canvas.chance.uniform(0.1, 0.9)),
            canvas.y(canvas.chance.uniform(0.72, 0.86)),
            canvas.y(0.06),
        )
        hull = f"M{x - size:.1f} {y:.1f}h{2 * size:.1f}l{-size * 0.35:.1f} {size * 0.4:.1f}h{-size * 1.3:.1f}z"
        sail = f"M{x:.1f} {y - size * 0.1:.1f}v{-size * 1.7:.1f}l{size * 0.9:.1f} {size * 1.6:.1f}z"
        parts.append(f'<path d="{hull}" fill="{canvas.colours.near}"/><path d="{sail}" fill="#fdf8ee"/>')
    return "".join(parts)


def balloons(canvas: Canvas) -> str:
    """Hot-air balloons."""
    parts = []
    for _ in range(4):
        x, y = canvas.x(canvas.chance.uniform(0.1, 0.9)), canvas.y(canvas.chance.uniform(0.14, 0.45))
        size = canvas.y(canvas.chance.uniform(0.035, 0.07))
        colour = canvas.chance.choice(("#ef4444", "#f59e0b", "#10b981", "#6366f1", "#ec4899"))
        parts += [
            _disc(x, y, size, colour),
            f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{size * 0.42:.1f}" ry="{size:.1f}" fill="#ffffff" fill-opacity="0.35"/>',
            (
                f'<path d="M{x - size * 0.7:.1f} {y + size * 0.7:.1f}L{x - size * 0.16:.1f} {y + size * 1.6:.1f}h{size * 0.32:.1f}'
                f'L{x + size * 0.7:.1f} {y + size * 0.7:.1f}z" fill="{colour}" fill-opacity="0.5"/>'
            ),
            _rect(x - size * 0.16, y + size * 1.55, size * 0.32, size * 0.3, "#5b3a1e", 'rx="2"'),
        ]
    return "".join(parts)


def birds(canvas: Canvas) -> str:
    """A loose flock."""
    parts = []
    for _ in range(9):
        x, y = canvas.x(canvas.chance.uniform(0.1, 0.6)), canvas.y(canvas.chance.uniform(0.1, 0.36))
        size = canvas.y(canvas.chance.uniform(0.008, 0.017))
        wings = f"q{size * 0.6:.1f} {-size:.1f} {size:.1f} 0q{size * 0.4:.1f} {-size:.1f} {size:.1f} 0"
        parts.append(
            f'<path d="M{x:.1f} {y:.1f}{wings}" fill="none" stroke="{canvas.colours.near}" stroke-width="2.4" '
            'stroke-linecap="round"/>'
        )
    return "".join(parts)


def flying_cars(canvas: Canvas) -> str:
    """Cars in lanes of the air, near ones larger, each with its glow and its trail of light."""
    chance, parts = canvas.chance, []
    lanes = ((0.2, 0.5, 6), (0.34, 0.75, 5), (0.5, 1.15, 4), (0.68, 1.6, 2))
    for lane, size, count in lanes:
        heading = chance.choice((-1, 1))
        for number in range(count):
            x = canvas.x((number + chance.uniform(0.15, 0.85)) / count)
            y = canvas.y(lane + chance.uniform(-0.035, 0.035))
            parts.append(_flying_car(canvas, x, y, canvas.y(0.033) * size, heading))
    return "".join(parts)


def _flying_car(canvas: Canvas, x: float, y: float, size: float, heading: int) -> str:
    colour = canvas.chance.choice(("#22d3ee", "#f472b6", "#a3e635", "#fbbf24", "#f8fafc", "#818cf8"))
    trail = "".join(
        _rect(
            -size * (1.4 + 4.2 * part),
            -size * 0.1,
            size * 4.2 * part,
            size * 0.14,
            colour,
            f'fill-opacity="{0.16}" rx="2"',
        )
        for part in (0.35, 0.65, 1.0)
    )
    body = (
        f'<path d="M{-size * 1.5:.1f} {size * 0.08:.1f}q{size * 0.1:.1f} {-size * 0.36:.1f} {size * 0.65:.1f} {-size * 0.4:.1f}'
        f"q{size * 0.35:.1f} {-size * 0.5:.1f} {size * 0.95:.1f} {-size * 0.46:.1f}q{size * 0.6:.1f} 0 {size * 0.85:.1f} {size * 0.5:.1f}"
        f"q{size * 0.6:.1f} {size * 0.06:.1f} {size * 0.66:.1f} {size * 0.42:.1f}q{-size * 0.1:.1f} {size * 0.24:.1f} {-size * 0.4:.1f} {size * 0.24:.1f}"
        f'h{-size * 2.3:.1f}q{-size * 0.36:.1f} 0 {-size * 0.41:.1f} {-size * 0.3:.1f}z" fill="{colour}"/>'
    )
    glass = (
        f'<path d="M{-size * 0.62:.1f} {-size * 0.34:.1f}q{size * 0.3:.1f} {-size * 0.3:.1f} {size * 0.66:.1f} {-size * 0.3:.1f}'
        f'q{size * 0.44:.1f} 0 {size * 0.62:.1f} {size * 0.34:.1f}z" fill="#0b1630" fill-opacity="0.75"/>'
    )
    glow = (
        f'<ellipse cx="0" cy="{size * 0.58:.1f}" rx="{size * 1.1:.1f}" ry="{size * 0.16:.1f}" fill="#7df9ff" fill-opacity="0.55"/>'
        f'<ellipse cx="0" cy="{size * 0.62:.1f}" rx="{size * 1.6:.1f}" ry="{size * 0.3:.1f}" fill="#7df9ff" fill-opacity="0.18"/>'
    )
    lamp = _disc(size * 1.62, size * 0.12, size * 0.1, "#fffbe0") + _disc(
        size * 1.62, size * 0.12, size * 0.3, "#fffbe0", 'fill-opacity="0.25"'
    )
    return f'<g transform="translate({x:.1f} {y:.1f}) scale({heading} 1)">{trail}{glow}{body}{glass}{lamp}</g>'


def rain(canvas: Canvas) -> str:
    """Slanting rain over everything."""
    drops = []
    for _ in range(260):
        x, y = canvas.chance.random() * canvas.width, canvas.chance.random() * canvas.height
        drops.append(f"M{x:.1f} {y:.1f}l-7 24")
    return f'<path d="{"".join(drops)}" stroke="#dbeafe" stroke-opacity="0.4" stroke-width="1.5" fill="none"/>'


def snow(canvas: Canvas) -> str:
    """Falling snow over everything."""
    return "".join(
        _disc(
            canvas.chance.random() * canvas.width,
            canvas.chance.random() * canvas.height,
            canvas.chance.uniform(1.2, 4.5),
            "#ffffff",
            'fill-opacity="0.85"',
        )
        for _ in range(240)
    )
