"""Optional packages, with one clear message when one is missing.

Knows nothing of what the packages are for. An optional import happens inside the function that
needs it, through `require`; nothing optional is imported when Ziggurat is.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from ziggurat.errors import MissingDependency


def require(module: str, *, for_: str, extra: str) -> ModuleType:
    """Import ``module``, or say which extra brings it.

    Args:
        module: The import name, dotted if need be.
        for_: What the caller wanted to do, as it reads after "needed for".
        extra: The extra of Ziggurat that installs it.

    Raises:
        MissingDependency: If the package is not installed. An import error from *inside* an
            installed package is passed on as it is, since installing again would not mend it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise MissingDependency(
            f"The package {package!r} is not installed; it is needed for {for_}.",
            fix=f'pip install "ziggurat[{extra}]"',
        ) from error
