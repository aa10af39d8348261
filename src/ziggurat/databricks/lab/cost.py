"""What a lab may cost: a bound, with every assumption named.

Prices are list prices that we assume, of one region and one day; a lab file may give others. What is not known
is said to be unknown, and never counted as nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ziggurat.databricks.lab.declaration import Cluster, Lab

ASSUMED = "Azure list prices, East US, pay as you go, as of 2025; yours may differ"

USD_PER_DBU = {"cluster": 0.55, "job": 0.30}
"""Premium tier: all-purpose compute, and jobs compute."""

NODES: dict[str, tuple[float, float]] = {
    "Standard_DS3_v2": (0.75, 0.229),
    "Standard_DS4_v2": (1.50, 0.458),
    "Standard_D4ds_v5": (1.00, 0.226),
    "Standard_D8ds_v5": (2.00, 0.452),
}
"""DBU an hour and USD an hour of the machine, by node type."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A bound.

    Attributes:
        dbu_per_hour: While it runs; None if unknown.
        usd_per_hour: The same in dollars, machines included; None if unknown.
        usd_idle: The most that a forgotten cluster costs after its last use; None if unknown or unbounded.
        says: Everything a person should know, a line each.
    """

    dbu_per_hour: float | None
    usd_per_hour: float | None
    usd_idle: float | None
    says: tuple[str, ...]


def cost(lab: Lab) -> Cost:
    """The bound of a lab."""
    says: list[str] = []
    dbu = usd = idle = None
    declared = lab.compute.cluster or lab.compute.job
    if declared is None:
        says.append("compute: serverless, paid only while a run runs; its DBU an hour are unknown beforehand")
    else:
        kind = "cluster" if lab.compute.cluster is not None else "job"
        dbu, usd = _hourly(lab, declared, kind, says)
        if kind == "job":
            says.append("when: only while a run runs; its cluster is terminated with it")
        elif declared.autotermination_minutes == 0:
            says.append("bound: NONE; autotermination is off, so it costs until `down`")
        else:
            minutes = declared.autotermination_minutes
            idle = usd * minutes / 60 if usd is not None else None
            known = f"at most {idle:.2f} USD" if idle is not None else "an unknown sum"
            says.append(f"bound: left alone it terminates after {minutes} minutes, {known} after its last use")
    for name, endpoint in lab.endpoints.items():
        if endpoint.external is not None:
            says.append(f"endpoint {name}: paid to {endpoint.external.provider} by token; unknown beforehand")
        else:
            says.append(f"endpoint {name}: serving is paid by use and size; unknown beforehand")
    return Cost(dbu, usd, idle, tuple(says))


def _hourly(lab: Lab, declared: Cluster, kind: str, says: list[str]) -> tuple[float | None, float | None]:
    nodes = declared.num_workers + 1
    given = lab.prices
    known_dbu, known_machine = NODES.get(declared.node_type_id, (None, None))
    dbu = given.dbu_per_hour if given.dbu_per_hour is not None else known_dbu
    machine = given.machine_usd_per_hour if given.machine_usd_per_hour is not None else known_machine
    rate = given.usd_per_dbu if given.usd_per_dbu is not None else USD_PER_DBU[kind]
    if dbu is None or machine is None:
        says.append(
            f"compute: the price of {declared.node_type_id} is unknown here; give prices.dbu_per_hour and "
            "prices.machine_usd_per_hour"
        )
        return (dbu * nodes if dbu is not None else None), None
    hourly = nodes * (dbu * rate + machine)
    says.append(
        f"compute: {nodes} x {declared.node_type_id} = {nodes * dbu:g} DBU and {hourly:.2f} USD an hour "
        f"({rate:g} USD a DBU, {machine:g} USD an hour for each machine)"
    )
    own = (given.dbu_per_hour, given.usd_per_dbu, given.machine_usd_per_hour)
    says.append("prices: the lab file's" if None not in own else f"assumed: {ASSUMED}")
    return nodes * dbu, hourly
