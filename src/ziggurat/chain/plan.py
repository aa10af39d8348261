"""One run of a chain as a state machine without I/O: told what finished, it says what to start.

Knows neither clocks nor tasks nor values; a driver (`run.runner`, for fresh, resumed and replayed runs alike) asks
`start()` once and then reports each stage with `finished` or `failed`. It keeps no levels and no
barriers: a stage is ready the moment its own last parent is done.

    WAITING --ready--> RUNNING --finish--> DONE
       |                  └------fail----> FAILED
       └--skip--> SKIPPED
"""

from __future__ import annotations

from enum import IntEnum

from ziggurat.chain.wiring import Wiring


class State(IntEnum):
    """Where a stage stands in one run."""

    WAITING = 0
    RUNNING = 1
    DONE = 2
    FAILED = 3
    SKIPPED = 4


WAITING, RUNNING, DONE, FAILED, SKIPPED = State

TRANSITIONS: dict[State, dict[str, State]] = {
    WAITING: {"ready": RUNNING, "skip": SKIPPED},
    RUNNING: {"finish": DONE, "fail": FAILED},
    DONE: {},
    FAILED: {},
    SKIPPED: {},
}
"""Every move there is. A report that is not in this table is the driver's mistake and raises."""

_FINISH = {state: moves["finish"] for state, moves in TRANSITIONS.items() if "finish" in moves}
_FAIL = {state: moves["fail"] for state, moves in TRANSITIONS.items() if "fail" in moves}


class Plan:
    """The progress of one run, by stage position.

    Attributes:
        states: Where each stage stands.
        cause: For each skipped stage, the position of the failed stage it waited for.
        left: Stages that are neither done, failed nor skipped.
    """

    __slots__ = ("_awaited", "_children", "_parents", "cause", "left", "states")

    def __init__(self, wiring: Wiring) -> None:
        self._children = wiring.children
        self._parents = wiring.parents
        self._awaited = [len(parents) for parents in wiring.parents]
        self.states: list[State] = [WAITING] * len(wiring.names)
        self.cause: dict[int, int] = {}
        self.left = len(wiring.names)

    def start(self) -> list[int]:
        """The stages that wait for nobody, now running, in declared order."""
        states, ready = self.states, []
        for stage, awaited in enumerate(self._awaited):
            if not awaited and states[stage] is WAITING:
                states[stage] = RUNNING
                ready.append(stage)
        return ready

    def finished(self, stage: int) -> list[int]:
        """A stage is done: the stages that may start now, already marked as running."""
        states = self.states
        states[stage] = _FINISH[states[stage]]
        self.left -= 1
        awaited, ready = self._awaited, []
        for child in self._children[stage]:
            awaited[child] -= 1
            if not awaited[child] and states[child] is WAITING:
                states[child] = RUNNING
                ready.append(child)
        return ready

    def failed(self, stage: int) -> list[int]:
        """A stage failed: everything that waits for it, near or far, is skipped and returned."""
        states = self.states
        states[stage] = _FAIL[states[stage]]
        self.left -= 1
        skipped, front = [], [stage]
        while front:
            for child in self._children[front.pop(0)]:
                if states[child] is WAITING:
                    states[child] = SKIPPED
                    self.cause[child] = stage
                    self.left -= 1
                    skipped.append(child)
                    front.append(child)
        return skipped

    @property
    def over(self) -> bool:
        """Whether nothing is left to run."""
        return self.left == 0
