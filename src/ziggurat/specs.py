"""Model specs: ``provider:name``, and who answers to them.

Knows the form of a spec and the entry-point group; knows no provider. Ours come through the same
door as anybody's: a package registers an object under the group ``ziggurat.providers`` and its
methods ``chat``, ``embeddings``, ``images`` and ``reranker`` are what it can do. A leaf, so that an index can
open the embedding model its manifest names without importing the models.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from ziggurat.errors import InputError, UnknownModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel

    from ziggurat.picture import Picture

GROUP = "ziggurat.providers"
Kind = Literal["chat", "embeddings", "images", "rerankers"]

DEFAULTS: dict[Kind, str] = {
    "chat": "local:qwen2.5-coder-0.5b",
    "embeddings": "local:multilingual-e5-small",
}
"""What a call with no model named uses. A key in the environment never changes it."""
DEFAULT_RERANKER = "local:mmarco-minilm-l12"
"""The same where something is to be reranked. Apart, since reranking is optional: it is not fetched with the others."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A parsed spec.

    Attributes:
        provider: The part before the first colon, lower case.
        name: Everything after it, as written; may contain colons and slashes.
    """

    provider: str
    name: str

    @classmethod
    def parse(cls, text: str) -> ModelSpec:
        """Split ``provider:name``.

        Raises:
            InputError: If either part is missing.
        """
        provider, colon, name = text.strip().partition(":")
        if not (provider and colon and name):
            raise InputError(
                f"{text!r} is not a model spec.",
                fix="write provider:name, for example openai:gpt-4.1 or local:qwen2.5-coder-0.5b",
            )
        return cls(provider.lower(), name)

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


class ImageModel(Protocol):
    """Something that turns a prompt into a `Picture`."""

    spec: str

    def generate(self, prompt: str, *, size: tuple[int, int] | None = None) -> Picture:
        """Draw ``prompt`` at ``size`` (width, height) pixels, or at the model's own size."""

    async def agenerate(self, prompt: str, *, size: tuple[int, int] | None = None) -> Picture:
        """The same without blocking."""


@runtime_checkable
class Reranker(Protocol):
    """Something that reads a question and a text together and says how well the text answers it."""

    @property
    def spec(self) -> str:
        """What opens it."""

    @property
    def fingerprint(self) -> str:
        """What tells its scores from another's; the same in every process."""

    def score(self, question: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """A score for each text, (n,), finite; the larger the better. Comparable within one call and between calls."""

    async def ascore(self, question: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """The same without blocking."""


@runtime_checkable
class ChatProvider(Protocol):
    """A provider of chat models."""

    def chat(self, name: str, **options: Any) -> BaseChatModel:
        """Open the chat model ``name``; ``options`` go to its constructor."""


@runtime_checkable
class EmbeddingsProvider(Protocol):
    """A provider of embedding models."""

    def embeddings(self, name: str, **options: Any) -> Embeddings:
        """Open the embedding model ``name``; ``options`` go to its constructor."""


@runtime_checkable
class ImagesProvider(Protocol):
    """A provider of image models."""

    def images(self, name: str, **options: Any) -> ImageModel:
        """Open the image model ``name``; ``options`` go to its constructor."""


@runtime_checkable
class RerankerProvider(Protocol):
    """A provider of rerankers."""

    def reranker(self, name: str, **options: Any) -> Reranker:
        """Open the reranker ``name``; ``options`` go to its constructor."""


@cache
def providers() -> dict[str, EntryPoint]:
    """Every registered provider by name; none of them is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def find_provider(spec: ModelSpec) -> object:
    """The provider object of a spec.

    A name nobody registered goes to the provider registered as ``*``, if there is one.

    Raises:
        UnknownModel: If nobody answers; the registered names are listed.
    """
    known = providers()
    point = known.get(spec.provider) or known.get("*")
    if point is None:
        raise UnknownModel(
            f"No provider is registered for {str(spec)!r}.",
            fix=f"known providers: {', '.join(sorted(known)) or 'none'}",
        )
    return point.load()


def open_chat(spec: str | None = None, **options: Any) -> BaseChatModel:
    """Open a chat model by spec; the local default when none is named."""
    parsed = ModelSpec.parse(spec or DEFAULTS["chat"])
    provider = find_provider(parsed)
    if not isinstance(provider, ChatProvider):
        raise _cannot(parsed, "chat")
    return provider.chat(_name_for(parsed), **options)


def open_embeddings(spec: str | None = None, **options: Any) -> Embeddings:
    """Open an embedding model by spec; the local default when none is named."""
    parsed = ModelSpec.parse(spec or DEFAULTS["embeddings"])
    provider = find_provider(parsed)
    if not isinstance(provider, EmbeddingsProvider):
        raise _cannot(parsed, "embeddings")
    return provider.embeddings(_name_for(parsed), **options)


def open_images(spec: str, **options: Any) -> ImageModel:
    """Open an image model by spec."""
    parsed = ModelSpec.parse(spec)
    provider = find_provider(parsed)
    if not isinstance(provider, ImagesProvider):
        raise _cannot(parsed, "images")
    return provider.images(_name_for(parsed), **options)


def open_reranker(spec: str | None = None, **options: Any) -> Reranker:
    """Open a reranker by spec; the local default when none is named."""
    parsed = ModelSpec.parse(spec or DEFAULT_RERANKER)
    provider = find_provider(parsed)
    if not isinstance(provider, RerankerProvider):
        raise _cannot(parsed, "rerankers")
    return provider.reranker(_name_for(parsed), **options)


def _name_for(spec: ModelSpec) -> str:
    """What its provider knows the model by; the provider of everything else needs the whole spec."""
    return spec.name if spec.provider in providers() else str(spec)


def _cannot(spec: ModelSpec, kind: Kind) -> UnknownModel:
    return UnknownModel(
        f"The provider {spec.provider!r} has no {kind}{'' if kind == 'rerankers' else ' models'}.",
        where=str(spec),
        fix=f"known providers: {', '.join(sorted(providers()))}",
    )
