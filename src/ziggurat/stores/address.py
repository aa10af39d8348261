"""Where a store is, as one text: what kind, which place, which collection in it.

    kb/                                            a folder: our own index
    chroma:FOLDER?collection=notes                 Chroma, embedded      chroma+http://host:8000?collection=notes
    qdrant:FOLDER?collection=notes                 Qdrant, embedded      qdrant+http://host:6333?collection=notes
    postgresql://user@host/database?collection=notes                     (also pgvector+postgresql://)
    lancedb:FOLDER?table=notes
    pinecone:INDEX?namespace=notes
    databricks-search:ENDPOINT/CATALOG.SCHEMA.INDEX                      AI Search of a Databricks workspace

Only reads and writes the text; opens nothing. Keys come from arguments or the environment. A password
may stand in a Postgres address, as is the custom there; what is shown of an address never holds one.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean

Kind = Literal["index", "chroma", "qdrant", "pgvector", "lancedb", "pinecone", "databricks-search"]

DEFAULT_COLLECTION = "ziggurat"

_PARAMETERS: dict[str, str] = {
    "chroma": "collection",
    "qdrant": "collection",
    "pgvector": "collection",
    "lancedb": "table",
    "pinecone": "namespace",
    "databricks-search": "",
}
"""What each kind calls the part of it that an address names."""

_WITH_SERVER = {"chroma", "qdrant"}
_WITHOUT_DEFAULT = {"pinecone", "databricks-search"}
_POSTGRES = re.compile(r"(?:pgvector\+)?(?:postgres|postgresql)(?:\+[a-z0-9]+)?://", re.IGNORECASE)
_SEARCH_INDEX = re.compile(r"[\w-]+/[^/.\s]+\.[^/.\s]+\.[^/.\s]+")
_SCHEME = re.compile(r"([a-z][a-z0-9-]+)(\+https?)?:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A store's place.

    Attributes:
        kind: Which store.
        place: A folder, a server's URL, a Postgres URL, the name of a Pinecone index, or a search endpoint
            with an index on it.
        collection: The collection, table or namespace in it; empty for an index of ours.
        secrets: What of ``place`` must not be shown.
    """

    kind: Kind
    place: str = field(repr=False)
    collection: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_server(self) -> bool:
        """Whether ``place`` is a server's URL."""
        return "://" in self.place

    def __str__(self) -> str:
        if self.kind == "index":
            return self.place
        if self.kind == "pgvector":
            shown = _without_login(self.place)
        else:
            shown = f"{self.kind}{'+' if self.is_server else ':'}{self.place}"
        parameter = f"{_PARAMETERS[self.kind]}={self.collection}"
        return f"{shown}?{parameter}" if self.collection else shown


def parse_address(given: str | os.PathLike[str]) -> Address:
    """Read an address.

    Raises:
        InputError: If it names no store we know, or a parameter that its store has not.
    """
    text = os.fspath(given)
    if not text.strip():
        raise InputError(
            "A store's address is empty.", fix="give a folder, or for example chroma:FOLDER?collection=notes"
        )
    if _POSTGRES.match(text):
        return _postgres(text)
    scheme = None if isinstance(given, os.PathLike) else _SCHEME.match(text)
    if scheme is None:
        return Address("index", text)
    kind, transport = scheme[1].lower(), scheme[2]
    if kind not in _PARAMETERS or kind == "pgvector" or (transport and kind not in _WITH_SERVER):
        raise _unknown(scheme[0])
    rest, _, query = text[scheme.end() :].partition("?")
    options = _options(query, _PARAMETERS[kind], kind)
    collection = options.get(_PARAMETERS[kind], "" if kind in _WITHOUT_DEFAULT else DEFAULT_COLLECTION)
    place = f"{transport[1:].lower()}:{rest}" if transport else rest
    if transport:
        _check_server(place, kind)
    if not rest.strip("/"):
        raise InputError(f"The address of a {kind} store names no place.", fix=f"for example {_EXAMPLES[kind]}")
    if kind == "databricks-search" and not _SEARCH_INDEX.fullmatch(rest):
        raise InputError(
            "The address of an AI Search store names an endpoint and an index in full.",
            where=text,
            fix=f"for example {_EXAMPLES[kind]}",
        )
    return Address(_KINDS[kind], place, collection)


def _postgres(text: str) -> Address:
    url = urlsplit(re.sub(r"^(?:pgvector\+)?[a-z]+(?:\+[a-z0-9]+)?:", "postgresql:", text, flags=re.IGNORECASE))
    # Everything but the collection is the server's business: sslmode, host of a socket, options.
    parameters = parse_qsl(url.query, keep_blank_values=True)
    collection = dict(parameters).get("collection", DEFAULT_COLLECTION)
    rest = [(name, value) for name, value in parameters if name != "collection"]
    place = urlunsplit(url._replace(query=urlencode(rest)))
    passwords = [value for name, value in rest if name == "password"]
    if url.password:
        passwords += [url.password, unquote(url.password)]
    return Address("pgvector", place, collection, tuple(dict.fromkeys(passwords)))


def _options(query: str, known: str, kind: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(options.keys() - {known})
    if unknown:
        has = f"it has {known!r}" if known else "it has none"
        raise InputError(
            f"The address of a {kind} store has no parameter {', '.join(map(repr, unknown))}.",
            fix=f"{has}; keys and hosts are given as arguments or in the environment",
        )
    return options


def _check_server(place: str, kind: str) -> None:
    url = urlsplit(place)
    if not url.hostname:
        raise InputError(
            f"The address of a {kind} server names no host.", fix=f"for example {kind}+http://localhost:8000"
        )
    if url.username is not None or url.password is not None:
        raise InputError(
            f"The address of a {kind} server holds a login.", fix="give the key as an argument or in the environment"
        )


def _without_login(place: str) -> str:
    url = urlsplit(place)
    where = url.netloc.rpartition("@")[2]
    return urlunsplit(url._replace(netloc=where, query="")) if where else f"postgresql://{url.path}"


def _unknown(scheme: str) -> InputError:
    known = [*_EXAMPLES, "postgresql"]
    return InputError(
        f"There is no store of the kind {scheme!r}{did_you_mean(scheme.rstrip(':'), known)}.",
        fix=f"known: {', '.join(f'{kind}:' for kind in known)} or a folder (write ./{scheme} for one of that name)",
    )


_KINDS: dict[str, Kind] = {
    "chroma": "chroma",
    "qdrant": "qdrant",
    "lancedb": "lancedb",
    "pinecone": "pinecone",
    "databricks-search": "databricks-search",
}

_EXAMPLES = {
    "chroma": "chroma:FOLDER?collection=notes",
    "qdrant": "qdrant:FOLDER?collection=notes",
    "lancedb": "lancedb:FOLDER?table=notes",
    "pinecone": "pinecone:INDEX?namespace=notes",
    "databricks-search": "databricks-search:ENDPOINT/main.default.notes",
}
