"""Runs one task of a job, in a Python of its own: a wheel's entry point, or a file.

A script, started with ``python -P``; it imports nothing of Ziggurat, because the wheel under test may be
Ziggurat itself. Arguments: where to write what went wrong, ``wheel`` or ``file``, what to run, its parameters.
"""

from __future__ import annotations

import importlib
import json
import runpy
import sys
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path


def entry(package: str, name: str) -> Callable[[], object]:
    """The entry point of a package: one it declares, else a function of that name in it."""
    try:
        declared = metadata.distribution(package).entry_points
    except metadata.PackageNotFoundError:
        declared = metadata.EntryPoints()
    for one in declared:
        if one.name == name:
            loaded: Callable[[], object] = one.load()
            return loaded
    found: Callable[[], object] = getattr(importlib.import_module(package.replace("-", "_")), name)
    return found


def main() -> int:
    """Run it.

    Returns:
        0 if it ended well.
    """
    report, kind, what, *rest = sys.argv[1:]
    try:
        if kind == "wheel":
            package, _, name = what.partition(":")
            sys.argv = [name, *rest]
            entry(package, name)()
        else:
            sys.argv = [what, *rest]
            runpy.run_path(what, run_name="__main__")
    except SystemExit as end:
        if end.code in (None, 0):
            return 0
        error, trace = f"SystemExit: {end.code}", traceback.format_exc()
    except BaseException as fault:  # noqa: BLE001 (whatever the task raised is its result)
        error, trace = f"{type(fault).__name__}: {fault}", traceback.format_exc()
    else:
        return 0
    Path(report).write_text(json.dumps({"error": error, "trace": trace}), encoding="utf-8")
    return 1


if __name__ == "__main__":
    sys.exit(main())
