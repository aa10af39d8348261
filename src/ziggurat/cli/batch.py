"""``ziggurat batch``: a chain over a table; and what became of it."""

from __future__ import annotations

import click

from ziggurat.cli import HELP
from ziggurat.cli.lazy import Lazy

_COMMANDS = {
    "run": ("ziggurat.cli.batch_run", "Run a chain over every row of a table (what batch does by itself)."),
    "status": ("ziggurat.cli.batch_look:status", "Say how far a batch is."),
    "report": ("ziggurat.cli.batch_look:report", "Say what each stage took, what failed and why."),
    "retry": ("ziggurat.cli.batch_look:retry", "Run again what failed, and what is missing."),
}


class _Batch(Lazy):
    """A group whose ``run`` needs not be said."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, with ``run`` before options, which are those of ``run``."""
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; what is no command is the chain that ``run`` is given."""
        if args and args[0] not in self.table:
            return "run", self.get_command(ctx, "run"), args
        return super().resolve_command(ctx, args)


@click.group("batch", cls=_Batch, table=_COMMANDS, context_settings=HELP, options_metavar="", subcommand_metavar="CHAIN TABLE OUT [OPTIONS] | COMMAND")  # fmt: skip
def command() -> None:
    """Run a chain over every row of a table, on this machine or on Spark.

    CHAIN is CHAIN.yaml or FILE.py:CHAIN; TABLE and OUT are Parquet, CSV, JSON lines, Arrow or Delta. The chain's
    inputs are columns of the same name. Each finished stage of each row is kept beside OUT: a batch that was
    killed goes on where it was when the same command is given again.

    \b
    Examples:
      ziggurat batch chain.yaml questions.csv answers.parquet
      ziggurat batch chain.yaml questions.csv answers.parquet --key id --output answer=qa.text
      ziggurat batch pipeline.py:chain rows.parquet out.parquet --max-usd 5 --stop-after 100
      ziggurat batch chain.yaml rows.parquet out.parquet --spark "local-cluster[2,1,1024]"
      ziggurat batch status answers.parquet
      ziggurat batch run --help              all options
    """
