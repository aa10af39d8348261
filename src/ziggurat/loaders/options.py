"""The options of a kind of source, checked before anything is opened. Knows no source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean


def checked(opener: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, if a function takes them all by name.

    Raises:
        InputError: If one is not known, with the closest that is.
    """
    parameters = inspect.signature(opener).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return dict(options)
    known = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise InputError(
                f"There is no option {name!r} here{did_you_mean(name, known)}.",
                where=opener.__name__,
                fix=f"known: {', '.join(known)}",
            )
    return dict(options)
