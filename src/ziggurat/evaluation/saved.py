"""A run of an evaluation: what was asked of which index, each question's row, the figures; as a JSON file.

Plain data in and out. Who makes the rows is not known here. Invariant: the figures are computed from the
rows, so a file whose rows were read gives the same figures again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ziggurat.errors import InputError
from ziggurat.evaluation.bootstrap import CONFIDENCE, RESAMPLES, SEED, Figure, figure

Kind = Literal["retrieval", "answers"]
FORMAT = 1

Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One question in one variant.

    Attributes:
        number: The question's place in the dataset, from 0.
        question: Its text.
        language: Its language.
        group: Its group; empty for none.
        scores: By measure; what cannot be measured of this question is not there.
        found: What was found, best first: id, title, source, the beginning of the text, path, and whether
            it is gold.
        gold: Gold names with the ranks they were found at, or None.
        answer: What was said, what was wanted, citations; empty where nothing was asked.
        seconds: How long it took.
    """

    number: int
    question: str
    language: str
    group: str
    scores: Scores
    found: list[dict[str, Any]] = field(default_factory=list)
    gold: dict[str, int | None] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True)
class Variant:
    """One setting of a run: a search, or a way to answer.

    Attributes:
        name: What tells it from the others of the run, such as ``hybrid`` or ``gold passages``.
        rows: One a question.
        notes: What a reader needs to know, such as how many questions failed.
    """

    name: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def measures(self) -> list[str]:
        """The names of the measures, in the order they were first taken."""
        return list(dict.fromkeys(name for row in self.rows for name in row.scores))

    def figure(self, measure: str, rows: Sequence[Row] | None = None) -> Figure | None:
        """A measure over some rows, over all if none are given; None where it was never taken."""
        values = [row.scores[measure] for row in (self.rows if rows is None else rows) if measure in row.scores]
        return figure(values) if values else None

    def figures(self) -> dict[str, Figure]:
        """Every measure over all questions."""
        return {name: found for name in self.measures if (found := self.figure(name)) is not None}

    def parts(self, by: Literal["language", "group"]) -> dict[str, list[Row]]:
        """The rows by language or group, the largest part first; empty where there is only one."""
        parts: dict[str, list[Row]] = {}
        for row in self.rows:
            parts.setdefault(getattr(row, by) or "none", []).append(row)
        return dict(sorted(parts.items(), key=lambda part: -len(part[1]))) if len(parts) > 1 else {}


@dataclass(slots=True)
class Run:
    """A whole evaluation.

    Attributes:
        kind: ``retrieval`` or ``answers``.
        name: What its files are called.
        date: When it ended, ISO 8601, UTC.
        settings: All that decides the outcome, beside the index and the dataset.
        index: The index's folder, generation, stamp, embedding fingerprint, and number of chunks.
        dataset: The dataset's name, digest and number of questions.
        variants: At least one.
        usage: Lines of models: calls, tokens, and cost in US dollars, None where unknown.
        notes: What a reader needs to know.
    """

    kind: Kind
    name: str
    date: str
    settings: dict[str, Any]
    index: dict[str, Any]
    dataset: dict[str, Any]
    variants: list[Variant]
    usage: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def variant(self, name: str) -> Variant:
        """A variant by name.

        Raises:
            InputError: If there is none.
        """
        for one in self.variants:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.variants)
        raise InputError(f"The run {self.name!r} has no variant {name!r}.", fix=f"it has {known}")

    def save(self, folder: Path) -> Path:
        """Write ``NAME.json`` and the page ``NAME.html``; returns the path of the first."""
        from ziggurat.evaluation.page import page

        folder.mkdir(parents=True, exist_ok=True)
        data = {
            "format": FORMAT,
            "bootstrap": {"resamples": RESAMPLES, "confidence": CONFIDENCE, "seed": SEED, "method": "percentile"},
            **asdict(self),
            "figures": {
                one.name: {name: asdict(found) for name, found in one.figures().items()} for one in self.variants
            },
        }
        write_whole(folder / f"{self.name}.json", json.dumps(data, ensure_ascii=False, indent=1) + "\n")
        write_whole(folder / f"{self.name}.html", page(self))
        return folder / f"{self.name}.json"


def load_run(path: str | Path) -> Run:
    """Read a saved run.

    Raises:
        InputError: If the file cannot be read, is none, or was written by a later version.
    """
    path = Path(path)
    if not path.suffix:
        path = path.with_suffix(".json")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] > FORMAT:
            raise InputError("A later version wrote this run.", where=str(path), fix="update Ziggurat")
        variants = [Variant(one["name"], rows_of(one["rows"]), one["notes"]) for one in data["variants"]]
        given = {key: data[key] for key in Run.__dataclass_fields__ if key != "variants"}
        return Run(**given, variants=variants)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The run cannot be read: {error}.", where=str(path), fix="check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "The file is no saved run.", where=str(path), fix="`ziggurat eval retrieval … --out DIR` writes one"
        ) from error


def rows_of(given: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows from what `dataclasses.asdict` made of them."""
    return [Row(**one) for one in given]


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
