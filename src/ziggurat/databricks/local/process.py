"""A child process with its whole family: started in a group of its own, bounded in time, ended together.

Knows nothing of jobs. Invariant: when `Child.wait` returns, no process of the group is left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

_LOOK_SECONDS = 0.02
_GRACE_SECONDS = 2.0
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class End(StrEnum):
    """How a child ended."""

    EXITED = "exited"
    TIMED_OUT = "timed out"
    CANCELED = "canceled"


class Child:
    """A process and what it starts.

    Args:
        command: What to run.
        log: Where its output goes, both streams.
        folder: Where it runs.
        environment: The only variables it sees.
    """

    def __init__(self, command: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str]) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (the command is the stand-in's own)
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )

    def wait(self, stop: threading.Event, until: float | None) -> tuple[End, int]:
        """Wait for its end, or bring it about.

        Args:
            stop: Set from elsewhere to cancel it.
            until: When its time is up, on the monotonic clock.

        Returns:
            How it ended, and its exit status.
        """
        while self._runs():
            if stop.is_set():
                self._kill()
                return End.CANCELED, self._process.wait()
            if until is not None and time.monotonic() > until:
                self._kill()
                return End.TIMED_OUT, self._process.wait()
            time.sleep(_LOOK_SECONDS)
        self._signal(_KILL)  # what it left behind; its own number is still taken
        return End.EXITED, self._process.wait()

    def _runs(self) -> bool:
        if not hasattr(os, "waitid"):  # before Python 3.13 macOS has none
            return self._process.poll() is None
        # Looked at without being reaped, so that the group's number cannot be given to somebody else.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def _kill(self) -> None:
        self._signal(signal.SIGTERM)
        until = time.monotonic() + _GRACE_SECONDS
        while self._runs() and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        self._signal(_KILL)

    def _signal(self, number: int) -> None:
        if not hasattr(os, "killpg"):  # Windows has no groups
            self._process.kill()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
