"""Values to bytes and back, exactly: the walk. What each type becomes is in `kinds`, `objects` and `arrays`.

MessagePack holds None, booleans, numbers, texts, lists and mappings by text; every other type is an
extension, whose tag says what it is and whose payload is MessagePack again. Large bytes are put aside by
their hash. Nothing is written by guess: a type that is not known exactly is refused.
Invariant: ``decode(encode(v))`` has the type and the value of ``v``, and decoding calls nothing that the bytes name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any

from ormsgpack import OPT_SORT_KEYS, Ext, packb, unpackb

from ziggurat.chain.values.arrays import array_kind
from ziggurat.chain.values.kinds import BIG_INT, BLOB, KINDS, LIFTS, MAPPING, ODD_TEXT, Kind, Refusal, Unknown
from ziggurat.chain.values.objects import object_kind, path_to
from ziggurat.errors import ValueNotReadable, ValueNotStorable, ZigguratError

LARGE = 4096
"""Bytes of this size and more are stored once, by content."""

DIGEST_BYTES = 16

_ATOMS = frozenset((NoneType, bool, int, float, str))
# Those that MessagePack takes whatever they hold: no integer past 64 bits, no lone surrogate.
_SAFE_ATOMS = frozenset((NoneType, bool, float))
_TEXT = frozenset((str,))
_INT64 = range(-(1 << 63), 1 << 64)


@dataclass(frozen=True, slots=True)
class Opaque:
    """What stands where a type is not known to this process, for those who only look.

    Attributes:
        type_name: ``module:Class``.
        fields: What it holds.
    """

    type_name: str
    fields: Mapping[str, Any]

    def __hash__(self) -> int:  # fields may hold lists
        return hash(self.type_name)


def encode(value: Any, *, blobs: MutableMapping[bytes, bytes] | None = None) -> bytes:
    """A value as bytes.

    Args:
        value: Anything made of plain data, dataclasses, pydantic models (LangChain's messages and documents are),
            enums, named tuples, arrays, and the standard library's own value types.
        blobs: Where bytes of 4 KiB and more go, by their SHA-256; without it they stay in place.

    Raises:
        ValueNotStorable: If something in it cannot be encoded exactly; names where it is.
    """
    if type(value) is str:
        try:
            return packb(value)
        except TypeError:  # a lone surrogate
            pass
    return _packed(value, _Writer(blobs), None)


def canonical(value: Any) -> bytes:
    """Bytes that are equal for equal values, whatever the order of their mappings and sets.

    They cannot be decoded: large bytes are represented by their hash. All fields count, also those a dataclass leaves out
    of its comparisons.

    Raises:
        ValueNotStorable: As `encode`.
    """
    if type(value) is str:
        try:
            return packb(value)
        except TypeError:  # a lone surrogate
            pass
    return _packed(value, _Writer({}, canonical=True), OPT_SORT_KEYS)


def digest(value: Any) -> bytes:
    """A hash of `canonical`: the first 16 bytes of its SHA-256, which processors of today do fastest.

    Raises:
        ValueNotStorable: As `encode`.
    """
    return hashlib.sha256(canonical(value)).digest()[:DIGEST_BYTES]


def decode(data: bytes, *, blob: Callable[[bytes], bytes] | None = None, lenient: bool = False) -> Any:
    """The value that was encoded.

    Args:
        data: As `encode` gave it.
        blob: Finds large bytes by their hash.
        lenient: Whether a type that this process does not know becomes an `Opaque`, and large bytes that cannot be had
            too, instead of an error.

    Raises:
        ValueNotReadable: If the bytes are damaged, or name a type that this process has not loaded.
    """
    reader = _Reader(blob, lenient=lenient)
    try:
        return unpackb(data, ext_hook=reader.extension)
    except Exception as error:  # noqa: BLE001 (damaged bytes can make any constructor of a value raise anything)
        cause = reader.failure or error
        if isinstance(cause, ZigguratError):
            raise cause from None
        raise ValueNotReadable(
            f"These bytes are no value: {type(cause).__name__}: {cause}.",
            fix="the journal or cache is damaged: verify it",
        ) from cause


def _packed(value: Any, writer: _Writer, option: int | None) -> bytes:
    try:
        try:
            return packb(writer.lower(value), option=option)
        except TypeError:  # rare: an integer or a text that MessagePack does not take as it is
            writer.be_careful()
            return packb(writer.lower(value), option=option)
    except Refusal as refusal:
        raise _not_storable(value, refusal) from None
    except (RecursionError, TypeError) as error:
        raise ValueNotStorable(
            f"A {type(value).__qualname__} cannot be stored: it refers to itself, or is nested too deep.",
            type_name=type(value).__qualname__,
            fix="return data without cycles",
        ) from error


def _not_storable(value: Any, refusal: Refusal) -> ValueNotStorable:
    path = path_to(value, refusal.value)
    cls = type(refusal.value)
    named = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
    place = f" at {path}" if path else ""
    return ValueNotStorable(
        f"A value of type {named}{place} cannot be stored: it is {refusal.reason}.",
        path=path,
        type_name=named,
        fix=refusal.fix,
    )


class _Writer:
    """Lowers a value to what MessagePack holds."""

    __slots__ = ("_atoms", "_blobs", "_found", "canonical")

    def __init__(self, blobs: MutableMapping[bytes, bytes] | None, *, canonical: bool = False) -> None:
        self._blobs = blobs
        self._atoms = _ATOMS
        self.canonical = canonical

    def be_careful(self) -> None:
        """Look at every integer and every text from now on."""
        self._atoms = _SAFE_ATOMS

    def lower(self, value: Any) -> Any:
        cls = type(value)
        if cls in self._atoms:
            return value
        if cls is list:
            return value if self._atoms.issuperset(map(type, value)) else [self.lower(item) for item in value]
        if cls is dict:
            return self._mapping(value)
        if cls is bytes:
            return value if len(value) < LARGE or self._blobs is None else self._large(value)
        if cls in _ATOMS:
            return self._careful(value)
        kind = KINDS.get(cls) or self._resolved(cls, value)
        return self.extension(kind.tag, kind.lower(value, self))

    def extension(self, tag: int, payload: Any) -> Ext:
        """A payload, lowered already, under its tag."""
        return Ext(tag, packb(payload, option=OPT_SORT_KEYS if self.canonical else None))

    def unordered(self, items: Any) -> list[Any]:
        """Lowered items whose order means nothing."""
        lowered = [self.lower(item) for item in items]
        return sorted(packb(item, option=OPT_SORT_KEYS) for item in lowered) if self.canonical else lowered

    def pairs(self, items: Any) -> list[Any]:
        """The items of a mapping whose order means nothing, keys and values in turn."""
        lowered = [(self.lower(key), self.lower(value)) for key, value in items]
        if self.canonical:
            lowered.sort(key=lambda pair: packb(pair[0], option=OPT_SORT_KEYS))
        return [part for pair in lowered for part in pair]

    def _mapping(self, value: dict[Any, Any]) -> Any:
        if _TEXT.issuperset(map(type, value)) and (self._atoms is _ATOMS or all(map(_is_plain, value))):
            if self._atoms.issuperset(map(type, value.values())):
                return value
            return {key: self.lower(item) for key, item in value.items()}
        return self.extension(MAPPING, self.pairs(value.items()))

    def _large(self, value: bytes) -> Ext:
        hash_ = hashlib.sha256(value).digest()
        if self._blobs is not None:
            self._blobs[hash_] = value
        return Ext(BLOB, hash_)

    def _careful(self, value: Any) -> Any:
        if type(value) is int:
            if value in _INT64:
                return value
            return Ext(BIG_INT, value.to_bytes(value.bit_length() // 8 + 1, signed=True))
        return value if _is_plain(value) else Ext(ODD_TEXT, value.encode("utf-8", "surrogatepass"))

    @staticmethod
    def _resolved(kind_of: type, value: Any) -> Kind:
        found = array_kind(kind_of) or object_kind(kind_of)
        if isinstance(found, str):
            raise Refusal(value, found)
        KINDS[kind_of] = found
        return found


class _Reader:
    """Lifts extensions to values."""

    __slots__ = ("_blob", "_lenient", "failure")

    def __init__(self, blob: Callable[[bytes], bytes] | None, *, lenient: bool) -> None:
        self._blob = blob
        self._lenient = lenient
        self.failure: Exception | None = None

    def extension(self, tag: int, data: bytes) -> Any:
        try:
            if tag == BLOB:
                return self._large(data)
            if tag == BIG_INT:
                return int.from_bytes(data, signed=True)
            if tag == ODD_TEXT:
                return data.decode("utf-8", "surrogatepass")
            payload = unpackb(data, ext_hook=self.extension)
            return LIFTS[tag](payload)
        except Unknown as unknown:
            if self._lenient:
                return Opaque(unknown.type_name, MappingProxyType(unknown.fields))
            self.failure = self.failure or ValueNotReadable(
                f"The value is a {unknown.type_name}, {unknown.problem}.", fix=unknown.fix
            )
            raise
        except Exception as error:
            self.failure = self.failure or error
            raise

    def _large(self, hash_: bytes) -> Any:
        if self._blob is None:
            if self._lenient:
                return Opaque("bytes", MappingProxyType({"sha256": hash_.hex()}))
            raise ValueNotReadable(
                "The value refers to large bytes, and nobody can find them.", fix="decode(data, blob=journal.blob)"
            )
        return self._blob(hash_)


def _is_plain(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
