"""What a store must be able to do to stand behind `ConnectedStore`, and what all of ours share.

A backend speaks of records (ids, texts, metadata, vectors) and of conditions in its store's own form.
It embeds nothing, checks no input and knows nothing of LangChain but the class it can make of itself.
Invariant: whatever a store's client raises leaves a backend as one of our errors, with no secret in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ziggurat.errors import IndexFault, IndexNotFound, InputError, ZigguratError
from ziggurat.index.inputs import Vectors, check_vectors
from ziggurat.index.records import Records
from ziggurat.stores.address import Address
from ziggurat.stores.conditions import Condition

_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a collection remembers of the model that made its vectors.

    Attributes:
        fingerprint: Of the model.
        spec: What opens it, where it has a spec.
    """

    fingerprint: str
    spec: str | None

    def to_json(self) -> str:
        """One line to be kept with the collection."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | None) -> Self | None:
        """What `to_json` wrote; None for nothing, or for what is not of ours."""
        try:
            found = json.loads(text or "null")
        except ValueError:
            return None
        if not isinstance(found, dict) or not isinstance(found.get("fingerprint"), str):
            return None
        spec = found.get("spec")
        return cls(found["fingerprint"], spec if isinstance(spec, str) else None)


class Backend(Protocol):
    """A collection in some store."""

    @property
    def kind(self) -> str:
        """The store's name, as a reader knows it."""

    @property
    def where(self) -> str:
        """The address, without secrets."""

    def inner(self, embedding: Embeddings) -> VectorStore:
        """The LangChain package's own object over the same collection."""

    def recorded(self) -> Recorded | None:
        """What is remembered of the embedding model."""

    def record(self, model: Recorded) -> None:
        """Remember it; the collection is there."""

    def prepare(self, dimensions: int) -> None:
        """Make the collection, if it is not there, for vectors of this length.

        Raises:
            InputError: If it is there for vectors of another length.
        """

    def dimensions(self) -> int | None:
        """Length of its vectors; None while that is open."""

    def count(self) -> int:
        """How many texts it holds."""

    def compile(self, condition: Condition) -> Any:
        """A condition in the store's own form.

        Raises:
            InputError: If the store cannot express it.
        """

    def search(self, vector: Vectors, k: int, condition: Any | None) -> Records:
        """The ``k`` nearest of those that pass, vectors included."""

    def put(self, records: Records) -> None:
        """Store records, each replacing the one of its id; the ids differ."""

    def get(self, ids: Sequence[str]) -> Records:
        """Those of the ids that are there, in any order."""

    def delete(self, ids: Sequence[str] | None) -> None:
        """Remove these, or everything."""

    def pages(self, batch: int) -> Iterator[Records]:
        """Everything, each id once."""

    def close(self) -> None:
        """Let go of files and connections; closing twice is harmless."""


class WordsBackend(Protocol):
    """A store that can also search words."""

    def words(self, query: str, k: int, condition: Any | None) -> tuple[Records, list[float]]:
        """The ``k`` best by words with their scores, best first."""


class Connected:
    """What the backends share: a name, an address, and their client's errors told in ours.

    Args:
        address: Of the collection.
        secrets: What must not stand in a message.
    """

    kind: ClassVar[str]

    def __init__(self, address: Address, secrets: Sequence[str] = ()) -> None:
        self.address = address
        self.where = str(address)
        self._secrets = tuple(secret for secret in (*address.secrets, *secrets) if secret)

    @contextmanager
    def telling(self, doing: str) -> Iterator[None]:
        """Turn what the client raises into one of our errors.

        Args:
            doing: What was tried, as it reads after "refused": "to search".

        Raises:
            IndexFault: For anything that is not ours already.
        """
        try:
            yield
        except ZigguratError:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a client raises is told in our words)
            raised = IndexFault(
                f"{self.kind} refused {doing}: {type(error).__name__}: {self._gist(error)}",
                where=self.where,
                fix="see that the store is reachable and whole, and that its client fits its version",
            )
            # The client's own text may hold what ours must not.
            hidden = any(secret in f"{error!r}{error}" for secret in self._secrets)
            raise raised from (None if hidden else error)

    def _gist(self, error: Exception) -> str:
        lines = str(error).strip().splitlines()
        text = lines[0][:_LONGEST_MESSAGE] if lines else "no message"
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def missing(self, what: str) -> IndexNotFound:
        """The error for a collection that is not there."""
        return IndexNotFound(f"There is no {what}.", where=self.where, fix="check the address, or let it be made")


def gathered(rows: Sequence[tuple[str, str, dict[str, Any], Any]]) -> Records:
    """Records of rows of (id, text, metadata, vector)."""
    if not rows:
        return nothing()
    ids, texts, metadatas, vectors = zip(*rows, strict=True)
    matrix = check_vectors(np.asarray(vectors, dtype=np.float32), len(rows), None)
    return Records(list(ids), list(texts), list(metadatas), matrix)


def nothing() -> Records:
    """No records."""
    return Records([], [], [], np.empty((0, 0), dtype=np.float32))


def check_dimensions(found: int | None, wanted: int, where: str) -> None:
    """Refuse vectors of another length than a collection's.

    Raises:
        InputError: If both lengths are known and differ.
    """
    if found is not None and found != wanted:
        raise InputError(
            f"The vectors have {wanted} dimensions and the collection has {found}.",
            where=where,
            fix="embed with the model the collection was built with",
        )


def picked(found: Records, places: Sequence[int]) -> Records:
    """Some of the records, in this order."""
    ids, texts, metadatas, vectors = found
    return Records(
        [ids[at] for at in places],
        [texts[at] for at in places],
        [metadatas[at] for at in places],
        vectors[list(places)],
    )
