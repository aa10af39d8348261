"""Applications on drivers: where they are, from here."""

import pytest

from ziggurat.databricks import Databricks, driver
from ziggurat.errors import InputError


@pytest.mark.parametrize("port", ["7777", 3000, 8000])
def test_a_port_of_the_proxy(port):
    assert driver.port_of(port) == int(port)


@pytest.mark.parametrize("port", ["2999", 8001, "http", "", -1])
def test_no_port_of_the_proxy(port):
    with pytest.raises(InputError, match="3000 to 8000"):
        driver.port_of(port)


def test_which_cluster_this_is(monkeypatch):
    monkeypatch.delenv("DB_IS_DRIVER", raising=False)
    assert driver.own_cluster() is None
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    assert driver.own_cluster() == driver.HERE
    monkeypatch.setenv("DB_IS_DRIVER", "FALSE")
    monkeypatch.setenv("DB_CLUSTER_ID", "1121-154700-abcd1234")
    assert driver.own_cluster() == "1121-154700-abcd1234"


def test_the_path_of_an_azure_workspace_needs_no_question():
    from ziggurat.workspace import access

    way = access("adb-1234567890123456.7.azuredatabricks.net", "dapi-x")
    assert driver.proxied(way, "1121-154700-abcd1234", 7777) == (
        "/driver-proxy-api/o/1234567890123456/1121-154700-abcd1234/7777/"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "behind an endpoint or on a driver"),
        ({"endpoint_name": "x", "cluster_driver_port": 7777}, "behind an endpoint or on a driver"),
        ({"cluster_driver_port": 7777}, "runs on none"),
        ({"cluster_driver_port": 80, "cluster_id": "1121-154700-abcd1234"}, "3000 to 8000"),
        ({"cluster_driver_port": 7777, "cluster_id": "../x"}, "not a cluster's id"),
        ({"endpoint_name": "x", "cluster_id": "1121-154700-abcd1234"}, "cluster_driver_port"),
        ({"endpoint_name": "x", "payload": "rows"}, "dataframe_records"),
        ({"endpoint_name": "x", "host": "a", "api_token": "b", "token": "c"}, "two names of one argument"),
        ({"endpoint_name": "x", "target_uri": "http://x"}, "is no workspace"),
    ],
)
def test_a_model_that_cannot_be_is_refused_when_it_is_made(given, said, monkeypatch):
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    with pytest.raises(ValueError, match=said):
        Databricks(**given)
