"""The provider ``local``: models of the catalogue, run on this machine with no key.

``local:<catalogue name>`` for chat, embeddings and rerankers; ``local:/path/to/model.gguf`` for chat weights of
one's own, ``local:/path/to/folder`` for a cross-encoder of one's own. Refuses what cannot work before anything is fetched; how a model runs is its own file's affair.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ziggurat.errors import InputError, ModelUnavailable
from ziggurat.models.weights import catalogue

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel

    from ziggurat.specs import Reranker


class LocalProvider:
    """Chat, embeddings and rerankers with no key and no network once the weights are here."""

    def chat(self, name: str, **options: Any) -> BaseChatModel:
        """Open ``LocalChat``; its weights are fetched and loaded at the first answer.

        Raises:
            UnknownModel: If the catalogue has no such model.
            ModelUnavailable: If ``name`` is the path of a file that is not there.
            InputError: If the model makes no chat, or an option does not exist.
        """
        from ziggurat.models.llama.chat import LocalChat

        if name.endswith(".gguf"):
            if not Path(name).expanduser().is_file():
                raise ModelUnavailable("There is no file of weights.", where=name)
        else:
            entry = catalogue.entry(name)
            if entry.kind != "chat":
                raise InputError(f"local:{name} makes {entry.kind}, not chat.", fix="choose a chat model")
        unknown = sorted(options.keys() - LocalChat.model_fields.keys())
        if unknown:
            known = sorted(set(LocalChat.__annotations__) - {"model"})
            raise InputError(
                f"The local chat model has no option {unknown[0]!r}.",
                where=f"local:{name}",
                fix=f"its options: {', '.join(known)}",
            )
        return LocalChat(model=f"local:{name}", **options)

    def embeddings(self, name: str, **options: Any) -> Embeddings:
        """Open ``LocalEmbeddings``.

        Raises:
            UnknownModel: If the catalogue has no such model.
        """
        from ziggurat.models.encoder.embeddings import LocalEmbeddings

        made: Embeddings = LocalEmbeddings(name, **options)
        return made

    def reranker(self, name: str, **options: Any) -> Reranker:
        """Open a `LocalReranker`; its weights are fetched and loaded at the first question.

        Raises:
            UnknownModel: If the catalogue has no such model.
            ModelUnavailable: If ``name`` is the path of a folder in which a file is missing.
        """
        from ziggurat.models.encoder.reranker import LocalReranker

        return LocalReranker(name, **options)


provider = LocalProvider()
