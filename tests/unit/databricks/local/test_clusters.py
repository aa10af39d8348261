"""Clusters: what time does to them, and what a token prevents."""

import time

import pytest
from quick_workspace import plain, quick_workspace

from ziggurat.databricks.local.call import Refusal
from ziggurat.databricks.local.clusters import checked

SHAPE = {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1}


@pytest.fixture
def local():
    with quick_workspace(delays={"cluster": 0.0}) as found:
        yield found


def test_a_cluster_left_alone_terminates_and_says_why(local):
    clusters = local.workspace.clusters
    made = clusters.make(SHAPE | {"autotermination_minutes": 10}, "me")
    assert clusters.get(made.id).state == "RUNNING"
    made.active -= 599
    assert clusters.get(made.id).state == "RUNNING"
    made.active -= 2
    clusters.get(made.id)
    shown = clusters.get(made.id).shown()
    assert shown["state"] == "TERMINATED"
    assert shown["termination_reason"]["code"] == "INACTIVITY"
    assert [event["type"] for event in made.events] == ["CREATING", "RUNNING", "TERMINATING"]


def test_a_cluster_that_never_ends_by_itself_does_not(local):
    made = local.workspace.clusters.make(SHAPE | {"autotermination_minutes": 0}, "me")
    made.active -= 1e6
    assert local.workspace.clusters.get(made.id).state == "RUNNING"


def test_the_same_token_creates_one_cluster(local):
    with plain(local) as http:
        sent = SHAPE | {"idempotency_token": "once"}
        first, second = (http.post("/api/2.1/clusters/create", json=sent).json()["cluster_id"] for _ in range(2))
        assert first == second
        http.post("/api/2.1/clusters/permanent-delete", json={"cluster_id": first})
        assert http.post("/api/2.1/clusters/create", json=sent).json()["cluster_id"] != first
    assert len(local.workspace.clusters.all()) == 1


def test_events_come_in_pages_and_by_kind(local):
    made = local.workspace.clusters.make(SHAPE, "me")
    for number in range(7):
        made.note("PINNED", number=number)
    with plain(local) as http:
        asked = {"cluster_id": made.id, "event_types": ["PINNED"], "limit": 3, "order": "ASC"}
        seen = []
        while asked:
            answer = http.post("/api/2.1/clusters/events", json=asked).json()
            assert answer["total_count"] == 7
            seen += [event["details"]["number"] for event in answer["events"]]
            asked = answer.get("next_page")
    assert seen == list(range(7))


@pytest.mark.parametrize(
    "fine",
    [
        SHAPE | {"num_workers": 0, "is_single_node": True},
        SHAPE | {"num_workers": 0, "spark_conf": {"spark.databricks.cluster.profile": "singleNode"}},
        {key: value for key, value in SHAPE.items() if key != "num_workers"}
        | {"autoscale": {"min_workers": 1, "max_workers": 2}},
    ],
)
def test_every_form_of_size_is_understood(fine):
    checked(fine)


@pytest.mark.parametrize("missing", ["spark_version", "node_type_id", "num_workers"])
def test_what_is_missing_is_named(missing):
    with pytest.raises(Refusal, match="size" if missing == "num_workers" else missing):
        checked({key: value for key, value in SHAPE.items() if key != missing})


def test_resizing_takes_time_and_then_runs_again(local):
    local.workspace.delays.cluster = 0.2
    made = local.workspace.clusters.make(SHAPE, "me")
    time.sleep(0.25)
    with plain(local) as http:
        assert http.post("/api/2.1/clusters/resize", json={"cluster_id": made.id, "num_workers": 4}).status_code == 200
        assert http.get("/api/2.1/clusters/get", params={"cluster_id": made.id}).json()["state"] == "RESIZING"
        refused = http.post("/api/2.1/clusters/resize", json={"cluster_id": made.id, "num_workers": 5})
        assert refused.json()["error_code"] == "INVALID_STATE"
    time.sleep(0.15)
    assert (local.workspace.clusters.get(made.id).state, made.workers) == ("RUNNING", 4)
