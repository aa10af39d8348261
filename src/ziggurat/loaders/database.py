"""Rows of a database as documents: one query, each row its own item, stamped with its content.

Connected through SQLAlchemy, so every database that has a dialect can be read. Knows nothing of tables;
the query says what is wanted.
Invariant: nothing is written. The query is parsed and must be one SELECT, and it runs in a transaction
that may only read where the database has such.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ziggurat.errors import InputError, UnreadableDocument, gist
from ziggurat.loaders.addresses import plain, without
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.read_only import check_select
from ziggurat.loaders.source import Item
from ziggurat.loaders.table_row import Columns, said
from ziggurat.optional import require

_FOR = "reading databases"
_BATCH = 1000


def open_sql(
    database: Any,
    *,
    query: str,
    text: str | Iterable[str] | None = None,
    title: str | None = None,
    key: str | None = None,
    metadata: str | Iterable[str] = (),
    name: str | None = None,
    batch: int = _BATCH,
) -> Rows:
    """The rows that a query gives.

    Args:
        database: A SQLAlchemy address (``sqlite:///notes.db``, ``postgresql+psycopg://...``, with or
            without ``sql+`` before it) or ``Engine``. A SQLite file is opened so that it cannot be written.
        query: One SELECT.
        text: The column that is the text; or several, which become lines ``column: value``; all unless given.
        title: The column with the title.
        key: The column that tells rows apart; their numbers unless given.
        metadata: Columns to be kept as metadata.
        name: What tells this source from others, and begins the rows' keys; the address and a digest of
            the query unless given.
        batch: How many rows are fetched at a time.

    Raises:
        InputError: If the address or the query cannot be used.
        MissingDependency: If SQLAlchemy, sqlglot or the database's driver is not installed.
    """
    sqlalchemy = require("sqlalchemy", for_=_FOR, extra="sql")
    if batch < 1:
        raise InputError(f"batch={batch!r} is no number of rows.", fix="give a whole number of at least 1")
    engine, own = (database, False) if hasattr(database, "connect") else (open_engine(sqlalchemy, str(database)), True)
    where = plain(engine.url.render_as_string(hide_password=True))
    check_select(query, engine.dialect.name, where)
    columns = Columns(
        text if text is None or isinstance(text, str) else tuple(text),
        title,
        key,
        (metadata,) if isinstance(metadata, str) else tuple(metadata),
    )
    named = name or f"{where}#{hashlib.sha256(query.encode()).hexdigest()[:8]}"
    return Rows(engine, query.strip().rstrip(";"), columns, named, batch, own)


@dataclass(frozen=True)
class Rows:
    """The rows that a query gives, in its order.

    Args:
        engine: A SQLAlchemy engine.
        query: One SELECT, checked.
        columns: Which column is what.
        name: What tells this source from others.
        batch: How many rows are fetched at a time.
        own: Whether the engine was made here, and is emptied after use.
    """

    engine: Any = field(repr=False)
    query: str
    columns: Columns
    name: str
    batch: int = _BATCH
    own: bool = False

    def items(self) -> Iterator[Item]:
        """A row each, stamped with a digest of what is in it. The connection stays open meanwhile.

        Raises:
            InputError: If the database cannot be reached, the query fails, or a column is not in its result.
        """
        keys: set[str] = set()
        try:
            with self._said(), self._reading() as connection, closing(connection.exec_driver_sql(self.query)) as result:
                names = tuple(result.keys())
                self.columns.check(names, self.name)
                number = 0
                for rows in result.partitions(self.batch):
                    for row in rows:
                        number += 1
                        yield self._item(dict(zip(names, row, strict=True)), number, keys)
        finally:
            if self.own:
                self.engine.dispose()

    def _item(self, row: dict[str, Any], number: int, keys: set[str]) -> Item:
        value = row[self.columns.key] if self.columns.key else number
        key = f"{self.name}/{quote(said(value), safe=' ,;:@+~')}"
        if value is None or key in keys:
            what = "no key" if value is None else "the key of an earlier row"
            return _unreadable(f"{self.name}#row {number}", f"Row {number} has {what} in column {self.columns.key!r}.")
        keys.add(key)
        try:
            document = self.columns.document(row, key, number)
        except UnreadableDocument as error:
            return _unreadable(key, gist(error))
        content = "\0".join((document.text, repr(sorted(document.metadata.items(), key=lambda one: one[0]))))
        stamp = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]

        def read() -> Iterator[SourceDocument]:
            yield document

        return Item(key, read, stamp)

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """A connection in a transaction that may only read, where the database has such; rolled back."""
        kind = self.engine.dialect.name
        options: dict[str, Any] = {"stream_results": True, "max_row_buffer": self.batch}
        if kind == "postgresql":
            options["postgresql_readonly"] = True
        with self.engine.connect().execution_options(**options) as connection:
            if kind in ("mysql", "mariadb"):
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            if kind == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            try:
                yield connection
            finally:
                connection.rollback()
                if kind == "sqlite" and not self.own:
                    connection.exec_driver_sql("PRAGMA query_only = OFF")

    @contextmanager
    def _said(self) -> Iterator[None]:
        """What SQLAlchemy raises within the block, as one line of ours."""
        errors = require("sqlalchemy.exc", for_=_FOR, extra="sql")
        try:
            yield
        except errors.DBAPIError as error:
            told = without(" ".join(str(error.orig).split())[:300], self.engine.url.password)
            raise InputError(f"The database refuses: {told.rstrip('.')}.", where=self.name) from None
        except errors.SQLAlchemyError as error:
            raise InputError(f"The query cannot be run: {type(error).__name__}.", where=self.name) from None


_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"} | {
    name: f"{name}+pymysql" for name in ("mysql", "mariadb")
}
"""The driver we name where an address names none."""


def open_engine(sqlalchemy: Any, address: str) -> Any:
    """The engine for an address; a SQLite file is opened so that it cannot be written.

    Raises:
        InputError: If it is no address, there is no such file, or the driver is not installed.
    """
    address = address.removeprefix("sql+")
    try:
        url = sqlalchemy.engine.make_url(address)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise InputError(
            "This is no address of a database.",
            where=plain(address),
            fix="sqlite:///file.db, postgresql+psycopg://user@host/name",
        ) from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() == "sqlite":
        return _sqlite(sqlalchemy, url)
    try:
        return sqlalchemy.create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except sqlalchemy.exc.NoSuchModuleError:
        raise InputError(f"Nothing reads databases of the kind {url.drivername!r}.", where=plain(address)) from None
    except ModuleNotFoundError as error:
        raise InputError(
            f"The driver of this database is not installed: {error.name}.",
            where=plain(address),
            fix=f"pip install {error.name}",
        ) from None


def _sqlite(sqlalchemy: Any, url: Any) -> Any:
    """A SQLite file opened for reading only, so that not even a journal is made beside it."""
    path = Path(str(url.database or ""))
    if not url.database or not path.is_file():
        raise InputError("There is no such database file.", where=str(path))
    whole = path.absolute()
    return sqlalchemy.create_engine(
        sqlalchemy.engine.URL.create(
            "sqlite", database=f"file:{quote(str(whole))}", query={"mode": "ro", "uri": "true"}
        ),
        hide_parameters=True,
    )


def _unreadable(key: str, what: str) -> Item:
    def read() -> Iterator[SourceDocument]:
        raise UnreadableDocument(what, where=key)
        yield  # pragma: no cover (this makes it a generator)

    return Item(key, read)
