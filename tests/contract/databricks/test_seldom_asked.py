"""What clients ask seldom: each route that no other test asks, by the real client where there is one."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.service.catalog import VolumeType
from databricks.sdk.service.jobs import JobSettings, PythonWheelTask, Task
from quick_workspace import plain, quick_workspace, sdk

from ziggurat.databricks.local import Models
from ziggurat.testing import FakeEmbeddings

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


class Echo(BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("X-Asked", f"{self.command} {self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815 (the library's names)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def local():
    with quick_workspace(delays={"cluster": 0.0}, models=Models(embeddings=FakeEmbeddings(8))) as found:
        yield found


@pytest.fixture(scope="module")
def w(local):
    return sdk(local)


@pytest.fixture(scope="module")
def cluster(w):
    made = w.clusters.create("16.4.x-scala2.12", node_type_id="Standard_DS3_v2", num_workers=1)
    return made.response.cluster_id


@pytest.fixture(scope="module")
def echo():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("proxy", ["driver-proxy-api", "driver-proxy"])
@pytest.mark.parametrize("rest", ["", "/deep/path?x=1"])
@pytest.mark.parametrize("verb", VERBS)
def test_the_driver_proxy_passes_every_verb_on(local, cluster, echo, proxy, rest, verb):
    local.workspace.driver_proxy.allow(echo)
    with plain(local) as client:
        answer = client.request(verb, f"/{proxy}/o/{local.workspace.org_id}/{cluster}/{echo}{rest}")
    assert (answer.status_code, answer.headers["X-Asked"]) == (200, f"{verb} {rest or '/'}")


def test_a_cluster_is_pinned_and_let_go(w, cluster):
    w.clusters.pin(cluster)
    w.clusters.unpin(cluster)
    with pytest.raises(InvalidParameterValue, match="does not exist"):
        w.clusters.pin("0000-000000-nowhere1")


def test_a_catalog_a_schema_and_a_volume_are_looked_at_and_a_schema_is_removed(w):
    w.schemas.create("drafts", "main")
    w.volumes.create("main", "drafts", "v", VolumeType.MANAGED)
    assert w.catalogs.get("main").name == "main"
    assert w.schemas.get("main.drafts").full_name == "main.drafts"
    assert w.volumes.read("main.drafts.v").full_name == "main.drafts.v"
    w.volumes.delete("main.drafts.v")
    w.schemas.delete("main.drafts")
    with pytest.raises(NotFound):
        w.schemas.get("main.drafts")


def test_a_folder_is_made_in_dbfs(w):
    w.dbfs.mkdirs("/some/where")
    assert w.dbfs.get_status("/some/where").is_dir


def test_a_job_takes_other_settings_as_a_whole(w, cluster):
    wheel = PythonWheelTask("ziggurat", "run")
    tasks = [Task("one", existing_cluster_id=cluster, python_wheel_task=wheel)]
    job = w.jobs.create(name="first", tags={"a": "b"}, tasks=tasks).job_id
    w.jobs.reset(job, JobSettings(name="second", tasks=tasks))
    settings = w.jobs.get(job).settings
    assert (settings.name, settings.tags or {}) == ("second", {})
    w.jobs.delete(job)


@pytest.mark.parametrize("gateway", ["mlflow", "openai"])
def test_the_gateways_embed(local, gateway):
    with openai.OpenAI(base_url=f"{local.url}/ai-gateway/{gateway}/v1", api_key=local.token) as client:
        found = client.embeddings.create(model="databricks-bge-large-en", input=["a b"])
    assert len(found.data[0].embedding) == 8


def test_azures_second_token_route_knows_its_secrets(local):
    principal = local.workspace.identity.principal
    with plain(local) as client:
        answer = client.post(
            f"/{local.workspace.identity.tenant_id}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": principal.client_id,
                "client_secret": principal.client_secret,
                "scope": "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default",
            },
        )
    assert answer.status_code == 200
    assert answer.json()["access_token"]
