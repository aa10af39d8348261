"""Who answers: chat, embeddings, images and rerankers, by model spec.

The shop window of the room: four functions over `ziggurat.specs`, and the limits of how often a chat
model may be asked. Importing it imports neither LangChain nor any provider. A call that names no model gets
the local one and says so, once for each kind.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

from ziggurat import specs
from ziggurat.models import limits
from ziggurat.quiet import logger
from ziggurat.throttle import Throttle

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel
    from langchain_core.rate_limiters import BaseRateLimiter

__all__ = ["chat", "embeddings", "images", "limit", "rate_limiter", "reranker", "unlimit"]

_log = logger(__name__)
_said: set[str] = set()


def chat(spec: str | BaseChatModel | None = None, **options: Any) -> BaseChatModel:
    """A chat model by spec; its calls keep to the spec's `limit`, whether that was set before or is set later.

    Args:
        spec: ``provider:name``; None for the local default; a chat model is returned as it is.
        options: For the model's constructor.

    Raises:
        InputError: If the spec has no such form, or an option does not exist.
        UnknownModel: If nobody answers to the spec.
        ModelUnavailable: If a key or a file is missing.
        MissingDependency: If a package is missing.
    """
    if spec is not None and not isinstance(spec, str):
        return spec
    name = spec or _default("chat")
    model = specs.open_chat(name, **options)
    from ziggurat.models.turnstile import install

    install(model, limits.normal(name))
    return model


def embeddings(spec: str | Embeddings | None = None, **options: Any) -> Embeddings:
    """An embedding model by spec; arguments and errors as for `chat`."""
    if spec is not None and not isinstance(spec, str):
        return spec
    return specs.open_embeddings(spec or _default("embeddings"), **options)


def images(spec: str | specs.ImageModel, **options: Any) -> specs.ImageModel:
    """An image model by spec; errors as for `chat`. There is no default: pictures from a model are paid."""
    return specs.open_images(spec, **options) if isinstance(spec, str) else spec


def reranker(spec: str | specs.Reranker | None = None, **options: Any) -> specs.Reranker:
    """A reranker by spec; arguments and errors as for `chat`."""
    if spec is not None and not isinstance(spec, str):
        return spec
    return specs.open_reranker(spec or _default("rerankers"), **options)


def limit(spec: str, *, requests: int | None = None, tokens: int | None = None) -> Throttle:
    """Limit the calls of a chat model's spec, over all stages, chains, threads and event loops of this process.

    Calls wait for their turn, first come, first served; answers from LangChain's cache do not. Tokens are
    reserved by an estimate (the text, and as long an answer as this spec's usually are) and corrected by what
    the answer reports. A refusal that names a ``Retry-After`` makes the whole spec wait that long. Setting
    limits again changes them, for those who wait already too.

    What OpenAI's clients repeat by themselves (``max_retries``) stands in the line too; of other providers'
    clients only the last refusal is heard, so open those with ``max_retries=0`` and let the stage's ``retry``
    ask again. A model built without a spec keeps to the limit if it is given
    ``rate_limiter=rate_limiter(spec)``. Embeddings and images are not limited: LangChain's interfaces have
    no place for it.

    Args:
        spec: ``provider:name``; what `chat` opens with it is limited.
        requests: Calls in any 60 seconds; None for any number.
        tokens: Tokens read and written in any 60 seconds; None for any number. With neither, only
            ``Retry-After`` is honoured.

    Returns:
        What counts; its ``waiting`` tells how many calls are in the line.

    Raises:
        InputError: If ``spec`` has no such form, or a limit is not a whole number of at least 1. A call
            that could never pass raises it too, before anything is sent.
    """
    return limits.PROCESS.set(spec, requests=requests, tokens=tokens)


def unlimit(spec: str) -> None:
    """Forget the limits of a spec; calls that wait are sent.

    Raises:
        InputError: If ``spec`` has no such form.
    """
    limits.PROCESS.lift(spec)


def rate_limiter(spec: str) -> BaseRateLimiter:
    """What makes a chat model of one's own keep to the limits of ``spec``.

    Example:
        ``ChatOpenAI(model="gpt-4.1", rate_limiter=rate_limiter("openai:gpt-4.1"))``

    Raises:
        InputError: If ``spec`` has no such form.
    """
    name = limits.normal(spec)
    from ziggurat.models.turnstile import Turnstile

    return Turnstile(name)


def _default(kind: Literal["chat", "embeddings", "rerankers"]) -> str:
    """The local default of a kind, told once."""
    spec = specs.DEFAULT_RERANKER if kind == "rerankers" else specs.DEFAULTS[kind]
    if kind not in _said:
        _said.add(kind)
        missing = "reranker" if kind == "rerankers" else f"{kind} model"
        _log.info("no %s named; using %s", missing, spec)
        if sys.stderr.isatty():
            sys.stderr.write(f"ziggurat: no {missing} named; using {spec}\n")
    return spec
