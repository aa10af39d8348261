"""Where documents come from, whatever it is: a source lists its items, and each item is read when asked.

A `Source` is the one form in which a folder, a site, a bucket or a query is given to an index; what
it lists carries a stamp, so that a later sync need not read what has not changed. `open_source` finds
the source of a path or an address by its scheme; `load` reads everything of it. Knows no file format:
that is `parsers`' business; knows nothing of chunks or indexes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable
from urllib.parse import urlsplit

from ziggurat.errors import DocumentError, InputError, UnsupportedDocument
from ziggurat.loaders.addresses import plain
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.options import checked
from ziggurat.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a source lists: a file, a page, an object.

    Attributes:
        key: Its name among all of the source's, and the source of its documents: a path or a URL.
        read: Reads its documents, now. Raises `UnsupportedDocument` or `UnreadableDocument`.
        stamp: Changes whenever the content may have changed: size and time, an ETag. None where that
            cannot be told without reading.
        size: In bytes, where it is known.
        hides: Set where the item stands for others that could not be listed: what their keys begin
            with, empty for any. Nothing is known of those, so nothing of them is removed.
    """

    key: str
    read: Callable[[], Iterator[SourceDocument]] = field(repr=False)
    stamp: str | None = None
    size: int | None = None
    hides: str | None = None


@runtime_checkable
class Source(Protocol):
    """Something that lists items.

    A source may also have ``given`` and ``known_as(given)``: under what name it was given, and the same
    source with its items called as they were under another such name. An index asks for them so that
    a folder's files keep their names wherever the folder is named from.

    Attributes:
        name: What tells this source from others, the same in every run: an absolute path, a URL. An
            index remembers under it what it has of this source.
    """

    @property
    def name(self) -> str:
        """What tells this source from others."""

    def items(self) -> Iterator[Item]:
        """Its items, each key once, in a stable order.

        Raises:
            InputError: If the source itself is not there or may not be read; never for one item.
        """


SCHEMES: dict[str, str] = {
    "http": "ziggurat.loaders.web:open_web",
    "https": "ziggurat.loaders.web:open_web",
    "sitemap": "ziggurat.loaders.web:open_sitemap",
    "youtube": "ziggurat.loaders.youtube:open_youtube",
    "s3": "ziggurat.loaders.cloud_s3:open_s3",
    "az": "ziggurat.loaders.cloud_azure:open_azure",
    "gdrive": "ziggurat.loaders.cloud_drive:open_drive",
    "dbfs": "ziggurat.loaders.cloud_databricks:open_volume",
    "workspace": "ziggurat.loaders.cloud_databricks:open_workspace",
    "sql": "ziggurat.loaders.database:open_sql",
    "sqlite": "ziggurat.loaders.database:open_sql",
    "postgresql": "ziggurat.loaders.database:open_sql",
    "mysql": "ziggurat.loaders.database:open_sql",
}
"""Which function opens which scheme: ``(address, **options) -> Source``. A path has none."""

_WITHOUT_HOST = ("dbfs:/", "workspace:/")
"""Addresses that Databricks writes with one slash."""


def is_address(text: str) -> bool:
    """Whether a source's name is an address, and not a path on this machine."""
    return "://" in text or text.startswith(_WITHOUT_HOST)


def open_source(given: Any, **options: Any) -> Source:
    """The source that a path, an address or an object stands for.

    Args:
        given: A file or folder; an address with one of the `SCHEMES`; a `Source`; a LangChain
            ``BaseLoader``; or several of these in a list, which become one source.
        **options: For the kind of source: ``include`` and ``exclude`` of a folder, ``allow_private``
            of a web page, ``query`` of a database; its own docstring names them.

    Raises:
        InputError: If it is none of these, the scheme is unknown, or an option is.
    """
    if isinstance(given, (str, os.PathLike)):
        return _by_scheme(given, options)
    if callable(getattr(given, "items", None)) and isinstance(getattr(given, "name", None), str):
        _refuse(options, type(given).__name__)
        return cast("Source", given)
    if callable(getattr(given, "lazy_load", None)):
        from ziggurat.loaders.langchain_loader import LangChainSource

        return LangChainSource(given, **options)
    if isinstance(given, Iterable):
        from ziggurat.loaders.several import Several

        return Several([open_source(one, **options) for one in given])
    raise InputError(
        f"A {type(given).__name__} is no source of documents.",
        fix="give a path, an address, a LangChain loader or a list of these",
    )


def load(
    source: Any, *, on_problem: Callable[[str, DocumentError], None] | None = None, **options: Any
) -> Iterator[SourceDocument]:
    """Read the documents of a source, one after another.

    Args:
        source: As for `open_source`.
        on_problem: Called with the key and the error of each item that cannot be read, and reading
            goes on; None raises the first.
        **options: As for `open_source`.

    Raises:
        InputError: If there is nothing there.
        UnsupportedDocument: If nothing reads the type of an item.
        UnreadableDocument: If an item is empty, damaged, protected, or not what its name says.
    """
    for item in open_source(source, **options).items():
        try:
            yield from item.read()
        except DocumentError as error:
            if on_problem is None:
                raise
            on_problem(item.key, error)


def _by_scheme(given: str | os.PathLike[str], options: dict[str, Any]) -> Source:
    text = os.fspath(given)
    scheme = urlsplit(text).scheme.lower() if isinstance(given, str) and is_address(text) else ""
    if not scheme and text.startswith("/Volumes/"):
        from ziggurat.loaders.cloud_databricks import is_volume

        scheme = "dbfs" if is_volume(text, options) else ""
    if not scheme or scheme == "file":
        from ziggurat.loaders.folder import open_path

        return open_path(Path(urlsplit(text).path if scheme else text), **checked(open_path, options))
    opener = SCHEMES.get(scheme.partition("+")[0])
    if opener is None:
        raise UnsupportedDocument(
            f"Nothing reads addresses that begin with {scheme}://.{did_you_mean(scheme, SCHEMES)}",
            where=plain(text),
            fix=f"known: {', '.join(f'{name}://' for name in SCHEMES)}, or a path",
        )
    module, _, name = opener.partition(":")
    function = getattr(import_module(module), name)
    return cast("Source", function(text, **checked(function, options)))


def _refuse(options: dict[str, Any], kind: str) -> None:
    if options:
        raise InputError(
            f"A {kind} takes no options here: {', '.join(sorted(options))}.", fix="set them where it is made"
        )
