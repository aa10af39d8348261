"""States that take time: what a thing is now, by how long ago it began to become it.

Nothing runs in the background: a state is worked out when somebody asks. Knows nothing of clusters or
endpoints.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Timeline:
    """A walk through states.

    Attributes:
        steps: Each state with the seconds it lasts; the last one lasts for good, whatever is written there.
        since: When the walk began, in seconds of the monotonic clock.
    """

    steps: list[tuple[str, float]]
    since: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> str:
        """The state at this moment."""
        left = time.monotonic() - self.since
        for state, seconds in self.steps[:-1]:
            if left < seconds:
                return state
            left -= seconds
        return self.steps[-1][0]

    @property
    def settled(self) -> bool:
        """Whether the last state is reached."""
        return time.monotonic() - self.since >= sum(seconds for _, seconds in self.steps[:-1])

    def walk(self, *steps: tuple[str, float]) -> None:
        """Begin another walk now."""
        self.steps = list(steps)
        self.since = time.monotonic()
