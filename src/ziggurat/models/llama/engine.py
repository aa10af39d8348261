"""llama.cpp in this process: one server for each set of weights and settings, shared by everybody.

Speaks plain dictionaries in llama.cpp's own chat format; knows nothing of LangChain, catalogues or
tools. Two doors lead to the same model: the in-process call, which generates, and llama.cpp's own
listener on a random port of 127.0.0.1 behind a random key, which only counts tokens. Invariant:
nothing is loaded before the first request, and nothing runs after the interpreter's exit hooks.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from ziggurat.errors import ContextLengthError, InputError, ModelError, ModelUnavailable
from ziggurat.optional import require

Chunk = dict[str, Any]

_PROMPT_BATCH = 256
"""Prompt tokens computed between two looks at whether anybody still wants the answer."""

_PROMPT_CACHE_MIB = 256
"""Memory for the states of earlier prompts, so that switching between two conversations is cheap."""

_EXIT_PATIENCE_S = 15.0

_SPINS = "1000"
"""How long an OpenMP thread spins before it sleeps, read by libgomp when it is loaded. Its default
spins on while another process wants the core: two models on two cores then wrote 2-3 tokens a
second each; with this 14-23, and 48 as before on an idle machine. A value of the user's stays.
"""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What tells two engines apart.

    Attributes:
        weights: The .gguf file.
        context_tokens: Tokens of prompt and answer together.
        threads: CPU threads of the computation.
    """

    weights: Path
    context_tokens: int
    threads: int


class ChatEngine(Protocol):
    """What answers are made with: an `Engine`, or what stands for one in another process."""

    def generate(self, request: dict[str, Any], on_chunk: Callable[[Chunk], bool]) -> None:
        """Run one chat completion and hand every streamed chunk to ``on_chunk``, until it returns False."""

    def count_text(self, text: str) -> int:
        """Tokens in a plain text, without any chat form around it."""

    def count_request(self, request: dict[str, Any]) -> int:
        """Tokens of the prompt a chat request becomes; nothing is evaluated."""

    def tokens(self, text: str) -> list[int]:
        """The token ids of a plain text."""


class Engine:
    """A loaded model; made by `engine`, safe to use from any thread. Requests are served in turn."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._key = secrets.token_urlsafe(32)
        self._loading = threading.Lock()
        self._server: Any = None
        self._counter: httpx.Client | None = None
        self._idle = threading.Condition()
        self._running = 0
        self._closing = False

    def generate(self, request: dict[str, Any], on_chunk: Callable[[Chunk], bool]) -> None:
        """Run one chat completion and hand every streamed chunk to ``on_chunk``.

        Args:
            request: A chat completion request as llama.cpp's server reads it.
            on_chunk: Called in this thread; returns False to stop the generation.

        Raises:
            ContextLengthError: If the prompt does not fit; nothing was computed.
            InputError: If llama.cpp refuses the request.
            ModelUnavailable: If the weights cannot be loaded, or the process is exiting.
        """
        server = self._started()
        fault: list[BaseException] = []

        def receive(chunk: Chunk) -> bool:
            """Returns true to stop: the sense llama.cpp gives it. An exception here would be swallowed."""
            try:
                if "error" in chunk:
                    fault.append(self._refusal(chunk["error"]))
                    return True
                return self._closing or not on_chunk(chunk)
            except BaseException as error:  # noqa: BLE001 (carried across the C++ frames and raised below)
                fault.append(error)
                return True

        with self._idle:
            if self._closing:
                raise ModelUnavailable("The local model was closed because the process is exiting.")
            self._running += 1
        try:
            server.handle_chat_completions(
                {
                    **request,
                    "stream": True,
                    "stream_options": {"include_usage": True},
                    "return_progress": True,
                },
                receive,
            )
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()
        if fault:
            raise fault[0]

    def count_text(self, text: str) -> int:
        """Tokens in a plain text, without any chat form around it."""
        return len(self._ask("/tokenize", {"content": text})["tokens"])

    def count_request(self, request: dict[str, Any]) -> int:
        """Tokens of the prompt a chat request becomes; nothing is evaluated."""
        return int(self._ask("/v1/chat/completions/input_tokens", request)["input_tokens"])

    def tokens(self, text: str) -> list[int]:
        """The token ids of a plain text."""
        return [int(token) for token in self._ask("/tokenize", {"content": text})["tokens"]]

    def close(self) -> None:
        """Stop what runs and free the memory. A closed engine stays closed."""
        with self._idle:
            self._closing = True
            self._idle.wait_for(lambda: self._running == 0, timeout=_EXIT_PATIENCE_S)
            if self._running:
                return
        with self._loading:
            if self._counter is not None:
                self._counter.close()
            if _in_fork:
                self.leak()
            self._counter = self._server = None

    def leak(self) -> None:
        """Keep the server's memory for ever: its destructor would wait for threads a fork did not copy."""
        if self._server is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._server))

    def _started(self) -> Any:
        """The server, loaded by whoever comes first."""
        with self._loading:
            if self._server is None:
                if self._closing:
                    raise ModelUnavailable("The local model was closed because the process is exiting.")
                self._server = self._load()
                self._counter = httpx.Client(
                    base_url=self._server.listening_address,
                    headers={"Authorization": f"Bearer {self._key}"},
                    trust_env=False,
                    timeout=60.0,
                )
            return self._server

    def _load(self) -> Any:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
        xllamacpp = require("xllamacpp", for_="the local chat model", extra="local")
        weights = self.settings.weights
        if not weights.is_file():
            raise ModelUnavailable("There is no file of weights.", where=str(weights))
        with weights.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ModelUnavailable(
                    "The file of weights is not in the GGUF format.",
                    where=str(weights),
                    fix="name a .gguf file, or a model of the catalogue",
                )
        params = xllamacpp.CommonParams()
        params.model.path = str(weights)
        params.n_ctx = self.settings.context_tokens
        params.n_parallel = 1
        params.n_batch = params.n_ubatch = _PROMPT_BATCH
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self.settings.threads
        params.cache_ram_mib = _PROMPT_CACHE_MIB
        params.use_jinja = True
        params.warmup = False
        params.verbosity = -1
        params.api_keys = [self._key]
        params.ui = params.endpoint_slots = False
        try:
            return xllamacpp.Server(params)
        except Exception as error:
            raise ModelUnavailable(
                "llama.cpp cannot load these weights.",
                where=str(weights),
                fix="check that the file is complete and that there is memory for it",
            ) from error

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._started()
        if self._counter is None:
            raise ModelUnavailable("The local model was closed because the process is exiting.")
        answer: dict[str, Any] = self._counter.post(path, json=body).json()
        if "error" in answer:
            raise self._refusal(answer["error"])
        return answer

    def _refusal(self, error: dict[str, Any]) -> ModelError | InputError:
        """llama.cpp's refusal as one of our errors."""
        where = self.settings.weights.name
        kind, message = str(error.get("type", "")), str(error.get("message", "no reason given"))
        if kind == "exceed_context_size_error":
            prompt, context = int(error["n_prompt_tokens"]), int(error["n_ctx"])
            return ContextLengthError(
                f"The prompt has {prompt} tokens; the model reads {context}. Nothing was computed.",
                prompt_tokens=prompt,
                context_tokens=context,
                where=where,
                fix="shorten the prompt, retrieve fewer passages, or open the model with a larger context_tokens",
            )
        if kind == "invalid_request_error":
            return InputError(f"llama.cpp refuses this request: {message}", where=where)
        return ModelError(f"llama.cpp failed: {message}", where=where)


_engines: dict[EngineSettings, Engine] = {}
_registry = threading.Lock()
_in_fork = False


def engine(settings: EngineSettings) -> Engine:
    """The engine of these settings in this process; made once, loaded at its first request."""
    with _registry:
        found = _engines.get(settings)
        if found is None:
            found = _engines[settings] = Engine(settings)
        return found


def close_engines() -> None:
    """Free every loaded model; the next request for one loads it again."""
    with _registry:
        closing = list(_engines.values())
        _engines.clear()
    for each in closing:
        each.close()


def physical_cores() -> int:
    """Cores this process may use, each counted once however many hardware threads it has."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores: set[str] = set()
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text().strip())
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores))


def _forget_in_child() -> None:
    """A forked child has the memory but not the threads: it starts afresh and destroys nothing.

    A child that leaves through ``os._exit``, as those of multiprocessing and Spark do, is fine with that; one that
    leaves through ``exit`` hangs in llama.cpp's own static destructors, which is beyond our reach.
    """
    global _registry, _in_fork
    _registry, _in_fork = threading.Lock(), True
    for each in _engines.values():
        each.leak()
    _engines.clear()


atexit.register(close_engines)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
