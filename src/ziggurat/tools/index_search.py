"""Search of an index as a tool: passages with the place each stands at.

Takes anything that retrieves. How passages are found is the retriever's business.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.vectorstores import VectorStore
from pydantic import BaseModel, Field

from ziggurat.errors import InputError
from ziggurat.tools.bounds import CHARACTERS, SECONDS, cut
from ziggurat.tools.making import make

_DESCRIPTION = (
    "Searches the user's own documents{about} and returns the passages that speak of a question, "
    "each with its source. Use it for anything these documents may say."
)


class Question(BaseModel):
    """What is looked for."""

    question: str = Field(description="What to look for, as a question or a few words.", min_length=1, max_length=1000)


def index_search(
    index: Any,
    *,
    k: int = 4,
    about: str = "",
    name: str = "index_search",
    characters: int = CHARACTERS,
    seconds: float = SECONDS,
) -> BaseTool:
    """A tool that searches documents.

    Args:
        index: A `VectorIndex` or its folder, another vector store, a retriever, or any Runnable from a
            question to documents.
        k: Passages to return, where ``index`` is a store.
        about: What the documents are, such as "the handbook of the hospital"; a model is told.
        name: What the model calls it.
        characters: Of its result at most.
        seconds: A search may take.

    Raises:
        InputError: If it cannot retrieve.
        IndexNotFound: If there is no index in that folder.
    """
    retriever = as_retriever(index, k)

    async def search(question: str) -> str:
        return listed(await retriever.ainvoke(question), characters)

    description = _DESCRIPTION.format(about=f" ({about})" if about else "")
    return make(name, description, Question, awork=search, characters=characters, seconds=seconds)


def as_retriever(index: Any, k: int, **more: Any) -> Runnable[str, list[Document]]:
    """What retrieves from an index.

    Raises:
        InputError: If it cannot.
    """
    if isinstance(index, str | Path):
        from ziggurat.index import VectorIndex

        index = VectorIndex.open(index, read_only=True)
    if isinstance(index, VectorStore):
        return index.as_retriever(search_kwargs={"k": k, **more})
    if isinstance(index, Runnable):
        return index
    raise InputError(
        f"{type(index).__name__} cannot be searched.", fix="give an index, its folder, a vector store or a retriever"
    )


def listed(documents: list[Document], characters: int = CHARACTERS) -> str:
    """Passages one below the other, each numbered and with its source."""
    if not documents:
        return "Nothing was found."
    share = max(200, characters // len(documents) - 80)
    return "\n\n".join(
        f"[{number}] {source_of(one)}\n{cut(' '.join(one.page_content.split()), share)}"
        for number, one in enumerate(documents, 1)
    )


def source_of(document: Document) -> str:
    """Where a passage stands: its document, and the line if that is known."""
    metadata = document.metadata
    source = str(metadata.get("source") or metadata.get("title") or document.id or "a text")
    line = metadata.get("first_line")
    return source if line is None else f"{source}:{line}"
