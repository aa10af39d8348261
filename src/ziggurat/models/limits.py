"""Requests and tokens a minute for each model spec, over all stages and chains of a process.

A provider counts by account, not by chain, so one table for the process is the truth of the matter; it is
the `PROCESS` object here and there is no other. `ziggurat.throttle` does the counting; how a chat model
comes to wait is in `ziggurat.models.turnstile`. Importing this imports no LangChain.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from ziggurat.specs import ModelSpec
from ziggurat.throttle import Throttle


class Limits:
    """A throttle for each spec that has a limit. Reading is a dictionary's look-up, without a lock."""

    def __init__(self) -> None:
        self._throttles: dict[str, Throttle] = {}
        self._lock = threading.Lock()

    def set(self, spec: str, *, requests: int | None = None, tokens: int | None = None) -> Throttle:
        """Limit the calls of ``spec``, or change its limits; those who wait already follow the new ones.

        Raises:
            InputError: If ``spec`` has no such form, or a limit is not a whole number of at least 1.
        """
        name = normal(spec)
        with self._lock:
            known = self._throttles.get(name)
            if known is None:
                known = Throttle(requests, tokens)
                self._throttles[name] = known
            else:
                known.change(requests, tokens)
        from ziggurat.models.calls import watch

        watch()
        return known

    def lift(self, spec: str) -> None:
        """Forget the limits of ``spec``; everybody who waits passes.

        Raises:
            InputError: If ``spec`` has no such form.
        """
        with self._lock:
            throttle = self._throttles.pop(normal(spec), None)
        if throttle is not None:
            throttle.open()

    def get(self, name: str) -> Throttle | None:
        """The throttle of a spec in its normal form; None where nothing is limited."""
        return self._throttles.get(name)

    def names(self) -> Iterable[str]:
        """The specs that have a limit, in order of their first."""
        return tuple(self._throttles)


def normal(spec: str) -> str:
    """A spec as everybody writes it alike.

    Raises:
        InputError: If it has no such form.
    """
    return str(ModelSpec.parse(spec))


PROCESS = Limits()
"""The limits of this process."""
