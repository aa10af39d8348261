"""`FakeImages`: real PNG files of one colour, which the prompt decides.

Needs no imaging library. Invariant: the file is a valid PNG of the size asked for.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from hashlib import blake2b

from ziggurat.errors import InputError
from ziggurat.picture import Picture

_LARGEST = 4096


class FakeImages:
    """An image model that fills the frame with a colour.

    Args:
        spec: What the pictures name as their model.
        errors: Exceptions by the number of the call, from 1, that raises them.

    Attributes:
        prompts: Every prompt so far, oldest first.
    """

    def __init__(self, spec: str = "fake:images", *, errors: Mapping[int, Exception] | None = None) -> None:
        self.spec = spec
        self.prompts: list[str] = []
        self._errors = dict(errors or {})

    def generate(self, prompt: str, *, size: tuple[int, int] | None = None) -> Picture:
        """A picture of one colour; 16 by 16 pixels by default.

        Raises:
            InputError: If a side is not between 1 and 4096 pixels.
        """
        self.prompts.append(prompt)
        if (error := self._errors.get(len(self.prompts))) is not None:
            raise error
        width, height = size or (16, 16)
        if not (1 <= width <= _LARGEST and 1 <= height <= _LARGEST):
            raise InputError(f"{width}x{height} is not a size of a fake picture.", fix=f"1 to {_LARGEST} a side")
        colour = blake2b(prompt.encode(), digest_size=3).digest()
        return Picture(
            data=png(width, height, colour),
            format="png",
            width=width,
            height=height,
            prompt=prompt,
            kind="illustration",
            model=self.spec,
            provenance={"maker": "a test double: one colour, chosen by the prompt"},
        )

    async def agenerate(self, prompt: str, *, size: tuple[int, int] | None = None) -> Picture:
        """The same."""
        return self.generate(prompt, size=size)


def png(width: int, height: int, colour: bytes) -> bytes:
    """A PNG file of one RGB colour (three bytes)."""

    def piece(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\0" + colour * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", header) + piece(b"IDAT", zlib.compress(rows, 9)) + piece(b"IEND", b"")
