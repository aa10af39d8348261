"""``ziggurat databricks endpoints``: the models a workspace serves."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ziggurat.cli import HELP
from ziggurat.cli.databricks_way_in import confirmed, way_in, workspace_options
from ziggurat.cli.lazy import Suggesting
from ziggurat.cli.outputs import read_input, wide_console

if TYPE_CHECKING:
    from ziggurat.databricks.endpoints import Endpoints, State

name_argument = click.argument("name")


@click.group("endpoints", cls=Suggesting, context_settings=HELP)
def endpoints() -> None:
    """List, make, wait for, ask and remove the serving endpoints of a workspace.

    \b
    Examples:
      ziggurat databricks endpoints list
      ziggurat databricks endpoints create my-chat --external openai:gpt-4.1 --secret lab/openai-api-key
      ziggurat databricks endpoints create dolly --model main.default.dolly --version 3
      ziggurat databricks endpoints ask my-chat "Hello"
      ziggurat databricks endpoints delete my-chat
    """


@endpoints.command("list", context_settings=HELP)
@workspace_options
def list_endpoints(host: str | None, profile: str | None) -> None:
    """Show all endpoints: what each is for, what it serves, whether it answers."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("endpoint", "state", "task"):
        table.add_column(column, no_wrap=True)
    table.add_column("serves", overflow="fold")
    for one in _endpoints(host, profile).list():
        table.add_row(escape(one.name), _word(one), one.task or "custom", escape(", ".join(one.models)))
    wide_console().print(table if table.row_count else "There are no endpoints.")


@endpoints.command("get", context_settings=HELP)
@name_argument
@workspace_options
def get(name: str, host: str | None, profile: str | None) -> None:
    """Show everything the workspace says of one endpoint, as JSON."""
    click.echo(json.dumps(_endpoints(host, profile).get(name).told, indent=2, ensure_ascii=False))


def what_it_serves(command: Any) -> Any:
    """The options that describe what an endpoint serves."""
    for option in reversed(
        (
            click.option("--external", metavar="PROVIDER:MODEL", help="A model of another provider: openai:gpt-4.1."),
            click.option("--secret", metavar="SCOPE/KEY", help="Where the key of an external model is."),
            click.option(
                "--setting", "settings", multiple=True, metavar="NAME=VALUE",
                help="More of an external model's provider: openai_api_base=https://….",
            ),
            click.option("--task", default="llm/v1/chat", show_default=True, help="What an external model is for."),
            click.option("--model", metavar="CATALOG.SCHEMA.NAME", help="A registered model."),
            click.option("--version", "number", metavar="N", help="Which version of it."),
            click.option(
                "--size", type=click.Choice(["Small", "Medium", "Large"]), default="Small", show_default=True,
                help="How many requests a registered model takes at once.",
            ),
            click.option("--always-on", is_flag=True, help="Keep it running while nobody asks; costs all the time."),
            click.option(
                "--config", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
                help="Everything else: a YAML or JSON file, as the REST API takes it.",
            ),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@endpoints.command("create", context_settings=HELP)
@name_argument
@what_it_serves
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it answers.")
@workspace_options
def create(name: str, wait: bool, host: str | None, profile: str | None, **served: Any) -> None:
    """Make an endpoint and wait until it answers."""
    known = _endpoints(host, profile)
    state = known.create(name, _config(**served))
    if wait:
        _wait(known, name)
    else:
        _say(name, state)


@endpoints.command("update", context_settings=HELP)
@name_argument
@what_it_serves
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the new model answers.")
@workspace_options
def update(name: str, wait: bool, host: str | None, profile: str | None, **served: Any) -> None:
    """Serve something else; the old answers until the new is ready."""
    known = _endpoints(host, profile)
    state = known.update(name, _config(**served))
    if wait:
        _wait(known, name)
    else:
        _say(name, state)


@endpoints.command("wait", context_settings=HELP)
@name_argument
@click.option("--seconds", type=click.FloatRange(min=0), default=1800.0, show_default=True, help="For how long.")
@workspace_options
def wait_for(name: str, seconds: float, host: str | None, profile: str | None) -> None:
    """Wait until an endpoint answers; if it fails, show the end of its build log."""
    _wait(_endpoints(host, profile), name, seconds)


@endpoints.command("ask", context_settings=HELP)
@name_argument
@click.argument("text")
@workspace_options
def ask(name: str, text: str, host: str | None, profile: str | None) -> None:
    """Ask a chat or text endpoint something; the answer is shown as it comes."""
    from ziggurat.databricks import ChatDatabricks, Databricks

    state = _endpoints(host, profile).get(name)
    given: dict[str, Any] = {"host": host, "credentials": {"profile": profile} if profile else {}}
    if state.task in ("llm/v1/chat", "agent/v1/responses"):
        model = ChatDatabricks(endpoint=name, use_responses_api=state.task != "llm/v1/chat", **given)
        for piece in model.stream(text):
            click.echo(piece.text, nl=False)
        click.echo()
    else:
        click.echo(Databricks(endpoint_name=name, **given).invoke(text))


@endpoints.command("delete", context_settings=HELP)
@name_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@workspace_options
def delete(name: str, yes: bool, host: str | None, profile: str | None) -> None:
    """Remove an endpoint."""
    known = _endpoints(host, profile)
    state = known.get(name)
    if not yes:
        confirmed(f"Remove {name}, which serves {', '.join(state.models) or 'nothing'}?")
    known.delete(name)
    click.echo(f"Removed {name}.")


def _endpoints(host: str | None, profile: str | None) -> Endpoints:
    from ziggurat.databricks.endpoints import Endpoints

    return Endpoints(way_in(host, profile))


def _word(state: State) -> str:
    colour = "red" if state.failed else "green" if state.ready and not state.updating else "yellow"
    return f"[{colour}]{state.word}[/]"


def _say(name: str, state: State) -> None:
    wide_console().print(f"{name} is {_word(state)}.", highlight=False)


def _wait(known: Endpoints, name: str, seconds: float = 1800.0) -> None:
    """Show how an endpoint does until it is ready: on a line that moves, or a line for each change in a file."""
    console = wide_console()
    began = time.monotonic()
    shown = ""
    try:
        with console.status(f"{name}: waiting") as line:
            for state in known.wait(name, seconds=seconds):
                line.update(f"{name} is {_word(state)}, {_elapsed(began)}")
                if state.word != shown and not console.is_terminal:
                    _say(name, state)
                shown = state.word
    except KeyboardInterrupt:
        click.echo(f"{name} goes on by itself; `ziggurat databricks endpoints wait {name}` looks again.", err=True)
        raise
    took = f" after {_elapsed(began)}" if time.monotonic() - began >= 1 else ""
    if console.is_terminal or took:
        console.print(f"{name} is [green]ready[/]{took}.", highlight=False)


def _elapsed(began: float) -> str:
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _config(
    *,
    external: str | None,
    secret: str | None,
    task: str,
    model: str | None,
    number: str | None,
    settings: tuple[str, ...],
    size: str,
    always_on: bool,
    file: Path | None,
) -> dict[str, Any]:
    """What the options say an endpoint serves.

    Raises:
        InputError: If they say nothing, or two things at once.
    """
    from ziggurat.databricks import serving as kinds
    from ziggurat.errors import InputError

    if sum(one is not None for one in (external, model, file)) != 1:
        raise InputError("An endpoint serves one thing.", fix="give --external, --model, or --config")
    if external is not None:
        provider, colon, named = external.partition(":")
        if not colon or not named:
            raise InputError(f"{external!r} names no model.", fix="--external openai:gpt-4.1")
        if not secret:
            raise InputError("An external model needs a key.", fix="--secret SCOPE/KEY says where it is")
        return kinds.external(named, provider, secret, task=task, settings=dict(map(read_input, settings)))
    if model is not None:
        if not number:
            raise InputError(f"Which version of {model}?", fix="--version 1")
        return kinds.custom(model, number, size=size, scale_to_zero=not always_on)
    return _read(file or Path())


def _read(file: Path) -> dict[str, Any]:
    import yaml

    from ziggurat.errors import InputError

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"The file cannot be read: {error}", where=str(file)) from error
    if not isinstance(found, dict):
        raise InputError("The file holds no mapping.", where=str(file), fix="begin it with served_entities:")
    return dict(found.get("config", found))
