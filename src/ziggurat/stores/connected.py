"""`ConnectedStore`: any store as the same LangChain ``VectorStore``, with one filter dialect.

Texts are checked and embedded here as for an index of ours. Keeping, finding and filtering are the
backend's; how it is searched is `searching`'s. Following LangChain, what is added replaces what has its id.
Invariant: vectors of two models never meet in one collection that tells which model made it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, cast

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from numpy.typing import ArrayLike

from ziggurat.errors import EmbeddingMismatch, InputError
from ziggurat.index.embedder import Embedder, fingerprint_of
from ziggurat.index.inputs import check_ids, check_k, check_metadatas, check_texts, check_vectors
from ziggurat.index.langchain_store import Metadatas, refuse_unknown
from ziggurat.index.records import Records
from ziggurat.stores.address import Address, parse_address
from ziggurat.stores.backend import Backend, Recorded, picked
from ziggurat.stores.kinds import connect
from ziggurat.stores.model import LazyEmbeddings
from ziggurat.stores.searching import SearchingStore, documents_of

_LARGEST_PUT = 1000


class ConnectedStore(SearchingStore):
    """A collection in another store.

    Args:
        backend: An open collection.
        embedding: The model its vectors are of; None opens the one it remembers, when needed.

    Attributes:
        address: Where it is.

    Raises:
        EmbeddingMismatch: If the collection remembers another model.
    """

    def __init__(self, backend: Backend, address: Address, embedding: Embeddings | str | None = None) -> None:
        self._backend = backend
        self.address = address
        known = backend.recorded()
        self._embedder = Embedder(
            embedding,
            spec=None if known is None else known.spec,
            fingerprint=None if known is None else known.fingerprint,
            where=backend.where,
        )
        if isinstance(embedding, str) and known is not None and embedding != known.spec:
            _ = self._embedder.model  # another spec may still be the same model; only opening it tells
        self._given = embedding is not None
        self._inner: VectorStore | None = None
        self._close = weakref.finalize(self, backend.close)

    # Opening

    @classmethod
    def open(
        cls,
        address: Address | str,
        embedding: Embeddings | str | None = None,
        *,
        create: bool = True,
        **options: Any,
    ) -> Self:
        """Open the collection at an address; see `ziggurat.stores.open_store`."""
        place = parse_address(address) if isinstance(address, str) else address
        if place.kind == "index":
            raise InputError("This is the address of an index of ours.", where=str(place), fix="use open_store")
        backend = connect(place, create=create, options=options)
        try:
            return cls(backend, place, embedding)
        except BaseException:
            backend.close()
            raise

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | str | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        address: Address | str = "",
        **kwargs: Any,
    ) -> Self:
        """The collection at an address, with some texts added to it."""
        store = cls.open(address, embedding, **kwargs)
        try:
            store.add_texts(texts, metadatas, ids=ids)
        except BaseException:
            store.close()
            raise
        return store

    # What it is

    @property
    def inner(self) -> VectorStore:
        """The object of the store's own LangChain package, over the same collection.

        Raises:
            IndexFault: While there is no collection for it to be over.
        """
        if self._inner is None:
            self._inner = self._backend.inner(LazyEmbeddings(self._model))
        return self._inner

    @property
    def embeddings(self) -> Embeddings | None:
        """The embedding model; None while it has not been needed."""
        return self._embedder.opened

    @property
    def fingerprint(self) -> str | None:
        """Of the model that made the vectors: as the collection remembers it, or as it was given on opening."""
        known = self._backend.recorded()
        if known is not None:
            return known.fingerprint
        return fingerprint_of(self._model()) if self._given else None

    @property
    def spec(self) -> str | None:
        """The spec that opens that model, where it is known."""
        known = self._backend.recorded()
        if known is not None:
            return known.spec
        return self._embedder.spec if self._given else None

    @property
    def dimensions(self) -> int | None:
        """Length of the vectors; None while that is open."""
        return self._backend.dimensions()

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """None: no store here tells its generation, so what was found once may not be found again."""
        return None

    def __len__(self) -> int:
        return self._backend.count()

    def __bool__(self) -> bool:
        return True  # an empty store is still a store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files and connections; closing twice is harmless."""
        self._inner = None
        self._close()

    def adopt(self, fingerprint: str, spec: str | None, dimensions: int) -> None:
        """Write down which model made the vectors that are about to be given.

        Args:
            fingerprint: Of the model.
            spec: What opens it, where that is known.
            dimensions: Of its vectors.

        Raises:
            EmbeddingMismatch: If the collection remembers another model.
        """
        self._backend.prepare(dimensions)
        known = self._backend.recorded()
        if known is None:
            self._backend.record(Recorded(fingerprint, spec))
            known = Recorded(fingerprint, spec)
        if known.fingerprint != fingerprint:
            raise EmbeddingMismatch(
                f"The collection holds vectors of {known.spec or known.fingerprint}, not of {spec or fingerprint}.",
                where=self._backend.where,
                fix="use another collection",
            )
        model = self._embedder.opened
        self._embedder = Embedder(model, spec=known.spec, fingerprint=known.fingerprint, where=self._backend.where)

    # Adding and removing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Metadatas | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embed and store texts, each as one record.

        Args:
            texts: None of them blank.
            metadatas: One dict of JSON values for each.
            ids: One for each, or None to make one up. A text with an id that is there already
                replaces the old one; of two with the same id the later counts.
            **kwargs: ``batch_size`` is accepted, as LangChain's indexing passes it.

        Returns:
            The ids, one for each text.

        Raises:
            InputError: If anything of it cannot be stored; then nothing is.
        """
        kwargs.pop("batch_size", None)
        refuse_unknown(kwargs)
        return self._add(texts, None, metadatas, ids)

    def add_vectors(
        self,
        texts: Iterable[str],
        vectors: ArrayLike,
        metadatas: Metadatas | None = None,
        *,
        ids: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Store texts whose vectors are known already.

        Args:
            texts: As in `add_texts`.
            vectors: Shape (len(texts), dimensions); they are scaled to length 1.
            metadatas: As in `add_texts`.
            ids: As in `add_texts`.

        Raises:
            InputError: If shapes do not agree or a value is not finite.
        """
        return self._add(texts, vectors, metadatas, ids)

    def _add(
        self,
        texts: Iterable[str],
        given: ArrayLike | None,
        metadatas: Metadatas | None,
        ids: Sequence[str | None] | None,
    ) -> list[str]:
        checked = check_texts(texts if isinstance(texts, str) else list(texts))
        check_metadatas(metadatas, len(checked))
        named = check_ids(ids, len(checked))
        dimensions = self._backend.dimensions()
        vectors = None if given is None else check_vectors(given, len(checked), dimensions)
        if not checked:
            return []
        kept = list({one: at for at, one in enumerate(named)}.values())
        kept_texts = [checked[at] for at in kept]
        if vectors is None:
            model = self._model()
            stored = self._embedder.passages(kept_texts, dimensions)
            self.adopt(fingerprint_of(model), self._embedder.spec, stored.shape[1])
        else:
            stored = vectors[kept]
            self._backend.prepare(stored.shape[1])
        given_metadatas = metadatas or [{}] * len(checked)
        fields = [dict(given_metadatas[at] or {}) for at in kept]
        for at in range(0, len(kept), _LARGEST_PUT):
            to = at + _LARGEST_PUT
            part = Records([named[one] for one in kept[at:to]], kept_texts[at:to], fields[at:to], stored[at:to])
            self._backend.put(part)
        return named

    def delete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool:
        """Remove records by id; unknown ones are passed over. None removes everything."""
        refuse_unknown(kwargs)
        if isinstance(ids, str):
            raise InputError("Ids are a list of strings, not one string.", fix="write [id]")
        for given in cast("Sequence[object]", ids or []):
            if not isinstance(given, str):
                raise InputError(f"An id is a string, not {given!r}.")
        self._backend.delete(None if ids is None else list(ids))
        return True

    # Reading

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Records by id, in the order asked for, each once; unknown ids are left out."""
        return documents_of(self.fetch(ids))

    def fetch(self, ids: Sequence[str]) -> Records:
        """The same with their vectors."""
        wanted = list(dict.fromkeys(ids))
        found = self._backend.get(wanted)
        places = {one: at for at, one in enumerate(found.ids)}
        return picked(found, [places[one] for one in wanted if one in places])

    def records(self, batch: int = 256) -> Iterator[Records]:
        """Everything that is stored, each id once, at most ``batch`` at a time."""
        return self._backend.pages(check_k(batch, "batch"))

    def _model(self) -> Embeddings:
        """The embedding model, opened now if it has not been.

        Raises:
            InputError: If the collection holds vectors and nothing tells which model made them.
        """
        known = self._backend.recorded()
        if known is None and not self._given and len(self):
            raise InputError(
                "This collection does not tell which embedding model made its vectors.",
                where=self._backend.where,
                fix="open it with that model: open_store(address, embedding)",
            )
        return self._embedder.model
