"""``ziggurat databricks up``, ``run``, ``down``, ``bundle`` and ``azure-template``: the lab from one file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ziggurat.cli import HELP
from ziggurat.cli.databricks_way_in import way_in, workspace_options
from ziggurat.cli.outputs import read_input, wide_console

if TYPE_CHECKING:
    from rich.console import Console

    from ziggurat.databricks.lab import Plan
    from ziggurat.databricks.lab.thing import Tell

file_argument = click.argument("file", metavar="LAB.yaml", type=click.Path(dir_okay=False, path_type=Path))


@click.command("up", context_settings=HELP)
@file_argument
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and what it may cost.")
@workspace_options
def up(file: Path, dry_run: bool, host: str | None, profile: str | None) -> None:
    """Create what LAB.yaml declares and is not there yet: folder, secrets, endpoints, cluster, libraries.

    What is there is kept; what was declared anew is changed; what is no longer declared is removed. Things of
    others are left alone. Everything made is written down in .ziggurat-databricks/ beside the file, so that
    `down` finds it, even after a crash.

    \b
    Examples:
      ziggurat databricks up lab.yaml --dry-run
      ziggurat databricks up lab.yaml
    """
    from ziggurat.databricks import lab as labs

    declared = labs.read_lab(file)
    calls = way_in(host, profile)
    console = wide_console()
    if dry_run:
        _show(labs.plan(declared, calls), console)
        return
    with _interrupted(console, f"What was made is written down, and may cost: {_down(file)} removes it."):
        done = labs.up(declared, calls, teller(console), shown=lambda found: _show(found, console))
    console.print("Nothing to do." if done.idle else f"{declared.name} is up.")


@click.command("run", context_settings=HELP)
@file_argument
@click.argument("inputs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path(), show_default="here", help="Where pictures are saved."
)
@workspace_options
def run(file: Path, inputs: tuple[str, ...], out: Path, host: str | None, profile: str | None) -> None:
    """Run the lab's chain as a job in the workspace, wait for it, and show what it gave.

    \b
    Examples:
      ziggurat databricks run lab.yaml
      ziggurat databricks run lab.yaml question="What is LangChain?" --out pictures
    """
    from ziggurat.databricks import lab as labs

    declared = labs.read_lab(file)
    given = dict(read_input(one) for one in inputs)
    console = wide_console()
    with _interrupted(console, f"The lab itself is still up, and may cost: {_down(file)} removes it."):
        outcome = labs.run(declared, way_in(host, profile), teller(console), inputs=given, to=out)
    for name, output in outcome.outputs.items():
        console.print(f"\n[bold]{name}[/]")
        console.print(_readable(output, out), markup=False, soft_wrap=True, highlight=False)


@click.command("down", context_settings=HELP)
@file_argument
@click.option("--keep", multiple=True, metavar="NAME", help="Leave this; a name or a kind (cluster, endpoint, …).")
@workspace_options
def down(file: Path, keep: tuple[str, ...], host: str | None, profile: str | None) -> None:
    """Terminate and remove everything that `up` and `run` made, newest first, and only that.

    May be run again after anything; what is gone already is fine.

    \b
    Examples:
      ziggurat databricks down lab.yaml
      ziggurat databricks down lab.yaml --keep endpoint
    """
    from ziggurat.databricks import lab as labs

    console = wide_console()
    with _interrupted(console, f"What is left may cost: {_down(file)} goes on."):
        removed = labs.down(labs.named(file), way_in(host, profile), teller(console), keep=keep)
    console.print(f"{len(removed)} removed." if removed else "Nothing was left to remove.")


@click.command("bundle", context_settings=HELP)
@file_argument
@click.option("--to", "target", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder.")
def bundle(file: Path, target: Path) -> None:
    """Write the lab as a Declarative Automation Bundle, for those who deploy that way.

    \b
    Examples:
      ziggurat databricks bundle lab.yaml --to bundle
    """
    from ziggurat.databricks.lab import read_lab
    from ziggurat.databricks.lab.bundle import write_bundle

    for path in write_bundle(read_lab(file), target):
        click.echo(str(path))
    click.echo(f"\nDeploy it:  cd {target} && databricks bundle deploy\nRemove it:  databricks bundle destroy")


@click.command("azure-template", context_settings=HELP)
@click.option("--to", "target", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder.")
@click.option("--group", default="ziggurat-lab", show_default=True, help="The resource group to put it in.")
@click.option("--location", default="eastus", show_default=True, help="Where.")
def azure_template(target: Path, group: str, location: str) -> None:
    """Write an Azure template of the workspace itself, and the commands that apply and remove it.

    \b
    Examples:
      ziggurat databricks azure-template --to azure
    """
    from ziggurat.databricks.lab.azure import write_template

    path, commands = write_template(target, group=group, location=location)
    click.echo(str(path))
    for what, command in commands.items():
        click.echo(f"\n{what}:\n  {command}")


def _show(found: Plan, console: Console) -> None:
    from rich.table import Table

    table = Table("will", "kind", "name", "because it", box=None, padding=(0, 2, 0, 0))
    for step in found.steps:
        table.add_row(step.does, step.kind, step.name, step.note)
    console.print(table, highlight=False)
    for line in found.cost.says:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _down(file: Path) -> str:
    return f"`ziggurat databricks down {file}`"


@contextmanager
def _interrupted(console: Console, says: str) -> Iterator[None]:
    """Who stops a command in the middle is told how things stand."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"\nStopped. {says}", markup=False, highlight=False, soft_wrap=True)
        raise


def teller(console: Console) -> Tell:
    """Prints each step with the seconds since the command began."""
    began = time.monotonic()

    def tell(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/]  {_escaped(text)}", highlight=False, soft_wrap=True)

    return tell


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _readable(output: Any, out: Path) -> str:
    if isinstance(output, dict):
        if "picture" in output:
            return str(out / output["picture"])
        if "text" in output:
            sources = [str(one.get("source") or "") for one in output.get("citations") or () if isinstance(one, dict)]
            return "\n".join([str(output["text"]), *(f"  [{n}] {one}" for n, one in enumerate(sources, 1) if one)])
    return str(output)
