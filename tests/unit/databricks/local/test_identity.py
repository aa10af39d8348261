import time

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.environments import AzureEnvironment, Cloud, DatabricksEnvironment
from databricks.sdk.errors import NotFound, Unauthenticated
from local_workspace import CHAT, HELLO, client_of, recorded, signed_in

from ziggurat.databricks.local import Models
from ziggurat.testing import FakeChat


def test_the_current_user_comes_with_the_organisation():
    with signed_in(user="maria@example.com") as (local, client):
        answer = client.get("/api/2.0/preview/scim/v2/Me")
        assert answer.json()["userName"] == "maria@example.com"
        assert answer.headers["x-databricks-org-id"] == local.workspace.org_id
        assert WorkspaceClient(host=local.url, token=local.token).get_workspace_id() == int(local.workspace.org_id)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_without_a_token_that_is_known_nothing_is_answered(header):
    with signed_in() as (_, client):
        client.headers.pop("Authorization")
        answer = client.get("/api/2.0/preview/scim/v2/Me", headers=header)
        assert answer.status_code in (401, 403)
        assert "wrong" not in answer.text


def test_a_service_principal_signs_in_and_its_calls_carry_its_name():
    with signed_in() as (local, _):
        principal = local.workspace.identity.add_service_principal("app", "very-secret", name="the app")
        client = WorkspaceClient(host=local.url, client_id="app", client_secret="very-secret", auth_type="oauth-m2m")
        assert client.current_user.me().user_name == principal.client_id
        assert client.current_user.me().display_name == "the app"


def test_a_wrong_secret_is_refused_and_not_repeated():
    with signed_in() as (local, client):
        told = {"grant_type": "client_credentials", "client_id": local.workspace.identity.principal.client_id}
        answer = client.post("/oidc/v1/token", data={**told, "client_secret": "guess-me"})
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"
        assert "guess-me" not in answer.text


def test_another_grant_is_refused():
    with signed_in() as (_, client):
        answer = client.post("/oidc/v1/token", data={"grant_type": "password"})
        assert answer.json()["error"] == "unsupported_grant_type"


def test_a_token_of_a_service_principal_expires():
    with signed_in() as (local, client):
        local.workspace.identity.token_seconds = 0.2
        principal = local.workspace.identity.principal
        token = client.post(
            "/oidc/v1/token",
            data={"grant_type": "client_credentials"},
            auth=(principal.client_id, principal.client_secret),
        ).json()["access_token"]
        with client_of(local, token) as signed:
            assert signed.get("/api/2.0/preview/scim/v2/Me").status_code == 200
            time.sleep(0.25)
            assert signed.get("/api/2.0/preview/scim/v2/Me").status_code == 401


def test_azures_client_secret_signs_in_where_its_environment_points_here():
    with signed_in() as (local, _):
        principal = local.workspace.identity.principal
        azure = AzureEnvironment("LOCAL", f"{local.url}/", f"{local.url}/", f"{local.url}/")
        config = Config(
            host=local.url,
            azure_client_id=principal.client_id,
            azure_client_secret=principal.client_secret,
            auth_type="azure-client-secret",
            databricks_environment=DatabricksEnvironment(Cloud.AZURE, ".local", "the-app-id", azure),
        )
        client = WorkspaceClient(config=config)
        assert client.current_user.me().user_name == principal.client_id
        assert client.config.azure_tenant_id == local.workspace.identity.tenant_id


def test_a_personal_token_is_made_listed_and_revoked():
    with signed_in() as (local, _):
        client = WorkspaceClient(host=local.url, token=local.token)
        made = client.tokens.create(comment="for a test", lifetime_seconds=60)
        assert [one.comment for one in client.tokens.list()] == ["for a test"]
        other = WorkspaceClient(host=local.url, token=made.token_value)
        assert other.current_user.me().user_name == local.workspace.user
        client.tokens.delete(made.token_info.token_id)
        with pytest.raises(Unauthenticated):
            other.current_user.me()
        with pytest.raises(NotFound):
            client.tokens.delete(made.token_info.token_id)


def test_a_token_that_is_revoked_ends_the_stream_it_opened():
    with signed_in(models=Models(chat=FakeChat(script="word " * 50, delay=0.05))) as (local, _):
        token = local.workspace.issue("somebody")
        asked = {**HELLO, "stream": True}
        with (
            client_of(local, token) as client,
            client.stream("POST", f"/serving-endpoints/{CHAT}/invocations", json=asked) as answer,
        ):
            lines = answer.iter_lines()
            assert next(lines).startswith("data: ")
            local.workspace.revoke(token)
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)
        (entry,) = recorded(local, 1)
        assert (entry.status, entry.completed) == (200, False)
        assert local.workspace.record.completed() == 0
