"""The tools of an MCP server as tools here.

How a server is started and spoken to is `mcp_connection`'s. What a server says of its own tools is not
believed: each of them counts as acting on the world unless the caller says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from langchain_core.tools import BaseTool, ToolException
from pydantic import BaseModel

from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean
from ziggurat.tools.bounds import CHARACTERS
from ziggurat.tools.making import make
from ziggurat.tools.mcp_connection import McpConnection


class NoArguments(BaseModel):
    """The arguments of a tool that takes none."""


def mcp_tools(
    command: Sequence[str] = (),
    url: str | None = None,
    *,
    only: Iterable[str] | None = None,
    reads: Iterable[str] = (),
    trust: bool = False,
    prefix: str = "",
    env: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    seconds: float = 30.0,
    characters: int = CHARACTERS,
) -> list[BaseTool]:
    """The tools of an MCP server.

    Args:
        command: Starts a server that speaks over stdin and stdout: ``["python", "mailbox.py"]``.
        url: Where a server listens over streamable HTTP; one of the two is given.
        only: The names of those to take; None for all.
        reads: The names of those that only read, so that nobody need be asked.
        trust: Whether to believe the server when it says that a tool only reads (``readOnlyHint``).
        prefix: Put before each name, where two servers have tools of one name.
        env: Environment variables for the command.
        headers: For the address, such as an ``Authorization``.
        seconds: That connecting or a call may take.
        characters: Of a result at most.

    Raises:
        ZigguratError: If the server cannot be reached.
        InputError: If it has no tool that is named in ``only`` or ``reads``.
        MissingDependency: If ``mcp`` is not installed.
    """
    connection = McpConnection(command, url, env=env, headers=headers, seconds=seconds)
    offered = {one.name: one for one in connection.tools()}
    wanted, reading = None if only is None else list(only), set(reads)
    for name in (*(wanted or ()), *reading):
        if name not in offered:
            raise InputError(
                f"The MCP server has no tool {name!r}{did_you_mean(name, offered)}.",
                where=connection.name,
                fix=f"it has {', '.join(offered) or 'none'}",
            )
    made = []
    for name in offered if wanted is None else wanted:
        one = offered[name]
        hinted = trust and one.annotations is not None and bool(one.annotations.readOnlyHint)
        made.append(
            make(
                f"{prefix}{name}",
                " ".join((one.description or one.title or name).split())[:1000],
                one.inputSchema if one.inputSchema.get("properties") else NoArguments,
                awork=_caller(connection, name),
                acts=not (hinted or name in reading),
                characters=characters,
                seconds=seconds + 5,
            )
        )
    return made


def _caller(connection: McpConnection, name: str) -> Callable[..., Any]:
    async def call(**arguments: Any) -> str:
        result = await connection.call(name, arguments)
        text = "\n".join(_shown(one) for one in result.content).strip()
        if result.isError:
            raise ToolException(text or "The MCP tool failed and does not say why.")
        return text or "(done; the tool returned nothing)"

    return call


def _shown(content: Any) -> str:
    """A part of a result as text; what is no text is named."""
    if (text := getattr(content, "text", None)) is not None:
        return str(text)
    resource = getattr(content, "resource", None)
    if (text := getattr(resource, "text", None)) is not None:
        return str(text)
    if uri := getattr(content, "uri", None) or getattr(resource, "uri", None):
        return f"[{content.type}: {uri}]"
    return f"[{content.type}: {getattr(content, 'mimeType', 'data')}]"
