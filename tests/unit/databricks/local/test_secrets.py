import base64

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, DatabricksError, InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.errors.platform import ResourceAlreadyExists
from local_workspace import signed_in


@pytest.fixture
def client():
    with signed_in() as (local, _):
        yield WorkspaceClient(host=local.url, token=local.token)


def test_a_secret_is_written_and_read_as_it_was(client):
    client.secrets.create_scope("keys")
    client.secrets.put_secret("keys", "openai", string_value="sk-ключ")
    assert base64.b64decode(client.secrets.get_secret("keys", "openai").value).decode() == "sk-ключ"
    assert client.dbutils.secrets.get("keys", "openai") == "sk-ключ"


def test_bytes_are_kept_as_bytes(client):
    client.secrets.create_scope("keys")
    client.secrets.put_secret("keys", "raw", bytes_value=base64.b64encode(b"\x00\xff").decode())
    assert base64.b64decode(client.secrets.get_secret("keys", "raw").value) == b"\x00\xff"


def test_lists_have_names_and_times_and_no_values(client):
    client.secrets.create_scope("keys")
    client.secrets.put_secret("keys", "b", string_value="hidden")
    client.secrets.put_secret("keys", "a", string_value="hidden")
    listed = list(client.secrets.list_secrets("keys"))
    assert [one.key for one in listed] == ["a", "b"]
    assert all(one.last_updated_timestamp for one in listed)
    assert "hidden" not in str(listed)
    assert [one.name for one in client.secrets.list_scopes()] == ["keys"]


def test_a_scope_is_made_once(client):
    client.secrets.create_scope("keys")
    with pytest.raises(ResourceAlreadyExists, match="Scope keys already exists!"):
        client.secrets.create_scope("keys")


def test_what_is_not_there_is_named(client):
    with pytest.raises(ResourceDoesNotExist, match="Scope nothing does not exist!"):
        client.secrets.put_secret("nothing", "key", string_value="x")
    client.secrets.create_scope("keys")
    with pytest.raises(ResourceDoesNotExist, match="Secret does not exist with scope: keys and key: none"):
        client.secrets.get_secret("keys", "none")


def test_what_is_deleted_is_gone(client):
    client.secrets.create_scope("keys")
    client.secrets.put_secret("keys", "one", string_value="x")
    client.secrets.delete_secret("keys", "one")
    with pytest.raises(ResourceDoesNotExist):
        client.secrets.delete_secret("keys", "one")
    client.secrets.delete_scope("keys")
    with pytest.raises(ResourceDoesNotExist):
        client.secrets.delete_scope("keys")


def test_a_secret_of_more_than_128_kilobytes_is_refused_and_not_written(client):
    client.secrets.create_scope("keys")
    client.secrets.put_secret("keys", "full", string_value="x" * 128 * 1024)
    with pytest.raises(InvalidParameterValue, match="128 KB"):
        client.secrets.put_secret("keys", "more", string_value="x" * (128 * 1024 + 1))
    assert [one.key for one in client.secrets.list_secrets("keys")] == ["full"]


@pytest.mark.parametrize("name", ["with space", "x" * 129, "ключ!"])
def test_a_name_that_cannot_be_is_refused(client, name):
    with pytest.raises(InvalidParameterValue):
        client.secrets.create_scope(name)


@pytest.mark.parametrize("values", [{}, {"string_value": "a", "bytes_value": "Yg=="}, {"bytes_value": "not base64"}])
def test_exactly_one_value_is_given(client, values):
    client.secrets.create_scope("keys")
    with pytest.raises(BadRequest):
        client.secrets.put_secret("keys", "one", **values)


def test_access_control_is_named_as_not_there(client):
    with pytest.raises(DatabricksError, match=r"/api/2\.0/secrets/acls/list"):
        list(client.secrets.list_acls("keys"))
