"""A run of a job and the runs of its tasks: their states, and how the service shows them.

Knows nothing of what a task does. Invariant: both forms of a state, the old ``state`` and the newer ``status``,
are worked out from the same fields.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbelow
from typing import Any

from ziggurat.databricks.local.cluster import milliseconds

PENDING, RUNNING, TERMINATING = "PENDING", "RUNNING", "TERMINATING"
TERMINATED, INTERNAL_ERROR, SKIPPED, BLOCKED = "TERMINATED", "INTERNAL_ERROR", "SKIPPED", "BLOCKED"
SUCCESS, FAILED, CANCELED, TIMEDOUT = "SUCCESS", "FAILED", "CANCELED", "TIMEDOUT"
UPSTREAM_FAILED, UPSTREAM_CANCELED, EXCLUDED = "UPSTREAM_FAILED", "UPSTREAM_CANCELED", "EXCLUDED"
ENDED = frozenset({TERMINATED, INTERNAL_ERROR, SKIPPED})
_LARGEST_LOG = 5 << 20  # bytes; the service's bound


def number() -> int:
    """An id of a job or run."""
    return 100_000_000_000 + randbelow(900_000_000_000_000)


@dataclass(slots=True)
class State:
    """Where a run or a task is.

    Attributes:
        life: The life-cycle state.
        result: The result, once there is one.
        message: What a person reads.
        code: Why it ended, of the newer form.
        fault: Whose fault: ``SUCCESS``, ``CLIENT_ERROR``, ``INTERNAL_ERROR``.
    """

    life: str = PENDING
    result: str = ""
    message: str = ""
    code: str = ""
    fault: str = "CLIENT_ERROR"

    def end(self, result: str, message: str = "", *, code: str = "", life: str = TERMINATED) -> None:
        """Say how it ended."""
        self.life, self.result, self.message = life, result, message
        self.code = code or _CODES.get(result, "RUN_EXECUTION_ERROR")
        self.fault = "SUCCESS" if result == SUCCESS else "CLIENT_ERROR"

    def shown(self) -> dict[str, Any]:
        """Both forms."""
        state: dict[str, Any] = {
            "life_cycle_state": self.life,
            "state_message": self.message,
            "user_cancelled_or_timedout": self.result in {CANCELED, TIMEDOUT},
        }
        status: dict[str, Any] = {"state": TERMINATED if self.life in ENDED else self.life}
        if self.result:
            state["result_state"] = self.result
            status["termination_details"] = {"code": self.code, "type": self.fault, "message": self.message}
        return {"state": state, "status": status}


_CODES = {
    SUCCESS: "SUCCESS",
    CANCELED: "USER_CANCELED",
    TIMEDOUT: "CANCELED",
    EXCLUDED: "SKIPPED",
    UPSTREAM_FAILED: "SKIPPED",
    UPSTREAM_CANCELED: "SKIPPED",
    "MAXIMUM_CONCURRENT_RUNS_REACHED": "MAX_CONCURRENT_RUNS_EXCEEDED",
}


@dataclass(slots=True)
class Clock:
    """When something began, was set up, and ended; in milliseconds."""

    start: int = field(default_factory=milliseconds)
    ready: int = 0
    end: int = 0

    def shown(self) -> dict[str, int]:
        """As the service shows it."""
        ready = self.ready or self.end or self.start
        return {
            "start_time": self.start,
            "setup_duration": ready - self.start,
            "execution_duration": self.end - ready if self.end else 0,
            "cleanup_duration": 0,
            "end_time": self.end,
        }


@dataclass(slots=True)
class TaskRun:
    """One attempt at one task.

    Attributes:
        spec: The task as it was declared.
        folder: Its files.
        error: What it raised, and the whole trace.
    """

    spec: Mapping[str, Any]
    folder: Path
    attempt: int = 0
    id: int = field(default_factory=number)
    state: State = field(default_factory=State)
    clock: Clock = field(default_factory=Clock)
    cluster_id: str = ""
    error: str = ""
    trace: str = ""

    @property
    def key(self) -> str:
        """Its name in the job."""
        return str(self.spec["task_key"])

    @property
    def log(self) -> Path:
        """Where its output is."""
        return self.folder / "output.log"

    def shown(self, run: Run) -> dict[str, Any]:
        """The task's run, as the service shows it."""
        shown = {
            **self.spec,
            "run_id": self.id,
            "attempt_number": self.attempt,
            "run_page_url": f"{run.page}/{self.id}",
            **self.state.shown(),
            **self.clock.shown(),
        }
        if self.cluster_id:
            shown["cluster_instance"] = {"cluster_id": self.cluster_id, "spark_context_id": "1"}
        return shown

    def output(self, run: Run) -> dict[str, Any]:
        """What it printed, and what it raised."""
        logs, whole = b"", True
        if self.log.exists():
            size = self.log.stat().st_size
            with self.log.open("rb") as file:
                file.seek(max(0, size - _LARGEST_LOG))
                logs, whole = file.read(), size <= _LARGEST_LOG
        answer: dict[str, Any] = {
            "metadata": self.shown(run) | {"job_id": run.job_id, "run_name": run.name},
            "logs": logs.decode("utf-8", "replace"),
            "logs_truncated": not whole,
        }
        if self.error:
            answer |= {"error": self.error, "error_trace": self.trace}
        return answer


@dataclass(slots=True)
class Run:
    """A run of a job, or one submitted without a job.

    Attributes:
        settings: Tasks, job clusters, environments, time-out, tags: as they were declared.
        overrides: What ``run-now`` gave.
        tasks: Every attempt so far.
        stop: Set to cancel it.
    """

    job_id: int
    name: str
    creator: str
    kind: str
    settings: Mapping[str, Any]
    overrides: Mapping[str, Any]
    page: str = ""
    id: int = field(default_factory=number)
    tasks: list[TaskRun] = field(default_factory=list)
    state: State = field(default_factory=State)
    clock: Clock = field(default_factory=Clock)
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state.life not in ENDED

    def shown(self, *, tasks: bool = True) -> dict[str, Any]:
        """The run, as the service shows it."""
        clock = self.clock.shown()
        if len(self.tasks) > 1:  # the service counts only the whole of several tasks
            clock = {key: clock[key] for key in ("start_time", "end_time")}
        shown: dict[str, Any] = {
            "job_id": self.job_id,
            "run_id": self.id,
            "job_run_id": self.id,
            "number_in_job": self.id,
            "run_name": self.name,
            "run_type": self.kind,
            "format": "MULTI_TASK",
            "creator_user_name": self.creator,
            "run_page_url": self.page,
            "trigger": "ONE_TIME",
            "run_duration": (self.clock.end - self.clock.start) if self.clock.end else 0,
            **self.state.shown(),
            **clock,
        }
        if self.settings.get("job_clusters"):
            shown["job_clusters"] = list(self.settings["job_clusters"])
        if self.overrides:
            shown["overriding_parameters"] = dict(self.overrides)
        if tasks:
            shown["tasks"] = [task.shown(self) for task in self.tasks]
        return shown
