"""The address of the local workspace that the clients are pointed at, as `test_clients` starts it."""

import os

import pytest


@pytest.fixture
def host():
    return os.environ["DATABRICKS_HOST"]


@pytest.fixture
def token():
    return os.environ["DATABRICKS_TOKEN"]


@pytest.fixture
def principal():
    """The id and the secret of a service principal; no client reads them under these names."""
    return os.environ["PRINCIPAL_ID"], os.environ["PRINCIPAL_SECRET"]
