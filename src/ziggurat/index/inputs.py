"""Bad input is refused here, before a model is called or a byte is written.

Checks texts, ids, metadata and vectors on their way into an index, and nothing else. What passes
can be stored and read back unchanged: metadata is JSON, texts are valid Unicode without NUL, and
vectors are finite float32 rows, scaled to length 1 so that an inner product is a cosine.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ziggurat.errors import InputError

Vectors = NDArray[np.float32]

LARGEST_JSON_DEPTH = 32
"""Levels of nesting in a metadata value."""

_SMALLEST_NORM = 1e-12
_ID_BYTES = 16

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def check_texts(texts: Sequence[str]) -> list[str]:
    """Texts that can be stored and searched.

    Raises:
        InputError: If one is not a string, is blank, holds NUL, or is not valid Unicode.
    """
    if isinstance(texts, str):
        raise InputError("Texts are a list of strings, not one string.", fix="write [text]")
    checked = list(texts)
    for at, text in enumerate(checked):
        where = f"text {at} of {len(checked)}"
        if not isinstance(text, str):
            raise InputError(f"A text is a string, not {type(text).__name__}.", where=where)
        if not text or text.isspace():
            raise InputError("A text is empty: there is nothing to find in it.", where=where)
        check_unicode(text, where)
    return checked


def check_unicode(text: str, where: str) -> None:
    """Refuse what SQLite or another program could not read back.

    Raises:
        InputError: If the text holds NUL or a lone surrogate.
    """
    if text.isascii():
        fault = "\0" in text
    else:
        try:
            fault = b"\0" in text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"The text is not valid Unicode: a lone surrogate at character {error.start}.",
                where=where,
                fix="decode the bytes it came from with their real encoding",
            ) from error
    if fault:
        raise InputError(f"The text holds a NUL character at {text.index(chr(0))}.", where=where)


def check_ids(ids: Sequence[str | None] | None, count: int) -> list[str]:
    """One id for every text; missing ones are made up (random, 32 hex digits).

    Raises:
        InputError: If there are not ``count`` ids or one is not a usable string.
    """
    if ids is None:
        drawn = os.urandom(_ID_BYTES * count).hex()
        return [drawn[at : at + 2 * _ID_BYTES] for at in range(0, len(drawn), 2 * _ID_BYTES)]
    if isinstance(ids, str):
        raise InputError("Ids are a list of strings, not one string.", fix="write [id]")
    if len(ids) != count:
        raise InputError(f"{len(ids)} ids were given for {count} texts.")
    checked = []
    for at, given in enumerate(cast("Sequence[object]", ids)):
        if given is None:
            checked.append(os.urandom(_ID_BYTES).hex())
            continue
        where = f"id {at} of {count}"
        if not isinstance(given, str) or not given:
            raise InputError(f"An id is a non-empty string, not {given!r}.", where=where)
        check_unicode(given, where)
        checked.append(given)
    return checked


def check_metadatas(metadatas: Sequence[Mapping[str, Any] | None] | None, count: int) -> list[str]:
    """One JSON object for every text.

    Raises:
        InputError: If there are not ``count`` of them or one is not JSON.
    """
    if metadatas is None:
        return ["{}"] * count
    if isinstance(metadatas, Mapping) or len(metadatas) != count:
        given = "one dict was" if isinstance(metadatas, Mapping) else f"{len(metadatas)} metadatas were"
        raise InputError(f"{given} given for {count} texts.", fix="give a list with one dict for every text")
    return [encode_metadata(metadata or {}, f"metadata {at} of {count}") for at, metadata in enumerate(metadatas)]


def encode_metadata(metadata: Mapping[str, Any], where: str) -> str:
    """The JSON of one metadata dict.

    Raises:
        InputError: If it is not a dict of JSON values with string keys.
    """
    if not isinstance(metadata, Mapping):
        raise InputError(f"Metadata is a dict, not {type(metadata).__name__}.", where=where)
    _check_json(metadata, where, "", 0)
    encoded = _JSON.encode(dict(metadata))
    check_unicode(encoded, where)
    return encoded


def _check_json(value: Any, where: str, path: str, depth: int) -> None:
    if value is None or isinstance(value, (str, bool, int)):
        return
    if isinstance(value, float):
        if math.isfinite(value):
            return
    elif depth > LARGEST_JSON_DEPTH:
        raise InputError(f"Metadata is nested deeper than {LARGEST_JSON_DEPTH} levels.", where=where)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InputError(f"A key of the metadata is not a string: {key!r}.", where=where)
            _check_json(inner, where, f"{path}.{key}" if path else key, depth + 1)
        return
    elif isinstance(value, (list, tuple)):
        for at, inner in enumerate(value):
            _check_json(inner, where, f"{path}[{at}]", depth + 1)
        return
    raise InputError(
        f"The metadata value at {path!r} is not JSON: {type(value).__name__} {str(value)[:40]!r}.",
        where=where,
        fix="use texts, finite numbers, booleans, None, lists and dicts; write a date as text",
    )


def check_vectors(vectors: ArrayLike, count: int, dimensions: int | None) -> Vectors:
    """Unit vectors, float32, shape (count, dimensions), C-contiguous.

    A vector of zeros has no direction; it is kept and matches nothing.

    Args:
        vectors: Anything numpy reads as a matrix.
        count: Rows it must have.
        dimensions: Columns it must have; None accepts any.

    Raises:
        InputError: If the shape is wrong or a value is not finite.
    """
    try:
        matrix = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(
            "The vectors are not a matrix of numbers.", fix="give one list of floats for each text"
        ) from error
    if count == 0 and matrix.size == 0:
        return np.empty((0, dimensions or 0), dtype=np.float32)
    if matrix.shape[:1] != (count,) or matrix.shape[1:] in ((), (0,)) or matrix.shape[2:]:
        raise InputError(f"The vectors have shape {matrix.shape}; ({count}, dimensions) is needed.")
    if dimensions is not None and matrix.shape[1] != dimensions:
        raise InputError(
            f"The vectors have {matrix.shape[1]} dimensions and the index has {dimensions}.",
            fix="embed with the model the index was built with",
        )
    # Norms of huge but finite values overflow in float32; in float64 they do not.
    norms = np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))
    if not np.isfinite(norms).all():
        bad = int(np.flatnonzero(~np.isfinite(norms))[0])
        raise InputError("A vector holds NaN or infinity.", where=f"vector {bad} of {count}")
    # Already-unit vectors are kept bit for bit.
    near = np.abs(norms - 1.0) <= 1e-6  # noqa: PLR2004 (float32 rounding of a unit vector)
    divisors = np.where(near | (norms < _SMALLEST_NORM), 1.0, norms)
    if (divisors == 1.0).all():
        return np.ascontiguousarray(matrix)
    return np.ascontiguousarray(matrix / divisors[:, None], dtype=np.float32)


def check_k(k: object, name: str = "k") -> int:
    """A count of hits.

    Raises:
        InputError: If it is not a positive integer.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k <= 0:
        raise InputError(f"{name} is a positive integer, not {k!r}.")
    return int(k)


def check_query(query: object) -> str:
    """A question that a model can be asked.

    Raises:
        InputError: If it is not a string, is blank, or is not valid Unicode.
    """
    if not isinstance(query, str):
        raise InputError(f"A query is a string, not {type(query).__name__}.")
    if not query or query.isspace():
        raise InputError("The query is empty.")
    check_unicode(query, "the query")
    return query
