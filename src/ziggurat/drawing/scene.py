"""A scene prompt as an illustration: words become painters, painters become SVG.

Deterministic: a prompt always gives the same picture (its hash seeds every choice). It never claims to be a
photograph; the caption inside the picture says what it is. What each thing looks like is in
`painters`; this room only reads the prompt and puts things in order, far to near.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass

from ziggurat.drawing import painters
from ziggurat.drawing.canvas import SHORE, Canvas, Mood
from ziggurat.drawing.painters import Painter
from ziggurat.drawing.spec import shorten
from ziggurat.drawing.svg import caption_text, svg_open

_CAPTION_PROMPT = 120

_DIAGRAM = re.compile(
    r"\b(?:diagrams?|diagramas?|flow ?charts?|fluxogramas?|schema(?:tic)?s?|esquemas?|architectures?|arquitec?turas?"
    r"|concept(?:ual)? maps?|mind ?maps?|org(?:anisation|anization)? charts?|pipelines?|infographics?|work ?flows?"
    r"|timelines?|block charts?|graph of|how .{1,60} works?)\b|示意图|流程图|架构图|概念图|结构图|关系图|图解",
    re.IGNORECASE,
)

_MOODS: tuple[tuple[Mood, str], ...] = (
    ("night", r"night|moon|stars?|star(?:ry|light)|neon|midnight|space|galaxy|夜|星|月|霓虹|noite|noche|lua|luna"),
    ("sunset", r"sunset|dusk|evening|golden hour|twilight|黄昏|日落|晚霞|pôr do sol|atardecer|entardecer"),
    ("dawn", r"dawn|sunrise|morning|黎明|日出|清晨|amanhecer|nascer do sol|amanecer"),
    ("day", r"day|noon|sunny|白天|晴|dia|ensolarad|soleado"),
)

_THINGS: tuple[tuple[str, str, Painter], ...] = (
    ("clouds", r"clouds?|cloudy|sky|云|nuve(?:m|ns)|nubes?", painters.clouds),
    ("planet", r"planets?|mars|space|galaxy|行星|太空|planeta", painters.planet),
    ("mountains", r"mountains?|alps|peaks?|valley|山|montanhas?|montañas?", painters.mountains),
    ("hills", r"hills?|countryside|meadows?|fields?|farm|village|garden|田|草原|colinas?|campos?", painters.hills),
    ("desert", r"deserts?|dunes?|sahara|沙漠|deserto|desierto", painters.desert),
    (
        "city",
        r"cit(?:y|ies)|skyline|towns?|towers?|skyscrapers?|metropolis|urban|buildings?|城市|都市|高楼|cidades?|ciudad(?:es)?",
        painters.city,
    ),
    (
        "forest",
        r"forests?|woods?|trees?|jungle|pines?|park|森林|树|florestas?|árvores?|bosques?|árboles",
        painters.forest,
    ),
    (
        "sea",
        r"sea|ocean|beach|lake|harbou?r|coast|island|waves?|海|湖|mar|praia|océano|oceano|playa|lago",
        painters.sea,
    ),
    ("boats", r"boats?|ships?|sail(?:ing|boat)?s?|yachts?|船|帆|barcos?|navios?", painters.boats),
    ("balloons", r"balloons?|热气球|气球|balões|balão|globos?", painters.balloons),
    ("birds", r"birds?|gulls?|鸟|pássaros?|aves|pájaros?", painters.birds),
    (
        "flying cars",
        (
            r"(?:flying|hover(?:ing)?|airborne) (?:cars?|vehicles?|taxis?)|飞行(?:的)?汽车|飞车|会飞的(?:汽车|车)"
            r"|(?:carros?|coches?|autos?) voadores?|(?:coches|autos|carros) voladores|drones?"
        ),
        painters.flying_cars,
    ),
    ("rain", r"rain(?:y|ing)?|storms?|雨|chuva|lluvia", painters.rain),
    ("snow", r"snow(?:y|ing)?|winter|blizzard|雪|冬|neve|nieve|inverno|invierno", painters.snow),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A painted scene.

    Attributes:
        svg: The picture.
        things: What was recognised in the prompt and painted, far to near.
        mood: The light it was painted in.
        seed: What the prompt's hash seeded.
    """

    svg: str
    things: tuple[str, ...]
    mood: Mood
    seed: int


def is_diagram(prompt: str) -> bool:
    """Whether a prompt asks for a diagram; anything else is a scene."""
    return bool(_DIAGRAM.search(prompt))


def paint(prompt: str, *, width: int = 1600, height: int = 900) -> Scene:
    """Paint what a prompt names, ``width`` by ``height`` pixels.

    A prompt that names nothing known gets hills under a sky, and ``things`` says so by being empty.
    """
    seed = int.from_bytes(hashlib.sha256(prompt.encode("utf-8", errors="replace")).digest()[:8], "big")
    chance = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    found = tuple((name, painter) for name, pattern, painter in _THINGS if _names(pattern, prompt))
    mood = next((mood for mood, pattern in _MOODS if _names(pattern, prompt)), None) or _usual_mood(prompt, chance)
    ground = SHORE if any(name == "sea" for name, _ in found) else 1.0
    canvas = Canvas(width, height, mood, chance, ground)
    layers = [painters.sky(canvas)]
    layers += [painter(canvas) for _, painter in found] or [painters.clouds(canvas), painters.hills(canvas)]
    caption = f"Illustration drawn by a program; not a photograph: “{shorten(prompt, _CAPTION_PROMPT)}”"
    foot = f'<rect y="{height * 0.93:.0f}" width="{width}" height="{height * 0.07 + 1:.0f}" fill="#0b1020" fill-opacity="0.62"/>'
    svg = "".join(
        [
            svg_open(width, height),
            *layers,
            foot,
            caption_text(caption, width, height, min(width, height) / 900, "#ffffff"),
            "</svg>",
        ]
    )
    return Scene(svg, tuple(name for name, _ in found), mood, seed)


def _names(pattern: str, prompt: str) -> bool:
    return bool(re.search(rf"(?<![a-zà-ÿ])(?:{pattern})(?![a-zà-ÿ])", prompt, re.IGNORECASE))


def _usual_mood(prompt: str, chance: random.Random) -> Mood:
    """The light when the prompt names none: a future lies at dusk, anything else by day."""
    if re.search(r"futur|sci-?fi|cyber|未来|科幻", prompt, re.IGNORECASE):
        return "sunset"
    return chance.choice(("day", "dawn"))
