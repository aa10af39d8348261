"""How long the calls of a workspace may take. Apart from `calls`, so that a model is made without an HTTP client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take.

    Attributes:
        retries: How often it is sent again when the workspace is too busy for it.
        seconds: Seconds from the first sending within which another may begin; a workspace that asks for
            more patience than is left is not waited for.
        silence: Seconds without a byte of the answer.
    """

    retries: int = 6
    seconds: float = 60.0
    silence: float = 300.0
