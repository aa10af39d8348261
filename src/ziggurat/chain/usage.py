"""What a stage used: tokens and calls, one line for each model.

Pure counts; prices are in `ziggurat.prices`, and how calls come to be counted in `metering`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What was used of one model.

    Attributes:
        model: What it calls itself; empty where it does not say.
        provider: Who serves it, in LangChain's words (``openai``, ``anthropic``); empty where unknown.
        input_tokens: Tokens it read.
        output_tokens: Tokens it wrote.
        cached_tokens: Those of ``input_tokens`` that the provider had cached.
        calls: Calls of it.
    """

    model: str = ""
    provider: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    calls: int = 0

    def __add__(self, other: ModelUsage) -> ModelUsage:
        return ModelUsage(
            self.model,
            self.provider or other.provider,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.calls + other.calls,
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and calls, one line for each model, in order of first use."""

    lines: tuple[ModelUsage, ...] = ()

    @property
    def input_tokens(self) -> int:
        """Tokens read by models."""
        return sum(line.input_tokens for line in self.lines)

    @property
    def output_tokens(self) -> int:
        """Tokens written by models."""
        return sum(line.output_tokens for line in self.lines)

    @property
    def total_tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    @property
    def calls(self) -> int:
        """Model calls."""
        return sum(line.calls for line in self.lines)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that were called and said their name."""
        return tuple(line.model for line in self.lines if line.model)

    def __bool__(self) -> bool:
        return bool(self.lines)

    def __add__(self, other: Usage) -> Usage:
        if not other.lines:
            return self
        if not self.lines:
            return other
        return Usage.of((*self.lines, *other.lines))

    @classmethod
    def of(cls, lines: Iterable[ModelUsage]) -> Usage:
        """The sum of some lines, one for each model."""
        by_model: dict[str, ModelUsage] = {}
        for line in lines:
            before = by_model.get(line.model)
            by_model[line.model] = line if before is None else before + line
        return cls(tuple(by_model.values()))

    @classmethod
    def of_message(cls, message: Any, provider: str = "") -> Usage:
        """What one answer of a chat model reports; zero tokens where it reports none."""
        counted = getattr(message, "usage_metadata", None) or {}
        metadata = getattr(message, "response_metadata", None) or {}
        model = metadata.get("model_name") or metadata.get("model") or ""
        line = ModelUsage(
            str(model),
            provider,
            counted.get("input_tokens", 0),
            counted.get("output_tokens", 0),
            (counted.get("input_token_details") or {}).get("cache_read", 0) or 0,
            1,
        )
        return cls((line,))

    def as_one_call(self) -> Usage:
        """Counts that one answer told in several pieces, its name perhaps in another: one line, one call."""
        if not self.lines:
            return self
        total = self.lines[0]
        for line in self.lines[1:]:
            total = replace(total + line, model=total.model or line.model)
        return Usage((replace(total, calls=1),))


NO_USAGE = Usage()


def estimated_tokens(text: str) -> int:
    """An estimate of a text's tokens that seldom is too low: a token for three bytes, and a few around it."""
    return len(text.encode(errors="replace")) // 3 + 8
