"""What an index remembers of its sources: each item, how it was when it was read, and what came of it.

Rows of the tables ``sources`` and ``items``. An item's row is written in the same commit as its
documents, and only if it is still as the writer saw it, so that of two syncs at once the later to
commit does not undo the earlier.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple, cast

from ziggurat.index.transaction import Transaction
from ziggurat.loaders.source import Source


class ItemRow(NamedTuple):
    """One item as it was last read.

    Attributes:
        source: The row of its source.
        key: Its name in the source.
        stamp: The source's stamp then; None where there is none.
        digest: A hash of what was read; None if nothing ever was.
        problem: Why it could not be read the last time; None if it could.
        supported: False where nothing reads its type.
        documents: How many documents the index has of it.
    """

    source: int
    key: str
    stamp: str | None
    digest: bytes | None
    problem: str | None = None
    supported: bool = True
    documents: int = 0

    def is_as(self, stamp: str | None) -> bool:
        """Whether the index holds the item as a source with this stamp has it."""
        return stamp is not None and stamp == self.stamp and self.problem is None and self.documents > 0


def as_first_given(connection: sqlite3.Connection, source: Source) -> Source:
    """The source under the name it was given the first time, so that its items are called what they were.

    A folder is the same folder from wherever it is named; its files would be called otherwise.
    """
    found = connection.execute("SELECT given FROM sources WHERE name = ?", (source.name,)).fetchone()
    known_as = getattr(source, "known_as", None)
    return source if found is None or known_as is None else cast("Source", known_as(found[0]))


def open_source_row(connection: sqlite3.Connection, source: Source, read: str) -> int:
    """The row of a source, made if it is new.

    Args:
        connection: Inside a write transaction.
        source: As `as_first_given` has it.
        read: How its items are read; items read otherwise must be read again.
    """
    found = connection.execute("SELECT source, read FROM sources WHERE name = ?", (source.name,)).fetchone()
    if found is None:
        given = str(getattr(source, "given", source.name))
        statement = "INSERT INTO sources (name, given, read) VALUES (?, ?, ?)"
        return int(connection.execute(statement, (source.name, given, read)).lastrowid or 0)
    if found[1] != read:
        connection.execute("UPDATE items SET stamp = NULL, digest = NULL WHERE source = ?", (found[0],))
        connection.execute("UPDATE sources SET read = ? WHERE source = ?", (read, found[0]))
    return int(found[0])


def known_items(connection: sqlite3.Connection, source: int) -> dict[str, ItemRow]:
    """Every item of a source by its key."""
    rows = connection.execute(
        "SELECT source, key, stamp, digest, problem, supported, "
        "(SELECT count(*) FROM documents WHERE documents.item = items.item) FROM items WHERE source = ?",
        (source,),
    )
    return {row[1]: ItemRow(*row)._replace(supported=bool(row[5])) for row in rows}


def put_item(transaction: Transaction, item: ItemRow, before: ItemRow | None) -> int | None:
    """Write an item's row.

    Args:
        transaction: The commit that also writes its documents.
        item: As it is now.
        before: As the writer saw it when it decided to read it.

    Returns:
        The row; None if another process has written it meanwhile, and nothing was done.
    """
    db = transaction.connection
    found = db.execute(
        "SELECT item, stamp, digest, problem FROM items WHERE source = ? AND key = ?", (item.source, item.key)
    ).fetchone()
    seen = None if before is None else (before.stamp, before.digest, before.problem)
    if (None if found is None else found[1:]) != seen:
        return None
    values = (item.stamp, item.digest, item.problem, item.supported)
    if found is None:
        row = db.execute(
            "INSERT INTO items (stamp, digest, problem, supported, source, key) VALUES (?, ?, ?, ?, ?, ?)",
            (*values, item.source, item.key),
        ).lastrowid
        return int(row or 0)
    db.execute("UPDATE items SET stamp = ?, digest = ?, problem = ?, supported = ? WHERE item = ?", (*values, found[0]))
    return int(found[0])


def remove_item(transaction: Transaction, item: ItemRow) -> bool:
    """Remove an item and its documents; False if another process has written it meanwhile."""
    db = transaction.connection
    found = db.execute(
        "SELECT item, stamp, digest FROM items WHERE source = ? AND key = ?", (item.source, item.key)
    ).fetchone()
    if found is None or found[1:] != (item.stamp, item.digest):
        return False
    transaction.remove_documents_of(found[0])
    db.execute("DELETE FROM items WHERE item = ?", (found[0],))
    return True
