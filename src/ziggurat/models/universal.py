"""The provider ``*``: whatever LangChain itself can open by name, for example ``anthropic:claude-…``.

Registered for every provider nobody else registered, so it is also the one who says that a name is
unknown. LangChain is asked for its list; nothing is listed here.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ziggurat.errors import MissingDependency, UnknownModel
from ziggurat.optional import require
from ziggurat.specs import ModelSpec, providers

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel


class UniversalProvider:
    """Chat and embeddings through LangChain's ``init_chat_model`` and ``init_embeddings``.

    Takes a whole spec, ``provider:name``, since it answers for many providers.
    """

    def chat(self, name: str, **options: Any) -> BaseChatModel:
        """Open a chat model.

        Raises:
            MissingDependency: If ``langchain`` or the provider's package is not installed.
            UnknownModel: If nobody knows the provider; the closest names are suggested.
        """
        spec = ModelSpec.parse(name)
        module = require("langchain.chat_models.base", for_=f"models of {spec.provider!r}", extra="providers")
        _know(spec, module)
        made: BaseChatModel = _opened(spec, lambda: module.init_chat_model(str(spec), **options))
        return made

    def embeddings(self, name: str, **options: Any) -> Embeddings:
        """Open an embedding model.

        Raises:
            MissingDependency: If ``langchain`` or the provider's package is not installed.
            UnknownModel: If nobody knows the provider; the closest names are suggested.
        """
        spec = ModelSpec.parse(name)
        module = require("langchain.embeddings.base", for_=f"embeddings of {spec.provider!r}", extra="providers")
        _know(spec, module)
        made: Embeddings = _opened(spec, lambda: module.init_embeddings(str(spec), **options))
        return made


def _know(spec: ModelSpec, module: ModuleType) -> None:
    """Refuse a provider that LangChain does not list; a LangChain that hides its list is asked directly."""
    theirs = getattr(module, "_BUILTIN_PROVIDERS", None)
    if theirs is None or spec.provider in theirs:
        return
    known = sorted({*theirs, *providers()} - {"*"})
    close = get_close_matches(spec.provider, known, n=3)
    raise UnknownModel(
        f"Nobody knows the provider {spec.provider!r}.",
        where=str(spec),
        fix=f"did you mean {' or '.join(close)}?" if close else f"known providers: {', '.join(known)}",
    )


def _opened(spec: ModelSpec, opener: Callable[[], Any]) -> Any:
    try:
        return opener()
    except ImportError as error:
        package = _missing_package(error)
        raise MissingDependency(
            f"The package {package!r} is not installed; it is needed for models of {spec.provider!r}.",
            where=str(spec),
            fix=f"pip install {package}",
        ) from error


def _missing_package(error: ImportError) -> str:
    """The distribution behind a failed import: LangChain raises its own text over the real cause."""
    cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    module = (cause.name or "").partition(".")[0]
    return module.replace("_", "-") or "langchain integration package"


provider = UniversalProvider()
