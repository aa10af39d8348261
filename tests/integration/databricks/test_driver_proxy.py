"""Applications on a cluster's driver, through the workspace's driver proxy."""

import asyncio
import time

import pytest
from driver_apps import Counting, _a_door, served
from quick_workspace import quick_workspace, sdk

from ziggurat import LLM, MultiChain
from ziggurat.databricks import Databricks, driver
from ziggurat.errors import (
    EndpointNotReady,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceNotFound,
)
from ziggurat.testing import FakeChat, FakeEmbeddings

SPARK = "16.4.x-scala2.12"


@pytest.fixture(scope="module")
def workspace():
    from ziggurat.databricks.local import Models

    with quick_workspace(models=Models(chat=FakeChat(script="ok"), embeddings=FakeEmbeddings())) as made:
        yield made


@pytest.fixture
def local(workspace, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    return workspace


@pytest.fixture(scope="module")
def cluster(workspace):
    made = sdk(workspace).clusters.create(spark_version=SPARK, node_type_id="Standard_DS3_v2", num_workers=1)
    return made.result().cluster_id


class TestThroughTheProxy:
    def test_the_class_finds_the_way(self, local, cluster):
        model = Counting()
        with served(model) as port:
            llm = Databricks(cluster_id=cluster, cluster_driver_port=port, model_kwargs={"temperature": 0.1})
            assert llm.invoke("How are you?", stop=["."]) == "I am well"
            assert asyncio.run(llm.ainvoke("How are you?")) == model.answer
        assert model.seen[0] == ("How are you?", ["."], {"temperature": 0.1})
        path = f"/driver-proxy-api/o/{local.workspace.org_id}/{cluster}/{port}/"
        assert [one.path for one in local.workspace.record.entries if one.path.startswith("/driver-proxy")][-1] == path

    def test_a_spec_in_a_chain(self, local, cluster):
        with served(Counting()) as port:
            chain = MultiChain(answer=LLM("{question}", f"databricks-driver:{cluster}/{port}"))
            assert chain.run(question="How are you?")["answer"] == "I am well. And you? Fine."

    def test_nobody_listens(self, local, cluster):
        door = _a_door()
        port = door.getsockname()[1]
        door.close()
        began = time.monotonic()
        with pytest.raises(WorkspaceError, match=f"Nothing listens on port {port}") as caught:
            Databricks(cluster_id=cluster, cluster_driver_port=port).invoke("Hi")
        assert time.monotonic() - began < 5
        assert "driver-app --listen 0.0.0.0" in str(caught.value)

    def test_a_cluster_that_is_not_there(self, local):
        with pytest.raises(WorkspaceNotFound, match="0000-000000-nosuch00"):
            Databricks(cluster_id="0000-000000-nosuch00", cluster_driver_port=7777).invoke("Hi")

    def test_another_organisation(self, local, cluster, monkeypatch):
        monkeypatch.setattr(driver, "organisation_of", lambda _: "12")
        with pytest.raises(WorkspaceDenied, match="organization 12"):
            Databricks(cluster_id=cluster, cluster_driver_port=7777).invoke("Hi")

    def test_a_wrong_token(self, local, cluster):
        with pytest.raises(WorkspaceDenied, match="does not accept the credentials") as caught:
            Databricks(cluster_id=cluster, cluster_driver_port=7777, token="dapi-wrong-0000").invoke("Hi")
        assert "dapi-wrong" not in str(caught.value)

    def test_a_cluster_that_does_not_run(self, local):
        client = sdk(local)
        stopped = client.clusters.create(spark_version=SPARK, node_type_id="Standard_DS3_v2", num_workers=1).result()
        client.clusters.delete(stopped.cluster_id).result()
        began = time.monotonic()
        with pytest.raises(EndpointNotReady, match=r"The cluster does not run: .*TERMINATED"):
            Databricks(cluster_id=stopped.cluster_id, cluster_driver_port=7777).invoke("Hi")
        assert time.monotonic() - began < 5

    def test_a_model_that_fails_is_not_asked_again(self, local, cluster):
        model = Counting(raised=RuntimeError("no"))
        with served(model) as port, pytest.raises(WorkspaceError, match=r"The model failed \(RuntimeError\)"):
            Databricks(cluster_id=cluster, cluster_driver_port=port).invoke("Hi")
        assert len(model.seen) == 1
