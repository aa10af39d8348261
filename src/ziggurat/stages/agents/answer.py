"""`AgentAnswer` and `AgentStep`: what an agent said, what it did on the way, and why it stopped.

Pure values, written down and read back like every other output. Pieces of a streamed answer are answers
too and add up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.stages.language import Language

Status = Literal["done", "failed", "refused", "unknown", "skipped"]
Stopped = Literal["answered", "steps", "loop", "seconds", "budget", "empty"]

NO_ANSWER: dict[Language, dict[Stopped, str]] = {
    "en": {
        "steps": "I used all the steps I was allowed and have no answer.",
        "loop": "I went round in circles and have no answer.",
        "seconds": "I ran out of time and have no answer.",
        "budget": "I used up what I was allowed to spend and have no answer.",
        "empty": "I have no answer.",
    },
    "zh": {
        "steps": "允许的步数已经用完，我没有得到答案。",
        "loop": "我在原地打转，没有得到答案。",
        "seconds": "时间已经用完，我没有得到答案。",
        "budget": "允许的花费已经用完，我没有得到答案。",
        "empty": "我没有得到答案。",
    },
    "pt": {
        "steps": "Usei todos os passos permitidos e não tenho uma resposta.",
        "loop": "Fiquei andando em círculos e não tenho uma resposta.",
        "seconds": "O tempo acabou e não tenho uma resposta.",
        "budget": "Gastei tudo o que me foi permitido e não tenho uma resposta.",
        "empty": "Não tenho uma resposta.",
    },
    "es": {
        "steps": "Usé todos los pasos permitidos y no tengo una respuesta.",
        "loop": "Estuve dando vueltas y no tengo una respuesta.",
        "seconds": "Se acabó el tiempo y no tengo una respuesta.",
        "budget": "Gasté todo lo que se me permitía y no tengo una respuesta.",
        "empty": "No tengo una respuesta.",
    },
}
"""What is said where an agent stopped and its model said nothing at the end."""

_LINE = 160
_MARKS: dict[Status, str] = {"done": "→", "failed": "✗", "refused": "⊘", "unknown": "?", "skipped": "–"}


@dataclass(frozen=True, slots=True)
class AgentStep:
    """One call of a tool.

    Attributes:
        tool: The tool's name as the model gave it.
        arguments: What it was to be called with.
        result: What the model was told, cut to the bound.
        status: ``done``; ``failed``, the tool raised or took too long, or its arguments did not fit;
            ``refused``, it acts on the world and nobody allowed it; ``unknown``, there is no such tool;
            ``skipped``, no step was left, or the same call was made too often. Only a tool that is
            ``done`` or ``failed`` was called.
        seconds: It took.
        thought: What the model said before it.
    """

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    result: str = ""
    status: Status = "done"
    seconds: float = field(default=0.0, compare=False)
    thought: str = ""

    def lines(self, number: int) -> list[str]:
        """The step as a person reads it in a terminal."""
        given = ", ".join(f"{name}={json.dumps(one, ensure_ascii=False)}" for name, one in self.arguments.items())
        shown = [f"   {_short(self.thought)}"] if self.thought else []
        shown.append(f"{number:>2} {self.tool}({_short(given)})")
        mark = _MARKS[self.status] if self.status == "done" else f"{_MARKS[self.status]} {self.status}:"
        shown.append(f"   {mark} {_short(self.result)}  ({self.seconds:.1f} s)")
        return shown


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What an agent answers.

    Attributes:
        text: The answer; a fixed sentence where it stopped without one.
        steps: What it did, in order.
        usage: What models used, those inside of tools included.
        stopped: ``answered``; or what ended it: ``steps``, ``loop``, ``seconds``, ``budget``; ``empty``
            where the model said nothing.
        anew: In a piece: its text takes the place of what was streamed before.
    """

    text: str
    steps: tuple[AgentStep, ...] = ()
    usage: Usage = field(default=NO_USAGE, compare=False)
    stopped: Stopped = "answered"
    anew: bool = field(default=False, compare=False)

    def __add__(self, other: object) -> AgentAnswer:
        """The answer continued by a later piece. What was said before a step was a thought, not the answer."""
        if not isinstance(other, AgentAnswer):
            return NotImplemented
        return AgentAnswer(
            other.text if other.anew else self.text + other.text,
            self.steps + other.steps,
            self.usage + other.usage,
            other.stopped if other.stopped != "answered" else self.stopped,
            self.anew or other.anew,
        )

    def __str__(self) -> str:
        return self.text

    def trace(self) -> str:
        """What was done and said, for a terminal: a few lines a step, then the answer and what it took."""
        lines = [line for number, step in enumerate(self.steps, 1) for line in step.lines(number)]
        why = "" if self.stopped == "answered" else f" (stopped: {self.stopped})"
        return "\n".join([*lines, f"=> {self.text}{why}", f"   {self.used}"])

    @property
    def used(self) -> str:
        """What it took, in words."""
        counts = ((len(self.steps), "step"), (self.usage.calls, "model call"), (self.usage.total_tokens, "token"))
        return ", ".join(f"{count:,} {name}{'' if count == 1 else 's'}" for count, name in counts)


def _short(text: str) -> str:
    """A text on one line of the terminal, with nothing in it that a terminal would obey."""
    line = "".join(
        one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in " ".join(text[: 4 * _LINE].split())
    )
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"
