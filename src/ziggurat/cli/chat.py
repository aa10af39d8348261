"""``ziggurat chat``: a conversation in the terminal, over documents or without, remembered between visits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ziggurat import specs
from ziggurat.cli import HELP
from ziggurat.errors import ZigguratError

if TYPE_CHECKING:
    from rich.console import Console

    from ziggurat.stages.conversation import Conversation

_LEAVE = frozenset({"/quit", "/exit", "/q"})
_COMMANDS = "/new starts over · /sessions lists conversations · /quit leaves"


@click.command("chat", context_settings=HELP)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--model", help=f"The chat model's spec, such as openai:gpt-4.1.  [default: {specs.DEFAULTS['chat']}]")
@click.option("--history", type=click.Path(path_type=Path), help="The file that remembers, a SQLite database.")
@click.option("--session", default="default", show_default=True, help="Which conversation to go on with.")
@click.option("--user", default="", help="Whose conversation it is.")
@click.option(
    "-k", "passages", default=4, show_default=True, type=click.IntRange(1, 50), help="Passages to answer from."
)
def command(
    folder: Path | None, model: str | None, history: Path | None, session: str, user: str, passages: int
) -> None:
    """Talk with a model; with FOLDER, about the documents of the index in it.

    A follow-up question may say "it" or "there": it is understood from what was said before. Answers
    about documents are checked and cited as those of `ziggurat ask`. With --history the conversation
    goes on where it was left; an end of input, or /quit, leaves.

    \b
    Examples:
      ziggurat chat
      ziggurat chat kb --history chats.sqlite
      ziggurat chat kb --history chats.sqlite --session trip --user ana
    """
    from contextlib import ExitStack

    from rich.console import Console

    from ziggurat.index import VectorIndex
    from ziggurat.memory import open_memory
    from ziggurat.stages.conversation import Conversation

    console = Console()
    with ExitStack() as open_things:
        index = None if folder is None else open_things.enter_context(VectorIndex.open(folder, read_only=True))
        memory = open_memory(history)
        open_things.callback(memory.close)
        talk = Conversation(index, model, history=memory, k=passages)
        earlier = len(memory.history(session, user).messages)
        console.print(f"{_COMMANDS}", style="dim", highlight=False)
        if earlier:
            console.print(f"Going on with {session!r}: {earlier} messages so far.", style="dim", highlight=False)
        _converse(talk, console, session, user)


def _converse(talk: Conversation, console: Console, session: str, user: str) -> None:
    while True:
        try:
            said = console.input("[bold]>[/] ").strip()
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
        if said in _LEAVE:
            return
        if said.startswith("/"):
            session = _ordered(said, talk, console, session, user)
        elif said:
            try:
                _reply(talk, console, {"question": said, "session": session, "user": user})
            except ZigguratError as error:
                console.print(str(error), style="red", markup=False, highlight=False)


def _ordered(said: str, talk: Conversation, console: Console, session: str, user: str) -> str:
    """Do what a line with a slash says; returns the session to go on with."""
    match said:
        case "/new":
            talk.memory.history(session, user).clear()
            console.print("Forgotten.", style="dim")
        case "/sessions":
            for one in talk.memory.sessions(user):
                mark = "*" if one.session == session else " "
                console.print(f"{mark} {one.session}  {one.messages} messages, last {one.last}", markup=False)
        case _ if said.startswith("/session "):
            return said.removeprefix("/session ").strip() or session
        case _:
            console.print(f"{_COMMANDS} · /session NAME goes to another", style="dim")
    return session


def _reply(talk: Conversation, console: Console, inputs: dict[str, str]) -> None:
    from ziggurat.cli.view import print_pieces, print_references
    from ziggurat.stages.answer import Answer

    whole = print_pieces(talk.stream(inputs), Answer(""), console)
    console.print()
    print_references(whole, console)
