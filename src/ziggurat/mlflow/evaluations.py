"""A saved evaluation as MLflow runs: figures with their intervals, by language too, the questions, the page.

Reads what `ziggurat.evaluation` made and computes nothing of its own. An evaluation of one variant is one run;
one of several is a run with one inside it for each, so that variants stand side by side under the same names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ziggurat.evaluation.saved import Run, Variant, load_run
from ziggurat.mlflow.plain import as_json
from ziggurat.mlflow.store import library, reach, refusals

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_\-. /]")
_LONGEST_VALUE = 6000
QUESTIONS = "questions.json"


def log_evaluation(
    run: Run | str | Path,
    *,
    name: str | None = None,
    experiment: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Log an evaluation.

    Metrics are called as in Ziggurat, with ``.low`` and ``.high`` for the interval and ``/en`` for a language; what
    MLflow does not take in a name (``@``) becomes ``_``.

    Args:
        run: The evaluation, or the path of a saved one.
        name: What the run is called; the evaluation's own name when None.
        experiment: The experiment; MLflow's current one when None.
        tags: Further tags.

    Returns:
        The id of the MLflow run that holds it.

    Raises:
        InputError: If the path is no saved evaluation.
        TrackingError: If the store cannot be reached, or refuses.
        MissingDependency: If MLflow is not installed.
    """
    found = run if isinstance(run, Run) else load_run(run)
    reach()
    mlflow = library(for_="logging an evaluation")
    told = {
        "ziggurat.version": version("ziggurat"),
        "ziggurat.evaluation": found.kind,
        "ziggurat.dataset": str(found.dataset.get("digest", "")),
        **(tags or {}),
    }
    with TemporaryDirectory(prefix="ziggurat-mlflow-") as made, refusals("log the evaluation", found.name):
        files = _files(found, Path(made))
        if experiment is not None:
            mlflow.set_experiment(experiment)
        nested = mlflow.active_run() is not None
        with mlflow.start_run(run_name=name or found.name, nested=nested, tags=told) as outer:
            mlflow.log_params(dict(_params(found)))
            mlflow.log_metrics(_usage(found))
            mlflow.log_artifacts(str(files), "evaluation")
            for variant in found.variants:
                with _run_of(mlflow, variant, alone=len(found.variants) == 1):
                    mlflow.log_metrics(figures(variant))
                    mlflow.log_table(_table(variant), artifact_file=QUESTIONS)
            return str(outer.info.run_id)


def figures(variant: Variant) -> dict[str, float]:
    """The figures of a variant by MLflow's names: the value, ``.low``, ``.high``, and each language's value."""
    found: dict[str, float] = {}
    for measure, figure in variant.figures().items():
        name = metric(measure)
        found |= {name: figure.value, f"{name}.low": figure.low, f"{name}.high": figure.high}
        for part in ("language", "group"):
            for language, rows in variant.parts(part).items():
                inner = variant.figure(measure, rows)
                if inner is not None:
                    found[f"{name}/{metric(language)}"] = inner.value
    return found


def metric(name: str) -> str:
    """A name as MLflow takes it: ``recall@10`` is ``recall_10``."""
    return _NOT_IN_NAMES.sub("_", name)


def _run_of(mlflow: Any, variant: Variant, *, alone: bool) -> AbstractContextManager[Any]:
    if alone:
        return nullcontext()
    inner: AbstractContextManager[Any] = mlflow.start_run(
        run_name=variant.name, nested=True, tags={"ziggurat.variant": variant.name}
    )
    return inner


def _params(run: Run) -> Iterator[tuple[str, str]]:
    for group, values in (("", run.settings), ("index.", run.index), ("dataset.", run.dataset)):
        for key, value in values.items():
            text = value if isinstance(value, str) else json.dumps(as_json(value, key), ensure_ascii=False)
            yield metric(f"{group}{key}"), text[:_LONGEST_VALUE]


def _usage(run: Run) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in run.usage:
        role = metric(str(line.get("role", "model")))
        for key in ("calls", "input_tokens", "output_tokens", "usd"):
            if isinstance(value := line.get(key), int | float):
                found[f"usage/{role}/{key}"] = found.get(f"usage/{role}/{key}", 0.0) + value
    return found


def _files(run: Run, folder: Path) -> Path:
    """The evaluation as it is saved, its page, and its notes."""
    run.save(folder)
    notes = [*run.notes, *(f"{one.name}: {note}" for one in run.variants for note in one.notes)]
    if notes:
        (folder / "notes.txt").write_text("\n".join(notes) + "\n", encoding="utf-8")
    return folder


def _table(variant: Variant) -> dict[str, list[Any]]:
    """Each question in a row: what was asked, found and said, and its scores."""
    rows = variant.rows
    table: dict[str, list[Any]] = {
        "number": [row.number for row in rows],
        "question": [row.question for row in rows],
        "language": [row.language for row in rows],
        "group": [row.group for row in rows],
    }
    for measure in variant.measures:
        table[measure] = [row.scores.get(measure) for row in rows]
    for name, values in (("answer", [row.answer for row in rows]), ("found", [row.found for row in rows])):
        if any(values):
            table[name] = [json.dumps(as_json(one), ensure_ascii=False) for one in values]
    table["seconds"] = [row.seconds for row in rows]
    return table
