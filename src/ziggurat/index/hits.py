"""What searches and reports are made of: small frozen values.

Knows nothing of SQLite, FAISS or LangChain. A hit tells where its text stands in its document and
what each leg of the search thought of it, so a later stage can cite it and a reader can see why it
was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ziggurat.loaders.document import Place

SearchMode = Literal["hybrid", "dense", "words", "multihop"]
HowLinked = Literal["the question names", "names", "has a word of", "is named by"]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a chunk stands in its document.

    Attributes:
        source: The document's source as it was given: a path, a URL, or None for a bare text.
        start: Offset of the first character in the document's text.
        end: Offset after the last character; ``text[start:end]`` is the chunk.
        first_line: Line of ``start``, from 1.
        last_line: Line of the chunk's last character, from 1.
        headings: The headings above the chunk, outermost first.
        places: The pages, rows, slides or moments it runs over, with their offsets in the chunk.
    """

    source: str | None
    start: int
    end: int
    first_line: int
    last_line: int
    headings: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()

    def place(self, offset: int = 0) -> Place | None:
        """The place of the chunk's character at ``offset``; None where its file has no places."""
        return next((place for place in reversed(self.places) if place.start <= offset), None)


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg's opinion of a hit.

    Attributes:
        rank: From 1, the best.
        score: The cosine of the dense leg, or the BM25 of the words leg; higher is better.
    """

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a multi-hop search.

    Attributes:
        start: The title of the document it starts from; None where it starts from the question.
        end: The title of the document it leads to; None for one that names another and has no title.
        how: What links them.
        said: The words that link them.
    """

    start: str | None
    end: str | None
    how: HowLinked
    said: str

    def __str__(self) -> str:
        return (
            f"{self.how if self.start is None else f'{self.start} {self.how}'} “{self.said}” → {self.end or 'untitled'}"
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found.

    Attributes:
        document_id: The document it belongs to; the chunk's own id when it was added as a bare text.
        chunk_id: The chunk's id, what `VectorIndex.get_by_ids` and `VectorIndex.delete` take.
        text: The chunk.
        score: What hits are ordered by. Hybrid: 0 to 1; dense: the cosine; words: the BM25.
        dense: The dense leg's rank and score; None where that leg did not name this chunk.
        words: The same for the words leg.
        metadata: As it was given, plus ``source`` and ``headings`` for chunks of loaded documents.
        position: Where the text stands in its document.
        path: The steps that led here, first to last; empty for a hit the question found by itself.
    """

    document_id: str
    chunk_id: str
    text: str
    score: float
    dense: Leg | None
    words: Leg | None
    metadata: Mapping[str, Any]
    position: Position
    path: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, page or object that was not indexed, and why, in one line."""

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


@dataclass(slots=True)
class IngestReport:
    """What became of the items of a source.

    Attributes:
        added: Ids of documents that are new in the index, in the order they were read.
        changed: Ids of documents that replaced an earlier text of theirs.
        removed: Keys of items that left the source, and whose documents left the index with them.
        unchanged: How many items were as the index had them.
        chunks: How many chunks the added and changed documents were split into.
        embedded: How many texts were given to the embedding model; chunks the index had already were not.
        unsupported: Items of a type nothing reads.
        unreadable: Items that are damaged, protected, empty, or not what their name says. What the
            index had of one before stays.
        seconds: How long it took.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    chunks: int = 0
    embedded: int = 0
    unsupported: list[LeftOut] = field(default_factory=list)
    unreadable: list[LeftOut] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def documents(self) -> list[str]:
        """Ids of the documents that were written, added ones first."""
        return self.added + self.changed

    @property
    def left_out(self) -> list[LeftOut]:
        """Everything that could not be indexed."""
        return self.unreadable + self.unsupported

    def __str__(self) -> str:
        told = [f"{len(self.added)} added", f"{len(self.changed)} changed", f"{len(self.removed)} removed"]
        told.append(f"{self.unchanged} unchanged")
        told.append(f"{len(self.left_out)} left out")
        return f"{', '.join(told)}; {self.embedded} of {self.chunks} chunks embedded in {self.seconds:.1f} s"


@dataclass(slots=True)
class Drift:
    """How a source differs from what an index has of it: what a sync would do.

    Attributes:
        source: The source's name.
        added: Keys of items the index has nothing of.
        changed: Keys of items that say something else now.
        removed: Keys of items that are gone.
        unchanged: How many items are as the index has them.
        unreadable: Items that cannot be read.
    """

    source: str
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    unreadable: list[LeftOut] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class Difference:
    """How two indexes differ, by the ids and texts of their documents.

    Attributes:
        only_here: Ids that only the first has.
        only_there: Ids that only the second has.
        different: Ids of which both have another text.
        same: How many are the same in both.
    """

    only_here: tuple[str, ...]
    only_there: tuple[str, ...]
    different: tuple[str, ...]
    same: int

    def __bool__(self) -> bool:
        return bool(self.only_here or self.only_there or self.different)


@dataclass(frozen=True, slots=True)
class SourceStats:
    """What an index remembers of a source.

    Attributes:
        name: Of the source.
        items: How many items it had when it was last read.
        documents: How many documents the index has of them.
        problems: Items that could not be read, and why.
    """

    name: str
    items: int
    documents: int
    problems: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing `VectorIndex.verify` looked at."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Everything `VectorIndex.verify` looked at; true when all of it is well."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)

    @property
    def faults(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.ok)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return "\n".join(f"{'ok  ' if c.ok else 'FAIL'} {c.name}: {c.detail}" for c in self.checks)


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What `VectorIndex.repair` did.

    Attributes:
        done: One line for each thing that was rebuilt or removed.
        removed_documents: Documents of which a part was missing; add their files again.
        health: How the index is now.
    """

    done: tuple[str, ...]
    removed_documents: tuple[str, ...]
    health: HealthReport


@dataclass(frozen=True, slots=True)
class ReembedReport:
    """What `VectorIndex.reembed` did.

    Attributes:
        before: The fingerprint of the model before; None if there were no vectors.
        after: Of the model now.
        embedded: How many chunks were embedded.
        kept: How many had been embedded by a run before that did not end.
    """

    before: str | None
    after: str
    embedded: int
    kept: int


@dataclass(frozen=True, slots=True)
class IndexStats:
    """An index in numbers.

    Attributes:
        path: Its directory.
        generation: How many commits it has seen.
        documents: Loaded documents; bare texts are not counted here.
        chunks: Searchable chunks.
        dimensions: Of the vectors; None before the first.
        embedding: The fingerprint of the embedding model.
        searcher: How vectors are searched: ``flat``, or ``pq`` with its measured settings.
        snapshot_rows: Vectors in the snapshot file.
        tail_rows: Vectors committed since, searched from memory.
        disk_bytes: Everything in the directory.
        snapshot_problem: Why the last snapshot could not be written, or None.
        sources: What it was filled from.
        next_embedding: The model it is being embedded anew with, or None.
    """

    path: Path
    generation: int
    documents: int
    chunks: int
    dimensions: int | None
    embedding: str | None
    searcher: str
    snapshot_rows: int
    tail_rows: int
    disk_bytes: int
    snapshot_problem: str | None
    sources: tuple[SourceStats, ...] = ()
    next_embedding: str | None = None
