"""A logged agent behind MLflow's own agent server: whole or streamed, on ``/responses`` and ``/invocations``.

The server (FastAPI, on uvicorn; both come with mlflow-skinny) checks requests and answers and opens a trace for each.
Here the agent is given to it, without blocking its loop. MLflow keeps one agent for a process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from ziggurat.errors import InputError, TrackingError
from ziggurat.mlflow.store import library, refusals

_FOR = "serving an agent"


def agent_app(model_uri: str) -> Any:
    """The FastAPI application that serves a logged agent.

    Args:
        model_uri: Such as ``models:/agent/1``.

    Raises:
        InputError: If the model is no agent of Ziggurat's, or this process serves another already.
        TrackingError: If it cannot be loaded.
        MissingDependency: If MLflow or pandas is not installed.
    """
    library("pandas", for_=_FOR)
    pyfunc = library("mlflow.pyfunc", for_=_FOR)
    server = library("mlflow.genai.agent_server", for_=_FOR)
    kept = library("mlflow.genai.agent_server.server", for_=_FOR)
    if kept.get_invoke_function() is not None:
        raise InputError("This process serves an agent already; MLflow keeps one.", fix="start another process")
    with refusals("load the model", model_uri):
        loaded = pyfunc.load_model(model_uri)
    agent = getattr(_inner(loaded), "agent", None)
    from ziggurat.mlflow.agent import Agent, turns

    if not isinstance(agent, Agent):
        raise InputError("This model is no agent that Ziggurat logged.", where=model_uri, fix="log it with log_agent()")

    if loaded.model_id:
        library(for_=_FOR).set_active_model(model_id=loaded.model_id)  # so that traces say whose they are

    @server.invoke()  # type: ignore[untyped-decorator]  # the module is imported by name
    async def invoke(request: Any) -> dict[str, Any]:
        return await agent.respond(request.model_dump(exclude_none=True))

    @server.stream()  # type: ignore[untyped-decorator]  # the module is imported by name
    async def stream(request: Any) -> AsyncIterator[dict[str, Any]]:
        async for event in agent.stream(request.model_dump(exclude_none=True)):
            yield event

    served = server.AgentServer("ResponsesAgent")
    read = served.validator.validate_and_convert_request

    def checked(data: dict[str, Any]) -> Any:
        request = read(data)
        turns(request.model_dump(exclude_none=True))  # a request that cannot be is the caller's fault: 400, not 500
        return request

    served.validator.validate_and_convert_request = checked
    served.app.router.lifespan_context = _flushing(served.app.router.lifespan_context)
    return served.app


def _flushing(begun: Callable[[Any], AbstractAsyncContextManager[Any]]) -> Callable[[Any], Any]:
    """A server's life with its last traces written at the end: uvicorn ends the process on SIGTERM without another chance."""

    @asynccontextmanager
    async def life(app: Any) -> AsyncIterator[Any]:
        async with begun(app) as state:
            yield state
        await asyncio.to_thread(library(for_=_FOR).flush_trace_async_logging)

    return life


def serve_agent(model_uri: str, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve a logged agent until the process is interrupted.

    Args:
        model_uri: Such as ``models:/agent/1``.
        host: Where to listen; only this machine reaches the default.
        port: The port.

    Raises:
        InputError: As `agent_app`.
        TrackingError: As `agent_app`; or if nothing can listen there.
        MissingDependency: As `agent_app`.
    """
    uvicorn = library("uvicorn", for_=_FOR)
    app = agent_app(model_uri)
    try:
        uvicorn.run(app, host=host, port=port)
    except SystemExit as error:  # uvicorn's way to say that the address is taken
        if error.code:
            raise TrackingError(
                f"Nothing can listen on {host}:{port}.", fix="choose another port: --port 8001"
            ) from error


def _inner(loaded: Any) -> Any:
    """The model in MLflow's wrapper, if it can be had."""
    exceptions = library("mlflow.exceptions", for_=_FOR)
    try:
        return loaded.get_raw_model()
    except (exceptions.MlflowException, AttributeError, NotImplementedError):
        return None
