"""What a question names of a database: values that stand in it, and the tables it is about.

No model is asked: the question's words are compared with the names of tables and columns and with the
values of columns of text. Knows nothing of prompts.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ziggurat.sql.database import Database
from ziggurat.sql.paths import path
from ziggurat.sql.schema import Schema, Table

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_QUOTED = re.compile(r"[\"“”«»「」']([^\"“”«»「」']{2,60})[\"“”«»「」']")
_NAMED = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w'’.-]+(?:\s+[A-Z][\w'’.-]+)*")
_LONGEST = 6
_CLOSE = 0.86
_TELLING = 4
"""Letters from which on a beginning tells a word."""
_COMMON = frozenset(
    "a an the of in on at by to for from with and or not is are was were be been do does did has have had all any each "
    "every some no how many much what which who whom when where why show list give find name names number count total "
    "average sum most least more less than as per their its it that this these those there between over under same "
    "day week month year first last new true false yes none id date time type other".split()
)


@dataclass(frozen=True, slots=True)
class Link:
    """A value of the database that a question names.

    Attributes:
        table: Where it is.
        column: In which column.
        value: As the database has it.
        said: As the question has it, in lower case.
    """

    table: str
    column: str
    value: str
    said: str

    @property
    def literal(self) -> str:
        """The value as it stands in SQL, on one line."""
        return "'" + " ".join(self.value.split()).replace("'", "''") + "'"


def links(database: Database, question: str, tables: Iterable[str] | None = None) -> list[Link]:
    """The values a question names, the longest first; a name slightly misspelt is found too."""
    phrases = dict(_phrases(question))
    wanted = [name.strip(" .,?!") for name in (*_QUOTED.findall(question), *_NAMED.findall(question))]
    wholes = {folded(name): name for name in wanted if len(name) > 3}  # noqa: PLR2004 (shorter names are near everything)
    chosen = None if tables is None else {name.casefold() for name in tables}
    found: list[Link] = []
    for table in database.schema().tables:
        if chosen is not None and table.name.casefold() not in chosen:
            continue
        for column in table.columns:
            if not column.is_text:
                continue
            values = {folded(value): value for value in reversed(database.values(table.name, column.name))}
            exact = [Link(table.name, column.name, values[one], phrases[one]) for one in phrases.keys() & values.keys()]
            found += exact
            said = {link.said.casefold() for link in exact}
            for name in wholes.keys() - said - values.keys():
                if near := get_close_matches(name, values, n=1, cutoff=_CLOSE):
                    found.append(Link(table.name, column.name, values[near[0]], wholes[name]))
    return _longest(found)


def folded(text: str) -> str:
    """A text as it is compared: lower case, words with single spaces between them."""
    return " ".join(_WORD.findall(text.casefold()))


def words(name: str) -> list[str]:
    """The words of a name, in lower case and singular: ``sbTicker_ids`` has sb, ticker and id."""
    return [_singular(part.casefold()) for part in _SPLIT.findall(name)]


def relevant(schema: Schema, question: str, found: Sequence[Link], characters: int) -> Schema:
    """The tables a question is about, and those that join them, as many as fit; the whole schema where it fits.

    Args:
        schema: All tables.
        question: In words.
        found: The values it names.
        characters: Of the schema's text at most.
    """
    if len(schema.text()) <= characters:
        return schema
    asked = {_singular(word.casefold()) for word in _WORD.findall(question)} - _COMMON
    rarity = Counter(word for table in schema.tables for word in _table_words(table))
    named = Counter(link.table for link in found)

    def score(table: Table) -> float:
        own = dict.fromkeys(words(table.name), 3.0)
        own |= {word: 1.0 for word in _table_words(table) if word not in own}
        hits = sum(weight / math.sqrt(rarity[word]) for word, weight in own.items() if _among(word, asked))
        return hits + 1.5 * min(named[table.name], 2) + (1.5 if "".join(words(table.name)) in asked else 0)

    ranked = sorted(schema.tables, key=score, reverse=True)
    chosen: list[str] = []
    for table in ranked:
        if chosen and score(table) <= 0:
            break
        more = [*chosen, table.name]
        more += [name for _, name in path(schema.joins, chosen, table.name) or () if name not in more]
        if chosen and len(schema.text(more)) > characters:
            continue
        chosen = more
    return schema.chosen(chosen)


def _table_words(table: Table) -> set[str]:
    return {word for column in table.columns for word in words(column.name)} | set(words(table.name))


def _among(word: str, asked: set[str]) -> bool:
    if word in asked or len(word) < _TELLING:
        return word in asked
    return any(one.startswith(word) or word.startswith(one) for one in asked if len(one) >= _TELLING)


def _phrases(question: str) -> Iterator[tuple[str, str]]:
    """Every run of words of a question that could be a value, folded, and as it stands there."""
    found = list(_WORD.finditer(question))
    for start, first in enumerate(found):
        for last in found[start : start + _LONGEST]:
            said = question[first.start() : last.end()]
            phrase = folded(said)
            lone = first is last
            if lone and (phrase in _COMMON or (len(phrase) < 3 and not said.isupper()) or phrase.isdigit()):  # noqa: PLR2004 (a short word is a value if it is written as one)
                continue
            yield phrase, said


def _longest(found: list[Link]) -> list[Link]:
    """Without those that are only a part of what another one names; the longest first."""
    kept: list[Link] = []
    for link in sorted(found, key=lambda one: -len(one.said)):
        said = f" {folded(link.said)} "
        if not any(said in f" {folded(other.said)} " and folded(other.said) != said.strip() for other in kept):
            kept.append(link)
    return kept


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:  # noqa: PLR2004 (ties, lies)
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word  # noqa: PLR2004 (bus, gas)
