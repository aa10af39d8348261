"""How often an endpoint may be called: calls of the last minute, counted by endpoint and by user.

Knows limits as a configuration writes them (``{"key", "calls", "renewal_period"}``). Invariant: a call that any
limit refuses counts for none of them.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Any

from ziggurat.databricks.local.call import Refusal

_MINUTE = 60.0


class Rates:
    """Calls of the last minute; safe to use from any thread."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str, str], deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def admit(self, endpoint: str, user: str, limits: Iterable[Mapping[str, Any]]) -> None:
        """Count a call.

        Raises:
            Refusal: 429 with ``Retry-After`` if it is one too many.
        """
        now = time.monotonic()
        with self._lock:
            windows = []
            for limit in limits:
                key, calls = str(limit.get("key", "endpoint")), limit.get("calls")
                if calls is None or (limit.get("principal") and limit["principal"] != user):
                    continue
                window = self._calls[endpoint, key, user if key != "endpoint" else ""]
                while window and now - window[0] >= _MINUTE:
                    window.popleft()
                if len(window) >= calls:
                    wait = _MINUTE - (now - window[-calls]) if calls else _MINUTE
                    raise Refusal(
                        429,
                        "REQUEST_LIMIT_EXCEEDED",
                        f"REQUEST_LIMIT_EXCEEDED: Exceeded {key} rate limit of {calls} calls per minute for "
                        f"endpoint {endpoint}.",
                        {"Retry-After": str(max(1, math.ceil(wait)))},
                    )
                windows.append(window)
            for window in {id(one): one for one in windows}.values():
                window.append(now)
