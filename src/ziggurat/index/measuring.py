"""How much a span of text weighs: its characters, or the tokens a model makes of it.

Characters are counted here; tokens by whoever knows them: a local embedding model, or any LangChain model that
tells them. Knows nothing of chunks. The invariant: one text weighs the same whenever it is weighed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ziggurat.errors import InputError
from ziggurat.index.structure import weight

Span = tuple[int, int]
_LONGEST_TOKEN = 64
"""Characters; a text with more than so many for each token it may have is split without being weighed first."""


class Measure(Protocol):
    """Weighs spans."""

    def weigh(self, text: str, spans: Sequence[Span]) -> list[int]:
        """The weight of each span of a text."""

    def may_fit(self, text: str, span: Span, most: int) -> bool:
        """Whether it is worth weighing a span, cheaply told."""


class Characters:
    """Weighs characters; a CJK character weighs two."""

    def weigh(self, text: str, spans: Sequence[Span]) -> list[int]:
        """See `Measure`."""
        return [weight(text, start, end) for start, end in spans]

    def may_fit(self, text: str, span: Span, most: int) -> bool:  # noqa: ARG002 (a Measure)
        """See `Measure`."""
        return span[1] - span[0] <= most


@dataclass(frozen=True, slots=True)
class Tokens:
    """Weighs tokens, without those that stand around every text.

    Attributes:
        count: Tokens of each of several texts.
    """

    count: Callable[[Sequence[str]], list[int]]

    def weigh(self, text: str, spans: Sequence[Span]) -> list[int]:
        """See `Measure`."""
        return self.count([text[start:end] for start, end in spans]) if spans else []

    def may_fit(self, text: str, span: Span, most: int) -> bool:  # noqa: ARG002 (a Measure)
        """See `Measure`."""
        return span[1] - span[0] <= most * _LONGEST_TOKEN


def tokens_of(model: object) -> Tokens:
    """The tokens of a model.

    Args:
        model: Something with ``count_tokens(texts)``, as our local embeddings have, or with LangChain's
            ``get_num_tokens(text)``.

    Raises:
        InputError: If it does not tell its tokens.
    """
    many: Any = getattr(model, "count_tokens", None)
    one: Any = getattr(model, "get_num_tokens", None)
    name = type(model).__name__
    fix = 'measure="characters", or counter= a model that tells its tokens, such as a local or an OpenAI chat model'
    if callable(many):
        return Tokens(many)
    if not callable(one):
        raise InputError(f"{name} does not tell how many tokens a text has.", fix=fix)
    try:
        one("word")
    except Exception as error:  # LangChain's own default needs a package and a download
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"{name} does not tell how many tokens a text has: {reason}", fix=fix) from error
    return Tokens(lambda texts: [one(text) for text in texts])
