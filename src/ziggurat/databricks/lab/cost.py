"""What a lab may cost: a bound, with every assumption named.

Prices are assumptions, said to be, and a lab file may give others. What a machine costs differs by region,
contract and day: the lab file gives it, or it is unknown. What is unknown is never counted as nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ziggurat.databricks.lab.declaration import Cluster, Lab

ASSUMED = "Azure, premium tier, pay as you go, as cited in public in 2025, not confirmed by Azure; yours may differ"

USD_PER_DBU = {"cluster": 0.55, "job": 0.30}
"""All-purpose compute, and jobs compute."""

DBU_PER_HOUR = {"Standard_DS3_v2": 0.75}
"""By node type, for each node."""


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
            says.append("bound: only while a run runs; its cluster is terminated with it, after an hour at the latest")
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
    """DBU and dollars an hour, each None if unknown."""
    given, nodes, node = lab.prices, declared.num_workers + 1, declared.node_type_id
    each = given.dbu_per_hour if given.dbu_per_hour is not None else DBU_PER_HOUR.get(node)
    rate = given.usd_per_dbu if given.usd_per_dbu is not None else USD_PER_DBU[kind]
    machine = given.machine_usd_per_hour
    dbu = None if each is None else nodes * each
    usd = None if dbu is None or machine is None else dbu * rate + nodes * machine
    dbus = f"{dbu:g} DBU, {dbu * rate:.2f} USD at {rate:g} USD a DBU" if dbu is not None else "its DBU are unknown here"
    says.append(f"compute: {nodes} x {node}; each hour {dbus}")
    if machine is None:
        says.append("machines: paid to Azure on top, by region; the price is unknown here")
    else:
        says.append(f"machines: {nodes * machine:.2f} USD an hour on top, {machine:g} USD each")
    if usd is not None:
        says.append(f"together: {usd:.2f} USD an hour")
    needed = {"prices.dbu_per_hour": each, "prices.machine_usd_per_hour": machine}
    if missing := [name for name, value in needed.items() if value is None]:
        says.append(f"for a bound in dollars, give {' and '.join(missing)} in the lab file")
    assumed = [f"{each:g} DBU a node"] if given.dbu_per_hour is None and each is not None else []
    assumed += [f"{rate:g} USD a DBU"] if given.usd_per_dbu is None else []
    says.append(f"assumed: {', '.join(assumed)} ({ASSUMED})" if assumed else "prices: the lab file's")
    return dbu, usd
