"""The end of what a program writes to its standard error: kept for the day it dies, shown to nobody else.

A thread reads the pipe, so that a program that writes much never waits; only the last few lines are held.
"""

from __future__ import annotations

import os
import threading
from typing import TextIO

_KEPT = 2000


class LastWords:
    """A pipe for a program's standard error.

    Attributes:
        file: What the program is given.
    """

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.file: TextIO = os.fdopen(writing, "w")
        self._tail = b""
        self._thread = threading.Thread(target=self._read, args=(reading,), name="ziggurat-stderr", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go of our end; the program has its own."""
        self.file.close()

    def __str__(self) -> str:
        """The last line, once the program ended; what there is of it after a moment otherwise."""
        self._thread.join(0.5)
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else ""

    def _read(self, reading: int) -> None:
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            while piece := pipe.read(65536):
                self._tail = (self._tail + piece)[-_KEPT:]
