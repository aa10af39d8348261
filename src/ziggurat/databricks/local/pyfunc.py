"""Custom models: what is registered in the workspace and how it answers.

A registered model is a function of rows, a chat model behind ``prompt`` and ``stop``, an agent, or a folder that
MLflow wrote; the last needs MLflow and answers in its own words. Knows no endpoints and no HTTP.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from langchain_core.language_models import BaseChatModel

from ziggurat import models
from ziggurat.databricks.local.call import Body, Refusal
from ziggurat.databricks.local.chat_wire import bound, messages_of
from ziggurat.databricks.local.signature import TEXT_SIGNATURE, Records, Signature, enforced, records_of
from ziggurat.optional import require

Predict = Callable[[Records], Any]

AGENT = "agent/v1/responses"
"""The task of an endpoint that is an agent with the Responses API."""


@dataclass(slots=True)
class RegisteredModel:
    """A version of a model.

    Attributes:
        name: As endpoints name it: ``catalog.schema.model``.
        version: Its version.
        model: A function of rows, a chat model or a spec of one, or an MLflow model's folder.
        signature: What it takes; None for anything.
        task: `AGENT` for agents; empty otherwise.
    """

    name: str
    version: str
    model: Any = field(repr=False)
    signature: Signature | None = None
    task: str = ""
    _loaded: Any = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.folder and not self.task:
            self.task = _written_task(self.folder)
        if self.signature is None and not self.task and not self.folder and not self.is_function:
            self.signature = TEXT_SIGNATURE

    @property
    def is_function(self) -> bool:
        """Whether it is a function of rows."""
        return callable(self.model) and not isinstance(self.model, BaseChatModel)

    @property
    def folder(self) -> Path | None:
        """Where MLflow wrote it, if it did."""
        if isinstance(self.model, str | Path) and Path(self.model, "MLmodel").is_file():
            return Path(self.model)
        return None

    def chat(self) -> BaseChatModel | None:
        """The chat model it is, if it is one."""
        if self.folder or self.is_function:
            return None
        return models.chat(self.model)

    def predict(self, body: Body) -> Any:
        """The answer to a payload, as JSON.

        Raises:
            Refusal: 400 if the payload does not fit, or the model fails with it.
        """
        if self.folder:
            return self._scored(body)
        records = enforced(records_of(body), self.signature)
        chat = self.chat()
        if chat is not None:
            return {"predictions": [_text(chat, record) for record in records]}
        try:
            predictions = self.model(records)
        except Refusal:
            raise
        except Exception as error:
            raise Refusal(
                400,
                "BAD_REQUEST",
                "Encountered an unexpected error while evaluating the model. Verify that the input is compatible with "
                f"the model for inference. Error '{error}'",
            ) from error
        return {"predictions": predictions}

    def stream(self, body: Body) -> Generator[dict[str, Any]]:
        """The answer to a payload in pieces, of a model that MLflow wrote and that can.

        Raises:
            Refusal: 400 if it cannot.
        """
        if self.folder is None:
            raise Refusal(400, "BAD_REQUEST", f"Model {self.name} does not support streaming.")
        return self._streamed(dict(body))

    def _streamed(self, body: dict[str, Any]) -> Generator[dict[str, Any]]:
        for piece in self._opened().predict_stream(body):
            yield piece if isinstance(piece, dict) else {"predictions": piece}

    def described(self) -> Signature | None:
        """Its signature: what it was registered with, or what MLflow wrote beside it."""
        if self.folder is None or self.signature is not None:
            return self.signature
        written = self._opened().metadata.signature
        inputs = written.inputs.to_dict() if written and written.inputs else None
        return {"inputs": inputs} if inputs else None

    def _opened(self) -> Any:
        with self._lock:
            if self._loaded is None:
                pyfunc = require("mlflow.pyfunc", for_="a model that MLflow wrote", extra="mlflow")
                self._loaded = pyfunc.load_model(str(self.folder))
            return self._loaded

    def _scored(self, body: Body) -> Any:
        """The answer of MLflow's own scoring, so that its words are MLflow's."""
        server = require("mlflow.pyfunc.scoring_server", for_="a model that MLflow wrote", extra="mlflow")
        errors = require("mlflow.exceptions", for_="a model that MLflow wrote", extra="mlflow")
        opened = self._opened()
        try:
            answer = server.invocations(
                json.dumps(dict(body)), "application/json", opened, opened.metadata.get_input_schema()
            )
        except errors.MlflowException as error:
            raise Refusal(400, "BAD_REQUEST", error.message) from error
        if answer.status != 200:  # noqa: PLR2004 (HTTP: it was answered)
            raise Refusal(answer.status, "BAD_REQUEST", answer.response)
        return json.loads(answer.response)


def _written_task(folder: Path) -> str:
    """The task that MLflow wrote into a model: agents have one."""
    told = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8")) or {}
    return str((told.get("metadata") or {}).get("task", ""))


def _text(chat: BaseChatModel, record: Mapping[str, Any]) -> str:
    options = {name: value for name, value in record.items() if name != "prompt"}
    answer = bound(chat, options).invoke(messages_of([{"role": "user", "content": record["prompt"]}]))
    return str(answer.text)
