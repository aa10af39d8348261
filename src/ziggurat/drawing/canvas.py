"""What an illustration is painted on: a size, a light, its colours, and its own random numbers.

Values only; what is painted is in `painters` and `scene`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Mood = Literal["night", "sunset", "dawn", "day"]


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a light.

    Attributes:
        sky: From the zenith to the horizon.
        far: Of distant things, which the air tints.
        near: Of close things.
        light: Of the sun or moon.
        window: Of lit windows and lamps.
        water: From the horizon to the shore.
        leaf: Of trees and grass.
    """

    sky: tuple[str, str, str]
    far: str
    near: str
    light: str
    window: str
    water: tuple[str, str]
    leaf: str


PALETTES: dict[Mood, Palette] = {
    "night": Palette(
        ("#070b24", "#1b1f57", "#4a3b8f"), "#2b2f6b", "#0b0e2a", "#f4f1d9", "#ffd978", ("#2d2f74", "#0a0d2b"), "#16324a"
    ),
    "sunset": Palette(
        ("#2b1e5c", "#c2456f", "#ffb36b"), "#8d4a83", "#221540", "#ffe3a6", "#ffd27d", ("#e0766b", "#35205a"), "#3b2a55"
    ),
    "dawn": Palette(
        ("#5b83c4", "#b9b8e2", "#ffd9c2"), "#93a3cc", "#35486f", "#fff3d0", "#ffe7a8", ("#cdbfdc", "#4d74ab"), "#3f7463"
    ),
    "day": Palette(
        ("#2f86dc", "#7fbdf2", "#dff1ff"), "#8fb2d4", "#3a5578", "#fff6c9", "#e8f4ff", ("#7cc4e6", "#1f6fae"), "#3f8f52"
    ),
}


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a painter paints on.

    Attributes:
        width: Pixels.
        height: Pixels.
        mood: The light.
        chance: The picture's own random numbers.
        ground: Where the land ends below, as a share of the height; less than 1 where water begins.
    """

    width: int
    height: int
    mood: Mood
    chance: random.Random
    ground: float = 1.0

    @property
    def colours(self) -> Palette:
        """The colours of the light."""
        return PALETTES[self.mood]

    def x(self, share: float) -> float:
        """A horizontal place, from 0 (left) to 1."""
        return share * self.width

    def y(self, share: float) -> float:
        """A vertical place, from 0 (top) to 1."""
        return share * self.height


SHORE = 0.64
"""Where the water of a sea begins, as a share of the height."""
