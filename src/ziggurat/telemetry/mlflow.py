"""Runs as MLflow traces, in whatever store MLflow is set up with.

MLflow's own ``mlflow.langchain.autolog()`` shows what is called through LangChain's surface (``chain.invoke``). This
observer shows every run, however it was started (``run``, ``events``, ``resume``, ``replay``), with what LangChain
cannot know of: kept, cached, skipped and retried stages. It hands spans to MLflow's own tracer provider.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ziggurat.optional import require
from ziggurat.telemetry import conventions as names
from ziggurat.telemetry.metrics import Histograms
from ziggurat.telemetry.places import Recorder
from ziggurat.telemetry.spans import Spans


class MLflow(Spans):
    """Keeps the runs of a chain as MLflow traces: ``chain.using(observers=[MLflow()])``.

    An MLflow span that is open around a run becomes its parent, and what MLflow traces inside a stage becomes the
    stage's child. Use it or ``mlflow.langchain.autolog()`` for a run, not both: models would be shown twice.

    Args:
        content: Whether prompts, answers and stages' outputs are kept.

    Raises:
        MissingDependency: If MLflow is not installed.
    """

    def __init__(self, *, content: bool = True) -> None:
        tracing = require("mlflow.tracing", for_="traces in MLflow", extra="mlflow")
        contexts = require("mlflow.tracing.provider", for_="traces in MLflow", extra="mlflow").get_context_api()
        tracer = tracing.get_bridged_tracer_provider().get_tracer("ziggurat")
        super().__init__(Recorder(tracer, Histograms(None), content, contexts, in_mlflows_words))


def in_mlflows_words(attributes: Mapping[str, names.Attribute]) -> dict[str, str]:
    """What MLflow's own attributes say of a span, each a JSON text."""
    found: dict[str, str] = {}
    if names.STAGE_OUTCOME in attributes or names.RUN_OUTCOME in attributes:
        found["mlflow.spanType"] = '"CHAIN"'  # at the end: at the beginning, MLflow overwrites it
    for name, theirs in (
        (names.INPUT_MESSAGES, "mlflow.spanInputs"),
        (names.OUTPUT_MESSAGES, "mlflow.spanOutputs"),
        (names.OUTPUT, "mlflow.spanOutputs"),
    ):
        if name in attributes:
            found[theirs] = _as_json(str(attributes[name]))
    read, written = attributes.get(names.INPUT_TOKENS), attributes.get(names.OUTPUT_TOKENS)
    if isinstance(read, int) and isinstance(written, int):
        counted = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
        found["mlflow.chat.tokenUsage"] = json.dumps(counted)
    return found


def _as_json(text: str) -> str:
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text, ensure_ascii=False)
    return text
