"""An event loop whose time is simulated: waiting takes no time, and everything happens in order of time."""

from __future__ import annotations

import asyncio
import selectors


class _Selector(selectors.SelectSelector):
    """Instead of waiting for so long, says that so long has passed."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        if timeout is not None and timeout > 0:
            self.now += timeout
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Its ``time`` is the clock to inject into what is tested."""

    def __init__(self):
        self._simulated = _Selector()
        super().__init__(self._simulated)

    def time(self):
        return self._simulated.now


def run(main):
    """Run ``main(loop)``; seconds of it pass at once."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main(runner.get_loop()))
