"""The command line's front door: finds the command, runs it, prints an error as a person reads one.

Commands live in modules of their own and are imported when called, so that ``--help`` stays
instant; the table below is all that is known of them here.
"""

from __future__ import annotations

import sys

import click

import ziggurat
from ziggurat.cli import HELP
from ziggurat.cli.lazy import Lazy
from ziggurat.errors import ZigguratError

_COMMANDS = {
    "demo": ("ziggurat.cli.demo", "See it all run: index, questions, a picture, a MultiChain."),
    "index": ("ziggurat.cli.index", "Read documents into a vector index."),
    "kb": ("ziggurat.cli.kb", "Look after an index: sync, status, verify, repair, export, diff."),
    "eval": ("ziggurat.cli.eval", "Measure how well an index finds and a model answers."),
    "ask": ("ziggurat.cli.ask", "Ask an index a question; the answer cites file and line."),
    "chat": ("ziggurat.cli.chat", "Talk with a model, or about an index; it remembers what was said."),
    "summarize": ("ziggurat.cli.summarize", "Summarise a file, folder or page, with pointers to its places."),
    "agent": ("ziggurat.cli.agent", "Answer a question with tools; ask before they act."),
    "sql": ("ziggurat.cli.sql", "Ask a database; the answer shows its query and rows."),
    "run": ("ziggurat.cli.run", "Run a chain from a chain file or a Python file."),
    "batch": ("ziggurat.cli.batch", "Run a chain over every row of a table, here or on Spark."),
    "presets": ("ziggurat.cli.presets", "Copy a chain that reasons in a well-known way."),
    "runs": ("ziggurat.cli.runs", "Look at recorded runs; resume and replay them."),
    "explain": ("ziggurat.cli.explain", "Say what a run would do and cost, without running it."),
    "check": ("ziggurat.cli.check", "Check chain files; what is wrong, with file and line."),
    "draw": ("ziggurat.cli.draw", "Draw a chain, as text, SVG or PNG."),
    "migrate": ("ziggurat.cli.migrate", "Copy one vector store into another."),
    "prompts": ("ziggurat.cli.prompts", "See and replace what the stages say to models."),
    "databricks": ("ziggurat.cli.databricks", "Work with a Databricks workspace, or with one on this machine."),
    "mlflow": ("ziggurat.cli.mlflow", "Log chains, evaluations and prompts to MLflow; serve them."),
    "models": ("ziggurat.cli.models", "List and download the local models."),
}

_INTERRUPTED = 130


@click.group(cls=Lazy, table=_COMMANDS, context_settings=HELP)
@click.version_option(ziggurat.__version__, prog_name="ziggurat")
def cli() -> None:
    """Multi-stage reasoning over your documents, on this machine or on a provider.

    \b
    Start here:
      ziggurat demo                          see everything run, no key needed
      ziggurat index notes/ --to kb          read a folder into an index
      ziggurat ask kb "What did we decide?"  an answer with file and line
    """


def main() -> None:
    """Run the command line; an error of ours is printed without a traceback."""
    try:
        code = cli(standalone_mode=False)
        if isinstance(code, int) and code:  # what a command gave to ctx.exit
            sys.exit(code)
    except click.exceptions.Abort:
        sys.exit(_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ZigguratError as error:
        from ziggurat.cli.view import print_error

        print_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(_INTERRUPTED)
