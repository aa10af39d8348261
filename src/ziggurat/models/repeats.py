"""What OpenAI's clients send again by themselves.

A client with ``max_retries`` repeats a refused request without telling anybody. Its HTTP client does tell,
through its event hooks: a refusal that says for how long makes the whole spec wait, and a repetition takes
its turn in the line like any request. Knows OpenAI's clients only (Azure's and all that speak OpenAI's API
through them are the same); the hooks do nothing for a call without a limit.
"""

from __future__ import annotations

import inspect
from typing import Any

from ziggurat.models.calls import sending
from ziggurat.refusals import retry_after_of

_REPETITION = "x-stainless-retry-count"  # in each request of OpenAI's clients: 0 for the first
_BUSY = (429, 503)


def listen(model: object) -> None:
    """Hear the HTTP clients of a model, if it has OpenAI's; a client that several models share is heard once."""
    for name in ("root_client", "root_async_client"):
        http = getattr(getattr(model, name, None), "_client", None)
        known = getattr(http, "event_hooks", None)
        send = getattr(http, "send", None)
        if http is None or send is None or not isinstance(known, dict):
            continue
        ours = _ASYNCHRONOUS if inspect.iscoroutinefunction(send) else _SYNCHRONOUS
        if ours["request"] not in known.get("request", ()):
            http.event_hooks = {kind: [*known.get(kind, ()), ours[kind]] for kind in ("request", "response")}


def _before(request: Any) -> None:
    call = sending()
    if call is not None and call.throttle is not None and request.headers.get(_REPETITION, "0") != "0":
        call.throttle.reserve()


async def _abefore(request: Any) -> None:
    call = sending()
    if call is not None and call.throttle is not None and request.headers.get(_REPETITION, "0") != "0":
        await call.throttle.areserve()


def _after(response: Any) -> None:
    if response.status_code in _BUSY and (call := sending()) is not None:
        call.pause(retry_after_of(response) or 0.0)


async def _aafter(response: Any) -> None:
    _after(response)


_SYNCHRONOUS = {"request": _before, "response": _after}
_ASYNCHRONOUS = {"request": _abefore, "response": _aafter}
