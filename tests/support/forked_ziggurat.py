"""The command line in processes of their own that begin at once: one process imports it all, and forks each.

Each is a real process with a number of its own, killed as any other. It is held back until its output is asked
for, so that whoever wants to kill it is ready by then. One at a time.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

_LONGEST_SECONDS = 60


class Ziggurats:
    """Makes processes; a context manager."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._files = tempfile.TemporaryDirectory(prefix="ziggurats-")
        self._count = 0
        return self

    def __exit__(self, *_) -> None:
        self._server.stdin.close()
        self._server.wait(_LONGEST_SECONDS)
        self._server.stdout.close()
        self._files.cleanup()

    def begin(self, *arguments: object, env: dict[str, str]) -> "Ziggurat":
        """Fork one; it waits until its output is asked for."""
        self._count += 1
        output = Path(self._files.name) / str(self._count)
        self.tell({"arguments": ["databricks", *map(str, arguments)], "env": env, "output": str(output)})
        return Ziggurat(self, self.hear(), output)

    def tell(self, what: object) -> None:
        self._server.stdin.write(json.dumps(what) + "\n")
        self._server.stdin.flush()

    def hear(self) -> int:
        return int(self._server.stdout.readline())


class Ziggurat:
    """One process.

    Attributes:
        pid: Its number.
        returncode: How it ended; negative for the signal that ended it, None while it has not.
    """

    def __init__(self, maker: Ziggurats, pid: int, output: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._maker = maker
        self._output = output

    def output(self) -> str:
        """Let it run, wait until it ends, and read all that it printed; one that takes too long is ended."""
        self._maker.tell("go")
        self.returncode = self._maker.hear()
        return self._output.read_text()


def _serve() -> None:
    import ziggurat.cli.databricks_lab
    import ziggurat.cli.main
    import ziggurat.databricks.lab.job
    import ziggurat.workspace  # noqa: F401 (imported once, for all)

    for line in sys.stdin:
        _fork(**json.loads(line))


def _fork(arguments: list[str], env: dict[str, str], output: str) -> None:
    held, hold = os.pipe()
    if not (pid := os.fork()):
        signal.alarm(_LONGEST_SECONDS)
        os.close(hold)
        os.read(held, 1)
        _become(arguments, env, output)
    os.close(held)
    _answer(pid)
    sys.stdin.readline()
    os.close(hold)
    _answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _become(arguments: list[str], env: dict[str, str], output: str) -> None:
    from ziggurat.cli.main import main

    written = os.open(output, os.O_WRONLY | os.O_CREAT)
    for number in (1, 2):
        os.dup2(written, number)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["ziggurat", *arguments]
    main()
    sys.exit(0)


if __name__ == "__main__":
    _serve()
