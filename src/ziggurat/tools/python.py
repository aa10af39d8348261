"""Python in a sandbox: pydantic's Monty, an interpreter with no file, no network and no import of packages.

The code runs in a process of its own, bounded in time, memory and depth. What it prints, and the value of
its last line, are the result. A sandbox is made for each call, so no call knows of another.
"""

from __future__ import annotations

from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field

from ziggurat.errors import InputError
from ziggurat.optional import require
from ziggurat.tools.bounds import CHARACTERS, cut
from ziggurat.tools.making import make

_DESCRIPTION = (
    "Runs a short Python program in a sandbox and returns what it prints and the value of its last line. "
    "Use it for work on text, lists, dates or numbers that takes several steps. It has no files, no network, "
    "no input and no packages beyond a part of the standard library (math, re, json, datetime, ...); "
    "nothing is kept between calls."
)


class Program(BaseModel):
    """What is to be run."""

    code: str = Field(description="The program; print() what you want to see.", max_length=20_000)


def python_sandbox(*, seconds: float = 5.0, megabytes: int = 64, characters: int = CHARACTERS) -> BaseTool:
    """A tool that runs Python in a sandbox.

    Args:
        seconds: A program may take.
        megabytes: It may hold.
        characters: Of its result at most.

    Raises:
        MissingDependency: If ``pydantic-monty`` is not installed.
        InputError: If a bound allows nothing.
    """
    require("pydantic_monty", for_="running Python in a sandbox", extra="sandbox")
    if not seconds > 0 or megabytes < 1:
        raise InputError("The sandbox would have no room.", where=f"{seconds=} {megabytes=}")

    def run(code: str) -> str:
        return run_python(code, seconds=seconds, megabytes=megabytes, characters=characters)

    return make("python", _DESCRIPTION, Program, run, characters=characters, seconds=seconds + 10)


def run_python(code: str, *, seconds: float, megabytes: int, characters: int = CHARACTERS) -> str:
    """What a program prints, and the value of its last line.

    Raises:
        InputError: If it fails or takes more than it may; the last line of its traceback.
    """
    monty = require("pydantic_monty", for_="running Python in a sandbox", extra="sandbox")
    printed = _Paper(4 * characters)
    try:
        with (
            monty.Monty(request_timeout=seconds + 2, max_processes=1) as pool,
            pool.checkout(
                limits={
                    "max_feed_duration_secs": seconds,
                    "max_memory": megabytes << 20,
                    "max_recursion_depth": 200,
                    "max_total_sleep_secs": seconds,
                }
            ) as session,
        ):
            value = session.feed_run(code, print_callback=printed)
    except monty.MontyError as error:
        what = "is no Python" if isinstance(error, monty.MontySyntaxError) else "failed"
        said = str(error).strip().splitlines() or [type(error).__name__]
        before = f" It printed: {cut(printed.text, 200)!r}." if printed.text else ""
        raise InputError(f"The program {what}: {said[-1][:300]}.{before}") from error
    shown = printed.text + ("" if value is None else repr(value))
    return cut(shown.strip(), characters) or "(the program printed nothing and has no value)"


class _Paper:
    """What is printed, up to so many characters; the rest is let go."""

    def __init__(self, characters: int) -> None:
        self._left = characters
        self._parts: list[str] = []

    def __call__(self, stream: str, text: str) -> None:  # noqa: ARG002 (what is printed where is all the same)
        kept = text[: self._left]
        self._left -= len(kept)
        self._parts.append(kept)

    @property
    def text(self) -> str:
        """All that was kept."""
        return "".join(self._parts)
