"""What happens in a run, as one typed stream; every view of a run reads it and nothing else.

Pure values. The runner makes them only when somebody reads: with no reader, no event exists.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ziggurat.chain.frozen import value_class
from ziggurat.chain.stage import StageName
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import ChainError


@value_class(kw_only=True)
class _Base:
    """What every event carries.

    Attributes:
        run: The run's id.
        at: Seconds since the run began.
    """

    run: str
    at: float


@value_class(kw_only=True)
class _OfStage(_Base):
    """What every event of a stage carries.

    Attributes:
        stage: Its name in its chain.
        path: Its place in the run: ``answer``, or ``book/summaries[12]/draft`` for the stage ``draft``
            in the thirteenth item of ``summaries`` in the chain ``book``.
        item: The item or time it belongs to, from 0, where it is inside a Map or a Repeat; the
            innermost one.
    """

    stage: StageName
    path: str
    item: int | None = None

    @property
    def top(self) -> StageName:
        """The stage of the outermost chain that this happened in."""
        return StageName(self.path.partition("/")[0].partition("[")[0])

    @property
    def is_top(self) -> bool:
        """Whether it is about a stage of the outermost chain itself."""
        return self.path == self.stage


@value_class(kw_only=True)
class StageStarted(_OfStage):
    """A stage has its inputs and begins."""

    type: ClassVar[str] = "stage_started"


@value_class(kw_only=True)
class Token(_OfStage):
    """A piece of a stage's output, as it is made.

    Attributes:
        chunk: The piece; the sum of a stage's chunks is its output.
        text: The text in it, for people.
    """

    type: ClassVar[str] = "token"
    chunk: Any
    text: str


@value_class(kw_only=True)
class StageFinished(_OfStage):
    """A stage has its output.

    Attributes:
        output: The value.
        seconds: How long it took, attempts and waiting included.
        usage: What its models used.
        streamed: Whether its pieces were told before, as tokens.
        fell_back: Whether the output is the fallback's.
    """

    type: ClassVar[str] = "stage_finished"
    output: Any
    seconds: float
    usage: Usage = NO_USAGE
    streamed: bool = False
    fell_back: bool = False


@value_class(kw_only=True)
class StageCached(_OfStage):
    """A stage's output was there already; it did not run.

    Attributes:
        output: The value.
        source: ``cache``, or ``journal`` for what this run, or the one it replays, had done before.
        saved: What its models used when it did run.
        saved_seconds: How long that took.
    """

    type: ClassVar[str] = "stage_cached"
    output: Any
    source: Literal["cache", "journal"]
    saved: Usage = NO_USAGE
    saved_seconds: float = 0.0


@value_class(kw_only=True)
class Item(_OfStage):
    """One item of a Map, or one time of a Repeat, is done.

    Attributes:
        output: Its result; None where it failed.
        error: What it raised, or None.
        total: Items in all; None where that is not known.
        seconds: How long it took.
        usage: What its models used.
        kept: Whether it was done before, and its output only read.
    """

    type: ClassVar[str] = "item"
    output: Any
    error: BaseException | None = None
    total: int | None = None
    seconds: float = 0.0
    usage: Usage = NO_USAGE
    kept: bool = False


@value_class(kw_only=True)
class StageRetried(_OfStage):
    """An attempt failed and another will follow.

    Attributes:
        attempt: The attempt that failed, from 1.
        wait: Seconds until the next one.
        error: What it raised.
    """

    type: ClassVar[str] = "stage_retried"
    attempt: int
    wait: float
    error: BaseException


@value_class(kw_only=True)
class StageFailed(_OfStage):
    """A stage raised, and nothing is left to try."""

    type: ClassVar[str] = "stage_failed"
    error: BaseException
    seconds: float
    usage: Usage = NO_USAGE


@value_class(kw_only=True)
class StageSkipped(_OfStage):
    """A stage cannot run because another failed.

    Attributes:
        cause: The stage that failed.
    """

    type: ClassVar[str] = "stage_skipped"
    cause: StageName


@value_class(kw_only=True)
class RunFinished(_Base):
    """Nothing is left to run.

    Attributes:
        outputs: What finished, by stage.
        usage: The sum over all stages.
        error: What `MultiChain.run` would have raised, or None.
    """

    type: ClassVar[str] = "run_finished"
    outputs: dict[str, Any]
    usage: Usage
    error: ChainError | None = None

    @property
    def ok(self) -> bool:
        """Whether every stage finished."""
        return self.error is None


StageEvent = StageStarted | Token | Item | StageFinished | StageCached | StageRetried | StageFailed | StageSkipped
"""What happens to a stage."""

Event = StageEvent | RunFinished
"""What happens in a run."""
