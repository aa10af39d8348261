"""The lab, whole, against the local workspace: up, run and down from the command line and from Python."""

import json

import pytest
import yaml
from click.testing import CliRunner
from lab_world import KEY, LAB, calls_to, environment, lab_file, left, ziggurat
from quick_workspace import quick_workspace

from ziggurat.cli.databricks import command
from ziggurat.databricks import lab as labs
from ziggurat.databricks.calls import Calls
from ziggurat.databricks.lab import thing
from ziggurat.databricks.local import Models
from ziggurat.databricks.secrets import Reference, Secrets
from ziggurat.errors import InputError, WorkspaceDenied, WorkspaceError, WorkspaceNotFound, ZigguratError
from ziggurat.testing import FakeChat
from ziggurat.workspace import access

CLUSTER = {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1}


@pytest.fixture
def local():
    with quick_workspace(models=Models(chat=FakeChat(script="LangChain is a framework [1]."))) as found:
        yield found


@pytest.fixture
def calls(local):
    made = calls_to(local)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("LAB_KEY", KEY)


def lab_of(folder, **parts):
    return labs.read_lab(lab_file(folder, yaml.safe_dump(yaml.safe_load(LAB) | parts)))


def quiet(_: str) -> None:
    pass


def does(plan) -> dict[str, str]:
    return {step.kind: step.does for step in plan.steps}


def test_up_run_and_down_from_the_command_line(local, tmp_path):
    before = left(local)
    path, env = lab_file(tmp_path), environment(local.url, local.token)

    def say(*arguments: object) -> str:
        output, _ = (process := ziggurat(*arguments, env=env)).communicate(timeout=120)
        assert process.returncode == 0, output
        assert KEY not in output
        assert local.token not in output
        return output

    planned = say("up", path, "--dry-run")
    assert planned.count("create  ") == 7
    assert "0.75 DBU, 0.41 USD at 0.55 USD a DBU" in planned
    assert "assumed:" in planned
    assert left(local) == before
    assert not (tmp_path / ".ziggurat-databricks" / "lab-3.json").exists()
    assert "lab-3 is up." in say("up", path)
    assert "Nothing to do." in say("up", path)
    told = say("run", path, "question=What is LangChain?", "--out", tmp_path / "out")
    assert "LangChain is a framework." in told
    assert (tmp_path / "out" / "image_generation.png").read_bytes().startswith(b"\x89PNG")
    assert "6 removed." in say("down", path)
    assert left(local) == before
    assert "Nothing was left to remove." in say("down", path)
    kept = json.dumps([entry.path for entry in local.workspace.record.entries])
    assert KEY not in kept


@pytest.mark.parametrize("compute", [{"job": CLUSTER}, {"serverless": {}}])
def test_the_chain_runs_on_compute_of_its_own_too(local, calls, tmp_path, compute):
    before = left(local)
    lab = lab_of(tmp_path, compute=compute)
    said: list[str] = []
    labs.up(lab, calls, said.append)
    outcome = labs.run(lab, calls, said.append, inputs={"prompt": "A tree"}, to=tmp_path)
    assert outcome.outputs["qa"]["text"] == "LangChain is a framework."
    assert outcome.outputs["image_generation"]["prompt"] == "A tree"
    assert "indexed 3 documents" in outcome.logs
    assert [path.name for path in outcome.files] == ["image_generation.png"]
    labs.down(lab, calls, said.append)
    assert left(local) == before


def test_only_what_changed_is_changed_and_what_is_no_longer_declared_goes(local, calls, tmp_path):
    labs.up(lab_of(tmp_path), calls, quiet)
    more = lab_of(tmp_path, compute={"cluster": CLUSTER | {"autotermination_minutes": 45}})
    assert does(labs.plan(more, calls)) == {
        "folder": "keep",
        "files": "keep",
        "scope": "keep",
        "secret": "keep",
        "endpoint": "keep",
        "cluster": "update",
        "libraries": "keep",
    }
    labs.up(more, calls, quiet)
    (cluster,) = local.workspace.clusters.all()
    assert cluster.spec["autotermination_minutes"] == 45
    less = lab_of(tmp_path, compute={"serverless": {}}, endpoints={}, chat=None)
    assert does(labs.plan(less, calls)) == {
        "folder": "keep",
        "files": "update",
        "scope": "keep",
        "secret": "keep",
        "endpoint": "remove",
        "cluster": "remove",
        "libraries": "remove",
    }
    labs.up(less, calls, quiet)
    assert local.workspace.clusters.all() == []
    assert labs.plan(less, calls).idle
    labs.down(less, calls, quiet)


def test_things_of_others_are_neither_changed_nor_removed(local, calls, tmp_path):
    Secrets(calls).put(Reference("lab-3", "openai-api-key"), "somebody else's")
    before = left(local)
    lab = lab_of(tmp_path)
    planned = labs.plan(lab, calls)
    assert (does(planned)["scope"], does(planned)["secret"]) == ("leave", "leave")
    labs.up(lab, calls, quiet)
    assert labs.plan(lab, calls).idle
    labs.down(lab, calls, quiet)
    assert left(local) == before
    assert local.workspace.secrets.value("lab-3", "openai-api-key") == b"somebody else's"


def test_a_scope_that_somebody_put_a_secret_into_stays(local, calls, tmp_path):
    lab = lab_of(tmp_path)
    labs.up(lab, calls, quiet)
    Secrets(calls).put(Reference("lab-3", "theirs"), "x")
    labs.down(lab, calls, quiet)
    assert Secrets(calls).list("lab-3").keys() == {"theirs"}


def test_a_cluster_that_terminated_is_started_and_one_that_is_gone_is_made(local, calls, tmp_path):
    lab = lab_of(tmp_path)
    labs.up(lab, calls, quiet)
    (cluster,) = local.workspace.clusters.all()
    local.workspace.clusters.end(cluster)
    assert does(labs.plan(lab, calls))["cluster"] == "start"
    labs.up(lab, calls, quiet)
    assert local.workspace.clusters.get(cluster.id).state == "RUNNING"
    calls.post("/api/2.1/clusters/permanent-delete", {"cluster_id": cluster.id})
    labs.up(lab, calls, quiet)
    (other,) = local.workspace.clusters.all()
    assert other.id != cluster.id
    assert [one.status for one in local.workspace.clusters.libraries.of(other.id)] == ["INSTALLED"]
    labs.down(lab, calls, quiet)


def test_what_is_to_be_kept_is_kept_and_goes_later(local, calls, tmp_path):
    before = left(local)
    lab = lab_of(tmp_path)
    labs.up(lab, calls, quiet)
    with pytest.raises(InputError, match="nothing called 'lab-chta'"):
        labs.down(lab, calls, quiet, keep=["lab-chta"])
    labs.down(lab, calls, quiet, keep=["lab-chat"])
    assert left(local) - before == {"endpoint lab-chat", "scope lab-3"}
    labs.down(lab, calls, quiet)
    assert left(local) == before


def test_what_a_kept_thing_lives_in_or_reads_is_kept_with_it_and_goes_later(local, calls, tmp_path):
    before = left(local)
    lab = lab_of(tmp_path)
    for keep in ("lab-3/openai-api-key", "secret", "scope"):
        labs.up(lab, calls, quiet)
        labs.down(lab, calls, quiet, keep=[keep])
        assert left(local) - before == {"scope lab-3"}
        labs.down(lab, calls, quiet)
        assert left(local) == before
    labs.up(lab, calls, quiet)
    labs.down(lab, calls, quiet, keep=["endpoint"])
    assert left(local) - before == {"endpoint lab-chat", "scope lab-3"}
    assert Secrets(calls).list("lab-3").keys() == {"openai-api-key"}
    labs.down(lab, calls, quiet)
    assert left(local) == before


def test_a_secret_that_nobody_makes_is_missed_before_anything_is_made(local, calls, tmp_path):
    before = left(local)
    external = {"provider": "openai", "model": "gpt-4", "secret": "lab-3/openai-api-kye"}
    lab = lab_of(tmp_path, endpoints={"lab-chat": {"external": external}})
    for verb in (labs.plan, lambda *given: labs.up(*given, quiet)):
        with pytest.raises(WorkspaceNotFound, match="secret scope 'lab-3'"):
            verb(lab, calls)
    assert left(local) == before
    assert not lab.path.exists()
    Secrets(calls).put(Reference("lab-3", "openai-api-kye"), "there by now")
    labs.up(lab, calls, quiet)
    labs.down(lab, calls, quiet)


def test_a_secret_of_another_variable_that_is_not_set_is_refused_before_anything_changes(local, calls, tmp_path):
    labs.up(lab_of(tmp_path), calls, quiet)
    other = lab_of(
        tmp_path, secrets={"scope": "lab-3", "values": {"openai-api-key": "LAB_OTHER"}}, compute={"serverless": {}}
    )
    with pytest.raises(InputError, match="LAB_OTHER is not set"):
        labs.up(other, calls, quiet)
    assert len(local.workspace.clusters.all()) == 1
    labs.down(other, calls, quiet)


def test_down_and_run_beside_a_file_that_was_never_up_write_nothing(local, calls, tmp_path):
    lab = lab_of(tmp_path)
    assert labs.down(lab, calls, quiet) == []
    with pytest.raises(InputError, match="not up"):
        labs.run(lab, calls, quiet)
    assert [one.name for one in tmp_path.iterdir()] == ["lab.yaml"]


@pytest.mark.parametrize("verb", ["up", "run", "down"])
def test_who_stops_a_command_is_told_what_may_still_cost(verb, local, calls, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", local.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", local.token)
    path = lab_file(tmp_path)
    if verb != "up":
        labs.up(labs.read_lab(path), calls, quiet)

    def stopped(*_, **__) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Calls, "post", stopped)
    told = CliRunner().invoke(command, [verb, str(path)])
    assert told.exit_code != 0
    assert "may cost: `ziggurat databricks down" in told.output
    monkeypatch.undo()
    monkeypatch.setenv("LAB_KEY", KEY)
    labs.down(labs.read_lab(path), calls, quiet)


def test_a_long_wait_says_that_it_goes_on(monkeypatch):
    monkeypatch.setattr(thing, "SAY_SECONDS", 0.0)
    said: list[str] = []
    for count, _ in enumerate(thing.patiently(60, "cluster c", said.append)):
        if count == 3:
            break
    assert said[-1].startswith("cluster c: still waiting, for 0 s")


def test_nothing_is_made_when_a_secrets_variable_is_not_set(local, calls, tmp_path, monkeypatch):
    monkeypatch.delenv("LAB_KEY")
    before = left(local)
    with pytest.raises(InputError, match="LAB_KEY is not set"):
        labs.up(lab_of(tmp_path), calls, quiet)
    assert left(local) == before


def test_what_the_workspace_refuses_is_said_and_down_removes_the_rest(local, calls, tmp_path):
    before = left(local)
    lab = lab_of(tmp_path, compute={"cluster": CLUSTER | {"node_type_id": "Standard_DS3_v3"}})
    with pytest.raises(WorkspaceError, match="did you mean 'Standard_DS3_v2'"):
        labs.up(lab, calls, quiet)
    assert labs.down(lab, calls, quiet)
    assert left(local) == before


def test_a_library_that_cannot_be_is_named(local, calls, tmp_path):
    lab = lab_of(tmp_path, libraries=["no-such-package-at-all"])
    with pytest.raises(ZigguratError, match="no-such-package-at-all"):
        labs.up(lab, calls, quiet)
    labs.down(lab, calls, quiet)


def test_a_run_that_fails_says_what_the_chain_said(local, calls, tmp_path):
    lab = lab_of(tmp_path, chat="databricks:lab-chta")
    labs.up(lab, calls, quiet)
    with pytest.raises(ZigguratError, match="did you mean 'lab-chat'") as caught:
        labs.run(lab, calls, quiet, to=tmp_path)
    assert KEY not in str(caught.value)
    assert local.token not in str(caught.value)
    labs.down(lab, calls, quiet)


def test_a_secret_that_a_chain_gives_or_prints_is_hidden(local, calls, tmp_path):
    lab = lab_of(tmp_path, compute={"serverless": {}})
    labs.up(lab, calls, quiet)
    outcome = labs.run(lab, calls, quiet, inputs={"prompt": f"A tree of {KEY}"}, to=tmp_path)
    assert outcome.outputs["image_generation"]["prompt"] == "A tree of [secret]"
    assert KEY not in outcome.logs
    (picture,) = outcome.files
    assert picture.exists()
    labs.down(lab, calls, quiet)


def test_a_run_of_a_lab_that_is_not_up_is_refused(calls, tmp_path):
    with pytest.raises(InputError, match="not up"):
        labs.run(lab_of(tmp_path), calls, quiet)


def test_a_lab_of_ones_own_documents_and_chain_runs_with_files_that_look_like_notebooks(local, calls, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "code.py").write_text("# Databricks notebook source\n# LangChain is a framework for models.\n")
    (tmp_path / "docs" / "每日.md").write_text("# Notes\n\nA ziggurat is a tower with steps.\n")
    (tmp_path / "chain.yaml").write_text(
        "ziggurat: 1\ninputs: [question]\nstages:\n"
        "  found: {uses: retrieve, index: kb, k: 2}\n"
        "  answer: {uses: qa, index: kb, model: 'databricks:lab-chat'}\n"
    )
    lab = lab_of(
        tmp_path,
        files={"documents": "docs", "chain": "chain.yaml"},
        chat=None,
        picture=None,
        inputs={"question": "What is LangChain?"},
        compute={"serverless": {}},
    )
    labs.up(lab, calls, quiet)
    outcome = labs.run(lab, calls, quiet, to=tmp_path)
    assert "indexed 2 documents" in outcome.logs
    assert outcome.outputs["answer"]["text"] == "LangChain is a framework."
    (tmp_path / "docs" / "code.py").unlink()
    assert does(labs.plan(lab, calls))["files"] == "update"
    labs.up(lab, calls, quiet)
    assert "indexed 1 documents" in labs.run(lab, calls, quiet, to=tmp_path).logs
    labs.down(lab, calls, quiet)


def test_a_run_that_is_interrupted_is_cancelled(local, calls, tmp_path):
    lab = lab_of(tmp_path, compute={"serverless": {}})
    labs.up(lab, calls, quiet)

    def interrupt(text: str) -> None:
        if "RUNNING" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        labs.run(lab, calls, interrupt, to=tmp_path)
    (run,) = local.workspace.jobs.runs
    run.thread.join(20)
    assert run.state.result == "CANCELED"
    labs.down(lab, calls, quiet)


def test_down_works_with_a_file_that_is_broken_by_now(local, tmp_path, calls):
    before = left(local)
    labs.up(lab_of(tmp_path), calls, quiet)
    path = lab_file(tmp_path, "name: lab-3\ncompute: {}\n")
    output, _ = (process := ziggurat("down", path, env=environment(local.url, local.token))).communicate(timeout=60)
    assert process.returncode == 0, output
    assert left(local) == before


def test_down_does_not_mind_what_is_gone_already(local, calls, tmp_path):
    before = left(local)
    lab = lab_of(tmp_path)
    planned = labs.up(lab, calls, quiet)
    (cluster,) = local.workspace.clusters.all()
    calls.post("/api/2.1/clusters/permanent-delete", {"cluster_id": cluster.id})
    calls.delete("/api/2.0/serving-endpoints/lab-chat")
    Secrets(calls).delete_scope("lab-3")
    folder = next(step.name for step in planned.steps if step.kind == "folder")
    calls.post("/api/2.0/workspace/delete", {"path": folder, "recursive": True})
    assert labs.down(lab, calls, quiet) == []
    assert left(local) == before
    assert not lab.path.exists()


def test_a_wrong_token_makes_nothing_and_writes_nothing(local, tmp_path):
    before = left(local)
    lab = lab_of(tmp_path)
    wrong = Calls(access(local.url, "dapi-wrong-token-0123456789"))
    for verb in (labs.plan, lambda *given: labs.up(*given, quiet)):
        with pytest.raises(WorkspaceDenied) as caught:
            verb(lab, wrong)
        assert "dapi-wrong" not in str(caught.value)
    wrong.close()
    assert not lab.path.exists()
    assert left(local) == before
