"""Driver applications that are served for a test, and models that count who is inside."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict, Field

from ziggurat.databricks import DriverApp, driver
from ziggurat.databricks.driver_app import Bounds


class Counting(BaseChatModel):
    """Counts how many calls are inside at a time, and answers all of its script whatever the stop texts."""

    answer: str = "I am well. And you? Fine."
    seconds: float = 0.0
    raised: BaseException | None = None
    seen: list = Field(default_factory=list)
    inside: int = 0
    most: int = 0

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def model_post_init(self, _):
        self._lock = threading.Lock()

    @property
    def _llm_type(self):
        return "counting"

    def _enter(self, messages, stop, options):
        with self._lock:
            self.seen.append((messages[-1].text, stop, options))
            self.inside += 1
            self.most = max(self.most, self.inside)

    def _leave(self):
        with self._lock:
            self.inside -= 1

    def _said(self):
        if self.raised is not None:
            raise self.raised
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.answer))])

    def _generate(self, messages, stop=None, run_manager=None, **options):
        self._enter(messages, stop, options)
        try:
            time.sleep(self.seconds)
            return self._said()
        finally:
            self._leave()


class CountingAsync(Counting):
    """The same, asynchronous by itself."""

    async def _agenerate(self, messages, stop=None, run_manager=None, **options):
        self._enter(messages, stop, options)
        try:
            await asyncio.sleep(self.seconds)
            return self._said()
        finally:
            self._leave()


@contextmanager
def served(model, **bounds):
    """The application behind uvicorn on a port that the driver proxy knows."""
    door = _a_door()
    app = DriverApp(model, Bounds(**bounds))
    config = uvicorn.Config(app.asgi(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    try:
        yield door.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        door.close()
    assert not thread.is_alive()


def _a_door():
    for port in driver.PORTS:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
    raise AssertionError("no port of the driver proxy is free")


def ask(port, body=None, **options):
    sent = {"json": body} if body is not None else options
    return httpx.post(f"http://127.0.0.1:{port}/", timeout=20, trust_env=False, **sent)


def health(port):
    return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).json()


def until(true, seconds=5.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    assert true()


both = pytest.mark.parametrize("kind", [Counting, CountingAsync])
