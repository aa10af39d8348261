"""What a stage is: a named step with inputs by name, one output, and a policy.

Pure values: nothing here calls a stage, opens a file or knows LangChain. How a function, a
Runnable or a chain becomes a `Stage` is in `adapt`; which stage feeds which is in `wiring`.
Every value is frozen; a chain never changes after it was checked.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NewType

from ziggurat.errors import InputError

StageName = NewType("StageName", str)
ANY: Any = Any
EVERY = "*"
"""In a reference's path: each item of a list."""


@dataclass(frozen=True, slots=True)
class Param:
    """One input of a stage.

    Attributes:
        name: The parameter's name, which is also how it finds its source.
        type: The declared annotation; `typing.Any` where there is none.
        required: False where the stage has a default of its own.
    """

    name: str
    type: Any = ANY
    required: bool = True


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a stage's output or a run's input, and a path inside it.

    Attributes:
        root: The name of a stage or of a run input.
        path: Attribute names, mapping keys or list positions, outermost first.
    """

    root: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.root, *self.path))


@dataclass(frozen=True, slots=True)
class Template:
    """A text with references in braces, filled in when the stage starts.

    Attributes:
        text: As written.
        parts: Literal pieces and references, in order.
    """

    text: str
    parts: tuple[str | Ref, ...]

    @property
    def refs(self) -> tuple[Ref, ...]:
        """The references in the template, in order."""
        return tuple(part for part in self.parts if isinstance(part, Ref))


@dataclass(frozen=True, slots=True)
class Value:
    """A constant, whatever it looks like."""

    value: Any


Binding = Ref | Template | Value


def ref(text: str) -> Ref:
    """A reference such as ``qa``, ``qa.text``, ``rows.0.name``, or ``rows.*.name`` for every row's name.

    Raises:
        InputError: If a part is empty or private (leading underscore): a reference reads data,
            never the insides of an object.
    """
    root, *path = text.split(".")
    for part in (root, *(step for step in path if step != EVERY)):
        if not part or part.startswith("_") or not part.replace("-", "_").replace("_", "a").isalnum():
            raise InputError(
                f"{text!r} is not a reference.",
                fix="write a stage's name, then fields after dots, for example qa.text",
            )
    return Ref(root, tuple(path))


def value(constant: Any) -> Value:
    """A constant that is never read as a template, braces and all."""
    return Value(constant)


def bind(given: Any) -> Binding:
    """What somebody wrote in ``given(...)``: a binding as it is, a template, or a constant."""
    if isinstance(given, Ref | Template | Value):
        return given
    if isinstance(given, str) and ("{" in given or "}" in given):
        return template(given)
    return Value(given)


def template(text: str) -> Binding:
    """Parse ``"Illustrate: {qa.text}"``; doubled braces are literal ones.

    Raises:
        InputError: If the braces do not match, or hold anything but a reference.
    """
    try:
        pieces = list(string.Formatter().parse(text))
    except ValueError as error:
        raise InputError(
            f"The template {text!r} cannot be read: {error}.", fix="double a brace that is meant literally: {{ }}"
        ) from error
    parts: list[str | Ref] = []
    for literal, name, spec, conversion in pieces:
        if literal:
            parts.append(literal)
        if name is None:
            continue
        if spec or conversion:
            raise InputError(f"The template {text!r} formats a value; only plain references are filled in.")
        parts.append(ref(name))
    if not any(isinstance(part, Ref) for part in parts):
        return Value("".join(str(part) for part in parts))
    return Template(text, tuple(parts))


@dataclass(frozen=True, slots=True)
class Retry:
    """When and how often a failed attempt is repeated.

    Attributes:
        attempts: Attempts in all, the first included.
        wait: Seconds before the second attempt; doubled for each one after, with jitter.
        max_wait: The longest wait, in seconds.
        on: Which exceptions are worth another attempt.
    """

    attempts: int = 3
    wait: float = 0.5
    max_wait: float = 30.0
    on: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.wait < 0 or self.max_wait < self.wait:
            raise InputError(
                f"{self!r} can never be followed.", fix="attempts of at least 1, and 0 <= wait <= max_wait"
            )


class CallKind(Enum):
    """How a stage is called."""

    SYNC = "sync"
    """A function, run in a worker thread."""
    ASYNC = "async"
    """A coroutine function."""
    STREAM = "stream"
    """A generator function: its pieces are the stream, their sum is the output."""
    ASYNC_STREAM = "async stream"
    """An async generator function, likewise."""
    RUNNABLE = "runnable"
    """A LangChain Runnable that takes a mapping."""
    RUNNABLE_VALUE = "runnable value"
    """A LangChain Runnable that takes one value, known here as ``input``."""
    CHAIN = "chain"
    """A chain, run inside the run that it is a stage of."""
    MAP = "map"
    """A stage for each item."""
    BRANCH = "branch"
    """The first stage whose condition holds."""
    REPEAT = "repeat"
    """A stage again and again, until a condition holds."""


COMPOSITE = frozenset({CallKind.CHAIN, CallKind.MAP, CallKind.BRANCH, CallKind.REPEAT})
"""Kinds whose work is done by stages inside them."""


@dataclass(frozen=True, slots=True)
class Call:
    """A thing to call, and how.

    Attributes:
        kind: How it is called.
        target: The function or the Runnable.
    """

    kind: CallKind
    target: Any


@dataclass(frozen=True, slots=True)
class Policy:
    """How a stage is run.

    Attributes:
        retry: Repeat failed attempts, or None.
        timeout: Seconds for one attempt, or None. A sync stage's thread cannot be stopped: the
            stage ends in time, the thread when it does.
        fallback: Called with the same inputs when the last attempt failed, or a constant.
        limit: How many calls of this stage may be under way at once, over all runs of the chain.
        cache: Whether a run's cache may give the output; None for "where the stage can be told
            apart from every other by what it is".
        effect: It acts on the world: never taken from a cache, and never repeated in silence when a
            run is resumed.
        store: Whether a journal keeps the output; without, the stage runs again on resume.
    """

    retry: Retry | None = None
    timeout: float | None = None
    fallback: Call | Value | None = None
    limit: int | None = None
    cache: bool | None = None
    effect: bool = False
    store: bool = True

    def __post_init__(self) -> None:
        if self.timeout is not None and not self.timeout > 0:
            raise InputError(f"A timeout of {self.timeout} seconds leaves no time.", fix="a number above 0, or None")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"A limit of {self.limit} calls lets nothing run.", fix="a limit of at least 1, or None")
        if self.effect and self.cache:
            raise InputError(
                "A stage that acts on the world cannot be cached.", fix="effect=True or cache=True, not both"
            )
        if self.effect and not self.store:
            raise InputError(
                "Of a stage that acts on the world it must be stored that it did.", fix="leave store alone"
            )

    @property
    def is_plain(self) -> bool:
        """Whether nothing was asked for, so that the stage can simply be called."""
        return self.retry is None and self.timeout is None and self.fallback is None and self.limit is None


PLAIN = Policy()


@dataclass(frozen=True, slots=True)
class CallBound:
    """The most that one attempt of a stage asks of a model. None means that it is not known beforehand.

    Attributes:
        model: What the model calls itself.
        provider: Who serves it, in LangChain's words.
        calls: Calls.
        input_tokens: Tokens read, all calls together.
        output_tokens: Tokens written, all calls together.
    """

    model: str
    provider: str = ""
    calls: int = 1
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A step that can be named and wired.

    Attributes:
        call: What is called, and how.
        params: Its inputs, in order.
        returns: The declared output type; `typing.Any` where there is none.
        open_ended: Whether it takes further inputs by any name (``**kwargs``).
        given: Inputs that do not come from their namesake.
        policy: How it is run.
        label: What it is, for people: the function's or class's name.

    Raises:
        InputError: If it is made of stages and said to act on the world itself.
    """

    call: Call
    params: tuple[Param, ...]
    returns: Any = ANY
    open_ended: bool = False
    given: Mapping[str, Binding] = field(default_factory=dict)
    policy: Policy = PLAIN
    label: str = "stage"

    def __post_init__(self) -> None:
        if self.policy.effect and self.call.kind in COMPOSITE:
            raise InputError(f"{self.label} is made of stages: mark the stage inside that acts on the world.")

    def with_given(self, bindings: Mapping[str, Any]) -> Stage:
        """The same stage with some inputs given otherwise."""
        return replace(self, given={**self.given, **{name: bind(one) for name, one in bindings.items()}})
