"""The bound on cost: what is assumed is named, what is unknown is not counted as nothing."""

import pytest
import yaml
from lab_world import LAB, lab_file

from ziggurat.databricks.lab import read_lab
from ziggurat.databricks.lab.cost import ASSUMED, DBU_PER_HOUR, USD_PER_DBU, cost


def of(folder, compute, **parts):
    return cost(read_lab(lab_file(folder, yaml.safe_dump(yaml.safe_load(LAB) | {"compute": compute} | parts))))


CLUSTER = {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_DS3_v2"}


def test_a_cluster_is_bounded_by_its_autotermination(tmp_path):
    cluster = CLUSTER | {"num_workers": 2, "autotermination_minutes": 30}
    found = of(tmp_path, {"cluster": cluster}, prices={"machine_usd_per_hour": 0.25})
    dbu = DBU_PER_HOUR["Standard_DS3_v2"]
    assert found.dbu_per_hour == pytest.approx(3 * dbu)
    assert found.usd_per_hour == pytest.approx(3 * (dbu * USD_PER_DBU["cluster"] + 0.25))
    assert found.usd_idle == pytest.approx(found.usd_per_hour / 2)
    assert any(f"at most {found.usd_idle:.2f} USD" in line for line in found.says)
    assert any(f"{dbu:g} DBU a node" in line and ASSUMED in line for line in found.says)


def test_what_a_machine_costs_is_never_assumed(tmp_path):
    found = of(tmp_path, {"cluster": CLUSTER})
    assert found.dbu_per_hour == pytest.approx(DBU_PER_HOUR["Standard_DS3_v2"])
    assert (found.usd_per_hour, found.usd_idle) == (None, None)
    assert "machines: paid to Azure on top, by region; the price is unknown here" in found.says
    assert "for a bound in dollars, give prices.machine_usd_per_hour in the lab file" in found.says
    assert any("an unknown sum" in line for line in found.says)


def test_a_price_of_ones_own_is_not_called_an_assumption_and_the_others_are(tmp_path):
    (line,) = (
        one for one in of(tmp_path, {"cluster": CLUSTER}, prices={"usd_per_dbu": 0.4}).says if one.startswith("assumed")
    )
    assert "DBU a node" in line
    assert "USD a DBU" not in line


def test_a_cluster_that_never_ends_has_no_bound(tmp_path):
    found = of(tmp_path, {"cluster": CLUSTER | {"autotermination_minutes": 0}})
    assert found.usd_idle is None
    assert any("NONE" in line for line in found.says)


def test_a_price_that_is_not_known_is_said_to_be_unknown(tmp_path):
    found = of(tmp_path, {"cluster": CLUSTER | {"node_type_id": "Standard_L8s"}})
    assert (found.dbu_per_hour, found.usd_per_hour, found.usd_idle) == (None, None, None)
    assert any("Standard_L8s" in line and "DBU are unknown here" in line for line in found.says)
    assert any("give prices.dbu_per_hour and prices.machine_usd_per_hour" in line for line in found.says)
    assert any("an unknown sum" in line for line in found.says)
    own = of(
        tmp_path,
        {"cluster": CLUSTER | {"node_type_id": "Standard_L8s"}},
        prices={"dbu_per_hour": 2, "usd_per_dbu": 0.5, "machine_usd_per_hour": 1},
    )
    assert own.usd_per_hour == pytest.approx(2.0)
    assert not any(ASSUMED in line for line in own.says)


def test_serverless_and_endpoints_are_unknown_beforehand(tmp_path):
    found = of(tmp_path, {"serverless": {}})
    assert found.usd_per_hour is None
    assert sum("unknown beforehand" in line for line in found.says) == 2


def test_a_job_cluster_is_cheaper_and_ends_with_its_run(tmp_path):
    prices = {"machine_usd_per_hour": 0.25}
    kept, job = (of(tmp_path, {kind: CLUSTER}, prices=prices) for kind in ("cluster", "job"))
    assert job.usd_per_hour < kept.usd_per_hour
    assert any("terminated with it" in line for line in job.says)
