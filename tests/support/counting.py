"""Calls that tests count, and failures they ask for, out of sight of what a stage is told apart by.

What a function closes over is part of what it is; a counter that it closed over would make it another at each call.
"""

from collections import Counter

CALLS: Counter[str] = Counter()
FAILING: set[str] = set()


def called(what: str) -> int:
    """Count a call; how many there were. Raises ValueError if it is to fail."""
    CALLS[what] += 1
    if what in FAILING:
        raise ValueError(f"not {what}")
    return CALLS[what]
