"""How an index and its sources, or two indexes, have drifted apart. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from ziggurat.errors import DocumentError, InputError, MissingDependency
from ziggurat.index.engine import Engine
from ziggurat.index.hits import Difference, Drift, LeftOut, SourceStats
from ziggurat.index.items import ItemRow, as_first_given, known_items
from ziggurat.index.sync import digest_of
from ziggurat.loaders.source import Source
from ziggurat.progress import Progress


def drift(engine: Engine, source: Source, *, thorough: bool, progress: Progress) -> Drift:
    """What a sync would do.

    Args:
        engine: The open index.
        source: What it was filled from.
        thorough: Read every item; else one whose stamp is what it was counts as unchanged.
        progress: Told of every item.

    Raises:
        InputError: If the source cannot be listed.
    """
    with engine.store.reading() as connection:
        source = as_first_given(connection, source)
        row = connection.execute("SELECT source FROM sources WHERE name = ?", (source.name,)).fetchone()
        known = known_items(connection, row[0]) if row else {}
    found = Drift(source.name)
    seen: set[str] = set()
    items = list(source.items())
    with progress("Comparing", len(items)) as counter:
        for item in items:
            seen.add(item.key)
            before = known.get(item.key)
            if before is not None and before.is_as(item.stamp) and not thorough:
                found.unchanged += 1
            else:
                try:
                    digest = digest_of(list(item.read()))
                    if before is None or not before.documents:
                        found.added.append(item.key)
                    elif before.digest != digest:
                        found.changed.append(item.key)
                    else:
                        found.unchanged += 1
                except (DocumentError, InputError, MissingDependency) as error:
                    found.unreadable.append(LeftOut(item.key, error.what))
            counter.advance()
    found.removed.extend(sorted(key for key, row in known.items() if key not in seen and row.documents))
    return found


def compare(here: Engine, there: Engine) -> Difference:
    """Which documents two indexes share, and which only one has."""
    mine, theirs = _documents(here), _documents(there)
    both = mine.keys() & theirs.keys()
    return Difference(
        only_here=tuple(sorted(mine.keys() - theirs.keys())),
        only_there=tuple(sorted(theirs.keys() - mine.keys())),
        different=tuple(sorted(one for one in both if mine[one] != theirs[one])),
        same=sum(mine[one] == theirs[one] for one in both),
    )


def sources(engine: Engine) -> tuple[SourceStats, ...]:
    """What the index remembers of its sources."""
    with engine.store.reading() as connection:
        names = connection.execute("SELECT source, name FROM sources ORDER BY name").fetchall()
        return tuple(_stats(name, known_items(connection, row).values()) for row, name in names)


def _stats(name: str, items: Iterable[ItemRow]) -> SourceStats:
    rows = list(items)
    problems = tuple(LeftOut(row.key, row.problem) for row in rows if row.problem)
    return SourceStats(name, len(rows), sum(row.documents for row in rows), problems)


def _documents(engine: Engine) -> dict[str, bytes]:
    """The hash of every document, and of every bare text."""
    with engine.store.reading() as connection:
        return dict(
            connection.execute(
                "SELECT id, digest FROM documents UNION ALL SELECT id, digest FROM chunks WHERE doc IS NULL"
            )
        )
