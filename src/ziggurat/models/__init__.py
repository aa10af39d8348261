"""Who answers: chat, embeddings and images, by model spec.

The shop window of the room: three functions over `ziggurat.specs`. Importing it imports neither LangChain
nor any provider. A call that names no model gets the local one and says so, once for each kind.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Literal

from ziggurat import specs

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel

__all__ = ["chat", "embeddings", "images"]

_log = logging.getLogger(__name__)
_said: set[str] = set()


def chat(spec: str | BaseChatModel | None = None, **options: Any) -> BaseChatModel:
    """A chat model by spec.

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
    return specs.open_chat(spec or _default("chat"), **options)


def embeddings(spec: str | Embeddings | None = None, **options: Any) -> Embeddings:
    """An embedding model by spec; arguments and errors as for `chat`."""
    if spec is not None and not isinstance(spec, str):
        return spec
    return specs.open_embeddings(spec or _default("embeddings"), **options)


def images(spec: str | specs.ImageModel, **options: Any) -> specs.ImageModel:
    """An image model by spec; errors as for `chat`. There is no default: pictures from a model are paid."""
    return specs.open_images(spec, **options) if isinstance(spec, str) else spec


def _default(kind: Literal["chat", "embeddings"]) -> str:
    """The local default of a kind, told once."""
    spec = specs.DEFAULTS[kind]
    if kind not in _said:
        _said.add(kind)
        _log.info("no %s model named; using %s", kind, spec)
        if sys.stderr.isatty():
            sys.stderr.write(f"ziggurat: no {kind} model named; using {spec}\n")
    return spec
