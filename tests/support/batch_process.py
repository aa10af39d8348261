"""`ziggurat batch` in processes of their own that begin at once: one process imports it all, and forks each.

Each is a real process, killed as any other. What it printed is in a file.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

_LONGEST_SECONDS = 120


class Batches:
    """Makes processes; a context manager. One at a time.

    Args:
        folder: Where what they print goes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_) -> None:
        self._server.stdin.close()
        self._server.wait(_LONGEST_SECONDS)
        self._server.stdout.close()

    def begin(self, *arguments: object, file_bytes: int = 0) -> "BatchProcess":
        """Begin ``ziggurat batch ARGUMENTS``; ``file_bytes`` is the largest file that it may write."""
        self._count += 1
        output = self._folder / f"{self._count}.printed"
        told = {"arguments": [str(one) for one in arguments], "output": str(output), "file_bytes": file_bytes}
        self._say(json.dumps(told))
        return BatchProcess(self._hear(), self._ended, output)

    def run(self, *arguments: object, file_bytes: int = 0) -> tuple[int, str]:
        """Begin one and wait for its end: how it ended, and what it printed."""
        one = self.begin(*arguments, file_bytes=file_bytes)
        return one.wait(), one.printed

    def _say(self, line: str) -> None:
        self._server.stdin.write(line + "\n")
        self._server.stdin.flush()

    def _hear(self) -> int:
        return int(self._server.stdout.readline())

    def _ended(self) -> int:
        returned = self._hear()
        self._say("heard")
        return returned


class BatchProcess:
    """One process."""

    def __init__(self, pid, ended, output) -> None:
        self.pid = pid
        self._ended = ended
        self._output = output

    def kill(self) -> int:
        """Kill it, wherever it is; how it ended."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; negative for the signal that ended it."""
        return self._ended()

    @property
    def printed(self) -> str:
        return self._output.read_text()


def _serve() -> None:
    import ziggurat.batch.batch
    import ziggurat.batch.here
    import ziggurat.batch.report
    import ziggurat.cli.batch
    import ziggurat.cli.batch_look
    import ziggurat.cli.batch_run
    import ziggurat.cli.main  # noqa: F401 (imported once, for all)

    for line in sys.stdin:
        _fork(**json.loads(line))


def _fork(arguments: list[str], output: str, file_bytes: int) -> None:
    if not (pid := os.fork()):
        _become(arguments, output, file_bytes)
    _answer(pid)
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    _answer(end.si_status if end.si_code == os.CLD_EXITED else -end.si_status)
    sys.stdin.readline()  # its number stays its own until its end was heard of
    os.waitpid(pid, 0)


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _become(arguments: list[str], output: str, file_bytes: int) -> None:
    import resource

    from ziggurat.cli.main import main

    signal.alarm(_LONGEST_SECONDS)
    written = os.open(output, os.O_WRONLY | os.O_CREAT)
    for number in (1, 2):
        os.dup2(written, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ["COLUMNS"] = "100"
    sys.argv = ["ziggurat", "batch", *arguments]
    if file_bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY))
    main()
    sys.exit(0)


if __name__ == "__main__":
    _serve()
