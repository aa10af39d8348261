"""The provider ``transformers``: a model of the transformers library in this process, from a folder or the hub.

``transformers:./my-model`` or ``transformers:google/flan-t5-base``. Weights are read from safetensors
only, and no code of a repository is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel


class TransformersProvider:
    """Chat and embeddings by models of the transformers library."""

    def chat(self, name: str, **options: Any) -> BaseChatModel:
        """Open a `TransformersChat`; the weights are read with the first call.

        Args:
            name: A folder, or a repository of the hub.
            options: Of `TransformersChat`.

        Raises:
            MissingDependency: If ``transformers`` or ``torch`` is not installed.
        """
        for module in ("torch", "transformers"):
            require(module, for_="models of the transformers library", extra="transformers")
        from ziggurat.models.transformers.chat import TransformersChat

        return TransformersChat(model=name, **options)

    def embeddings(self, name: str, **options: Any) -> Embeddings:
        """Open LangChain's ``HuggingFaceEmbeddings``, which reads sentence-transformers models.

        Args:
            name: A folder, or a repository of the hub.
            options: Of the class, such as ``encode_kwargs``.

        Raises:
            MissingDependency: If ``sentence-transformers`` is not installed.
            ModelUnavailable: If there is no such model.
        """
        from ziggurat.models.shared import sharing

        client = sharing()
        if client is None:
            return sentence_embeddings(name, options)
        from ziggurat.models.shared.engines import SharedSentenceEmbeddings

        return SharedSentenceEmbeddings(client, name, options)


def sentence_embeddings(name: str, options: dict[str, Any]) -> Embeddings:
    """LangChain's ``HuggingFaceEmbeddings``, loaded in this process; arguments and errors as for ``embeddings``."""
    module = require("langchain_huggingface", for_="sentence-transformers models", extra="transformers")
    require("sentence_transformers", for_="sentence-transformers models", extra="transformers")
    from ziggurat.models.transformers.loading import unavailable

    given = dict(options.get("model_kwargs") or {})
    others = {key: value for key, value in options.items() if key != "model_kwargs"}
    try:
        made: Embeddings = module.HuggingFaceEmbeddings(
            model_name=name, model_kwargs={**given, "trust_remote_code": False}, **others
        )
    except (OSError, ValueError) as error:
        raise unavailable(name, error) from error
    return made


provider = TransformersProvider()
