"""``ziggurat databricks``: a workspace's endpoints and secrets, a workspace of one's own, and the lab.

The group alone; its commands are in modules of their own, imported when they are called.
"""

from __future__ import annotations

import click

from ziggurat.cli import HELP
from ziggurat.cli.lazy import Lazy

_COMMANDS = {
    "local": ("ziggurat.cli.databricks_local:local", "Run a workspace on this machine to learn and test on."),
    "endpoints": ("ziggurat.cli.databricks_endpoints:endpoints", "List, make, ask and remove serving endpoints."),
    "secrets": ("ziggurat.cli.databricks_secrets:secrets", "List, write and remove secrets; none is ever shown."),
    "driver-app": ("ziggurat.cli.databricks_local:driver_app", "Serve a model on the driver of a cluster."),
    "index": ("ziggurat.cli.databricks_index:index", "Keep a copy of an index in a volume."),
    "up": ("ziggurat.cli.databricks_lab:up", "Create what a lab file declares: compute, secrets, endpoints."),
    "run": ("ziggurat.cli.databricks_lab:run", "Run the lab's chain as a job; bring its answers here."),
    "down": ("ziggurat.cli.databricks_lab:down", "Terminate and remove what up and run made, and only that."),
    "batch": ("ziggurat.cli.databricks_batch:batch", "Run a chain over a table as a job, on a cluster's Spark."),
    "bundle": ("ziggurat.cli.databricks_lab:bundle", "Write the same as a Declarative Automation Bundle."),
    "azure-template": ("ziggurat.cli.databricks_lab:azure_template", "Write an Azure template of the workspace."),
}


@click.group("databricks", cls=Lazy, table=_COMMANDS, context_settings=HELP)
def command() -> None:
    """Work with a Databricks workspace, or with one on this machine.

    \b
    Start here, without an account:
      ziggurat databricks local                     prints the two variables to set
      ziggurat databricks endpoints list
      ziggurat databricks up lab.yaml --dry-run     what it would make, and cost
    The workspace is the one of DATABRICKS_HOST and DATABRICKS_TOKEN, or of --profile.
    """
