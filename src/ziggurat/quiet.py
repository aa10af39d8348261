"""Loggers of ours: quiet until somebody configures logging, as a library's should be.

Without a handler Python prints warnings of any logger to the terminal; the one that does nothing, on
the package's own logger, is what keeps it from doing so.
"""

from __future__ import annotations

import logging

logging.getLogger("ziggurat").addHandler(logging.NullHandler())


def logger(name: str) -> logging.Logger:
    """The logger of a module, by its ``__name__``."""
    return logging.getLogger(name)
