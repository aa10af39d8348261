"""What a service says when it refuses a call: its status, and how long to wait.

Reads the errors of the usual clients by what they carry, without importing any of them. Knows nothing of
who waits; invariant: it never raises, since it is asked while another error is on its way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


def retry_after(error: BaseException) -> float | None:
    """The seconds a service asked us to wait, read from the headers of its answer.

    Reads ``retry-after-ms`` and ``Retry-After`` (seconds, or an HTTP date, which is compared with the
    answer's own ``Date`` so that a wrong clock here does not matter) from the ``response`` of an error or
    of any of its causes: those of openai, anthropic, httpx and requests carry one; botocore's is a
    mapping; the Databricks SDK's error carries the seconds themselves. RFC 9110, section 10.2.3.

    Returns:
        Seconds, zero or more; None if nobody said.
    """
    for one in _causes(error):
        seconds = retry_after_of(getattr(one, "response", None))
        if seconds is None:
            seconds = _seconds(getattr(one, "retry_after_secs", None), None)
        if seconds is not None:
            return seconds
    return None


def retry_after_of(response: Any) -> float | None:
    """The same from an answer itself."""
    headers = _headers(response)
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _seconds(headers.get(name), headers.get("date"))
        if seconds is not None:
            return seconds / unit
    return None


def status_of(error: BaseException) -> int | None:
    """The HTTP status an error or one of its causes carries; None where none does."""
    for one in _causes(error):
        response = getattr(one, "response", None)
        metadata = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
        told = (
            getattr(one, "status_code", None),
            getattr(response, "status_code", None),
            metadata.get("HTTPStatusCode") if isinstance(metadata, Mapping) else None,
        )
        for status in told:
            if isinstance(status, int):
                return status
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__


def _headers(response: Any) -> dict[str, str]:
    """The headers of an answer by lower-case name, whoever's class it is."""
    if isinstance(response, Mapping):
        metadata = response.get("ResponseMetadata")
        headers = metadata.get("HTTPHeaders") if isinstance(metadata, Mapping) else None
    else:
        headers = getattr(response, "headers", None)
    if headers is None or not hasattr(headers, "items"):
        return {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _seconds(text: Any, date: str | None) -> float | None:
    if text is None or isinstance(text, bool):
        return None
    try:
        seconds = float(text)
    except (TypeError, ValueError):
        try:
            then, now = parsedate_to_datetime(str(text)), datetime.now(UTC)
            if date is not None:
                now = parsedate_to_datetime(date)
            seconds = (_aware(then) - _aware(now)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
