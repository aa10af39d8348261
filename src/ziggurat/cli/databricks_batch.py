"""``ziggurat databricks batch``: a chain over a table, as a job of the workspace."""

from __future__ import annotations

from pathlib import Path

import click

from ziggurat.cli import HELP
from ziggurat.cli.databricks_way_in import way_in, workspace_options

_DAY = 24 * 3600


@click.command("batch", context_settings=HELP)
@click.argument("chain", metavar="CHAIN")
@click.argument("table", metavar="TABLE")
@click.argument("out", metavar="OUT")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTION...]")
@click.option("--cluster", metavar="ID", default="", help="Run on this cluster, which is there.")
@click.option(
    "--new-cluster",
    metavar="FILE.json",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Run on a cluster made for the job; new_cluster of the Jobs API.",
)
@click.option("--serverless", metavar="VERSION", default="", help="Run on serverless compute, environment VERSION.")
@click.option("--library", "libraries", multiple=True, metavar="PACKAGE", help="Install this there; may be repeated.")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Send this along, beside the chain; a folder whole. May be repeated.",
)
@click.option("--no-wait", is_flag=True, help="Submit, say the run's number, and leave.")
@click.option("--timeout", type=click.IntRange(min=1), default=7 * _DAY, show_default=True, help="Seconds it may take.")
@workspace_options
def batch(
    *,
    chain: str,
    table: str,
    out: str,
    options: tuple[str, ...],
    cluster: str,
    new_cluster: Path | None,
    serverless: str,
    libraries: tuple[str, ...],
    files: tuple[Path, ...],
    no_wait: bool,
    timeout: int,
    host: str | None,
    profile: str | None,
) -> None:
    """Run CHAIN over TABLE into OUT as a job: the command `ziggurat batch`, on a cluster's Spark.

    TABLE and OUT are paths in volumes or DBFS; CHAIN is a file here. What follows `--` are options of
    `ziggurat batch`. Stopping the command cancels the run; giving it again computes only what is missing.

    \b
    Examples:
      ziggurat databricks batch chain.yaml /Volumes/main/default/files/questions.parquet \\
        /Volumes/main/default/files/answers.parquet --cluster 0123-456789-abcdefgh -- --key id
    """
    from ziggurat.cli.databricks_lab import teller
    from ziggurat.cli.outputs import wide_console
    from ziggurat.databricks.batch_job import Compute, read_cluster, submit_batch

    declared = read_cluster(new_cluster) if new_cluster is not None else {}
    console = wide_console()
    run = submit_batch(
        way_in(host, profile),
        chain,
        table,
        out,
        Compute(cluster, declared, serverless, libraries),
        teller(console),
        options=options,
        files=files,
        wait=not no_wait,
        timeout_seconds=timeout,
    )
    if run.logs:
        click.echo(run.logs.rstrip())
    click.echo(f"run {run.run_id}" + (f": {run.page}" if run.page else " is submitted"))
