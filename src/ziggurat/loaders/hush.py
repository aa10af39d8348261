"""Silence around third-party readers: what they warn of is no business of whoever asked for a text.

Warnings are filtered by the modules they come from, and the readers' loggers are held, only while a
reader runs. Filters belong to the whole process, so threads that read at the same time share one
silence: the first to come sets it up, the last to leave takes it away.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_READERS = "docx|pptx|openpyxl|lxml|oxmsg|olefile|pypdfium2|email|zipfile|csv|json|html|xlsxwriter"
_MODULES = rf"({_READERS}|ziggurat\.loaders)(\.|$)"
_LOGGERS = ("olefile", "pypdfium2", "pypdfium2._helpers", "pypdfium2._lazy", "pypdfium2.internal")

_lock = threading.Lock()
_inside = 0
_silence: warnings.catch_warnings[None] | None = None


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing a reader warns of or logs leaks out of this block."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _drop(record: logging.LogRecord) -> bool:  # noqa: ARG001 (a logging filter is given the record)
    return False


def _enter() -> None:
    global _inside, _silence  # noqa: PLW0603 (the warning filters are global; so is what is known of them)
    with _lock:
        _inside += 1
        if _inside > 1:
            return
        _silence = warnings.catch_warnings()
        _silence.__enter__()  # left by another thread perhaps, so there is no with
        warnings.filterwarnings("ignore", module=_MODULES)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_drop)


def _leave() -> None:
    global _inside, _silence  # noqa: PLW0603 (see above)
    with _lock:
        _inside -= 1
        if _inside or _silence is None:
            return
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(_drop)
        _silence.__exit__(None, None, None)
        _silence = None
