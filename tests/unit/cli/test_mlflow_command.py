from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import ziggurat.mlflow
from ziggurat.cli.mlflow import command
from ziggurat.errors import InputError
from ziggurat.evaluation import Run


@pytest.fixture
def calls(monkeypatch):
    """What the room was asked to do, in order, instead of doing it."""
    made = []

    def stand_in(name, answer):
        def called(*args, **named):
            made.append((name, args, {key: value for key, value in named.items() if value}))
            return answer

        monkeypatch.setattr(ziggurat.mlflow, name, called, raising=False)

    info = SimpleNamespace(model_uri="models:/m-1", registered_model_version=3)
    stand_in("log_chain", info)
    stand_in("log_agent", SimpleNamespace(model_uri="models:/m-2", registered_model_version=None))
    stand_in("log_evaluation", "run-1")
    stand_in("register_prompts", {"qa@en": 1, "qa@zh": 2})
    stand_in("serve_agent", None)
    return made


def run(*arguments):
    done = CliRunner().invoke(command, arguments, env={"MLFLOW_TRACKING_URI": ""}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_chain_file_is_logged_with_its_example(calls):
    said = run("log", "chain.yaml", "question=Why?", "n:=2", "--register", "lab", "--stage", "qa", "--require", "x==1")
    (made,) = calls
    assert made == (
        "log_chain",
        (),
        {
            "chain": "chain.yaml",
            "name": "chain",
            "stages": ("qa",),
            "input_example": {"question": "Why?", "n": 2},
            "requirements": ("x==1",),
            "registered_model_name": "lab",
        },
    )
    assert "models:/m-1" in said
    assert "version 3" in said
    assert "mlflow models serve -m models:/m-1 --env-manager local" in said


def test_a_python_file_is_logged_as_a_script_with_its_files(calls):
    run("log", "build.py:chain", "--file", "kb", "--file", "a.txt")
    (_, _, named) = calls[0]
    assert named["script"] == "build.py:chain"
    assert [str(one) for one in named["files"]] == ["kb", "a.txt"]


def test_an_agent_is_logged_with_a_question_that_is_asked_once(calls):
    said = run("agent", "chain.yaml", "What is new?", "--answer", "qa", "--question", "topic")
    assert calls[0][0] == "log_agent"
    assert calls[0][2] == {
        "chain": "chain.yaml",
        "name": "agent",
        "question": "topic",
        "answer": "qa",
        "input_example": "What is new?",
    }
    assert "ziggurat mlflow serve models:/m-2" in said
    assert "registered" not in said


def test_saved_evaluations_are_logged_by_name(calls, tmp_path):
    run_ = Run(
        "retrieval",
        "before",
        "2026-01-01",
        {},
        {"folder": "kb", "chunks": 1, "generation": 1, "stamp": "s", "embedding": "e"},
        {"name": "q", "digest": "d", "questions": 1},
        [],
    )
    run_.save(tmp_path)
    assert run("eval", str(tmp_path / "before"), "--experiment", "e") == "before: run run-1\n"
    assert calls[0][2] == {"experiment": "e"}


def test_what_is_no_evaluation_is_refused_before_any_is_logged(calls, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        run("eval", str(tmp_path / "nothing"))
    assert calls == []


def test_prompts_are_registered_and_their_versions_told(calls, tmp_path):
    assert run("prompts", str(tmp_path), "qa", "--prefix", "a.b.") == "qa@en  version 1\nqa@zh  version 2\n"
    assert calls[0][1:] == ((tmp_path,), {"names": ("qa",), "prefix": "a.b."})


def test_an_agent_is_served_on_this_machine_only_unless_told(calls):
    run("serve", "models:/lab-agent/1", "--port", "8123")
    assert calls == [("serve_agent", ("models:/lab-agent/1",), {"host": "127.0.0.1", "port": 8123})]


@pytest.mark.parametrize("name", ["log", "agent", "eval", "prompts", "serve"])
def test_each_command_teaches_with_an_example(name):
    said = run(name, "--help")
    assert f"ziggurat mlflow {name} " in said


def test_an_input_that_is_none_is_refused(calls):
    with pytest.raises(InputError, match="is no input"):
        run("log", "chain.yaml", "question")
    assert calls == []
