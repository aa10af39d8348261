"""A dataset: questions, what should be found for them, and what should be answered.

Reads JSON, JSONL and the forms of common public sets; refuses a bad row with its file and line, before
anything runs. What an index has of the gold is `gold`'s business. Invariant: every question has words,
and every gold name and every acceptable answer is a text that is not blank.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ziggurat.errors import InputError
from ziggurat.stages.evidence import content
from ziggurat.stages.language import language_of
from ziggurat.suggest import did_you_mean

_GOLD = ("gold", "gold_titles", "passage", "passages", "gold_ids", "sources", "titles")
_ANSWER = ("answer", "answers", "short_answer")
_KNOWN = {"question", "language", "group", "type", "multihop", *_GOLD, *_ANSWER}
_SHORT_ANSWER = 8
"""Words of an answer that counts as short; Chinese, Japanese and Korean count two characters for one."""


@dataclass(frozen=True, slots=True)
class Question:
    """One row of a dataset.

    Attributes:
        text: The question.
        gold: What should be found: ids, sources or titles of passages; all of them are needed.
        answers: Acceptable answers; any one of them will do.
        language: ``en``, ``zh``, ``es``, ``pt``, or what the row says.
        group: What figures are also told apart by; empty for none.
        line: Where the row begins in its file, from 1.
    """

    text: str
    gold: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    language: str = "en"
    group: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions of one file.

    Attributes:
        name: The file's name without its ending.
        questions: In the order of the file.
        digest: SHA-256 of the questions, in hexadecimal: two files that ask the same have the same.
    """

    name: str
    questions: tuple[Question, ...]
    digest: str

    @classmethod
    def of(cls, name: str, questions: tuple[Question, ...]) -> Dataset:
        """A dataset of some questions."""
        told = [[one.text, one.gold, one.answers, one.language, one.group] for one in questions]
        return cls(name, questions, hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest())

    def __len__(self) -> int:
        return len(self.questions)

    def first(self, count: int | None) -> Dataset:
        """The same with its first questions only."""
        return self if count is None else Dataset.of(self.name, self.questions[:count])

    @property
    def has_short_answers(self) -> bool:
        """Whether most answers are a few words, so that exact match means something."""
        known = [one.answers for one in self.questions if one.answers]
        short = sum(min(map(_length, answers)) <= _SHORT_ANSWER for answers in known)
        return bool(known) and short * 2 > len(known)


def load_dataset(path: str | Path) -> Dataset:
    """Read a dataset.

    A row is an object with ``question`` and, as far as known, ``gold`` (a text or a list: ids, sources or titles
    of passages), ``answer`` (a text, or a list of acceptable ones), ``language`` and ``group``. Understood as well:
    ``gold_titles``, ``passage`` (an id or a number), ``answers``, ``type`` and ``multihop`` (true or false) as
    group. A row that says ``"reviewed": "dropped"`` is passed over. JSON: a list of rows, or an object with them
    under ``questions``. JSONL: a row a line.

    Raises:
        InputError: If the file cannot be read or holds no question, or for a row that is none: file and line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The dataset cannot be read: {error}.", where=str(path), fix="check the path") from error
    rows = _lines(text, path) if path.suffix in (".jsonl", ".ndjson") else _whole(text, path)
    questions = tuple(_question(row, f"{path}:{line}", line) for line, row in rows if not _dropped(row))
    if not questions:
        raise InputError("The dataset holds no question.", where=str(path))
    return Dataset.of(path.stem, questions)


def _lines(text: str, path: Path) -> list[tuple[int, Any]]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append((number, json.loads(line)))
            except ValueError as error:
                raise InputError(f"The line is not JSON: {error}.", where=f"{path}:{number}") from error
    return rows


def _whole(text: str, path: Path) -> list[tuple[int, Any]]:
    """The rows of a JSON file, each with the line it begins in."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        fix = "a file of a row a line is called .jsonl" if error.msg == "Extra data" else None
        raise InputError(f"The file is not JSON: {error.msg}.", where=f"{path}:{error.lineno}", fix=fix) from error
    wrapped = isinstance(data, dict)
    rows = data.get("questions") if wrapped else data
    if not isinstance(rows, list):
        raise InputError(
            "The file is no list of questions.", where=str(path), fix='write [{"question": …, "gold": …}, …]'
        )
    start = max(text.find('"questions"'), 0) if wrapped else 0
    return list(zip(_beginnings(text, text.find("[", start) + 1, len(rows)), rows, strict=True))


def _beginnings(text: str, at: int, count: int) -> list[int]:
    """The lines in which the values of a list begin that is known to be JSON."""
    decoder, lines, line, counted = json.JSONDecoder(), [], text.count("\n", 0, at) + 1, at
    for _ in range(count):
        while text[at] in " \t\r\n,":
            at += 1
        line += text.count("\n", counted, at)
        counted = at
        lines.append(line)
        _, at = decoder.raw_decode(text, at)
    return lines


def _dropped(row: Any) -> bool:
    return isinstance(row, dict) and row.get("reviewed") == "dropped"


def _question(row: Any, where: str, line: int) -> Question:
    if not isinstance(row, dict):
        raise InputError(f"A row is an object, not {json.dumps(row)[:60]}.", where=where)
    text = row.get("question")
    if text is None:
        near = did_you_mean("question", [str(key) for key in row])
        raise InputError(f"The row has no 'question'{near}.", where=where)
    if not isinstance(text, str) or not content(text):
        raise InputError(f"{str(text)[:60]!r} is not a question.", where=where, fix="ask in words")
    unknown = [key for key in row if key not in _KNOWN]
    for key in unknown:
        near = did_you_mean(key, ["question", "gold", "answer", "language", "group"])
        if near:
            raise InputError(f"The row has an unknown {key!r}{near}.", where=where)
    gold = _texts(_first(row, _GOLD), "gold", where)
    answers = _texts(_first(row, _ANSWER), "answer", where)
    if not gold and not answers:
        raise InputError("The row has neither gold nor answer, so nothing can be measured.", where=where)
    language = row.get("language") or language_of(text)
    return Question(text, gold, answers, _label(language, "language", where), _group(row, where), line)


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _texts(given: Any, what: str, where: str) -> tuple[str, ...]:
    values = given if isinstance(given, list) else [] if given is None else [given]
    for one in values:
        if isinstance(one, bool) or not isinstance(one, str | int | float) or not str(one).strip():
            raise InputError(f"{str(one)[:60]!r} is no {what}.", where=where, fix="write a text, or a list of texts")
    return tuple(dict.fromkeys(str(one).strip() for one in values))


def _label(given: Any, what: str, where: str) -> str:
    if not isinstance(given, str) or not given.strip():
        raise InputError(f"{given!r} is no {what}.", where=where, fix="write a text")
    return given.strip()


def _group(row: Mapping[str, Any], where: str) -> str:
    multihop = row.get("multihop")
    if "group" not in row and isinstance(multihop, bool):
        return "multi-hop" if multihop else "single-hop"
    given = row.get("group", row.get("type"))
    return "" if given is None or given == "" else _label(given, "group", where)


def _length(text: str) -> float:
    wide = sum(char > "\u2e7f" for char in text)
    return len(text.split()) + wide / 2 - (1 if wide else 0)
