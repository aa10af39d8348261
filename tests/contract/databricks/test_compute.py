"""Clusters and libraries through the real client, its own waiters and selectors."""

import time
from datetime import timedelta

import pytest
from databricks.sdk.errors import BadRequest, InvalidParameterValue, InvalidState, ResourceDoesNotExist
from databricks.sdk.service.compute import (
    AutoScale,
    EventType,
    Library,
    LibraryInstallStatus,
    ListClustersFilterBy,
    PythonPyPiLibrary,
    State,
)
from quick_workspace import quick_workspace, sdk

SHAPE = {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1}


@pytest.fixture(scope="module")
def local():
    with quick_workspace() as found:
        yield found


@pytest.fixture(scope="module")
def w(local):
    return sdk(local)


def test_a_cluster_is_created_with_what_the_selectors_choose_and_runs_in_the_end(w):
    made = w.clusters.create_and_wait(
        cluster_name="chosen",
        spark_version=w.clusters.select_spark_version(long_term_support=True),
        node_type_id=w.clusters.select_node_type(min_cores=8),
        num_workers=2,
        autotermination_minutes=30,
        custom_tags={"lab": "3"},
    )
    assert made.state is State.RUNNING
    assert made.cluster_name == "chosen"
    assert made.cluster_cores == 24
    assert made.custom_tags == {"lab": "3"}
    assert w.clusters.get(made.cluster_id).autotermination_minutes == 30


def test_a_cluster_is_pending_first_then_runs_terminates_starts_and_is_gone(w):
    waiting = w.clusters.create(cluster_name="life", **SHAPE)
    identity = waiting.cluster_id
    assert w.clusters.get(identity).state is State.PENDING
    waiting.result()
    ended = w.clusters.delete_and_wait(identity)
    assert ended.state is State.TERMINATED
    assert ended.termination_reason.code.value == "USER_REQUEST"
    w.clusters.ensure_cluster_is_running(identity)
    assert w.clusters.restart_and_wait(identity).state is State.RUNNING
    kinds = [event.type for event in w.clusters.events(identity)]
    assert kinds[-1] is EventType.CREATING
    assert {EventType.TERMINATING, EventType.STARTING, EventType.RESTARTING} <= set(kinds)
    w.clusters.permanent_delete(identity)
    with pytest.raises(ResourceDoesNotExist, match="does not exist"):
        w.clusters.get(identity)


def test_a_cluster_is_resized_and_edited(w):
    made = w.clusters.create_and_wait(cluster_name="size", **SHAPE)
    w.clusters.resize_and_wait(made.cluster_id, num_workers=3)
    assert w.clusters.get(made.cluster_id).num_workers == 3
    edited = w.clusters.edit_and_wait(
        made.cluster_id,
        spark_version="15.4.x-scala2.12",
        cluster_name="edited",
        node_type_id="Standard_DS4_v2",
        autoscale=AutoScale(min_workers=1, max_workers=2),
    )
    assert (edited.cluster_name, edited.spark_version) == ("edited", "15.4.x-scala2.12")
    assert edited.autoscale == AutoScale(min_workers=1, max_workers=2)


def test_the_list_is_paged_and_filtered(w):
    names = {w.clusters.create(cluster_name=f"many-{number}", **SHAPE).cluster_id for number in range(5)}
    assert names <= {one.cluster_id for one in w.clusters.list(page_size=2)}
    gone = next(iter(names))
    w.clusters.delete_and_wait(gone)
    ended = w.clusters.list(filter_by=ListClustersFilterBy(cluster_states=[State.TERMINATED]))
    assert gone in {one.cluster_id for one in ended}
    assert all(one.state is State.TERMINATED for one in ended)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"spark_version": "16.4.x-scala2.21"}, "did you mean '16.4.x-scala2.12'"),
        ({"node_type_id": "Standard_DS3_v3"}, "did you mean 'Standard_DS3_v2'"),
        ({"num_workers": 0}, "single node"),
        ({"num_workers": -1}, "negative"),
        ({"autotermination_minutes": 3}, "between 10 and 10000"),
    ],
)
def test_a_cluster_that_could_not_be_is_refused_and_nothing_is_made(w, wrong, says):
    before = {one.cluster_id for one in w.clusters.list()}
    with pytest.raises(InvalidParameterValue, match=says):
        w.clusters.create(**SHAPE | wrong)
    assert {one.cluster_id for one in w.clusters.list()} == before


def test_a_verb_that_does_not_fit_the_state_is_refused(w):
    made = w.clusters.create_and_wait(cluster_name="busy", **SHAPE)
    with pytest.raises(InvalidState, match="unexpected state Running"):
        w.clusters.start(made.cluster_id)
    with pytest.raises(BadRequest, match="did you mean"):
        w.clusters.delete(made.cluster_id[:-1] + "!")


def test_libraries_are_installed_fail_with_a_reason_and_leave_at_the_restart(w):
    made = w.clusters.create_and_wait(cluster_name="libraries", **SHAPE)
    good, bad = (Library(pypi=PythonPyPiLibrary(name)) for name in ("httpx>=0.27", "no-such-package-at-all"))
    lost = Library(whl="/Volumes/main/default/none/x.whl")
    w.libraries.install(made.cluster_id, [good, bad, lost])
    until = time.monotonic() + 5
    while any(one.status is LibraryInstallStatus.INSTALLING for one in w.libraries.cluster_status(made.cluster_id)):
        assert time.monotonic() < until
        time.sleep(0.05)
    found = {(one.library.whl or one.library.pypi.package): one for one in w.libraries.cluster_status(made.cluster_id)}
    assert found["httpx>=0.27"].status is LibraryInstallStatus.INSTALLED
    assert found["no-such-package-at-all"].status is LibraryInstallStatus.FAILED
    assert "does not have 'no-such-package-at-all'" in found["no-such-package-at-all"].messages[0]
    assert found[lost.whl].status is LibraryInstallStatus.FAILED
    assert made.cluster_id in {one.cluster_id for one in w.libraries.all_cluster_statuses()}
    w.libraries.uninstall(made.cluster_id, [good])
    by_name = {
        (one.library.whl or one.library.pypi.package): one.status for one in w.libraries.cluster_status(made.cluster_id)
    }
    assert by_name["httpx>=0.27"] is LibraryInstallStatus.UNINSTALL_ON_RESTART
    w.clusters.restart(made.cluster_id).result(timeout=timedelta(seconds=20))
    left = {(one.library.whl or one.library.pypi.package) for one in w.libraries.cluster_status(made.cluster_id)}
    assert left == {"no-such-package-at-all", lost.whl}


def test_a_library_waits_for_its_cluster(w):
    made = w.clusters.create_and_wait(cluster_name="asleep", **SHAPE)
    w.clusters.delete_and_wait(made.cluster_id)
    w.libraries.install(made.cluster_id, [Library(pypi=PythonPyPiLibrary("httpx"))])
    assert [one.status for one in w.libraries.cluster_status(made.cluster_id)] == [LibraryInstallStatus.PENDING]
