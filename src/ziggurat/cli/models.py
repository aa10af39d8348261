"""``ziggurat models``: the local models, what they are and where they lie."""

from __future__ import annotations

import click

from ziggurat.cli import HELP


@click.group("models", context_settings=HELP)
def command() -> None:
    """List and download the local models.

    They are downloaded when first used; `pull` does it beforehand.
    """


@command.command("list", context_settings=HELP)
def list_models() -> None:
    """Show the catalogue: name, size, licence, and whether it is here."""
    from ziggurat import specs
    from ziggurat.models.weights import catalogue

    defaults = set(specs.DEFAULTS.values())
    for entry in catalogue.entries():
        spec = f"local:{entry.name}"
        facts = [entry.kind, f"{entry.size / 1e6:.0f} MB", entry.licence]
        facts += ["default"] * (spec in defaults) + ["downloaded"] * catalogue.is_cached(entry.name)
        click.echo(click.style(spec, bold=True) + "  " + ", ".join(facts))
        click.echo(f"    {entry.description}")


@command.command("pull", context_settings=HELP)
@click.argument("names", nargs=-1)
def pull(names: tuple[str, ...]) -> None:
    """Download models by NAME (both defaults if none is named); verified before use.

    \b
    Example:
      ziggurat models pull qwen2.5-coder-0.5b
    """
    from ziggurat import specs
    from ziggurat.models.weights import catalogue
    from ziggurat.progress import default_progress

    for name in names or [spec.partition(":")[2] for spec in specs.DEFAULTS.values()]:
        bare = name.removeprefix("local:")
        path = catalogue.fetch(bare, progress=default_progress())
        click.echo(f"{bare}: {path}")
