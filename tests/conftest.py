"""What all tests share: no real provider is ever called, and the models' folder is the user's own."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "house",
    deadline=None,  # a busy machine is no fault of an example
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,  # the gate gives the same verdict twice; developers search on
)
settings.load_profile("house")

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def pytest_configure(config):
    if "ZIGGURAT_ROUTES" in os.environ:  # see tests/support/route_recorder.py
        import route_recorder

        route_recorder.hook(config)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    """A key in the developer's environment must not reach a test."""
    for name in (
        "OPENAI_API_KEY",
        "AZURE_OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "LANGSMITH_API_KEY",
        "OPENAI_BASE_URL",
        "DATABRICKS_HOST",
        "DATABRICKS_TOKEN",
        "DATABRICKS_CONFIG_PROFILE",
        "DATABRICKS_AUTH_TYPE",
        "DATABRICKS_CLIENT_ID",
        "DATABRICKS_CLIENT_SECRET",
        "DATABRICKS_RUNTIME_VERSION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
