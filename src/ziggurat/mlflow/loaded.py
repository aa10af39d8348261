"""The models that a logged chain's code makes: a pyfunc over rows, and an agent in the Responses format.

Needs MLflow and pandas at import: it is imported by the code of a logged model, and by what logs one after it has
asked for both. What the package holds is `package`'s business; what a request means, `agent`'s. Every run is
a trace with a span for each stage, by the observer in `telemetry`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
from mlflow.pyfunc.model import PythonModel, PythonModelContext, ResponsesAgent
from mlflow.types.responses import ResponsesAgentRequest, ResponsesAgentResponse, ResponsesAgentStreamEvent

from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.run.portal import iterate_sync, run_sync
from ziggurat.errors import InputError, ZigguratError, gist
from ziggurat.mlflow.agent import Agent, Form
from ziggurat.mlflow.package import Package, open_package
from ziggurat.mlflow.plain import as_json
from ziggurat.mlflow.rehearsal import rehearsal
from ziggurat.mlflow.streamed import event_json
from ziggurat.telemetry.mlflow import MLflow

ARTIFACT = "chain"
"""What the package is called among a model's artifacts."""

AT_ONCE = 16
"""Rows of one request that run at once."""


class ChainModel(PythonModel):
    """A chain as a pyfunc: a table of inputs in, a table of the stages' outputs out.

    Each cell is plain JSON, see `ziggurat.mlflow.as_json`. Rows run at once, up to `AT_ONCE`; one that fails fails
    the request, and says which it was.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Build the chain from the model's artifacts."""
        self._package = open_package(Path(context.artifacts[ARTIFACT]))
        self._chain = self._package.chain

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 (MLflow passes it by name)
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002 (the same)
    ) -> pd.DataFrame:
        """Run the chain once for each row.

        Raises:
            InputError: If a row is not what the chain takes.
            ChainError: If a stage failed.
        """
        names = self._package.note.outputs
        given = rehearsal()
        rows = (
            given
            if given is not None
            else run_sync(run_rows(watched(self._chain), names, rows_of(self._chain, model_input)))
        )
        index = model_input.index if len(rows) == len(model_input) else None
        return pd.DataFrame({name: pd.Series([row[name] for row in rows], index, dtype=object) for name in names})

    def predict_stream(
        self,
        context: PythonModelContext,  # noqa: ARG002 (MLflow passes it by name)
        model_input: Any,
        params: dict[str, Any] | None = None,  # noqa: ARG002 (the same)
    ) -> Generator[dict[str, Any], None, None]:
        """Run the chain once and yield what happens, see `event_json`; a failed run raises at its end."""
        inputs = rows_of(self._chain, model_input)
        if len(inputs) != 1:
            raise InputError(f"A stream is of one run, not of {len(inputs)}.", fix="give one mapping of inputs")
        yield from iterate_sync(self._events(inputs[0]))

    async def _events(self, inputs: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        error = None
        async for event in watched(self._chain).aevents(inputs):
            error = getattr(event, "error", None) if event.type == "run_finished" else None
            yield event_json(event, self._package.note.outputs)
        if error is not None:
            raise error


class ChainAgent(ResponsesAgent):
    """A chain as an agent: a request of OpenAI's Responses format in, its output items out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Build the chain from the model's artifacts."""
        self.agent = agent_of(open_package(Path(context.artifacts[ARTIFACT])))

    def predict(self, request: ResponsesAgentRequest) -> ResponsesAgentResponse:  # type: ignore[override]  # as MLflow's own class does
        """The whole response."""
        told = rehearsal()
        return ResponsesAgentResponse(**(told or run_sync(self.agent.respond(request.model_dump(exclude_none=True)))))

    def predict_stream(  # type: ignore[override]  # as MLflow's own class does
        self, request: ResponsesAgentRequest
    ) -> Generator[ResponsesAgentStreamEvent, None, None]:
        """The response as events."""
        for event in iterate_sync(self.agent.stream(request.model_dump(exclude_none=True))):
            yield ResponsesAgentStreamEvent(**event)


def watched(chain: MultiChain) -> MultiChain:
    """The chain with its runs kept as traces, beside what observes it already.

    Asked for each request: MLflow's tracing is off while it loads a model, and may be set up anew later.
    """
    return chain.using(observers=[*chain.settings.observers, MLflow()])


def agent_of(package: Package) -> Agent:
    """The agent of a package.

    Raises:
        InputError: If the chain was not logged as one.
    """
    if not package.note.agent:
        raise InputError("This chain was not logged as an agent.", fix="log it with log_agent(...)")
    return Agent(package.chain, package.note.outputs, Form(**package.note.agent), watched)


async def run_rows(
    chain: MultiChain, outputs: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Run a chain for each row of inputs, in order; returns the outputs as JSON, by stage.

    Raises:
        ZigguratError: What the first row that failed raised, after all rows have run.
    """
    room = asyncio.Semaphore(AT_ONCE)

    async def one(inputs: Mapping[str, Any]) -> dict[str, Any]:
        async with room:
            found = await chain.arun(inputs)
            return {name: as_json(found[name], name) for name in outputs}

    done = await asyncio.gather(*map(one, rows), return_exceptions=True)
    for position, found in enumerate(done):
        if isinstance(found, ZigguratError) and len(rows) > 1:
            raise ZigguratError(
                gist(found), where="; ".join(filter(None, [f"row {position}", found.where])), fix=found.fix
            ) from found
        if isinstance(found, BaseException):
            raise found
    return [found for found in done if isinstance(found, dict)]


def rows_of(chain: MultiChain, given: Any) -> list[dict[str, Any]]:
    """A table, a mapping or a list of mappings as the inputs of runs; an optional input without a value is left out.

    Raises:
        InputError: If it is none of these, or MLflow has taken one mapping of inputs apart.
    """
    if isinstance(given, Mapping):
        given = [given]
    if isinstance(given, pd.DataFrame):
        if not given.empty and not pd.api.types.is_integer_dtype(given.index.dtype):
            raise InputError(
                "These are no rows: MLflow has spread a mapping that is one input over several rows.",
                fix="give a list of mappings: predict([{...}])",
            )
        given = given.to_dict(orient="records") if len(given.columns) else [{}] * len(given)
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise InputError(f"Inputs are rows by name, not {type(given).__name__}.", fix='give [{"question": "..."}]')
    return [_row(chain, one) for one in given]


def _row(chain: MultiChain, row: Mapping[Any, Any]) -> dict[str, Any]:
    known = chain.run_inputs
    optional = {name for name, one in known.items() if not one.required}
    plain = {str(name): _python(value) for name, value in row.items() if str(name) in known}
    return {name: value for name, value in plain.items() if not (name in optional and _is_missing(value))}


def _python(value: Any) -> Any:
    """A value of numpy as Python's own."""
    listed = getattr(value, "tolist", None)
    return listed() if callable(listed) else value


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value)  # noqa: PLR0124 (how NaN is told)
