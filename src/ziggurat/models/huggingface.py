"""The provider ``huggingface``: hosted models, through Hugging Face's own client.

``huggingface:meta-llama/Llama-3.3-70B-Instruct`` asks the inference providers of the hub;
``huggingface:https://….endpoints.huggingface.cloud`` an endpoint or server of one's own, which speaks
the same protocol (text-generation-inference, vLLM, llama.cpp). Chat and embeddings are LangChain's
classes over ``huggingface_hub``; decided here is what must be there before anything is opened.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from ziggurat.errors import ModelUnavailable
from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_KEYS = ("HF_TOKEN", "HUGGINGFACEHUB_API_TOKEN")
_ADDRESS = ("http://", "https://")
_CLIENT_OPTIONS = frozenset({"provider", "timeout", "server_kwargs"})


class HuggingFaceProvider:
    """Chat and embeddings by Hugging Face's inference client."""

    def chat(self, name: str, **options: Any) -> BaseChatModel:
        """Open ``ChatHuggingFace``.

        Args:
            name: A repository of the hub, or the address of a server.
            options: ``provider``, ``timeout``, ``api_key`` and ``base_url`` go to the client; others,
                such as ``temperature`` and ``max_tokens``, into every request.

        Raises:
            MissingDependency: If ``langchain-huggingface`` is not installed.
            ModelUnavailable: If there is no token for the hub.
        """
        module = require("langchain_huggingface", for_="Hugging Face's hosted models", extra="huggingface")
        client = {key: options.pop(key) for key in _CLIENT_OPTIONS & options.keys()}
        where = str(options.pop("base_url", None) or name)
        token = _token(where, options)
        llm = module.HuggingFaceEndpoint(model=where, huggingfacehub_api_token=token, **client)
        # The class above asks for a token of its own even where a server needs none.
        made: BaseChatModel = module.ChatHuggingFace(llm=llm, model_id=name, **{"stream_usage": True, **options})
        return made

    def embeddings(self, name: str, **options: Any) -> Embeddings:
        """Open `HostedEmbeddings`.

        Args:
            name: A repository of the hub, or the address of a server.
            options: ``api_key``, ``base_url``, ``provider`` and ``timeout``.

        Raises:
            MissingDependency: If ``huggingface_hub`` is not installed.
            ModelUnavailable: If there is no token for the hub.
        """
        hub = require("huggingface_hub", for_="Hugging Face's hosted embeddings", extra="huggingface")
        where = str(options.pop("base_url", None) or name)
        token = _token(where, options)
        return HostedEmbeddings(name, hub.InferenceClient(model=where, token=token, **options))


class HostedEmbeddings(Embeddings):
    """Vectors from Hugging Face's feature extraction.

    LangChain's class for it takes repositories of the hub only, and no server of one's own. The
    asynchronous forms run in threads.

    Args:
        name: The model, as it was named.
        client: A ``huggingface_hub.InferenceClient``.
    """

    def __init__(self, name: str, client: Any) -> None:
        self.model = name
        self.spec = f"huggingface:{name}"
        self._client = client

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text."""
        return _vectors(self._client.feature_extraction(texts)) if texts else []

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text."""
        return self.embed_documents([text])[0]


def _vectors(given: Any) -> list[list[float]]:
    """One vector a text, shape (texts, dimensions); refused are vectors of tokens, shape (texts, tokens, dimensions)."""
    if given.ndim != 2:  # noqa: PLR2004 (texts and dimensions)
        raise ModelUnavailable(
            f"The model gives {given.ndim - 1}-dimensional results, not one vector a text.",
            fix="name a sentence encoder, such as BAAI/bge-m3",
        )
    made: list[list[float]] = given.tolist()
    return made


def _token(where: str, options: dict[str, Any]) -> str:
    given = options.pop("api_key", None) or options.pop("huggingfacehub_api_token", None)
    found = given or next((os.environ[key] for key in _KEYS if os.environ.get(key)), None)
    if found is None and not where.startswith(_ADDRESS):
        raise ModelUnavailable(
            "There is no token for Hugging Face.",
            where=f"huggingface:{where}",
            fix=f"set {_KEYS[0]}, or run the model here: transformers:{where}",
        )
    value = getattr(found, "get_secret_value", None)
    return str(value() if value else found or "none")


provider = HuggingFaceProvider()
