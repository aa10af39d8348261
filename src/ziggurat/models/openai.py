"""The provider ``openai``: OpenAI's models, and whoever speaks its API at another ``base_url``.

Chat and embeddings are LangChain's own classes; what is decided here is only what must be there before
anything is opened, and three defaults: streams report their usage, texts to embed are sent as text (so
no tokenizer is fetched), and a missing key is one clear line that names the variable.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ziggurat.errors import ModelUnavailable
from ziggurat.models.openai_images import OpenAIImages
from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel

KEY_VARIABLE = "OPENAI_API_KEY"


class OpenAIProvider:
    """Chat, embeddings and images of OpenAI.

    Every option of the LangChain class is accepted, for example ``base_url``, ``api_key``,
    ``max_retries``, ``timeout`` and ``temperature``.
    """

    def chat(self, name: str, **options: Any) -> BaseChatModel:
        """Open ``ChatOpenAI``.

        Raises:
            MissingDependency: If ``langchain-openai`` is not installed.
            ModelUnavailable: If there is no key.
        """
        module = require("langchain_openai", for_="OpenAI's chat models", extra="openai")
        self._need_key(name, options)
        made: BaseChatModel = module.ChatOpenAI(model=name, **{"stream_usage": True, **options})
        return made

    def embeddings(self, name: str, **options: Any) -> Embeddings:
        """Open ``OpenAIEmbeddings``. A text longer than the model reads is refused by the service.

        Raises:
            MissingDependency: If ``langchain-openai`` is not installed.
            ModelUnavailable: If there is no key.
        """
        module = require("langchain_openai", for_="OpenAI's embeddings", extra="openai")
        self._need_key(name, options)
        made: Embeddings = module.OpenAIEmbeddings(model=name, **{"check_embedding_ctx_length": False, **options})
        return made

    def images(self, name: str, **options: Any) -> OpenAIImages:
        """Open `OpenAIImages`.

        Args:
            name: ``gpt-image-1``, ``dall-e-3`` or a relative of theirs.
            options: ``api_key``, ``base_url``, ``organization``, ``timeout`` and ``max_retries`` go to
                the client, everything else into every request.

        Raises:
            MissingDependency: If ``openai`` is not installed.
            ModelUnavailable: If there is no key.
        """
        sdk = require("openai", for_="OpenAI's image models", extra="openai")
        self._need_key(name, options)
        client, request = split_client_options(options)
        return OpenAIImages(
            f"openai:{name}",
            name,
            client=lambda: sdk.OpenAI(**client),
            aclient=lambda: sdk.AsyncOpenAI(**client),
            options=request,
        )

    def _need_key(self, name: str, options: dict[str, Any]) -> None:
        if options.get("api_key") or options.get("openai_api_key") or os.environ.get(KEY_VARIABLE):
            return
        raise ModelUnavailable(
            "There is no key for OpenAI.",
            where=f"openai:{name}",
            fix=f"set the environment variable {KEY_VARIABLE}, pass api_key=…, or use a local model",
        )


_CLIENT_OPTIONS = {"api_key", "base_url", "organization", "project", "timeout", "max_retries", "default_headers"}


def split_client_options(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What goes to the SDK's client, and what goes into each request."""
    client = {name: value for name, value in options.items() if name in _CLIENT_OPTIONS}
    request = {name: value for name, value in options.items() if name not in _CLIENT_OPTIONS}
    return client, request


provider = OpenAIProvider()
