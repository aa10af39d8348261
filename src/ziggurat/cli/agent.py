"""``ziggurat agent``: a question answered with tools; what is done is shown as it is done."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from ziggurat import specs
from ziggurat.cli import HELP
from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

_KINDS = ["tools", "react", "docstore", "self_ask", "conversational"]


def _docstore(value: str) -> dict[str, Any]:
    return {} if value == "wikipedia" else {"index": value}


def _sql(value: str) -> dict[str, Any]:
    return {"address": value} if "://" in value else {"file": value}


def _mcp(value: str) -> dict[str, Any]:
    return {"url": value} if value.startswith(("http://", "https://")) else {"command": shlex.split(value)}


_FORMS: dict[str, tuple[str, Callable[[str], dict[str, Any]]]] = {
    "index": ("index_search", lambda value: {"index": value}),
    "docstore": ("docstore", _docstore),
    "web_search": ("web_search", lambda value: {"engine": value}),
    "files": ("files", lambda value: {"root": value}),
    "write": ("files", lambda value: {"root": value, "write": True}),
    "sql": ("sql", _sql),
    "mcp": ("mcp", _mcp),
}
"""Tools that are written ``name:what``: their kind, and what that makes of it."""
_ALONE = ("calculator", "docstore", "web_search", "web_page", "python")


@click.command("agent", context_settings=HELP)
@click.argument("question")
@click.option("--tool", "-t", "tools", multiple=True, help="A tool; see below. May be given several times.")
@click.option(
    "--mcp", "servers", multiple=True, help="The tools of an MCP server: its address, or its command in quotes."
)
@click.option("--model", help=f"The chat model's spec, such as openai:gpt-4.1.  [default: {specs.DEFAULTS['chat']}]")
@click.option("--kind", type=click.Choice(_KINDS), default="tools", show_default=True, help="How tools are called.")
@click.option("--allow", multiple=True, help="A tool that may act on the world without being asked about.")
@click.option("--steps", default=8, show_default=True, type=click.IntRange(1, 100), help="Calls of tools at most.")
@click.option("--seconds", default=120.0, show_default=True, type=click.FloatRange(1), help="For the whole question.")
@click.option("--tokens", type=click.IntRange(1), help="Tokens that models may read and write.  [default: no bound]")
def command(
    *,
    question: str,
    tools: tuple[str, ...],
    servers: tuple[str, ...],
    model: str | None,
    kind: str,
    allow: tuple[str, ...],
    steps: int,
    seconds: float,
    tokens: int | None,
) -> None:
    """Answer a QUESTION with the help of tools.

    Each step is printed when it is done. A tool that acts on the world (writes a file, sends an
    e-mail) is shown with its arguments and waits for your yes; where nobody can be asked, it is refused.

    \b
    Tools:
      calculator            arithmetic          web_page              a page of the web
      python                in a sandbox        web_search[:ENGINE]   duckduckgo, serpapi, wikipedia
      index:DIR             search an index     docstore:DIR          Search and Lookup in an index
      files:DIR             read a folder       docstore:wikipedia    the same in Wikipedia
      write:DIR             and write in it     sql:FILE or sql:URL   query a database, read-only

    \b
    Examples:
      ziggurat agent "What is 15% of 2480?" --tool calculator
      ziggurat agent "What did we decide, and what does it cost?" -t index:kb -t calculator
      ziggurat agent "Is there anything from Ana?" --mcp "python examples/mcp_mailbox.py"
    """
    from rich.console import Console

    from ziggurat.chain.budget import Budget
    from ziggurat.stages.agent import Agent
    from ziggurat.stages.agents.answer import AgentAnswer

    console = Console()
    if not tools and not servers and kind != "conversational":
        raise InputError("An agent without tools is only a model.", fix='--tool calculator, or see "ziggurat agent -h"')
    agent = Agent(
        [*map(_entry, tools), *({"mcp": _mcp(one)} for one in servers)],
        model,
        kind=kind,  # type: ignore[arg-type]  # click let only these through
        steps=steps,
        seconds=seconds,
        allow=allow,
        approve=_asker(console),
        budget=Budget(tokens=tokens) if tokens else None,
    )
    whole = AgentAnswer("")
    for piece in agent.stream(question):
        for number, step in enumerate(piece.steps, len(whole.steps) + 1):
            if whole.text:
                console.print()  # what was streamed was a thought
            _print("\n".join(step.lines(number)), console, style="dim")
        _print("" if piece.steps else piece.text, console, end="")
        whole += piece
    console.print()
    why = "" if whole.stopped == "answered" else f"stopped: {whole.stopped}; "
    _print(why + whole.used, console, style="dim")


def _print(text: str, console: Console, **more: Any) -> None:
    if text:
        console.print(_plain(text), markup=False, highlight=False, soft_wrap=True, **more)


def _entry(written: str) -> str | dict[str, Any]:
    """A tool as the command line has it, as a chain file would."""
    name, colon, value = written.partition(":")
    if not colon:
        if name not in _ALONE:
            known = [*_ALONE, *(f"{one}:..." for one in _FORMS)]
            raise InputError(
                f"No tool is written {name!r}{did_you_mean(name, known)}.", fix=f"one of {', '.join(known)}"
            )
        return name
    if name not in _FORMS or not value:
        known = [f"{one}:..." for one in _FORMS]
        raise InputError(f"No tool is written {written!r}.", fix=f"one of {', '.join((*_ALONE, *known))}")
    kind, made = _FORMS[name]
    return {kind: made(value)}


def _asker(console: Console) -> Callable[[str, Mapping[str, Any]], bool] | None:
    """Asks in the terminal before a tool acts; None where there is nobody to ask."""
    if not sys.stdin.isatty():
        return None

    def ask(tool: str, arguments: Mapping[str, Any]) -> bool:
        console.print(f"\nThe agent wants to act: {tool}", style="bold yellow", markup=False, highlight=False)
        for name, value in arguments.items():
            _print(f"  {name}: {value}", console)
        return click.confirm("Allow this once?", default=False)

    return ask


def _plain(value: Any) -> str:
    """A value whole, with nothing in it that could make the terminal show something else."""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in str(value))
