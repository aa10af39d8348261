"""The tools of an agent as they were given: opened at the right time, named once, in order of preference.

What a chain file names that starts a program or reaches a server is opened by the first run, and a
program only if the environment allows it: a file from a stranger starts nothing when it is read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from pydantic import TypeAdapter, ValidationError

from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean
from ziggurat.tools.bounds import acts, apart
from ziggurat.tools.settings import KINDS, ToolEntry, ToolSettings
from ziggurat.tools.wording import preferred
from ziggurat.tools.wrapping import as_tool

COMMANDS_VARIABLE = "ZIGGURAT_MCP_COMMANDS"
"""Set to ``allow``, chain files may name commands that start MCP servers."""

_ENTRY: TypeAdapter[ToolSettings] = TypeAdapter(ToolEntry)
_PATHS = ("index", "root", "file")
"""Settings that are paths; in a chain file they are relative to it, here to the process."""
_LASTING = frozenset({"calculator", "index_search", "python"})
"""Tools that answer the same tomorrow, or tell when they do not."""


class Toolbox:
    """The tools of an agent.

    Args:
        given: Tools, things that `as_tool` takes, or entries of a chain file.
        kind: Of the agent.
        prefer: Weights by name.
        allow: Names that must be among the tools, once all are open.

    Raises:
        InputError: If an entry is none, two tools have one name, or the kind needs others.
    """

    def __init__(self, given: Sequence[Any], kind: str, prefer: Mapping[str, float], allow: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._kind, self.prefer, self._allow = kind, dict(prefer), tuple(allow)
        self.entries: list[ToolSettings | BaseTool] = []
        self._from_file: set[int] = set()
        for one in given:
            if isinstance(one, ToolSettings):
                self._from_file.add(len(self.entries))
                self.entries.append(one)
            elif isinstance(one, str | Mapping):
                self.entries.append(_entry(one))
            else:
                self.entries.append(as_tool(one))
        self._opened: list[list[BaseTool] | None] = [
            [one] if isinstance(one, BaseTool) else None if one.leads_outside else one.open() for one in self.entries
        ]
        self._tools: list[BaseTool] | None = None
        if all(one is not None for one in self._opened):
            self._tools = self._whole()

    async def opened(self) -> list[BaseTool]:
        """All tools, in order.

        Raises:
            InputError: As for the constructor, of what is opened now.
            ZigguratError: If a server cannot be reached.
        """
        return self._tools if self._tools is not None else await apart(self._open_rest)

    def _open_rest(self) -> list[BaseTool]:
        with self._lock:
            if self._tools is None:
                for number, one in enumerate(self.entries):
                    if self._opened[number] is None and isinstance(one, ToolSettings):
                        self._permit(number, one)
                        self._opened[number] = one.open()
                self._tools = self._whole()
            return self._tools

    def _permit(self, number: int, entry: ToolSettings) -> None:
        started = entry.mcp.command if entry.mcp is not None else []
        if started and number in self._from_file and os.environ.get(COMMANDS_VARIABLE) != "allow":
            raise InputError(
                f"The chain file names a command to start: {' '.join(started)[:120]}",
                fix=f"set {COMMANDS_VARIABLE}=allow if you trust the file",
            )

    def _whole(self) -> list[BaseTool]:
        tools = [tool for opened in self._opened for tool in opened or ()]
        names = [one.name for one in tools]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"Two tools are called {twice[0]!r}.", fix="give one of them another name")
        for name in self._allow:
            if name not in names:
                raise InputError(
                    f"There is no tool {name!r} to allow{did_you_mean(name, names)}.",
                    fix=f"there are {', '.join(names)}",
                )
        if self._kind == "docstore" and not {"Search", "Lookup"} <= set(names):
            raise InputError("A docstore agent needs the tools Search and Lookup.", fix="ziggurat.tools.docstore(...)")
        if self._kind == "self_ask" and len(tools) != 1:
            raise InputError(f"A self-ask agent needs exactly one tool that finds answers, not {len(tools)}.")
        if self._kind == "react" and not tools:
            raise InputError("A ReAct agent needs a tool.", fix="Agent(tools=[...])")
        return preferred(tools, self.prefer)

    @property
    def identity(self) -> Any:
        """The tools in plain values; None where one acts, was given open, or may answer otherwise tomorrow."""
        told = []
        for number, one in enumerate(self.entries):
            if isinstance(one, BaseTool) or one.kind not in _LASTING:
                return None
            if any(acts(tool) for tool in self._opened[number] or ()):
                return None
            told.append({one.kind: _lasting(one)})
        return [told, self.prefer]

    def settings(self) -> list[ToolSettings]:
        """The entries as a chain file has them.

        Raises:
            InputError: If a tool was given open.
        """
        for one in self.entries:
            if isinstance(one, BaseTool):
                raise InputError(f"Agent was given the tool {one.name} open", fix=f"a file can name {', '.join(KINDS)}")
        return [one for one in self.entries if isinstance(one, ToolSettings)]


def calls_tools(model: BaseChatModel) -> bool:
    """Whether a chat model can be offered tools at all."""
    return type(model).bind_tools is not BaseChatModel.bind_tools


def _entry(written: str | Mapping[str, Any]) -> ToolSettings:
    name = written if isinstance(written, str) else next(iter(written), "")
    if name not in KINDS:
        raise InputError(
            f"No tool is called {name!r}{did_you_mean(str(name), KINDS)}.", fix=f"there are {', '.join(KINDS)}"
        )
    settings = {} if isinstance(written, str) else written[name]
    if isinstance(settings, Mapping):
        settings = {key: Path(one) if key in _PATHS and isinstance(one, str) else one for key, one in settings.items()}
    try:
        return _ENTRY.validate_python({name: settings})
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or str(name)
        raise InputError(f"{at}: {first['msg'].removeprefix('Value error, ')}.", where=f"the tool {name}") from error


def _lasting(entry: ToolSettings) -> Any:
    chosen = entry.chosen
    told = {name: getattr(chosen, name) for name in type(chosen).model_fields if name not in _PATHS}
    if entry.index_search is None:
        return told
    from ziggurat.index import VectorIndex

    with VectorIndex.open(entry.index_search.index, read_only=True) as index:
        return {**told, "index": dict(index.stage_identity)}
