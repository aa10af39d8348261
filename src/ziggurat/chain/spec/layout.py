"""Plain data to YAML text that people read: block scalars for prompts, short lists in a line, a gap between stages.

Invariant: what is written is read back by `text` as the same data, which is checked each time.
Whatever either YAML 1.1 or 1.2 would take for something else is put in quotes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from ziggurat.chain.spec.text import Findings, plain_scalar, read
from ziggurat.errors import SpecError

_WIDEST_LIST = 90
_STAGES = "stages"


class _Dumper(yaml.SafeDumper):
    """The safe dumper, with our layout; nothing is ever shared between two places."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's signature)
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 (PyYAML's signature)
        """Items of a list stand further in than its key."""
        super().increase_indent(flow, indentless=False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if not text.isprintable():
        style = "|" if _is_block(text) else '"'
    elif not isinstance(_meaning(text), str):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _meaning(text: str) -> Any:
    try:
        return plain_scalar(text)
    except ValueError:
        return 0


def _is_block(text: str) -> bool:
    """Whether a text can stand as it is, line by line."""
    lines = text.split("\n")
    tidy = not any(line != line.rstrip() for line in lines) and not text.startswith((" ", "\n"))
    return tidy and all(line.isprintable() for line in lines)


def _list(dumper: _Dumper, items: list[Any]) -> yaml.SequenceNode:
    words = [one for one in items if isinstance(one, str | int | float | bool | None)]
    short = len(words) == len(items) and sum(len(str(one)) + 2 for one in words) <= _WIDEST_LIST
    flow = short and not any("\n" in one for one in words if isinstance(one, str))
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def lay_out(data: dict[str, Any]) -> str:
    """The text of a chain file.

    Raises:
        SpecError: If it would not read back the same.
    """
    text = "".join(_parts(data))
    findings = Findings()
    again = read(text, "chain", findings)
    if findings or not same(again.data, data):
        lines = findings.lines() or ("chain:1: a text in it does not survive being written",)
        raise SpecError("This chain has no written form that reads back the same.", findings=lines)
    return text


def _parts(data: dict[str, Any]) -> Iterator[str]:
    head = {key: one for key, one in data.items() if key != _STAGES}
    yield _dump(head)
    yield f"\n{_STAGES}:\n"
    for number, (name, stage) in enumerate(data[_STAGES].items()):
        if number:
            yield "\n"
        yield "".join(f"  {line}" if line.strip() else line for line in _dump({name: stage}).splitlines(keepends=True))


def _dump(data: Any) -> str:
    return yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000_000, default_flow_style=False
    )


def same(one: Any, other: Any) -> bool:
    """Whether two pieces of plain data are equal in value, type and order; not-a-number equals itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124 (not a number is not itself)
