"""`Picture`: what every image maker returns. A leaf: it knows neither models nor chains."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

PictureFormat = Literal["png", "svg", "jpeg", "webp"]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image with the story of how it came to be.

    Attributes:
        data: The encoded file, byte for byte.
        format: The encoding of ``data``.
        width: Pixels.
        height: Pixels.
        prompt: What was asked for.
        kind: ``"photo"`` from an image model, ``"diagram"`` from a typed spec, ``"illustration"``
            from the procedural painter. An illustration says so inside the image as well.
        model: The model spec that drew it or wrote its spec.
        svg: The vector original where there is one, for people who want to edit it.
        provenance: Ordered facts, written into the file's metadata when it is saved as PNG.
    """

    data: bytes = field(repr=False)
    format: PictureFormat
    width: int
    height: int
    prompt: str
    kind: Literal["photo", "diagram", "illustration"]
    model: str
    svg: str | None = field(default=None, repr=False)
    provenance: dict[str, str] = field(default_factory=dict)

    def save(self, path: str | Path) -> Path:
        """Write the file, creating its folder; returns the path written."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.data)
        return target

    def _repr_mimebundle_(self, **_: object) -> dict[str, bytes | str]:
        """Notebooks show the picture itself."""
        mime = "image/svg+xml" if self.format == "svg" else f"image/{self.format}"
        return {mime: self.data.decode() if self.format == "svg" else self.data}
