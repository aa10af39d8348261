"""What is said of the rows of a query: by rule, or by a model whose sentence is held to the rows.

A sentence passes only if every figure in it stands in the rows or in the question, and the row is in it, or
a value of one of several. What does not pass is replaced by the rows themselves, which cannot lie.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress

from ziggurat.sql import Rows
from ziggurat.sql.rows import Cell, told
from ziggurat.stages.language import Language

MOST_ROWS = 8
"""Rows a model is given to speak of; more are shown as a table."""
_LONGEST_CELL = 200
_LONGEST_SENTENCE = 600
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")

_NOTHING: dict[Language, str] = {
    "en": "The database holds nothing that answers this.",
    "zh": "数据库中没有符合的内容。",
    "pt": "O banco de dados não tem nada que responda a isto.",
    "es": "La base de datos no tiene nada que responda a esto.",
}
_NO_QUERY: dict[Language, str] = {
    "en": "No query could be run for this question.",
    "zh": "没有能够为这个问题运行的查询。",
    "pt": "Nenhuma consulta pôde ser executada para esta pergunta.",
    "es": "No se pudo ejecutar ninguna consulta para esta pregunta.",
}
_ROWS: dict[Language, str] = {
    "en": "{count} rows.",
    "zh": "共 {count} 行。",
    "pt": "{count} linhas.",
    "es": "{count} filas.",
}
_MORE: dict[Language, str] = {
    "en": "More than {count} rows; the first {count} are shown.",
    "zh": "超过 {count} 行，这里是前 {count} 行。",
    "pt": "Mais de {count} linhas; aqui estão as primeiras {count}.",
    "es": "Más de {count} filas; aquí están las primeras {count}.",
}


def no_query(language: Language) -> str:
    """What is said when no query ran."""
    return _NO_QUERY[language]


def by_rule(rows: Rows, language: Language) -> str:
    """What is said of rows without a model: one value, one row, or how many there are."""
    if not len(rows) or all(cell is None for row in rows.rows for cell in row):
        return _NOTHING[language]
    if len(rows) == 1:
        return "; ".join(f"{name}: {shown(cell)}" for name, cell in zip(rows.columns, rows.rows[0], strict=True)) + "."
    if len(rows.columns) == 1 and len(rows) <= MOST_ROWS and not rows.truncated:
        return f"{rows.columns[0]}: {', '.join(shown(row[0]) for row in rows.rows)}."
    return (_MORE if rows.truncated else _ROWS)[language].format(count=len(rows))


def speakable(rows: Rows) -> bool:
    """Whether a model is let speak of the rows: few, whole, and none of their texts long."""
    cells = [cell for row in rows.rows for cell in row]
    return (
        0 < len(rows) <= MOST_ROWS
        and not rows.truncated
        and any(cell is not None for cell in cells)
        and all(len(cell) <= _LONGEST_CELL and cell.isprintable() for cell in cells if isinstance(cell, str))
    )


def as_data(rows: Rows) -> str:
    """The rows as JSON, one a line; no cell can end the block they stand in."""
    lines = (json.dumps(record, ensure_ascii=False, default=str) for record in rows.records())
    return "\n".join(line.replace("<", "\\u003c") for line in lines)


def holds(sentence: str, rows: Rows, question: str) -> bool:
    """Whether a sentence says no figure that is not in the rows or the question, and one row whole."""
    if not sentence or len(sentence) > _LONGEST_SENTENCE:
        return False
    known = {one for cell in _cells(rows) for one in _numbers(cell)} | _figures(question) | {float(len(rows))}
    if not all(_readings(one) & known for one in _FIGURE.findall(sentence)):
        return False
    told_of = [_is_told(cell, sentence) for cell in _cells(rows) if cell is not None]
    return all(told_of) if len(rows) == 1 else any(told_of)


def _is_told(cell: Cell, sentence: str) -> bool:
    if isinstance(cell, str):
        return cell.casefold() in sentence.casefold()
    return _numbers(cell) <= _figures(sentence)


def _numbers(cell: Cell) -> set[float]:
    """The number that a value is, as it is shown; those that stand in a text."""
    return {abs(round(float(cell), 4))} if isinstance(cell, int | float) else _figures(str(cell))


def shown(cell: Cell) -> str:
    """A value in a sentence: a long fraction is told to four digits."""
    if isinstance(cell, float):
        return f"{cell:.4f}".rstrip("0").rstrip(".") if abs(cell) < 1e15 else repr(cell)  # noqa: PLR2004 (exact as an integer)
    return told(cell)


def rounded(rows: Rows) -> Rows:
    """The rows as they are told to a model, so that it copies figures people can read."""
    kept = tuple(tuple(round(cell, 4) if isinstance(cell, float) else cell for cell in row) for row in rows.rows)
    return Rows(rows.columns, kept, rows.truncated, rows.seconds, rows.query)


def _cells(rows: Rows) -> Iterable[Cell]:
    return (cell for row in rows.rows for cell in row)


def _figures(text: str) -> set[float]:
    """The numbers in a text, in every way they can be read."""
    return {number for one in _FIGURE.findall(text) for number in _readings(one)}


def _readings(figure: str) -> set[float]:
    """What a figure may mean: a comma or a point may part thousands, or begin the fraction."""
    found: set[float] = set()
    for one in (figure.replace(",", ""), figure.replace(".", "").replace(",", ".")):
        with suppress(ValueError):
            found.add(round(float(one), 4))
    return found or {float(part) for part in re.split(r"[.,]", figure)}
