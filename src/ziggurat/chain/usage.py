"""What a stage used: tokens and calls, by model.

Counts only; prices are not known here. `Usage` is pure. A `UsageMeter` holds the LangChain
callback that collects the counts a model reports while a stage runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and calls.

    Attributes:
        input_tokens: Tokens read by models.
        output_tokens: Tokens written by models.
        calls: Model calls.
        models: The models that were called, in order of first use.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    models: tuple[str, ...] = ()

    @property
    def total_tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.calls + other.calls,
            tuple(dict.fromkeys((*self.models, *other.models))),
        )

    @classmethod
    def of_message(cls, message: Any) -> Usage:
        """What one answer of a chat model reports; zero tokens where it reports none."""
        counted = getattr(message, "usage_metadata", None) or {}
        metadata = getattr(message, "response_metadata", None) or {}
        model = metadata.get("model_name") or metadata.get("model")
        return cls(counted.get("input_tokens", 0), counted.get("output_tokens", 0), 1, (str(model),) if model else ())


NO_USAGE = Usage()


class UsageMeter:
    """Adds up what the models called by one stage report."""

    __slots__ = ("handler", "total")

    def __init__(self) -> None:
        from langchain_core.callbacks import BaseCallbackHandler

        self.total = NO_USAGE
        meter = self

        class _Reader(BaseCallbackHandler):
            run_inline = True  # counted before the stage is told to be finished

            def on_llm_end(self, response: Any, **_: Any) -> None:
                for answers in response.generations:
                    for answer in answers[:1]:
                        meter.total += Usage.of_message(getattr(answer, "message", None))

        self.handler: BaseCallbackHandler = _Reader()
