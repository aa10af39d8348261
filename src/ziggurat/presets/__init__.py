"""Chains that reason in well-known ways, as chain files to copy and change.

Texts only; `ziggurat presets` lists, shows and copies them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean


@cache
def presets() -> dict[str, str]:
    """The name of each preset with what it does, as its second line says."""
    found = {}
    for one in files(__name__).iterdir():
        if one.name.endswith(".yaml"):
            about = one.read_text(encoding="utf-8").splitlines()[1]
            found[one.name.removesuffix(".yaml")] = about.lstrip("# ")
    return dict(sorted(found.items()))


def preset(name: str) -> str:
    """The text of a preset.

    Raises:
        InputError: If there is none of that name.
    """
    if name not in presets():
        raise InputError(
            f"There is no preset {name!r}{did_you_mean(name, presets())}.", fix="ziggurat presets lists them"
        )
    return (files(__name__) / f"{name}.yaml").read_text(encoding="utf-8")
