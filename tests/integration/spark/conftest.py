"""The two real clusters of the Spark tests, each started once: classic in this process, and a Connect server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import spark_clusters
from spark_clusters import ConnectServer

from ziggurat.batch.spark.session import Cluster, open_spark


@pytest.fixture(scope="session")
def classic() -> Iterator[Cluster]:
    with open_spark(spark_clusters.LOCAL_CLUSTER) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def server() -> Iterator[ConnectServer]:
    with spark_clusters.connect_server() as running:
        yield running


@pytest.fixture(scope="session")
def connected(server: ConnectServer) -> Iterator[Cluster]:
    with open_spark(server.url) as cluster:
        yield cluster


@pytest.fixture(params=["classic", "connected"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    found: Cluster = request.getfixturevalue(request.param)
    with found.speaking():  # both kinds are open at once here
        yield found
