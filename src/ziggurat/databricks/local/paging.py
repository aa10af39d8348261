"""Answers in pages: a size, a token for the next one. Knows nothing of what is listed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from ziggurat.databricks.local.call import Call, invalid


def page(
    call: Call,
    key: str,
    found: Sequence[Any],
    *,
    size: int,
    at_most: int,
    token_name: str = "page_token",  # noqa: S107 (the name of a parameter)
    size_name: str = "page_size",
) -> dict[str, Any]:
    """One page of what was found, with ``next_page_token`` where there is more.

    Args:
        call: The request, whose query says which page.
        key: The field the page is answered in.
        found: Everything, in order.
        size: How many a page has by default.
        at_most: How many it may have.
        token_name: The query's field with the token.
        size_name: The query's field with the size.

    Raises:
        Refusal: 400 for a size or a token that cannot be.
    """
    try:
        wanted = int(call.query.get(size_name) or 0) or size  # 0: as many as the service likes
        start = _opened(call.query.get(token_name) or "")
    except (ValueError, binascii.Error) as error:
        raise invalid(f"{size_name} or {token_name} is not what was given out.") from error
    if wanted < 0:
        raise invalid(f"{size_name} cannot be negative.")
    end = start + min(wanted, at_most)
    answer: dict[str, Any] = {key: list(found[start:end])}
    if end < len(found):
        answer["next_page_token"] = base64.urlsafe_b64encode(f"from:{end}".encode()).decode()
    return answer


def _opened(token: str) -> int:
    if not token:
        return 0
    word, _, number = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    if word != "from":
        raise ValueError(token)
    return int(number)
