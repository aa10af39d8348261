"""One answer of a local model, from request to message chunks.

Runs the engine once, or twice when the model decides by itself to call a tool: it speaks freely until
its opening shows a call, and the call is then written under a schema. An answer that opens with a call
nobody offered, or repeats one already answered, is asked for again as plain text. Blocking; knows
nothing of threads or event loops. Invariant: exactly one chunk carries usage and metadata, the last.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata, add_ai_message_chunks
from langchain_core.messages.tool import tool_call_chunk

from ziggurat.errors import ModelUnavailable
from ziggurat.models.llama.engine import ChatEngine, Chunk
from ziggurat.models.llama.tools import (
    PLAIN_TEXT_GRAMMAR,
    CallPiece,
    CallScanner,
    Choice,
    call_schema,
    opening,
    signature,
)

Emit = Callable[[AIMessageChunk | None], bool]
"""Takes a chunk, or None to be asked only; False when nobody listens any more."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of the engine.

    Attributes:
        request: Messages and sampling in llama.cpp's form.
        model_name: The spec that goes into the answer's metadata.
        tools: Tool definitions in OpenAI's form.
        choice: Who may be called.
        answered: Signatures of the calls whose results the conversation holds already.
        timeout: Seconds the whole answer may take, from ``started``.
        started: When it was asked, on the monotonic clock.
    """

    request: dict[str, Any]
    model_name: str
    tools: Sequence[dict[str, Any]]
    choice: Choice
    answered: frozenset[str] = frozenset()
    timeout: float | None = None
    started: float = field(default_factory=time.monotonic)


class _Pass:
    """One run of the engine: text goes to ``on_text``, the facts of the end are kept."""

    def __init__(self, ask: Ask, on_text: Callable[[str], bool]) -> None:
        self._deadline = None if ask.timeout is None else ask.started + ask.timeout
        self._timeout = ask.timeout
        self._on_text = on_text
        self.finish_reason = "stop"
        self.usage: UsageMetadata | None = None

    def receive(self, chunk: Chunk) -> bool:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise ModelUnavailable(
                f"The local model did not answer within {self._timeout:g} seconds.",
                fix="raise timeout, lower max_tokens, or shorten the prompt",
            )
        if "usage" in chunk:
            self.usage = _usage(chunk["usage"])
        for choice in chunk.get("choices", ()):
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            delta = choice["delta"]
            text = (delta.get("reasoning_content") or "") + (delta.get("content") or "")
            # Without text this only asks whether the reader is still there.
            if not self._on_text(text):
                return False
        return True


def reply(engine: ChatEngine, ask: Ask, emit: Emit) -> None:
    """Answer ``ask``, emitting chunks until ``emit`` returns False."""
    if ask.choice.kind == "none":
        _speak(engine, ask, emit)
    elif ask.choice.kind == "any":
        _call(engine, ask, ask.choice, emit)
    else:
        _decide(engine, ask, emit)


def _speak(engine: ChatEngine, ask: Ask, emit: Emit, **extra: Any) -> None:
    """Plain text, or JSON under the request's own schema."""
    run = _Pass(ask, lambda text: emit(AIMessageChunk(content=text) if text else None))
    engine.generate({**ask.request, **extra}, run.receive)
    _finish(run, ask, emit)


def _call(engine: ChatEngine, ask: Ask, choice: Choice, emit: Emit) -> None:
    """One or more calls, under the schema of ``choice``."""
    scanner = CallScanner()

    def on_text(text: str) -> bool:
        for piece in scanner.feed(text):
            emit(_call_chunk(piece))
        return emit(None)

    run = _Pass(ask, on_text)
    schema = {"name": "call", "schema": call_schema(ask.tools, choice)}
    engine.generate({**ask.request, "response_format": {"type": "json_schema", "json_schema": schema}}, run.receive)
    if run.finish_reason == "stop" and scanner.calls:
        run.finish_reason = "tool_calls"
    _finish(run, ask, emit)


def _decide(engine: ChatEngine, ask: Ask, emit: Emit) -> None:
    """Free speech, watched at the beginning of every line for a call."""
    watcher = _Watcher(ask.choice.names, emit)
    run = _Pass(ask, watcher.feed)
    engine.generate(ask.request, run.receive)
    if watcher.called is None:
        watcher.flush()
        _finish(run, ask, emit)
    elif watcher.called not in ask.choice.names or not _called_anew(engine, ask, watcher.called, emit):
        _speak(engine, ask, emit, grammar=PLAIN_TEXT_GRAMMAR)


def _called_anew(engine: ChatEngine, ask: Ask, name: str, emit: Emit) -> bool:
    """Call ``name``; false, with nothing emitted, if that only repeats a call that has been answered."""
    choice = Choice("any", (name,), ask.choice.parallel)
    if not ask.answered:
        _call(engine, ask, choice, emit)
        return True
    held: list[AIMessageChunk] = []

    def hold(chunk: AIMessageChunk | None) -> bool:
        if chunk is not None:
            held.append(chunk)
        return emit(None)

    _call(engine, ask, choice, hold)
    calls = add_ai_message_chunks(held[0], *held[1:]).tool_calls
    if calls and all(signature(call["name"], call["args"]) in ask.answered for call in calls):
        return False
    for chunk in held:
        emit(chunk)
    return True


class _Watcher:
    """Lets text through and holds back the beginning of a line until it is clear that no call begins there."""

    def __init__(self, names: tuple[str, ...], emit: Emit) -> None:
        self.called: str | None = None
        self._names = names
        self._emit = emit
        self._held = ""
        self._line_open = False
        self._spoke = False

    def feed(self, text: str) -> bool:
        """Take a piece of text; false when a call begins or the reader has gone."""
        for line in text.splitlines(keepends=True):
            if self._line_open:
                if not self._say(line):
                    return False
            else:
                self._held += line
                shown = opening(self._held)
                if isinstance(shown, tuple) and (shown[0] in self._names or not self._spoke):
                    self.called = shown[0]
                    return False
                if shown != "undecided":
                    if not self.flush():
                        return False
                    self._line_open = True
            if line.endswith("\n") and not self._held:
                self._line_open = False
        return self._emit(None)

    def flush(self) -> bool:
        """Let go of what is held."""
        held, self._held = self._held, ""
        return self._say(held) if held else True

    def _say(self, text: str) -> bool:
        self._spoke = True
        return self._emit(AIMessageChunk(content=text))


def _call_chunk(piece: CallPiece) -> AIMessageChunk:
    identity = f"call_{uuid.uuid4().hex[:24]}" if piece.name is not None else None
    chunk = tool_call_chunk(name=piece.name, args=piece.arguments, id=identity, index=piece.index)
    return AIMessageChunk(content="", tool_call_chunks=[chunk])


def _finish(run: _Pass, ask: Ask, emit: Emit) -> None:
    emit(
        AIMessageChunk(
            content="",
            usage_metadata=run.usage,
            response_metadata={
                "model_name": ask.model_name,
                "model_provider": "ziggurat-local",
                "finish_reason": run.finish_reason,
            },
            chunk_position="last",
        )
    )


def _usage(reported: dict[str, Any]) -> UsageMetadata:
    cached = (reported.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return UsageMetadata(
        input_tokens=reported["prompt_tokens"],
        output_tokens=reported["completion_tokens"],
        total_tokens=reported["total_tokens"],
        input_token_details=InputTokenDetails(cache_read=cached),
    )
