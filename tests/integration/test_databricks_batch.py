"""A batch as a job: the command line submits it, the local workspace runs it, a Connect server is the cluster's Spark."""

import io
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from lab_world import calls_to
from quick_workspace import plain, quick_workspace, sdk
from spark_clusters import connect_server

from ziggurat.cli.databricks import command
from ziggurat.databricks.batch_job import Compute, read_cluster, submission, submit_batch
from ziggurat.errors import InputError, WorkspaceNotFound, ZigguratError

VOLUME = "/Volumes/main/default/files"
TABLE, OUT = f"{VOLUME}/questions.parquet", f"{VOLUME}/answers.parquet"
ROWS = 40
NODE = {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1}
CHAIN = """\
ziggurat: 1
stages:
  answer:
    uses: llm
    prompt: "Say {text}."
    model: "fake:fixed It is so."
"""


def quiet(_):
    """Tells nobody."""


@pytest.fixture(scope="module")
def spark():
    with connect_server() as server:
        yield server.url


@pytest.fixture
def local():
    with quick_workspace() as found:
        with plain(found) as http:
            body = {"catalog_name": "main", "schema_name": "default", "name": "files", "volume_type": "MANAGED"}
            assert http.post("/api/2.1/unity-catalog/volumes", json=body).status_code == 200
        table = io.BytesIO()
        rows = {"id": list(range(ROWS)), "text": [f"number {number}" for number in range(ROWS)]}
        pq.write_table(pa.table(rows), table)
        table.seek(0)
        sdk(found).files.upload(TABLE, table)
        yield found


@pytest.fixture
def calls(local):
    made = calls_to(local)
    yield made
    made.close()


@pytest.fixture
def chain(tmp_path):
    path = tmp_path / "chain.yaml"
    path.write_text(CHAIN)
    return path


@pytest.fixture
def cluster(tmp_path, spark):
    declared = NODE | {"spark_env_vars": {"SPARK_REMOTE": spark}}
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(declared))
    return path


def answers(local):
    """The rows of the output, which Spark writes as a folder, as a client of the workspace reads them."""
    files = sdk(local).files
    parts = [one.path for one in files.list_directory_contents(OUT) if one.path.endswith(".parquet")]
    tables = [pq.read_table(io.BytesIO(files.download(path).contents.read())) for path in parts]
    return pa.concat_tables(tables).sort_by("id").to_pylist()


def staged(local):
    return [one for one in (local.workspace.folder / "workspace").rglob("*") if one.is_file()]


@pytest.mark.slow
def test_a_table_in_a_volume_goes_through_a_chain_on_the_clusters_spark_and_once_only(
    local, chain, cluster, monkeypatch
):
    monkeypatch.setenv("DATABRICKS_HOST", local.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", local.token)
    asked = ["batch", str(chain), TABLE, OUT, "--new-cluster", str(cluster), "--", "--key", "id"]
    first = CliRunner().invoke(command, asked, catch_exceptions=False)
    assert first.exit_code == 0, first.output
    assert [row["id"] for row in answers(local)] == list(range(ROWS))
    assert {row["answer"] for row in answers(local)} == {"It is so."}
    assert not staged(local)
    again = CliRunner().invoke(command, asked, catch_exceptions=False)
    assert again.exit_code == 0, again.output
    assert len(answers(local)) == ROWS
    assert f"{ROWS} computed, 0 kept" in first.output
    assert f"0 computed, {ROWS} kept" in again.output


def test_what_a_cluster_cannot_see_is_refused_before_anything_is_sent(local, calls, chain, tmp_path):
    here = Compute(cluster="c")
    with pytest.raises(InputError, match="does not see the table"):
        submit_batch(calls, str(chain), str(tmp_path / "t.parquet"), OUT, here, quiet)
    with pytest.raises(InputError, match="does not see the output"):
        submit_batch(calls, str(chain), TABLE, "answers.parquet", here, quiet)
    with pytest.raises(WorkspaceNotFound, match="no such table"):
        submit_batch(calls, str(chain), f"{VOLUME}/none.parquet", OUT, here, quiet)
    with pytest.raises(WorkspaceNotFound):
        submit_batch(calls, str(chain), "dbfs:/none.parquet", OUT, here, quiet)
    with pytest.raises(InputError, match="no such file"):
        submit_batch(calls, str(tmp_path / "none.yaml"), TABLE, OUT, here, quiet)
    assert not staged(local)
    assert not local.workspace.jobs.runs


def test_two_files_that_would_lie_in_one_place_are_refused(calls, chain, tmp_path):
    other = tmp_path / "other" / "chain.yaml"
    other.parent.mkdir()
    shutil.copy(chain, other)
    with pytest.raises(InputError, match=r"Two files are called chain\.yaml"):
        submit_batch(calls, str(chain), TABLE, OUT, Compute(cluster="c"), quiet, files=[other])


@pytest.mark.parametrize("given", [{}, {"cluster": "c", "serverless": "4"}, {"new_cluster": {"a": 1}, "cluster": "c"}])
def test_a_job_runs_in_exactly_one_place(given):
    with pytest.raises(InputError, match="one of"):
        Compute(**given)


def test_a_cluster_that_is_no_declaration_is_refused(tmp_path):
    path = tmp_path / "cluster.json"
    for text in ("{", "[]", '{"node_type_id": "x"}'):
        path.write_text(text)
        with pytest.raises(InputError, match="cluster"):
            read_cluster(path)


def test_serverless_compute_takes_its_packages_from_the_environment():
    body = submission(Compute(serverless="4", libraries=("deltalake",)), "/w.whl", ["--folder", "f"], 60)
    (task,) = body["tasks"]
    assert "libraries" not in task
    assert body["environments"][0]["spec"] == {"environment_version": "4", "dependencies": ["/w.whl", "deltalake"]}
    assert task["environment_key"] == body["environments"][0]["environment_key"]


@pytest.mark.slow
def test_a_run_that_fails_says_why_and_leaves_nothing_uploaded(local, calls, cluster, tmp_path):
    broken = tmp_path / "chain.yaml"
    broken.write_text("ziggurat: 1\nstages: {answer: {uses: lllm}}")
    with pytest.raises(ZigguratError, match=r"The run failed[\s\S]*lllm"):
        submit_batch(calls, str(broken), TABLE, OUT, Compute(new_cluster=read_cluster(cluster)), quiet)
    assert not staged(local)


def test_who_stops_following_cancels_the_run(local, calls, chain):
    said = []

    def tell(text):
        said.append(text)
        if text.endswith(("PENDING", "RUNNING")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit_batch(calls, str(chain), TABLE, OUT, Compute(new_cluster=NODE), tell)
    assert "cancelled; finished cells are kept" in said[-1]
    (run,) = local.workspace.jobs.runs
    run.thread.join(20)
    assert run.state.result == "CANCELED"
    assert not staged(local)


def test_a_run_that_nobody_waits_for_keeps_what_was_uploaded(local, calls, chain):
    run = submit_batch(calls, str(chain), TABLE, OUT, Compute(new_cluster=NODE), quiet, wait=False)
    assert run.run_id == local.workspace.jobs.runs[0].id
    assert {path.name for path in staged(local)} >= {"chain.yaml"}
    local.workspace.jobs.close()
