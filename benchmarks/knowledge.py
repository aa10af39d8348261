"""What is found and answered: XQuAD, 2WikiMultihopQA and HotpotQA through `VectorIndex` with its defaults.

    python benchmarks/knowledge.py [--data ../shared/data] [--only xquad 2wiki hotpot] [--embedding SPEC]

Expects under ``--data`` ``xquad/{en,zh,es}.json``, ``multihop-2wiki/`` and ``hotpot-distractor/``; what is missing is left
out and named. Passages are stored as title and text, the title in their metadata. Embedding is most of the
work, so indexes are kept in ``--cache`` and built again only where the passages or the model are others. Intervals are the
95 % bootstrap of `ziggurat.evaluation`, over questions.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from knowledge_chart import Bar, Panel, shares_svg
from report import RESULTS, Role, machine, versions
from ziggurat.drawing.raster import rasterise
from ziggurat.evaluation import AnswerSettings, Dataset, Figure, Question, evaluate_answers, evaluate_retrieval, figure
from ziggurat.evaluation.dataset import load_dataset
from ziggurat.evaluation.gold import fold
from ziggurat.evaluation.metrics import all_gold, ranks_of
from ziggurat.evaluation.saved import Variant
from ziggurat.index import VectorIndex

LANGUAGES = ("en", "zh", "es")
PEERS = {
    "vectordb_te3small": "dense, text-embedding-3-small",
    "lightrag": "LightRAG",
    "nano_graphrag": "nano-GraphRAG",
    "fast_graphrag": "fast-graphrag",
}
SETS = ("xquad", "2wiki", "hotpot")
_K = 8


@dataclass(frozen=True)
class Line:
    """One figure: a row of a table."""

    name: str
    role: Role
    figure: Figure
    more: dict[str, float] = field(default_factory=dict)
    target: float | None = None


@dataclass(frozen=True)
class Part:
    """One table: what its figures are, and what a reader needs to know."""

    title: str
    measure: str
    lines: list[Line]
    notes: list[str] = field(default_factory=list)


# -- indexes --------------------------------------------------------------------------------------


@contextmanager
def kept(
    cache: Path, name: str, texts: Sequence[str], titles: Sequence[str], spec: str | None
) -> Iterator[VectorIndex]:
    """An index of some passages, from the cache if it is there; ids are places in ``texts``."""
    told = hashlib.sha256(json.dumps([spec, texts, titles], ensure_ascii=False).encode()).hexdigest()[:12]
    folder = cache / f"{name}-{told}"
    with VectorIndex.open_or_create(folder, spec) as index:
        if len(index) < len(texts):
            began = time.perf_counter()
            metadatas = [{"title": title} for title in titles] if titles else None
            index.add_texts(texts, metadatas, ids=[str(at) for at in range(len(texts))])
            print(f"{name}: {len(texts)} passages embedded in {time.perf_counter() - began:.0f} s", flush=True)
        yield index


def corpus(path: Path) -> tuple[list[str], list[str]]:
    """Texts, each behind its title, and titles."""
    documents = json.loads(path.read_text("utf-8"))
    return [f"{one['title']}\n{one['text']}" for one in documents], [one["title"] for one in documents]


# -- XQuAD ----------------------------------------------------------------------------------------


def xquad(data: Path, cache: Path, spec: str | None) -> list[Part]:
    """Recall@1 and MRR@10 in each language with each leg, and with a question in another language."""
    sets = {one: json.loads((data / f"{one}.json").read_text("utf-8")) for one in LANGUAGES}
    if len({tuple(row["passage"] for row in one["questions"]) for one in sets.values()}) > 1:
        raise SystemExit("The questions of the three languages are not the same ones in the same order.")
    asked = {
        one: Dataset.of(
            f"xquad-{one}",
            tuple(Question(row["question"], (str(row["passage"]),), (), one) for row in rows["questions"]),
        )
        for one, rows in sets.items()
    }
    targets = {"en": 0.96, "zh": 0.95, "es": 0.94}
    same, across = [], []
    for passages in LANGUAGES:
        with kept(cache, f"xquad-{passages}", sets[passages]["passages"], [], spec) as index:
            run = evaluate_retrieval(index, asked[passages], searches=("hybrid", "similarity", "words"))
            for variant in run.variants:
                target = targets[passages] if variant.name == "hybrid" else None
                role: Role = "ours" if variant.name == "hybrid" else "peer"
                same.append(_line(f"{passages}, {variant.name}", role, variant, "recall@1", target=target))
            for questions in LANGUAGES:
                if questions != passages:
                    run = evaluate_retrieval(index, asked[questions], searches=("hybrid", "similarity"))
                    pair = f"question {questions}, passages {passages}"
                    across.append(_line(pair, "ours", run.variants[0], "recall@1"))
                    across.append(_line(f"{pair}, similarity", "peer", run.variants[1], "recall@1"))
    size = f"{len(sets['en']['passages'])} passages and {len(sets['en']['questions'])} questions a language"
    return [
        Part("XQuAD: question and passage in one language", "recall@1", same, [f"{size}; hybrid is the default."]),
        Part(
            "XQuAD: the question in another language", "recall@1", across, [f"{size}, the same in each; hybrid search."]
        ),
    ]


def _line(name: str, role: Role, variant: Variant, measure: str, target: float | None = None) -> Line:
    found = variant.figures()
    more = {one: found[one].value for one in found if one.startswith("MRR")}
    return Line(name, role, found[measure], more, target)


# -- several hops ---------------------------------------------------------------------------------


def hops(data: Path, cache: Path, spec: str | None) -> list[Part]:
    """2WikiMultihopQA: all gold passages in the first eight, among 780 and 6,119, beside four systems' rankings."""
    dataset = load_dataset(data / "questions_dev.json")
    rankings = json.loads((data / "peer_rankings_dev.json").read_text("utf-8"))
    parts = []
    for size, target in ((780, 0.98), (6119, 0.95)):
        texts, titles = corpus(data / f"corpus_{size}.json")
        with kept(cache, f"2wiki-{size}", texts, titles, spec) as index:
            run = evaluate_retrieval(index, dataset, searches=("multihop", "hybrid"), k=_K)
        lines = [_all_gold(one, target if one.name == "multihop" else None) for one in run.variants]
        notes = [f"{len(dataset)} questions, {len(texts):,} passages; no model is asked but the one that embeds."]
        if size == 780:  # what the rankings were made of
            lines += [_peer(name, ranking, dataset) for name, ranking in rankings.items()]
            notes.append("Peers: their own first eight, as they were published with their measurements.")
        parts.append(Part(f"2WikiMultihopQA, {size:,} passages", f"all gold in the first {_K}", lines, notes))
    return parts


def _all_gold(variant: Variant, target: float | None) -> Line:
    found = variant.figures()[f"all-gold@{_K}"]
    hard = variant.figure(f"all-gold@{_K}", variant.parts("group").get("multi-hop", []))
    more = {} if hard is None else {"of the multi-hop ones": hard.value}
    name = f"{variant.name} search"
    return Line(name, "ours", found, more, target)


def _peer(name: str, ranking: dict[str, list[str]], dataset: Dataset) -> Line:
    flags = [
        all_gold(ranks_of(one.gold, [frozenset({fold(title)}) for title in ranking.get(one.text, [])], fold), _K)
        for one in dataset.questions
    ]
    hard = [flag for flag, one in zip(flags, dataset.questions, strict=True) if one.group == "multi-hop"]
    return Line(PEERS.get(name, name), "peer", figure(flags), {"of the multi-hop ones": sum(hard) / len(hard)})


def answers(data: Path, cache: Path, spec: str | None, model: str | None, search: Any, k: int) -> list[Part]:
    """HotpotQA: all gold found, and EM and F1 from gold passages, from what is found, and from nothing."""
    dataset = load_dataset(data / "questions_dev.json")
    texts, titles = corpus(data / "corpus_1000.json")
    with kept(cache, "hotpot-1000", texts, titles, spec) as index:
        run = evaluate_retrieval(index, dataset, searches=("multihop", "hybrid"), k=_K)
        settings = AnswerSettings(search=search, k=k, styles=("short",), gold=True, closed_book=True, concurrency=2)
        rows = cache / f"hotpot-{search}-{k}-{(model or 'default').replace('/', '-').replace(':', '-')}.rows.jsonl"
        said = evaluate_answers(index, dataset, model, settings=settings, rows=rows)
    found = {one.name.partition(",")[0]: one.figures() for one in said.variants}
    gold = found["gold passages"]
    roles: dict[str, Role] = {"retrieved passages": "ours", "gold passages": "floor", "closed book": "floor"}
    known = f"{said.settings['model']} at temperature 0, one short answer a question"
    tables = [
        Part(
            f"HotpotQA, {len(texts):,} passages: what is found",
            f"all gold in the first {_K}",
            [_all_gold(one, 0.90 if one.name == "multihop" else None) for one in run.variants],
            [f"{len(dataset)} questions, none of the easy ones."],
        )
    ]
    for measure in ("exact match", "F1"):
        lines = [
            Line(
                f"{name}, {search}, {k}" if name == "retrieved passages" else name,
                roles[name],
                figures[measure],
                target=gold[measure].value - 0.04 if name == "retrieved passages" else None,
            )
            for name, figures in found.items()
        ]
        tables.append(
            Part(f"HotpotQA, answers: {measure}", measure, lines, [f"{known}; to reach: gold less 4 points."])
        )
    return tables


# -- the files ------------------------------------------------------------------------------------


def markdown(parts: Sequence[Part], described: str, left_out: Sequence[str]) -> str:
    """All tables, each with its notes, in per cent."""
    text = ["# What is found and answered", ""]
    for part in parts:
        more = list(dict.fromkeys(name for line in part.lines for name in line.more))
        titles = ["", f"{part.measure}, %", "95 % interval", "to reach", *(f"{one}, %" for one in more)]
        text += [f"## {part.title}", "", f"| {' | '.join(titles)} |", f"| --- |{' ---: |' * (len(titles) - 1)}"]
        for line in part.lines:
            one = line.figure
            name = f"**{line.name}**" if line.role == "ours" else line.name
            wanted = (
                "" if line.target is None else f"{100 * line.target:.1f}: {'reached' if reached(line) else 'missed'}"
            )
            cells = [name, f"{100 * one.value:.1f}", f"{100 * one.low:.1f} - {100 * one.high:.1f}", wanted]
            cells += [f"{100 * line.more[title]:.1f}" if title in line.more else "" for title in more]
            text.append(f"| {' | '.join(cells)} |")
        text += ["", *part.notes, ""]
    text += [f"Left out: {one}." for one in left_out]
    return "\n".join([*text, described, ""])


def reached(line: Line) -> bool:
    """Whether a line reached its target."""
    return line.target is None or line.figure.value >= line.target - 1e-9


def charted(parts: Sequence[Part], described: str) -> str:
    """The tables as one picture."""
    panels = [
        Panel(part.title, part.measure, [Bar(one.name, one.role, one.figure, one.target) for one in part.lines])
        for part in parts
    ]
    return shares_svg("What is found and answered", panels, described)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--embedding", help="the embedding model's spec; the default one unless given")
    parser.add_argument("--model", help="the chat model's spec; the default one unless given")
    parser.add_argument("--search", default="multihop", help="how passages are found that are answered from")
    parser.add_argument("-k", type=int, default=2, help="passages that are answered from")
    user_cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--cache", type=Path, default=user_cache / "ziggurat" / "benchmarks")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    described = f"Measured {dt.datetime.now(dt.UTC):%Y-%m-%d} on {machine()}."
    steps = {
        "xquad": lambda: xquad(given.data / "xquad", given.cache, given.embedding),
        "2wiki": lambda: hops(given.data / "multihop-2wiki", given.cache, given.embedding),
        "hotpot": lambda: answers(
            given.data / "hotpot-distractor", given.cache, given.embedding, given.model, given.search, given.k
        ),
    }
    folders = {"xquad": "xquad", "2wiki": "multihop-2wiki", "hotpot": "hotpot-distractor"}
    parts, left_out = [], []
    for name in (one for one in SETS if one in given.only):
        if not (given.data / folders[name]).is_dir():
            left_out.append(f"{folders[name]} is not below {given.data}")
            continue
        found = steps[name]()
        print(markdown(found, "", []), flush=True)
        parts += found
    if not parts:
        raise SystemExit(f"Nothing is measured: {'; '.join(left_out)}.")
    if set(given.only) < set(SETS) and given.results == RESULTS:
        print("Only a part was measured; the files keep what they say.")
        return
    given.results.mkdir(parents=True, exist_ok=True)
    svg = charted(parts, described)
    (given.results / "knowledge.md").write_text(markdown(parts, described, left_out), "utf-8")
    told = {"machine": described, "versions": versions(), "left_out": left_out, "parts": [asdict(one) for one in parts]}
    (given.results / "knowledge.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (given.results / "knowledge.svg").write_text(svg, "utf-8")
    (given.results / "knowledge.png").write_bytes(rasterise(svg, {"Title": "What is found and answered"}))


if __name__ == "__main__":
    main()
