"""One contender in a process of its own, and the memory that it took there.

A process remembers its peak and never gives all memory back, so contenders measured in one process would share a peak.
Memory is what the system says the process holds (resident), at its highest, above what it held at the start.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


def alone(script: str, *arguments: str) -> dict[str, Any]:
    """Run a script again with these arguments; what it printed last, as JSON.

    Raises:
        ImportError: If a package it needs is missing there.
    """
    ended = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)
    if ended.returncode:
        said = ended.stderr.strip().rpartition("\n")[2]
        if said.startswith(("ModuleNotFoundError", "ImportError")):
            raise ImportError(said.partition(": ")[2])
        sys.exit(f"{' '.join(arguments)} failed: {ended.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(ended.stdout.strip().rpartition("\n")[2])
    return found


class Peak:
    """The highest memory of this process above what it holds now."""

    def __init__(self) -> None:
        gc.collect()
        if _CLEAR.exists():
            _CLEAR.write_text(_FORGET_PEAK, "ascii")
        self._start = _kilobytes("VmRSS")

    def megabytes(self) -> float:
        """How far it went above the start since, to a tenth."""
        return max(0.0, round((_kilobytes("VmHWM") - self._start) * 1024 / 1e6, 1))


def _kilobytes(field: str) -> float:
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text("ascii").splitlines() if line.startswith(field))
        return float(line.split()[1])
    # Elsewhere only the peak since the process began is known: of pages of 1 kB, or bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform == "darwin" else float(peak)
