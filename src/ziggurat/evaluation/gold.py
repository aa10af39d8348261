"""What an index has of a dataset's gold, and by which names a passage is known.

A gold name is a chunk's id, a document's id, a source (whole, or the file's name alone) or a title. Names
are compared without regard to case and white space. Reads the index once, from end to end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document

from ziggurat.errors import InputError
from ziggurat.evaluation.dataset import Dataset

if TYPE_CHECKING:
    from ziggurat.index import VectorIndex

_SHOWN = 3
_BATCH = 512


def fold(name: str) -> str:
    """A name as it is compared."""
    return " ".join(name.casefold().split())


def names_of(chunk_id: str | None, metadata: Mapping[str, Any]) -> frozenset[str]:
    """Everything a passage can be called by in a dataset, folded.

    Args:
        chunk_id: The chunk's id.
        metadata: As LangChain documents of our index carry it.
    """
    named = [chunk_id, *(metadata.get(key) for key in ("document_id", "source", "title"))]
    texts = [one for one in named if isinstance(one, str) and one.strip()]
    source = metadata.get("source")
    if isinstance(source, str) and "/" in source.rstrip("/"):
        texts.append(PurePosixPath(source).name)
    return frozenset(map(fold, texts))


@dataclass(frozen=True, slots=True)
class Gold:
    """The gold of a dataset as an index has it.

    Attributes:
        passages: By folded gold name, the chunks it names, in the order they were stored.
        missing: Gold names that nothing in the index bears.
        names: How many different gold names there are.
    """

    passages: Mapping[str, tuple[Document, ...]]
    missing: tuple[str, ...]
    names: int

    def of(self, gold: Iterable[str]) -> list[Document]:
        """The chunks that some gold names name, each once."""
        found = {one.id: one for name in gold for one in self.passages.get(fold(name), ())}
        return list(found.values())

    def __str__(self) -> str:
        if not self.missing:
            return f"all {self.names:,} gold names are in the index"
        shown = ", ".join(repr(one) for one in self.missing[:_SHOWN])
        return f"{len(self.missing):,} of {self.names:,} gold names are not in the index: {shown}" + (
            " …" if len(self.missing) > _SHOWN else ""
        )


def find_gold(index: VectorIndex, dataset: Dataset) -> Gold:
    """Look up the gold of a dataset.

    Raises:
        InputError: If the index has nothing of it, or the dataset says of no question what should be found.
    """
    wanted = {fold(name): name for question in dataset.questions for name in question.gold}
    if not wanted:
        raise InputError(
            f"No row of {dataset.name!r} says which passages should be found.",
            fix='add "gold": ids, sources or titles of passages',
        )
    passages: dict[str, list[Document]] = {}
    for part in index.records(_BATCH):
        for chunk_id, text, metadata in zip(part.ids, part.texts, part.metadatas, strict=True):
            for name in names_of(chunk_id, metadata) & wanted.keys():
                passages.setdefault(name, []).append(Document(id=chunk_id, page_content=text, metadata=metadata))
    if not passages:
        shown = ", ".join(repr(one) for one in list(wanted.values())[:_SHOWN])
        raise InputError(
            f"The index has none of the {len(wanted):,} gold passages of {dataset.name!r}: {shown} …",
            where=str(index.path),
            fix="the dataset belongs to another index; gold names ids, sources or titles as "
            "`ziggurat kb export` shows them",
        )
    missing = tuple(name for folded, name in wanted.items() if folded not in passages)
    return Gold({name: tuple(found) for name, found in passages.items()}, missing, len(wanted))
