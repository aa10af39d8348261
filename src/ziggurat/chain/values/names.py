"""Types by name: how a class is called in stored bytes, and how it is found again.

Invariant: finding a type runs nothing of anybody's. Modules are looked up, not imported, except our own
and those of langchain-core; attributes are read from namespaces, past every ``__getattr__``.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

_IMPORTED = ("ziggurat.", "langchain_core.")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_NOTHING: Mapping[str, Any] = {}
_MAINS = ("__main__", "__mp_main__")


def name_of(cls: type) -> str:
    """``module:Class.Inner``. A script's classes are called as if the script had been imported."""
    module = cls.__module__
    return f"{_script() if module in _MAINS else module}:{cls.__qualname__}"


def type_named(name: str) -> type | None:
    """The class of that name, or None where this process knows none."""
    module_name, _, qualified = name.partition(":")
    found: Any = getattr(sys.modules.get(module_name), "__dict__", _NOTHING).get(qualified)
    if isinstance(found, type):  # nearly always
        return found
    for module in _modules(module_name):
        found = module
        for part in qualified.split("."):
            namespace = getattr(found, "__dict__", None) if isinstance(found, ModuleType | type) else None
            found = namespace.get(part) if isinstance(namespace, Mapping) else None
        if isinstance(found, type):
            return found
    return None


def is_findable(cls: type) -> bool:
    """Whether another process could find this class by its name."""
    return type_named(name_of(cls)) is cls


def _modules(name: str) -> list[ModuleType]:
    if not _MODULE.fullmatch(name):
        return []
    found = [sys.modules.get(name)]
    if name == _script():
        found += [sys.modules.get(main) for main in _MAINS]
    elif found == [None] and name.startswith(_IMPORTED):
        try:
            return [importlib.import_module(name)]
        except ImportError:
            return []
    return [module for module in found if module is not None]


def _script() -> str:
    """The name under which the running script could be imported; ``__main__`` where there is none (a notebook)."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else "__main__"
