"""The way into a workspace: hosts in one form, credentials that never show."""

import time

import pytest

from ziggurat.errors import InputError, WorkspaceDenied, WorkspaceUnavailable
from ziggurat.workspace import access, client, host_of, organisation_of, without_secrets

pytest.importorskip("databricks.sdk")


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("myworkspace.cloud.databricks.com", "https://myworkspace.cloud.databricks.com"),
        ("https://adb-12.3.azuredatabricks.net/", "https://adb-12.3.azuredatabricks.net"),
        ("https://adb-12.3.azuredatabricks.net/?o=12#job/3", "https://adb-12.3.azuredatabricks.net"),
        ("  https://x.databricks.com:443/ml  ", "https://x.databricks.com"),
        ("https://x.databricks.com:8443", "https://x.databricks.com:8443"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("localhost:8765", "http://localhost:8765"),
        ("http://[::1]:8765/", "http://[::1]:8765"),
        ("http-tests.cloud.databricks.com", "https://http-tests.cloud.databricks.com"),
        ("steps.cloud.databricks.com", "https://steps.cloud.databricks.com"),
    ],
)
def test_a_host_is_read_however_it_is_written(written, host):
    assert host_of(written) == host


@pytest.mark.parametrize(
    "written",
    ["", "  ", "https://", "ftp://x.com", "http://x.com", "https://me:dapi1234567890@x.com", "a b.com", "x:y"],
)
def test_what_cannot_be_a_host_is_refused_and_no_password_repeated(written):
    with pytest.raises(InputError) as caught:
        host_of(written)
    assert "dapi1234567890" not in str(caught.value)


def test_host_and_token_as_they_stand_need_no_sdk(monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", "x.databricks.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-environment")
    assert access().host == "https://x.databricks.com"
    assert access().headers() == {"Authorization": "Bearer dapi-environment"}
    assert access("y.com", "dapi-given").headers() == {"Authorization": "Bearer dapi-given"}
    assert "dapi" not in repr(access("y.com", "dapi-given"))


def test_the_organisation_is_in_an_azure_host():
    assert organisation_of(access("adb-1234567890123456.7.azuredatabricks.net", "x")) == "1234567890123456"
    assert organisation_of(access("dbc-12.cloud.databricks.com", "x")) is None


def test_no_credentials_are_said_and_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(WorkspaceDenied, match="DATABRICKS_HOST and DATABRICKS_TOKEN"):
        access()


def test_a_profile_is_read_and_one_that_is_not_there_is_said(monkeypatch, tmp_path):
    file = tmp_path / "databrickscfg"
    file.write_text("[lab]\nhost = http://127.0.0.1:9\ntoken = dapi-profile-0001\n")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(file))
    with pytest.raises(WorkspaceDenied, match="nosuch") as caught:
        access(profile="nosuch")
    assert "dapi-profile" not in str(caught.value)
    with pytest.raises(WorkspaceUnavailable, match="cannot be reached"):
        access(profile="lab")


def test_an_unreachable_host_is_said_in_seconds():
    began = time.monotonic()
    with pytest.raises(WorkspaceUnavailable, match="cannot be reached"):
        client("http://127.0.0.1:9", "dapi-x")
    with pytest.raises(WorkspaceUnavailable, match="cannot be reached"):
        client("nosuch.invalid", "dapi-x")
    assert time.monotonic() - began < 15


def test_an_unknown_credential_is_refused():
    with pytest.raises(InputError, match="azure_clientid"):
        access("x.com", azure_clientid="y")


@pytest.mark.parametrize(
    "text", ["token dapi0123456789abcdef", "Bearer eyJhbGciOi.eyJzdWIi.c2ln", "https://u:p@host/x"]
)
def test_what_looks_like_a_token_is_not_shown(text):
    assert "***" in without_secrets(text)
    assert "dapi0" not in without_secrets(text)
    assert "u:p" not in without_secrets(text)
