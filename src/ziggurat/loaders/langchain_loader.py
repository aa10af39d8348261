"""Any LangChain loader as a source.

A loader says nothing of what it would read before it reads, so its documents have no stamp, and what
changed is told by their texts. Documents of one source (the pages of a file) stay apart: each is an
item, numbered where the source repeats.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument, gist
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.source import Item

if TYPE_CHECKING:
    from langchain_core.document_loaders import BaseLoader
    from langchain_core.documents import Document


class LangChainSource:
    """What a LangChain ``BaseLoader`` loads.

    Args:
        loader: The loader; ``lazy_load`` is called anew each time the items are listed.
        name: What tells it from others; its class and what it reads unless given.
    """

    def __init__(self, loader: BaseLoader, *, name: str | None = None) -> None:
        self._loader = loader
        self._name = name or _named(loader)

    @property
    def name(self) -> str:
        """What tells it from others."""
        return self._name

    def items(self) -> Iterator[Item]:
        """An item for each document; what stops the loader is the last item's error."""
        seen: Counter[str] = Counter()
        documents = self._loader.lazy_load()
        while True:
            try:
                document = next(documents, None)
            except Exception as error:  # noqa: BLE001 (a loader may raise anything; what it had read before stays)
                yield Item(f"{self._name}#error", _failing(self._name, error), hides="")
                return
            if document is None:
                return
            source = str(document.metadata.get("source") or self._name)
            seen[source] += 1
            key = source if seen[source] == 1 else f"{source}#{seen[source]}"
            yield Item(key, _reading(document, key))


def from_langchain(document: Document, key: str) -> SourceDocument:
    """A LangChain document as ours; metadata that is not JSON is written as text.

    Raises:
        UnreadableDocument: If there is no text in it.
    """
    text = document.page_content
    if not text or text.isspace():
        raise UnreadableDocument("There is no text in it.", where=key)
    metadata = json.loads(json.dumps({**document.metadata, "source": key}, default=str))
    return SourceDocument(key, text, "text", metadata)


def _reading(document: Document, key: str) -> Any:
    return lambda: iter([from_langchain(document, key)])


def _failing(name: str, error: Exception) -> Any:
    def read() -> Iterator[SourceDocument]:
        raise UnreadableDocument(f"The loader stopped: {gist(error)}.", where=name) from error
        yield  # pragma: no cover

    return read


def _named(loader: BaseLoader) -> str:
    kind = f"{type(loader).__module__}.{type(loader).__qualname__}"
    for attribute in ("file_path", "path", "web_path", "url", "source"):
        value = getattr(loader, attribute, None)
        if isinstance(value, str) and value:
            return f"{kind}({value})"
    return kind
