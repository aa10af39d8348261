"""Extraction on twenty documents and pages: `Extract` beside the same model asked once for the same JSON.

    python benchmarks/extraction.py [--data ../shared/data/documents] [--model SPEC]

Both see the same loaded text and the same schema. A value is right if it is the one a person read off,
without regard to case, spaces and the marks around it; numbers are compared as numbers.
"""

from __future__ import annotations

import argparse
import re
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from langchain_core.utils.json import parse_json_markdown

from extraction_cases import CASES, PAGES, Case
from ziggurat import models
from ziggurat.loaders import load
from ziggurat.stages.extract import Extract
from ziggurat.stages.prompting import StagePrompt
from ziggurat.stages.shapes import Shape
from ziggurat.testing.local_http import LocalServer, QuietHandler

DATA = Path(__file__).parents[2] / "shared" / "data" / "documents"


class _Pages(QuietHandler):
    """The pages of the cases."""

    def do_GET(self: BaseHTTPRequestHandler) -> None:  # noqa: N802 (the standard library's name)
        page = next((one.page for one in PAGES if one.source == self.path), "").encode()
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


@contextmanager
def addresses(data: Path) -> Iterator[Any]:
    """From a case to what it is loaded from, as long as the block lasts."""
    with LocalServer(_Pages) as server:
        yield lambda case: f"{server.url}{case.source}" if case.page else str(data / case.source)


def right(got: Any, gold: Any) -> bool:
    """Whether a value is the one that was read off."""
    if gold is None or isinstance(gold, bool):
        return got is gold
    if isinstance(gold, list):
        return isinstance(got, list) and sorted(map(_plain, got)) == sorted(map(_plain, gold))
    if isinstance(gold, int | float):
        return isinstance(got, int | float) and not isinstance(got, bool) and float(got) == float(gold)
    return _plain(got) == _plain(gold)


def _plain(value: Any) -> str:
    return re.sub(r"\W+", "", unicodedata.normalize("NFKC", str(value)).casefold())


def bare(model: Any, case: Case, text: str) -> dict[str, Any] | None:
    """The model asked once, in the words that `Extract` uses; None if there is no JSON in its answer."""
    prompt = StagePrompt("extract").filled("en", schema=Shape(case.schema).text, instructions="", text=text)
    try:
        found = parse_json_markdown(str(model.invoke(prompt).text))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def ours(model: Any, case: Case, text: str) -> dict[str, Any]:
    """`Extract`."""
    value: dict[str, Any] = Extract(case.schema, model).run(text).value
    return value


def main() -> None:
    """Print both, document by document and in all."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--model")
    arguments.add_argument("--verbose", action="store_true", help="show what is wrong")
    options = arguments.parse_args()
    model = models.chat(options.model, max_tokens=500) if options.model else models.chat(max_tokens=500)
    sides = {"the model asked once": partial(bare, model), "Extract": partial(ours, model)}
    totals = {name: [0, 0, 0, 0.0] for name in sides}
    with addresses(options.data) as where:
        for case in CASES:
            load_options = {"allow_private": True} if case.page else {}
            text = "\n".join(one.text for one in load(where(case), **load_options))[:6000]
            line = [f"{case.source:36}"]
            for name, side in sides.items():
                began = time.perf_counter()
                try:
                    found = side(case, text)
                except ValueError as error:
                    found = None
                    line.append(f"({type(error).__name__})")
                valid = found is not None and not Shape(case.schema).problems(found)
                good = sum(
                    found is not None and key in found and right(found[key], gold) for key, gold in case.gold.items()
                )
                total = totals[name]
                total[0] += valid
                total[1] += good
                total[2] += len(case.gold)
                total[3] += time.perf_counter() - began
                line.append(f"{good}/{len(case.gold)} {'valid' if valid else 'INVALID':8}")
                if options.verbose and name == "Extract":
                    wrong = {
                        key: (found or {}).get(key)
                        for key, gold in case.gold.items()
                        if not right((found or {}).get(key), gold)
                    }
                    line.append(str(wrong) if wrong else "")
            print("  ".join(line), flush=True)
    print()
    for name, (valid, good, fields, seconds) in totals.items():
        print(
            f"{name:22} valid {valid}/{len(CASES)}   fields right {good}/{fields} = {good / fields:.3f}   {seconds:.0f} s"
        )


if __name__ == "__main__":
    main()
