"""What calls of models cost, in US dollars.

The prices are those of the package `genai-prices`, read from its own files: nothing is ever fetched. A
leaf that knows counts, names and prices, and neither chains nor models. Invariant: unknown is None, never
zero; only a model that runs on the reader's own machine costs nothing, or one the reader says is free.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Protocol

from ziggurat.errors import InputError

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

OWN_MACHINE = frozenset({"ziggurat-local", "ziggurat-fake", "local", "fake"})
"""Providers, in LangChain's words and in our specs', whose models run here and cost nothing."""

MILLION = Decimal(1_000_000)

_THEIRS = {
    "amazon_bedrock": "aws",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "azure_openai": "azure",
    "azure_ai": "azure",
    "google_genai": "google",
    "google_vertexai": "google",
    "google_anthropic_vertex": "google",
    "mistralai": "mistral",
    "xai": "x-ai",
    "moonshot": "moonshotai",
}
"""Providers whose name in LangChain is not the one in the package; the others are spelt alike."""

_DATE = re.compile(r"[-@](20\d{2}-?[01]\d-?[0-3]\d)$")
_DECIMALS = 12  # a mean over calls may have no end; a trillionth of a dollar is near enough


class Counted(Protocol):
    """What a model was used for: `ziggurat.chain.usage.ModelUsage` and anything of its shape."""

    @property
    def model(self) -> str:
        """What the model calls itself."""

    @property
    def provider(self) -> str:
        """Who serves it, in LangChain's words (``ls_provider``)."""

    @property
    def input_tokens(self) -> int:
        """Tokens it read."""

    @property
    def output_tokens(self) -> int:
        """Tokens it wrote."""

    @property
    def cached_tokens(self) -> int:
        """Those of ``input_tokens`` that the provider had cached."""

    @property
    def calls(self) -> int:
        """Calls of it."""


@dataclass(frozen=True, slots=True)
class Price:
    """A price of one's own, in US dollars for a million tokens.

    Attributes:
        input: For tokens read.
        output: For tokens written.
        cached: For tokens read that the provider had cached; as ``input`` if None.

    Raises:
        InputError: If a price is no number of at least zero.
    """

    input: Decimal
    output: Decimal
    cached: Decimal | None = None

    def __init__(
        self,
        input: Decimal | float | str,  # noqa: A002 (the word everybody uses for it)
        output: Decimal | float | str,
        cached: Decimal | float | str | None = None,
    ) -> None:
        object.__setattr__(self, "input", _dollars("input", input))
        object.__setattr__(self, "output", _dollars("output", output))
        object.__setattr__(self, "cached", None if cached is None else _dollars("cached", cached))

    def of(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> Decimal:
        """What so many tokens cost."""
        cached = self.input if self.cached is None else self.cached
        total = self.input * (input_tokens - cached_tokens) + cached * cached_tokens + self.output * output_tokens
        return total / MILLION


@dataclass(frozen=True)
class Prices:
    """The package's prices, with one's own on top.

    Args:
        own: Prices by model: by its name (``gpt-4.1``, ``house-model``), or by provider and name
            (``azure:house-model``), which goes first. A name without a date also stands for the dated ones.
            A `Price`, or a mapping with its parameters.

    Raises:
        InputError: If a price cannot be used.

    Example:
        >>> from ziggurat.chain.usage import ModelUsage
        >>> used = ModelUsage("house-model", "azure", input_tokens=1_000_000, output_tokens=100_000, calls=3)
        >>> Prices().cost(used) is None
        True
        >>> Prices({"house-model": Price(input=2, output=8)}).cost(used)
        Decimal('2.8')
    """

    own: Mapping[str, Price | Mapping[str, Any]] = field(default_factory=dict)
    _own: Mapping[str, Price] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_own", {name.strip().lower(): _price(name, one) for name, one in self.own.items()})

    def cost(self, used: Counted, *, at: datetime | None = None) -> Decimal | None:
        """What was used cost.

        Where a price depends on the length of a call, or each call has one, the mean call counts.

        Args:
            used: Counts of one model.
            at: When; prices change. Now if None.

        Returns:
            US dollars; None if nobody knows the price of what was used.
        """
        return self._cost(used, at or datetime.now(UTC))

    def bound(self, model: str, provider: str, input_tokens: int, max_output_tokens: int) -> Decimal | None:
        """The most that one call can cost: nothing read from the provider's cache, the longest answer.

        Args:
            model: The model, or the deployment that will be asked.
            provider: In LangChain's words, or as in a spec.
            input_tokens: Tokens it will read.
            max_output_tokens: Tokens it may write.

        Returns:
            US dollars; None if nobody knows its price.
        """
        one, now = _One(model, provider, input_tokens, max_output_tokens), datetime.now(UTC)
        plain, cached = self._cost(one, now), self._cost(one, now, written=input_tokens)
        return None if plain is None or cached is None else max(plain, cached)

    def _cost(self, used: Counted, at: datetime, written: int = 0) -> Decimal | None:
        if used.provider.lower() in OWN_MACHINE:
            return Decimal(0)
        own = self._find(used.model, used.provider)
        if own is not None:
            return own.of(used.input_tokens, used.output_tokens, min(used.cached_tokens, used.input_tokens))
        known = _known(used.model, used.provider)
        return None if known is None else _from_package(known, used, at, written)

    def _find(self, model: str, provider: str) -> Price | None:
        model, provider = model.lower(), provider.lower()
        plain = _DATE.sub("", model)
        for name in (f"{provider}:{model}", model, f"{provider}:{plain}", plain):
            if name in self._own:
                return self._own[name]
        return None


@dataclass(frozen=True, slots=True)
class _One:
    """A call that was not made yet."""

    model: str
    provider: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    calls: int = 1


PACKAGE = Prices()
"""The package's prices as they are."""


def cost(used: Counted, *, at: datetime | None = None) -> Decimal | None:
    """`Prices.cost` by the package's prices."""
    return PACKAGE.cost(used, at=at)


def bound(model: str, provider: str, input_tokens: int, max_output_tokens: int) -> Decimal | None:
    """`Prices.bound` by the package's prices."""
    return PACKAGE.bound(model, provider, input_tokens, max_output_tokens)


def was_cached(message: object) -> bool:
    """Whether an answer comes from LangChain's cache, so that nothing was paid for it.

    LangChain puts ``total_cost: 0`` into the usage of a chat answer that its cache gave, and leaves the
    tokens of the first time in it; that is the only mark.
    """
    usage = getattr(message, "usage_metadata", None)
    return isinstance(usage, Mapping) and usage.get("total_cost") == 0


def _known(model: str, provider: str) -> tuple[Provider, ModelInfo] | None:
    """A model the package knows under exactly this provider; no provider is guessed from a model's name."""
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    wanted = _THEIRS.get(provider.lower(), provider.lower())
    if not model or all(one.id != wanted for one in snapshot.providers):
        return None
    try:
        return snapshot.find_provider_model(_reference(model, wanted), None, wanted, None)
    except LookupError:
        return None


def _reference(model: str, provider: str) -> str:
    """A model's name without the path some services put before it."""
    if provider == "google" or model.startswith("arn:"):
        return model.rpartition("/")[2]
    return model


def _from_package(known: tuple[Provider, ModelInfo], used: Counted, at: datetime, written: int = 0) -> Decimal | None:
    """The package's price of some counts, ``written`` of the input tokens being put into the provider's cache."""
    from genai_prices import Usage
    from genai_prices.types import TieredPrices

    provider, info = known
    price = info.get_prices(at)
    if (used.input_tokens and price.input_mtok is None) or (used.output_tokens and price.output_mtok is None):
        return None  # priced by the minute, the picture or the page: tokens say nothing
    by_call = price.requests_kcount is not None or any(isinstance(one, TieredPrices) for one in vars(price).values())
    parts = used.calls if by_call and used.calls > 1 else 1
    usage = Usage(
        input_tokens=Decimal(used.input_tokens) / parts,
        output_tokens=Decimal(used.output_tokens) / parts,
        cache_read_tokens=Decimal(min(used.cached_tokens, used.input_tokens)) / parts,
        cache_write_tokens=written if price.cache_write_mtok is not None else 0,
    )
    total = info.calc_price(usage, provider, genai_request_timestamp=at).total_price * parts
    return total if parts == 1 else round(total, _DECIMALS)


def _price(name: str, given: Price | Mapping[str, Any]) -> Price:
    if isinstance(given, Price):
        return given
    try:
        return Price(**given)
    except (TypeError, InputError) as error:
        raise InputError(
            f"The price of {name!r} cannot be used.",
            where=str(error).partition("\n")[0],
            fix="give input=…, output=… and, if there is one, cached=…, in US dollars for a million tokens",
        ) from error


def _dollars(name: str, value: Decimal | float | str) -> Decimal:
    try:
        made = Decimal(str(value))
    except InvalidOperation:
        made = Decimal("NaN")
    if isinstance(value, bool) or not made.is_finite() or made < 0:
        raise InputError(f"{name}={value!r} is no price.", fix="give US dollars for a million tokens, zero or more")
    return made
