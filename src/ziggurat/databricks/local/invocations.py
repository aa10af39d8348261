"""Calls of serving endpoints: Databricks' own way, and the paths that OpenAI's clients take.

Finds the endpoint, holds it to its limits and lets its model answer in the form that the call has; the forms are in
`chat_wire`, `responses_wire` and `pyfunc`. Invariant: every route here is metered.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from ziggurat.databricks.local import chat_wire, responses_wire
from ziggurat.databricks.local.call import Body, Call, Handler, Refusal, Route
from ziggurat.databricks.local.endpoint import Endpoint
from ziggurat.databricks.local.pyfunc import AGENT
from ziggurat.databricks.local.rates import Rates
from ziggurat.databricks.local.served import CHAT, COMPLETIONS, CUSTOM, EMBEDDINGS, Served
from ziggurat.databricks.local.sse import Events
from ziggurat.errors import ContextLengthError, InputError, ZigguratError, gist
from ziggurat.testing import openai_wire

if TYPE_CHECKING:
    from ziggurat.databricks.local.serving import Serving

RESPONSES = "responses"

_OPENAI = {"chat/completions": CHAT, "completions": COMPLETIONS, "embeddings": EMBEDDINGS, "responses": RESPONSES}
_OPENAI_PREFIXES = ("/serving-endpoints", "/ai-gateway/mlflow/v1", "/ai-gateway/openai/v1")

_NEEDS = {CHAT: "messages", COMPLETIONS: "prompt", EMBEDDINGS: "input", RESPONSES: "input"}

Streamed = Callable[..., Generator[dict[str, Any]]]
Whole = Callable[..., dict[str, Any]]

_FORMS: Mapping[str, tuple[Whole, Streamed]] = {
    CHAT: (chat_wire.chat, chat_wire.chat_chunks),
    COMPLETIONS: (chat_wire.completion, chat_wire.completion_chunks),
    RESPONSES: (responses_wire.respond, responses_wire.respond_events),
}
"""How each form of a call is answered, whole and as a stream."""


class Invocations:
    """Calls of serving endpoints."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._rates = Rates()

    def routes(self) -> list[Route]:
        """What it answers."""
        one = "/serving-endpoints/{name}"
        direct = [
            Route("POST", f"{one}/invocations", self._invoke, "ask an endpoint", metered=True),
            Route(
                "POST",
                f"{one}/served-models/{{served}}/invocations",
                self._invoke,
                "ask one of its served models",
                metered=True,
            ),
        ]
        return direct + [
            Route("POST", f"{prefix}/{path}", self._openai(form), f"OpenAI's {path}", metered=True)
            for prefix in _OPENAI_PREFIXES
            for path, form in _OPENAI.items()
        ]

    def _invoke(self, call: Call) -> Response:
        endpoint = self._ready(call.path["name"], call.user)
        served = endpoint.choose(call.path.get("served"))
        if served is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Served model '{call.path.get('served')}' does not exist.")
        return self._answered(served, _form(served, call.body), call.body)

    def _openai(self, form: str) -> Handler:
        def answered(call: Call) -> Response:
            endpoint = self._ready(call.need("model"), call.user)
            served = endpoint.choose()
            if served is None:
                raise _absent()
            return self._answered(served, form, call.body)

        return answered

    def _ready(self, name: str, user: str) -> Endpoint:
        endpoint = self._serving.find(name)
        if endpoint is None:
            raise _absent()
        if not endpoint.ready:
            raise Refusal(
                400,
                "BAD_REQUEST",
                f"Endpoint '{name}' is not ready to serve: its state is NOT_READY and its update is IN_PROGRESS. "
                "Please retry when it is READY.",
            )
        self._rates.admit(name, user, endpoint.limits)
        return endpoint

    def _answered(self, served: Served, form: str, body: Body) -> Response:
        headers = {"served-model-name": served.name}
        try:
            if form != CUSTOM:
                _check(served, form, body)
            chat = served.custom.chat() if served.custom else None
            if form == CUSTOM or (served.custom and chat is None):
                return self._custom(served, body, headers)
            if form == EMBEDDINGS:
                model = self._serving.answering.embeddings(served.names)
                answer = openai_wire.embeddings(model, {**body, "model": served.name})
                return JSONResponse(answer, headers=headers)
            chat = chat or self._serving.answering.chat(served.names)
            whole, streamed = _FORMS[form]
            if body.get("stream"):
                return Events(streamed(chat, body, name=served.name), named=form == RESPONSES, headers=headers)
            return JSONResponse(whole(chat, body, name=served.name), headers=headers)
        except (InputError, ContextLengthError, KeyError, TypeError) as error:
            raise Refusal(400, "BAD_REQUEST", f"Bad request: {gist(error)}") from error
        except ZigguratError as error:
            raise Refusal(500, "INTERNAL_ERROR", gist(error)) from error

    def _custom(self, served: Served, body: Body, headers: Mapping[str, str]) -> Response:
        if served.custom is None:
            raise _absent()
        asked = {name: value for name, value in body.items() if name not in ("model", "stream")}
        if body.get("stream"):
            return Events(served.custom.stream(asked), named=served.task == AGENT, headers=dict(headers))
        return JSONResponse(served.custom.predict(asked), headers=dict(headers))


def _form(served: Served, body: Body) -> str:
    """In which form a call at an endpoint's own path is answered."""
    if served.task == AGENT and served.custom is not None and served.custom.chat() is not None:
        return RESPONSES if "input" in body else CHAT
    if served.kind == CUSTOM:
        return CUSTOM
    if served.task == CHAT and "messages" not in body and "input" in body:
        return RESPONSES
    return served.task


def _check(served: Served, form: str, body: Body) -> None:
    """Refuse a call in a form that the model has not, or without what the form needs."""
    embeds = served.task == EMBEDDINGS
    if (form == EMBEDDINGS) != embeds or (served.kind == CUSTOM and not served.task.startswith("agent/")):
        raise Refusal(
            400,
            "BAD_REQUEST",
            f"Bad request: {served.name} does not support {form}; its task is {served.task or 'custom'}.",
        )
    if body.get(_NEEDS[form]) in (None, "", []):
        raise Refusal(400, "BAD_REQUEST", f"Bad request: missing required field '{_NEEDS[form]}'.")


def _absent() -> Refusal:
    return Refusal(
        404,
        "ENDPOINT_NOT_FOUND",
        "The given endpoint does not exist, please retry after checking the specified model and version deployment "
        "exists.",
    )
