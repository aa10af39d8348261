"""The page of a run: its figures with intervals, by language and group, and the questions that went worst.

One HTML file that a browser shows as it is, by day and by night. What it is made of is in `page_parts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Literal

from ziggurat.evaluation.bootstrap import CONFIDENCE, RESAMPLES
from ziggurat.evaluation.page_parts import card, document, facts, figure_cells, table
from ziggurat.evaluation.saved import Row, Run, Variant

_WORST, _HOPPED = 25, 5

_EXPLAINED = {
    "recall": "the share of a question's gold passages among the first k",
    "MRR": "one over the rank of the first gold passage",
    "nDCG": "gold passages count more the further up they stand",
    "all-gold": "the share of questions with every gold passage among the first k",
    "exact match": "the answer is the wanted one, but for case, punctuation and articles",
    "F1": "the words that answer and wanted answer share",
    "holds answer": "the wanted answer stands in what was said",
    "answered": "the share of questions that got an answer at all",
    "cites gold": "the share of citations that are of gold passages",
    "quotes hold": "the share of citations whose quote stands at its place, character for character",
    "unsupported": "the share of the answer's characters that no passage supports; less is better",
    "faithful": "the share of judged sentences that the judge says their passage supports",
}


def page(run: Run) -> str:
    """The whole page."""
    index, dataset = run.index, run.dataset
    lead = (
        f"{dataset['questions']:,} questions of {dataset['name']}, asked of {index['folder']} "
        f"({index['chunks']:,} passages), {run.date[:10]}"
    )
    title = "How well passages are found" if run.kind == "retrieval" else "How well questions are answered"
    parts = [
        _figures(run),
        *(_parts(run, "language")),
        *(_parts(run, "group")),
        *map(_worst, run.variants),
        *map(_hops, run.variants),
        _foot(run),
    ]
    return document(title, lead, "".join(parts))


def _figures(run: Run) -> str:
    groups = []
    for variant in run.variants:
        rows = []
        figures = variant.figures()
        for at, (name, found) in enumerate(figures.items()):
            head = (
                f'<th scope="rowgroup" rowspan="{len(figures)}">{_text(variant.name)}'
                f'<span class="text">{len(variant.rows):,} questions</span></th>'
                if at == 0
                else ""
            )
            rows.append(f"<tr>{head}<td>{_text(name)}</td>{figure_cells(found)}</tr>")
        groups.append(rows)
    explained = [
        f"<b>{_text(key)}</b>: {_text(words)}"
        for key, words in _EXPLAINED.items()
        if any(name.partition("@")[0] == key for one in run.variants for name in one.measures)
    ]
    notes = [*run.notes, *(f"{one.name}: {note}" for one in run.variants for note in one.notes)]
    return (
        "<h2>Figures</h2>"
        + table(["", "measure", f"mean, {CONFIDENCE:.0%} interval", "0 to 1"], groups)
        + "".join(f'<p class="note">{_text(note)}</p>' for note in notes)
        + f'<p class="note">{"; ".join(explained)}.</p>'
        + f'<p class="note">Intervals: percentile bootstrap, {RESAMPLES:,} resamples of the questions, seeded.</p>'
    )


def _parts(run: Run, by: Literal["language", "group"]) -> list[str]:
    groups = []
    for variant in run.variants:
        measure = headline(variant)
        parts = variant.parts(by)
        groups.append(
            [
                f'<tr><th scope="row">{_text(name)}<span class="text">{len(rows):,} questions</span></th>'
                f"<td>{_text(variant.name)}, {_text(measure)}</td>{figure_cells(variant.figure(measure, rows))}</tr>"
                for name, rows in parts.items()
            ]
        )
    if not any(groups):
        return []
    return [f"<h2>By {by}</h2>", table([by, "measure", f"mean, {CONFIDENCE:.0%} interval", "0 to 1"], groups)]


def _worst(variant: Variant) -> str:
    rows = worst(variant)
    measures = [headline(variant)]
    if not rows:
        return f"<h2>{_text(variant.name)}: nothing went wrong</h2>"
    shown = rows[:_WORST]
    count = f"the worst {len(shown)} of {len(rows)}" if len(rows) > len(shown) else f"{len(rows)}"
    return f"<h2>{_text(variant.name)}: questions that went wrong, {count}</h2>" + "".join(
        card(row, measures) for row in shown
    )


def _hops(variant: Variant) -> str:
    """A few questions of which a gold passage was found by following names, and how."""
    rows = [row for row in variant.rows if any(one.get("path") and one.get("gold") for one in row.found)]
    if not rows:
        return ""
    shown = [replace(row, found=[one for one in row.found if one.get("gold")]) for row in rows[:_HOPPED]]
    lead = f"Of {len(rows):,} questions a gold passage was found by following names; the first {len(shown)} of them."
    return f'<h2>{_text(variant.name)}: found by following names</h2><p class="note">{lead}</p>' + "".join(
        card(row, [headline(variant)]) for row in shown
    )


def headline(variant: Variant) -> str:
    """The measure a variant is judged by first: F1 of answers, all-gold of searches, else the first taken."""
    measures = variant.measures
    for name in ("F1", "all-gold"):
        found = next((one for one in measures if one.partition("@")[0] == name), None)
        if found:
            return found
    return measures[0] if measures else ""


def worst(variant: Variant) -> list[Row]:
    """The rows that fell short by the headline measure, the worst first."""
    measure = headline(variant)

    def order(row: Row) -> tuple[float, float, int]:
        return row.scores.get(measure, 1.0), _mean(list(row.scores.values())), row.number

    return sorted(
        (row for row in variant.rows if row.scores.get(measure, 1.0) < 1 or row.answer.get("error")), key=order
    )


def _foot(run: Run) -> str:
    used = [
        f"{line['model'] or 'a model'}: {line['calls']:,} calls, {line['input_tokens']:,} + {line['output_tokens']:,} tokens, "
        + ("cost unknown" if line["usd"] is None else f"${line['usd']:.4f}")
        for line in run.usage
    ]
    index = {key: value for key, value in run.index.items() if key not in ("folder", "chunks")}
    told = {**run.settings, **{f"index {key}": value for key, value in index.items()}, "used": "; ".join(used)}
    told["dataset digest"] = run.dataset["digest"][:16]
    return f"<footer>{facts(told)}</footer>"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 1.0


def _text(words: object) -> str:
    return escape(str(words))
