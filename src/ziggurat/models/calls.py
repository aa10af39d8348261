"""The calls of chat models that are under way, for those who wait their turn and those who hear refusals.

LangChain tells a callback handler when a call starts and how it ends; it asks a rate limiter in between,
about nothing in particular. What connects the two is the context: a call that starts is noted there, and
the rate limiter that is asked next takes it. The handler is hung into LangChain once, with the first limit
of the process; before that nothing is noted. Invariant: errors pass through untouched.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tracers.context import register_configure_hook

from ziggurat.quiet import logger
from ziggurat.refusals import retry_after, status_of
from ziggurat.throttle import Reservation, Throttle

_log = logger(__name__)

_MEAN_OVER = 8  # answers that the running mean remembers
_MOST_CALLS = 10_000  # calls noted at a time; beyond it the oldest is one whose end LangChain never told
_REFUSED = range(400, 500)


class Call:
    """One call from its start to its end.

    Attributes:
        run_id: LangChain's name for it; None if its start was not noted.
        messages: What is asked; empty once it has its turn.
        params: What goes with it to the provider.
        spec: Whose limits it keeps to, once it has its turn.
        throttle: What gave it its turn.
        place: What is reserved for it.
        ended: Whether LangChain told its end.
    """

    __slots__ = ("claimed", "ended", "messages", "params", "place", "run_id", "spec", "throttle")

    def __init__(
        self, run_id: Any = None, messages: Sequence[BaseMessage] = (), params: dict[str, Any] | None = None
    ) -> None:
        self.run_id = run_id
        self.messages = messages
        self.params = params or {}
        self.claimed = self.ended = False
        self.spec = ""
        self.throttle: Throttle | None = None
        self.place: Reservation | None = None

    def send(self, spec: str, throttle: Throttle, place: Reservation | None) -> None:
        """It has its turn, and is what this context sends from now on."""
        self.spec, self.throttle, self.place = spec, throttle, place
        self.messages = ()
        _sending.set(self)

    def pause(self, seconds: float) -> None:
        """Its service asks for patience."""
        if self.throttle is not None and seconds > 0:
            self.throttle.pause(seconds)
            _log.info("%s asks for a pause of %.3g s; its calls wait", self.spec, seconds)


_starting: ContextVar[tuple[Call, ...]] = ContextVar("ziggurat_calls_starting", default=())
_sending: ContextVar[Call | None] = ContextVar("ziggurat_call_sending", default=None)


def claimed() -> Call:
    """The last call noted in this context that has no turn yet; a blank one if none was noted."""
    for call in reversed(_starting.get()):
        if not (call.claimed or call.ended):
            call.claimed = True
            return call
    return Call()


def sending() -> Call | None:
    """The limited call that this context is sending; None if there is none."""
    call = _sending.get()
    return None if call is None or call.ended else call


class Watcher(BaseCallbackHandler):
    """Notes calls as they start, and tells their throttles how they ended.

    Attributes:
        answers: The running mean of the answers' tokens, by spec.
    """

    run_inline = True  # in the caller's own context, and before the call goes on

    def __init__(self) -> None:
        self.answers: dict[str, float] = {}
        self._calls: dict[Any, Call] = {}
        self._lock = threading.Lock()

    @property
    def ignore_chain(self) -> bool:
        """Only models interest it."""
        return True

    @property
    def ignore_agent(self) -> bool:
        """Only models interest it."""
        return True

    @property
    def ignore_retriever(self) -> bool:
        """Only models interest it."""
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
        """Note a call."""
        call = Call(run_id, messages[0], invocation_params)
        with self._lock:
            self._calls[run_id] = call
            if len(self._calls) > _MOST_CALLS:
                del self._calls[next(iter(self._calls))]
        _starting.set((*(one for one in _starting.get() if not (one.claimed or one.ended)), call))

    def on_llm_end(self, response: Any, *, run_id: Any, **_: Any) -> None:
        """Correct what was reserved by what was used, if the answer says so."""
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
        """Give back what a refused call did not use, and pause its spec if the refusal says for how long."""
        call = self._ended(run_id)
        if call is None or call.place is None:
            return
        if status_of(error) in _REFUSED:
            call.place.settle(0)  # refused before it was read; it still was a request
        call.pause(retry_after(error) or 0.0)

    def forget(self, call: Call) -> None:
        """A call that never got its turn: LangChain does not always tell how it ended."""
        call.ended = True
        self._ended(call.run_id)

    def _ended(self, run_id: Any) -> Call | None:
        call = self._calls.pop(run_id, None)
        if call is not None:
            call.ended = True
            call.messages = ()
        return call


WATCHER = Watcher()
_HOOK: ContextVar[Watcher | None] = ContextVar("ziggurat_rate_limits", default=WATCHER)


@cache
def watch() -> None:
    """Hang the handler into LangChain, once; from then on every chat model's calls are noted."""
    register_configure_hook(_HOOK, inheritable=False)
