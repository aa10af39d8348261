"""Text to SQL by execution: the `SQL` stage beside the bare model asked once with the same schema text.

    python benchmarks/text_to_sql.py [--data ../shared/data/sql] [--model SPEC] [--only yelp atis] [--limit 20] [--out FILE]

Expects ``questions_dev.json`` and the SQLite files under ``--data``. A query matches if it gives the rows of one of the
gold queries (separated by ``;``), columns in any order and under any name; ``{a, b}`` in a gold query are columns
that may be there or not. Rows are compared in any order, numbers to six digits. The bare model is asked once, at temperature 0, with the whole
schema as `Schema.text` tells it, and what it writes is run as it stands; so is the gold.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ziggurat import models
from ziggurat.sql import Database
from ziggurat.sql.writing import query_in
from ziggurat.stages.sql import SQL
from ziggurat.stages.text_to_sql.answer import SQLAnswer

Row = tuple[Any, ...]
_SECONDS = 10.0
_MOST_ROWS = 5000
_MOST_ORDERS = 2000
_OPTIONAL = re.compile(r"\{([^}]*)\}")
_BARE = (
    "{schema}\n\nWrite one SQLite query that answers this question. Reply with the query and nothing else.\n"
    "Question: {question}"
)


@dataclass(frozen=True)
class Outcome:
    """What became of one question."""

    database: str
    question: str
    bare: str
    bare_executed: bool
    bare_match: bool
    ours: str
    ours_executed: bool
    ours_match: bool
    calls: int
    tried: list[str]


def execute(path: Path, query: str) -> list[Row] | None:
    """The rows of a query; None if it fails or takes too long."""
    end = time.monotonic() + _SECONDS
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        try:
            return [tuple(map(_plain, row)) for row in connection.execute(query).fetchmany(_MOST_ROWS)]
        except (sqlite3.Error, sqlite3.Warning):
            return None


def _plain(cell: Any) -> Any:
    return round(float(cell), 6) if isinstance(cell, int | float) else cell


def golds(text: str) -> Iterator[str]:
    """The queries of a gold field, each of its optional columns in and out."""
    for query in filter(str.strip, text.split(";")):
        groups = _OPTIONAL.findall(query)
        if not groups:
            yield query
            continue
        names = [[name.strip() for name in group.split(",")] for group in groups]
        chosen = [[c for n in range(1, len(one) + 1) for c in itertools.combinations(one, n)] for one in names]
        for picked in itertools.product(*chosen):
            parts = iter(picked)
            yield _OPTIONAL.sub(lambda _, parts=parts: ", ".join(next(parts)), query)


def same(gold: Sequence[Row], rows: Sequence[Row]) -> bool:
    """Whether two results hold the same rows, whatever the order of rows and columns."""
    if len(gold) != len(rows):
        return False
    if not gold:
        return True
    width = len(gold[0])
    if len(rows[0]) != width:
        return False
    ours = [Counter(column) for column in zip(*rows, strict=True)]
    theirs = [Counter(column) for column in zip(*gold, strict=True)]
    fits = [[at for at in range(width) if ours[at] == column] for column in theirs]
    wanted = Counter(gold)
    return any(
        len(set(order)) == width and Counter(tuple(row[at] for at in order) for row in rows) == wanted
        for order in itertools.islice(itertools.product(*fits), _MOST_ORDERS)
    )


def matches(path: Path, gold: str, rows: Sequence[Row] | None) -> bool:
    """Whether rows are those of one of the gold queries."""
    if rows is None:
        return False
    return any(found is not None and same(found, rows) for found in (execute(path, one) for one in golds(gold)))


def bare(item: dict[str, str], schema: str, model: Any) -> str:
    """What the bare model writes when it is asked once."""
    question = f"{item['question']} {item.get('instructions', '')}".strip()
    reply = model.invoke(_BARE.format(schema=schema, question=question), max_tokens=300, temperature=0.0)
    return query_in(str(reply.text))


def outcome(item: dict[str, str], path: Path, written: str, answer: SQLAnswer) -> Outcome:
    """Both queries, run and compared."""
    bare_rows = execute(path, written) if written else None
    rows = execute(path, answer.query) if answer.found else None
    return Outcome(
        item["db_name"],
        item["question"],
        written,
        bare_rows is not None,
        matches(path, item["query"], bare_rows),
        answer.query,
        rows is not None,
        matches(path, item["query"], rows),
        answer.usage.calls,
        [one.query for one in answer.attempts],
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each database, and one for all."""
    by_name: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        by_name[one.database].append(one)
    lines = [
        "| database | questions | bare: match | bare: executed | ours: match | ours: executed |",
        "|---|---|---|---|---|---|",
    ]
    for name, group in [*sorted(by_name.items()), ("all", list(outcomes))]:
        counts = [
            sum(getattr(one, field) for one in group)
            for field in ("bare_match", "bare_executed", "ours_match", "ours_executed")
        ]
        lines.append(f"| {name} | {len(group)} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data" / "sql")
    parser.add_argument("--model", help="a model spec; the local default unless given")
    parser.add_argument("--only", nargs="*", help="names of databases")
    parser.add_argument("--limit", type=int, help="so many questions, evenly out of all")
    parser.add_argument("--out", type=Path, help="a JSON file for what became of each question")
    given = parser.parse_args()
    items = sorted(json.loads((given.data / "questions_dev.json").read_text()), key=lambda item: item["db_name"])
    items = [item for item in items if not given.only or item["db_name"] in given.only]
    items = items[:: max(1, len(items) // given.limit)] if given.limit else items
    model = models.chat(given.model)
    opened = {name: Database.open(given.data / f"{name}.sqlite") for name in {item["db_name"] for item in items}}
    stages = {name: SQL(database, model, sentence=False) for name, database in opened.items()}
    began = time.monotonic()
    written = [bare(item, opened[item["db_name"]].schema().text(), model) for item in items]
    print(f"the bare model: {time.monotonic() - began:.0f} s", flush=True)
    outcomes, began = [], time.monotonic()
    for number, (item, query) in enumerate(zip(items, written, strict=True), 1):
        answer = stages[item["db_name"]].run(question=item["question"], notes=item.get("instructions", ""))
        outcomes.append(outcome(item, given.data / f"{item['db_name']}.sqlite", query, answer))
        matched = [sum(getattr(one, f"{who}_match") for one in outcomes) for who in ("bare", "ours")]
        print(
            f"{number}/{len(items)} {item['db_name']}: bare {matched[0]}, ours {matched[1]}, {time.monotonic() - began:.0f} s",
            flush=True,
        )
        if given.out:
            given.out.write_text(json.dumps([asdict(one) for one in outcomes], indent=1, ensure_ascii=False))
    print(table(outcomes))
    ratio = f"{matched[1] / matched[0]:.2f}x the bare model" if matched[0] else "no match of the bare model"
    calls = sum(one.calls for one in outcomes) / len(outcomes)
    print(f"{ratio}; {calls:.1f} calls a question; {time.monotonic() - began:.0f} s for ours")


if __name__ == "__main__":
    main()
