"""A chain by what names it: a chain file, or something in a Python file.

One loader for everyone. A chain file is data and runs nothing; a Python file is executed, and so is one whose
functions a chain file uses: that is said where it is asked for.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ziggurat.errors import InputError, ZigguratError
from ziggurat.suggest import did_you_mean

if TYPE_CHECKING:
    from ziggurat.chain.multichain import MultiChain

_YAML = (".yaml", ".yml")


def is_chain_file(target: str) -> bool:
    """Whether a target is a chain file, by its name."""
    return target.lower().endswith(_YAML)


def load_multichain(target: str, functions: Path | None = None) -> MultiChain:
    """The chain a target names; a single stage becomes a chain of one.

    Raises:
        InputError: If there is no such thing, or it is no stage.
        SpecError: If it is a chain file with something wrong in it.
    """
    from ziggurat.chain.multichain import MultiChain

    found = load(target, functions)
    return found if isinstance(found, MultiChain) else MultiChain(**{target.rpartition(":")[2]: found})


def load(target: str, functions: Path | None = None) -> Any:
    """What a target names: the chain of a chain file, or the object ``FILE.py:NAME``; a Python file is executed.

    Raises:
        InputError: If there is no such file or name in it.
        SpecError: If it is a chain file with something wrong in it.
    """
    if is_chain_file(target):
        from ziggurat.chain.spec import load_chain

        return load_chain(Path(target), stages={} if functions is None else _functions(functions))
    if functions is not None:
        raise InputError("--functions is for chain files; a Python file has its own.", fix="leave it out")
    file, colon, name = target.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise InputError(
            f"{target!r} names no chain.", fix="write CHAIN.yaml, or FILE.py:NAME, for example pipeline.py:chain"
        )
    module = _executed(Path(file), file)
    if not hasattr(module, name):
        raise InputError(f"{file} has no {name!r}{did_you_mean(name, vars(module))}.")
    return getattr(module, name)


def _functions(path: Path) -> dict[str, Any]:
    """What a Python file offers to a chain file: its own public functions, and stages and Runnables it made."""
    module = _executed(path, str(path))
    offered = {}
    for name, found in vars(module).items():
        own = inspect.isfunction(found) and found.__module__ == module.__name__
        made = not inspect.isclass(found) and any(hasattr(found, one) for one in ("stage_call", "ainvoke", "call"))
        if not name.startswith("_") and (own or made):
            offered[name] = found
    return offered


def _executed(path: Path, shown: str) -> ModuleType:
    """A Python file as a module."""
    if not path.is_file():
        raise InputError(f"There is no file {shown}.", fix="check the path")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{shown} is not a Python file.", fix="its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))
    before = sys.modules.get(path.stem)
    if before is None or _is_of(before, path):
        sys.modules[path.stem] = module  # so that values of its classes can be written down and read
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise InputError(f"{shown} is not Python that can be run: {error}.") from error
    except ZigguratError:
        raise
    except Exception as error:
        own = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).resolve() == path.resolve()
        ]
        raise InputError(
            f"{shown} raised {type(error).__name__}: {error}.", where=f"{shown}:{own[-1].lineno}" if own else shown
        ) from error
    finally:
        sys.path.pop(0)
    return module


def _is_of(module: ModuleType, path: Path) -> bool:
    """Whether a module is the one of a file."""
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path.resolve()
