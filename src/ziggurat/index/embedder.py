"""The embedding model as an index sees it: a name, a fingerprint, and arrays of vectors.

Bridges any LangChain `Embeddings` and a model spec string; opens a spec only when a vector is
needed, so an index can be opened and inspected without loading a model. Knows nothing of storage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from ziggurat.errors import EmbeddingMismatch, InputError
from ziggurat.index.inputs import Vectors, check_vectors
from ziggurat.specs import DEFAULTS, open_embeddings

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

_Item = TypeVar("_Item")

BATCH = 256
"""Texts handed to a model, and committed, at once. Models sort them by length: 256 take 12 % less time than 64."""

_NAMING_ATTRIBUTES = (
    "model", "model_name", "model_id", "repo_id", "deployment", "azure_deployment", "endpoint",
    "dimensions", "size",
)  # fmt: skip
"""What may tell two models of one class apart. Named one by one, so that a key is never among them."""


def fingerprint_of(embedding: Embeddings) -> str:
    """What tells this model's vectors from another's.

    The model's own ``fingerprint`` if it has one, else its class and naming attributes. Holds no
    secret: credentials written into an endpoint's address are cut out.
    """
    own = getattr(embedding, "fingerprint", None)
    if isinstance(own, str) and own:
        return own
    named = []
    for attribute in _NAMING_ATTRIBUTES:
        value = getattr(embedding, attribute, None)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            named.append(f"{attribute}={_without_credentials(str(value))}")
    kind = type(embedding)
    return f"{kind.__module__}.{kind.__qualname__}({', '.join(named)})"


def spec_of(embedding: Embeddings) -> str | None:
    """The model spec an embedding was opened by, if it knows it."""
    spec = getattr(embedding, "spec", None)
    return spec if isinstance(spec, str) and spec else None


def _without_credentials(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text.partition("?")[0])


class Embedder:
    """An embedding model that is opened when it is first needed.

    Args:
        given: A LangChain ``Embeddings``, a model spec, or None.
        spec: The spec to open when None was given: the manifest's.
        fingerprint: The fingerprint the model must have; None accepts any.
        where: The index, for messages.
    """

    def __init__(
        self, given: Embeddings | str | None, *, spec: str | None, fingerprint: str | None, where: str
    ) -> None:
        self._given = given
        self._expected_spec = spec
        self._expected = fingerprint
        self._where = where
        self._model: Embeddings | None = None
        if given is not None and not isinstance(given, str):
            self._model = self._checked(given)

    @property
    def spec(self) -> str | None:
        """What opens the model: the spec that was given, or what the model says."""
        return self._given if isinstance(self._given, str) else spec_of(self.model)

    @property
    def opened(self) -> Embeddings | None:
        """The model if it was given or has been needed already."""
        return self._model

    @property
    def model(self) -> Embeddings:
        """The model, opened now if it has not been.

        Raises:
            EmbeddingMismatch: If it is not the model the index was built with.
            InputError: If the index was built with a model object that has no spec.
        """
        if self._model is None:
            spec = self._given if isinstance(self._given, str) else self._expected_spec
            if spec is None and self._expected is not None:
                raise InputError(
                    "This index needs its embedding model, which has no spec to open it by.",
                    where=self._where,
                    fix=f"give open() the embedding it was built with: {self._expected}",
                )
            self._model = self._checked(open_embeddings(spec or DEFAULTS["embeddings"]))
        return self._model

    def _checked(self, model: Embeddings) -> Embeddings:
        found = fingerprint_of(model)
        if self._expected is not None and found != self._expected:
            right = self._expected_spec or self._expected
            raise EmbeddingMismatch(
                f"The index was built with {right}, not with {spec_of(model) or found}.",
                where=self._where,
                fix=f"open it with {right} (fingerprint {self._expected}), or build a new index",
            )
        return model

    def after(self, spec: str | None, fingerprint: str | None) -> Embedder:
        """The model of an index that was embedded anew with another one.

        Raises:
            EmbeddingMismatch: If this model was given as an object, and is not that one.
        """
        given = None if isinstance(self._given, str) else self._given
        return Embedder(given, spec=spec, fingerprint=fingerprint, where=self._where)

    def expect(self, fingerprint: str) -> None:
        """From now on only a model with this fingerprint will do."""
        self._expected = fingerprint

    def passages(self, texts: Sequence[str], dimensions: int | None) -> Vectors:
        """Unit vectors of texts to be found, shape (len(texts), dimensions)."""
        parts = [self._batch(batch, dimensions) for batch in batched(texts, BATCH)]
        if not parts:
            return np.empty((0, dimensions or 0), dtype=np.float32)
        if len({part.shape[1] for part in parts}) > 1:
            raise InputError("The embedding model returned vectors of different lengths.", where=self._where)
        return np.concatenate(parts)

    def _batch(self, texts: list[str], dimensions: int | None) -> Vectors:
        model = self.model
        embed_array: Any = getattr(model, "embed_array", None)
        if callable(embed_array):
            return check_vectors(embed_array(texts, kind="passage"), len(texts), dimensions)
        return check_vectors(model.embed_documents(texts), len(texts), dimensions)

    def query(self, text: str, dimensions: int | None) -> Vectors:
        """The unit vector of a question, shape (dimensions,)."""
        return cast("Vectors", check_vectors([self.model.embed_query(text)], 1, dimensions)[0])

    async def aquery(self, text: str, dimensions: int | None) -> Vectors:
        """The same through the model's own async method."""
        return cast("Vectors", check_vectors([await self.model.aembed_query(text)], 1, dimensions)[0])


def batched(items: Sequence[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of at most ``size`` items, in order."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
