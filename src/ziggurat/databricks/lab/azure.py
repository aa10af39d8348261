"""The Azure template of a workspace: the one thing of the lab that Databricks itself cannot make.

Writes the Bicep file that this package carries, and says which commands apply and remove it; runs neither.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from ziggurat.errors import InputError

FILE = "workspace.bicep"
_GROUP = re.compile(r"[\w().-]{0,89}[\w()-]")
_LOCATION = re.compile(r"[a-z0-9]{2,40}")


def write_template(target: Path, *, group: str, location: str) -> tuple[Path, dict[str, str]]:
    """Write the template.

    Args:
        target: The folder; made if it is not there.
        group: The resource group that the commands name.
        location: Where the group is made.

    Returns:
        The file, and the commands: what each does, and how it is written.

    Raises:
        InputError: If a name cannot be one in Azure.
    """
    if not _GROUP.fullmatch(group):
        raise InputError(f"{group!r} cannot be the name of a resource group.")
    if not _LOCATION.fullmatch(location):
        raise InputError(f"{location!r} is no location.", fix="az account list-locations -o table")
    target.mkdir(parents=True, exist_ok=True)
    path = target / FILE
    path.write_bytes(files("ziggurat.databricks.lab").joinpath(FILE).read_bytes())
    name = f"'{group}'" if set("()") & set(group) else group
    return path, {
        "Make the group": f"az group create --name {name} --location {location}",
        "Make the workspace": f"az deployment group create --resource-group {name} --template-file {path}",
        "See its address": (
            f"az deployment group show --resource-group {name} --name {path.stem} "
            "--query properties.outputs.workspaceUrl.value --output tsv"
        ),
        "Remove the group with everything in it (a workspace's network may cost even while nobody uses it)": f"az group delete --name {name} --yes",
    }
