"""What a command is given to work on: how it is written, and the option that goes with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

METAVAR = "CHAIN.yaml|FILE.py:CHAIN"
_Command = TypeVar("_Command", bound=Callable[..., Any])


def functions_option(command: _Command) -> _Command:
    """``--functions FILE.py``, for commands that read chain files."""
    return click.option(
        "--functions",
        type=click.Path(path_type=Path),
        metavar="FILE.py",
        help="Python whose functions the chain file may use by name. It is executed.",
    )(command)
