"""How a LangChain chat model waits its turn.

`Turnstile` is the ``rate_limiter`` of a model: LangChain asks it after its cache and before anything is
sent, on all of ``invoke``, ``stream`` and their asynchronous twins, so a cached answer never waits. Which
call it is asked about, and how that ended, `ziggurat.models.calls` knows. Invariant: without a limit it
costs one look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.rate_limiters import BaseRateLimiter

from ziggurat.models.calls import WATCHER, Call, claimed
from ziggurat.models.limits import PROCESS, Limits
from ziggurat.models.repeats import listen
from ziggurat.throttle import Throttle

BYTES_PER_TOKEN = 4
"""UTF-8 bytes to a token: about right for English (4.4) and for Chinese (3-4), before usage corrects it."""

MESSAGE_TOKENS = 4
"""What a message costs beside its text."""

PICTURE_TOKENS = 1_000
"""What a block that is not text is reserved for; providers charge between 85 and 1,600."""

FIRST_ANSWER_TOKENS = 512
"""The length of an answer before any was seen; afterwards the running mean of the spec's answers."""

_LIMIT_NAMES = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")


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
        call = claimed()
        try:
            tokens = self._estimate(call, throttle)
            place = throttle.reserve(tokens) if blocking else throttle.try_reserve(tokens)
        except BaseException:
            WATCHER.forget(call)
            raise
        call.send(self.spec, throttle, place)
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
        call = claimed()
        try:
            tokens = self._estimate(call, throttle)
            place = await throttle.areserve(tokens) if blocking else throttle.try_reserve(tokens)
        except BaseException:
            WATCHER.forget(call)
            raise
        call.send(self.spec, throttle, place)
        return place is not None

    def _estimate(self, call: Call, throttle: Throttle) -> int:
        """What the call will read and write; a guessed answer never makes it too large to pass."""
        if throttle.tokens is None or not call.messages:
            return 0
        asked = tokens_of(call.messages, call.params)
        allowed = [value for name in _LIMIT_NAMES if isinstance(value := call.params.get(name), int)]
        answer = min([round(WATCHER.answers.get(self.spec, FIRST_ANSWER_TOKENS)), *allowed])
        return max(asked, min(asked + answer, throttle.tokens))


def install(model: BaseChatModel, spec: str) -> None:
    """Give a model that was opened by spec its turnstile."""
    before = model.rate_limiter
    if not (isinstance(before, Turnstile) and before.spec == spec):
        model.rate_limiter = Turnstile(spec, before=before)
    listen(model)


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
