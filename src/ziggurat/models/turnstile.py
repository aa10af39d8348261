"""How a LangChain chat model waits its turn.

`Turnstile` is the ``rate_limiter`` of a model: LangChain asks it after its cache and before anything is
sent, on all of ``invoke``, ``stream`` and their asynchronous twins, so a cached answer never waits. It is
told nothing about the call, so a callback handler notes each call as it starts, corrects the reservation
when the answer says what it used, and pauses the spec when a refusal says for how long. The handler is
hung into LangChain once, with the first limit of the process; before that a call costs one look-up.
Invariant: errors pass through untouched.

Not seen from here: what a client repeats by itself (its ``max_retries``) before it gives up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.tracers.context import register_configure_hook

from ziggurat.models.limits import PROCESS, Limits
from ziggurat.refusals import retry_after, status_of
from ziggurat.throttle import Reservation, Throttle

_log = logging.getLogger(__name__)

BYTES_PER_TOKEN = 4
"""UTF-8 bytes to a token: about right for English (4.4) and for Chinese (3-4), before usage corrects it."""

MESSAGE_TOKENS = 4
"""What a message costs beside its text."""

PICTURE_TOKENS = 1_000
"""What a block that is not text is reserved for; providers charge between 85 and 1,600."""

FIRST_ANSWER_TOKENS = 512
"""The length of an answer before any was seen; afterwards the running mean of the spec's answers."""

_MEAN_OVER = 8  # answers that the running mean remembers
_MOST_CALLS = 10_000  # calls noted at a time; the oldest is one whose end LangChain never told
_LIMIT_NAMES = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
_REFUSED = range(400, 500)


class Turnstile(BaseRateLimiter):
    """Lets the calls of one spec through as its limits allow; without a limit, at once.

    Args:
        spec: The spec in its normal form.
        limits: Where its limits are looked up at every call.
        before: A rate limiter that the model had already; it is asked first.
    """

    def __init__(self, spec: str, *, limits: Limits = PROCESS, before: BaseRateLimiter | None = None) -> None:
        self.spec = spec
        self.before = before
        self._limits = limits

    def __repr__(self) -> str:
        return f"Turnstile({self.spec!r})"

    def acquire(self, *, blocking: bool = True) -> bool:
        """Wait for a turn.

        Raises:
            InputError: If a call of this size could never pass.
        """
        if self.before is not None and not self.before.acquire(blocking=blocking):
            return False
        throttle = self._limits.get(self.spec)
        if throttle is None:
            return True
        call = _claimed()
        try:
            tokens = self._estimate(call, throttle)
            place = throttle.reserve(tokens) if blocking else throttle.try_reserve(tokens)
        except BaseException:
            _WATCHER.forget(call)
            raise
        call.admit(self.spec, throttle, place)
        return place is not None

    async def aacquire(self, *, blocking: bool = True) -> bool:
        """Wait for a turn without blocking the event loop.

        Raises:
            InputError: If a call of this size could never pass.
        """
        if self.before is not None and not await self.before.aacquire(blocking=blocking):
            return False
        throttle = self._limits.get(self.spec)
        if throttle is None:
            return True
        call = _claimed()
        try:
            tokens = self._estimate(call, throttle)
            place = await throttle.areserve(tokens) if blocking else throttle.try_reserve(tokens)
        except BaseException:
            _WATCHER.forget(call)
            raise
        call.admit(self.spec, throttle, place)
        return place is not None

    def _estimate(self, call: _Call, throttle: Throttle) -> int:
        """What the call will read and write; a guessed answer never makes it too large to pass."""
        if throttle.tokens is None or not call.messages:
            return 0
        asked = tokens_of(call.messages, call.params)
        allowed = [value for name in _LIMIT_NAMES if isinstance(value := call.params.get(name), int)]
        answer = min([round(_WATCHER.answers.get(self.spec, FIRST_ANSWER_TOKENS)), *allowed])
        return max(asked, min(asked + answer, throttle.tokens))


class _Call:
    """One call from its start to its end."""

    __slots__ = ("claimed", "ended", "messages", "params", "place", "spec", "throttle")

    def __init__(self, messages: Sequence[BaseMessage] = (), params: dict[str, Any] | None = None) -> None:
        self.messages = messages
        self.params = params or {}
        self.claimed = self.ended = False
        self.spec = ""
        self.throttle: Throttle | None = None
        self.place: Reservation | None = None

    def admit(self, spec: str, throttle: Throttle, place: Reservation | None) -> None:
        self.spec, self.throttle, self.place = spec, throttle, place
        self.messages = ()


_starting: ContextVar[tuple[_Call, ...]] = ContextVar("ziggurat_calls_starting", default=())


def _claimed() -> _Call:
    """The last call noted in this context that has no turn yet; a blank one if none was noted."""
    for call in reversed(_starting.get()):
        if not (call.claimed or call.ended):
            call.claimed = True
            return call
    return _Call()


class _Watcher(BaseCallbackHandler):
    """Notes calls, and tells their throttles how they ended."""

    run_inline = True  # in the caller's own context, and before the call goes on

    def __init__(self) -> None:
        self.answers: dict[str, float] = {}
        self._calls: dict[Any, _Call] = {}
        self._lock = threading.Lock()

    @property
    def ignore_chain(self) -> bool:
        return True

    @property
    def ignore_agent(self) -> bool:
        return True

    @property
    def ignore_retriever(self) -> bool:
        return True

    def on_chat_model_start(
        self,
        serialized: Any,  # noqa: ARG002 (LangChain's signature)
        messages: Any,
        *,
        run_id: Any,
        invocation_params: Any = None,
        **_: Any,
    ) -> None:
        call = _Call(messages[0], invocation_params)
        with self._lock:
            self._calls[run_id] = call
            if len(self._calls) > _MOST_CALLS:
                del self._calls[next(iter(self._calls))]
        _starting.set((*(one for one in _starting.get() if not (one.claimed or one.ended)), call))

    def on_llm_end(self, response: Any, *, run_id: Any, **_: Any) -> None:
        call = self._ended(run_id)
        if call is None or call.place is None:
            return
        used = [
            usage
            for answers in response.generations
            for answer in answers
            if isinstance(message := getattr(answer, "message", None), AIMessage) and (usage := message.usage_metadata)
        ]
        if used:
            call.place.settle(sum(one.get("total_tokens", 0) for one in used))
            said = sum(one.get("output_tokens", 0) for one in used)
            mean = self.answers.get(call.spec, said)
            self.answers[call.spec] = mean + (said - mean) / _MEAN_OVER

    def on_llm_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
        call = self._ended(run_id)
        if call is None or call.place is None or call.throttle is None:
            return
        if status_of(error) in _REFUSED:
            call.place.settle(0)  # refused before it was read; it still was a request
        seconds = retry_after(error)
        if seconds:
            call.throttle.pause(seconds)
            _log.info("%s asks for a pause of %.3g s; its calls wait", call.spec, seconds)

    def forget(self, call: _Call) -> None:
        """A call that never got its turn: LangChain may not tell how it ended."""
        call.ended = True
        call.messages = ()

    def _ended(self, run_id: Any) -> _Call | None:
        call = self._calls.pop(run_id, None)
        if call is not None:
            call.ended = True
            call.messages = () if call.place is None else call.messages
        return call


_WATCHER = _Watcher()
_HOOK: ContextVar[_Watcher | None] = ContextVar("ziggurat_rate_limits", default=_WATCHER)


@cache
def watch() -> None:
    """Hang the handler into LangChain, once; from then on every chat model's calls are noted."""
    register_configure_hook(_HOOK, inheritable=False)


def install(model: BaseChatModel, spec: str) -> None:
    """Give a model that was opened by spec its turnstile."""
    before = model.rate_limiter
    if not (isinstance(before, Turnstile) and before.spec == spec):
        model.rate_limiter = Turnstile(spec, before=before)


def tokens_of(messages: Sequence[BaseMessage], params: dict[str, Any] | None = None) -> int:
    """About how many tokens a model reads of messages and of the tools offered with them."""
    tokens = MESSAGE_TOKENS * len(messages)
    size = 0
    for message in messages:
        blocks = [message.content] if isinstance(message.content, str) else message.content
        for block in blocks:
            text = block if isinstance(block, str) else block.get("text")
            if isinstance(text, str):
                size += len(text.encode(errors="replace"))
            else:
                tokens += PICTURE_TOKENS
        if isinstance(message, AIMessage) and message.tool_calls:
            size += len(repr([call["args"] for call in message.tool_calls]))
    tools = (params or {}).get("tools")
    if tools:
        size += len(repr(tools))
    return tokens + -(-size // BYTES_PER_TOKEN)
