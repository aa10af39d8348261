"""Which values are plain: the same in every process, so that they can tell one stage from another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain_or_none(value: Any) -> Any:
    """Plain data as it is; None if any part of it is not plain, or names a place in memory."""
    return value if _is_plain(value) else None


def _is_plain(value: Any) -> bool:
    match value:
        case None | bool() | int() | float():
            return True
        case str():
            return " at 0x" not in value
        case Mapping():
            if value.get("lc") and value.get("type") == "not_implemented":
                return False
            return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
        case list() | tuple():
            return all(map(_is_plain, value))
        case _:
            return False
