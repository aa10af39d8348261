"""Everything a lab declares, as things with the same few verbs, in the order they are made."""

from __future__ import annotations

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.lab.declaration import Lab
from ziggurat.databricks.lab.machines import LabCluster, LabLibraries
from ziggurat.databricks.lab.remote import Folder
from ziggurat.databricks.lab.services import LabEndpoint, LabScope, LabSecret
from ziggurat.databricks.lab.specs import endpoint_config
from ziggurat.databricks.lab.state import State
from ziggurat.databricks.lab.storage import LabContents, LabFolder
from ziggurat.databricks.lab.thing import Thing
from ziggurat.databricks.secrets import Reference


def things(lab: Lab, calls: Calls, state: State, folder: Folder) -> list[Thing]:
    """Everything a lab declares, in the order it is made."""
    found: list[Thing] = [LabFolder(folder), LabContents(lab, folder)]
    own: set[Reference] = set()
    if lab.secrets is not None:
        found.append(LabScope(calls, lab.secrets.scope))
        for key, variable in lab.secrets.values.items():
            own.add(reference := Reference(lab.secrets.scope, key))
            found.append(LabSecret(calls, reference, variable))
    for name, endpoint in lab.endpoints.items():
        needs = Reference.parse(endpoint.external.secret) if endpoint.external is not None else None
        if needs in own:
            needs = None
        found.append(LabEndpoint(calls, name, endpoint_config(endpoint), state.mark, needs=needs))
    if lab.compute.cluster is not None:
        cluster = LabCluster(calls, lab, state)
        found.append(cluster)
        if lab.libraries:
            found.append(LabLibraries(calls, lab, cluster, state))
    return found
