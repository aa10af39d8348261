"""What a batch's job runs on a cluster: the command ``ziggurat batch``, with that cluster's Spark session.

Fetches what `ziggurat.databricks.batch_job` uploaded, finds table and output where the cluster has them mounted, and
gives the command. Invariant: it ends well only if the command did, and by returning, since a job that leaves
through ``sys.exit`` is a failed one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ziggurat.errors import ZigguratError

_MOUNTS = "ZIGGURAT_MOUNTS"
"""Where volumes and DBFS lie where nothing is mounted: in a workspace on one's own machine."""
_ROOTS = {"/Volumes/": "volumes", "/dbfs/": "dbfs"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it: ``--folder /Users/… -- CHAIN TABLE OUT [OPTION]…``."""
    parser = argparse.ArgumentParser(prog="ziggurat-batch-job", description=main.__doc__)
    parser.add_argument("--folder", required=True, help="The folder of workspace files with what was uploaded.")
    parser.add_argument("rest", nargs="+", metavar="CHAIN TABLE OUT [OPTION]...")
    given = parser.parse_args(arguments)
    chain, table, out, *options = given.rest
    with tempfile.TemporaryDirectory(prefix="ziggurat-batch-") as place:
        fetch(given.folder, Path(place))
        os.chdir(place)
        start_session()
        carry_out(["batch", chain, str(mounted(table)), str(mounted(out)), "--spark", "session", *options])


def fetch(folder: str, place: Path) -> None:
    """Bring what was uploaded here."""
    from ziggurat.databricks.calls import Calls
    from ziggurat.databricks.lab.remote import Folder
    from ziggurat.workspace import access

    there = Folder(Calls(access()), folder)
    for name in there.list("files"):
        target = place / name.removeprefix("files/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(there.fetch(name))


def start_session() -> None:
    """The cluster's session, as every process on it has it: the running one, or what ``SPARK_REMOTE`` names."""
    from ziggurat.optional import require

    require("pyspark", for_="batches on Spark", extra="spark")
    from pyspark.sql import SparkSession

    builder: SparkSession.Builder = SparkSession.builder
    builder.getOrCreate()


def mounted(path: str) -> Path:
    """Where a path of volumes or DBFS is on this machine."""
    plain = path.removeprefix("dbfs:") if path.startswith("dbfs:/Volumes/") else path.replace("dbfs:/", "/dbfs/", 1)
    mounts = os.environ.get(_MOUNTS)
    for root, name in _ROOTS.items():
        if mounts and plain.startswith(root):
            return Path(mounts) / name / plain.removeprefix(root)
    return Path(plain)


def carry_out(words: Sequence[str]) -> None:
    """Give a command of ours.

    Raises:
        ZigguratError: Whatever the command raises, or if it says that it failed.
    """
    from ziggurat.cli.main import cli

    code = cli(list(words), standalone_mode=False)
    if isinstance(code, int) and code:
        raise ZigguratError(f"`ziggurat {words[0]}` ended with status {code}; see above for why.")
