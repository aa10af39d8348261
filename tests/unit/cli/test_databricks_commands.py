"""``ziggurat databricks``: its commands against the local workspace, and its two servers as processes of their own."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import click
import httpx
import pytest
from click.testing import CliRunner
from quick_workspace import quick_workspace

from ziggurat.cli.databricks import _COMMANDS as COMMANDS
from ziggurat.cli.databricks import command
from ziggurat.cli.main import cli
from ziggurat.databricks.local import Models
from ziggurat.errors import EndpointRefused, InputError, WorkspaceDenied, WorkspaceNotFound, ZigguratError
from ziggurat.testing import FakeChat, FakeEmbeddings

SECRET = "sk-live-0123456789"
CHAT = "databricks-claude-sonnet-4"


@pytest.fixture(scope="module")
def workspace():
    models = Models(chat=FakeChat(script="Lisbon is the capital."), embeddings=FakeEmbeddings())
    with quick_workspace(models=models, delays={"endpoint": 0.3}) as made:
        made.workspace.serving.register_model("main.default.dolly", 1, FakeChat(script="I am dolly."))
        yield made


@pytest.fixture
def local(workspace, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    yield workspace
    for name in [one.name for one in workspace.workspace.serving._endpoints.values() if not one.built_in]:
        workspace.workspace.serving._endpoints.pop(name)
    workspace.workspace.secrets._scopes.clear()


def run(*arguments, code=0, **options):
    result = CliRunner().invoke(cli, ["databricks", *arguments], catch_exceptions=False, **options)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def with_key(local):
    run("secrets", "put", "lab/openai-api-key", "--from-env", "KEY", env={"KEY": SECRET})


def _names(*path):
    found = command
    for name in path:
        found = found.get_command(click.Context(found), name)
    return [*path], list(found.commands) if isinstance(found, click.Group) else []


def _every_command():
    yield []
    for name in COMMANDS:
        path, inner = _names(name)
        yield path
        for one in inner:
            yield [*path, one]


class TestHelp:
    @pytest.mark.parametrize("path", list(_every_command()), ids=" ".join)
    def test_every_command_explains_itself(self, path):
        text = run(*path, "--help")
        assert text.startswith(" ".join(["Usage: cli databricks", *path]))
        assert "\b" not in text
        assert run(*path, "-h") == text

    def test_the_groups_page_has_every_command_with_its_line(self):
        text = run("--help")
        for name, (_, line) in COMMANDS.items():
            assert re.search(rf"^  {name} +{re.escape(line)}$", text, re.MULTILINE)

    @pytest.mark.parametrize(
        ("typed", "meant"),
        [(["endpints"], "endpoints"), (["driver"], "driver-app"), (["endpoints", "lst"], "list"),
         (["secrets", "putt"], "put")],
    )  # fmt: skip
    def test_a_command_that_is_not_there_brings_the_closest(self, typed, meant):
        assert f"No such command '{typed[-1]}'. Did you mean '{meant}'?" in run(*typed, code=2)
        assert "Did you mean" not in run(*typed[:-1], "zzz", code=2)

    def test_help_imports_no_command(self):
        code = (
            "import sys; from click.testing import CliRunner; from ziggurat.cli.main import cli\n"
            "assert CliRunner().invoke(cli, ['databricks', '--help']).exit_code == 0\n"
            "print([name for name in sys.modules if name.startswith('ziggurat.cli.databricks_')])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"


class TestEndpoints:
    def test_the_list_says_what_each_is_and_serves(self, local):
        lines = run("endpoints", "list").splitlines()
        assert lines[0].split() == ["endpoint", "state", "task", "serves"]
        assert [CHAT, "ready", "llm/v1/chat", "system.ai.claude-sonnet-4"] in [one.split() for one in lines]

    def test_an_external_model_from_making_to_removing(self, local, with_key):
        made = run(
            "endpoints", "create", "my-chat", "--external", "openai:gpt-4.1", "--secret", "lab/openai-api-key",
            "--setting", "openai_api_base=https://example.com",
        )  # fmt: skip
        assert made == "my-chat is ready.\n"
        assert "gpt-4.1 of openai" in run("endpoints", "list")
        told = run("endpoints", "get", "my-chat")
        settings = json.loads(told)["config"]["served_entities"][0]["external_model"]["openai_config"]
        assert settings == {
            "openai_api_key": "{{secrets/lab/openai-api-key}}",
            "openai_api_base": "https://example.com",
        }
        assert SECRET not in told
        assert run("endpoints", "ask", "my-chat", "What is the capital?") == "Lisbon is the capital.\n"
        assert run("endpoints", "delete", "my-chat", "--yes") == "Removed my-chat.\n"
        with pytest.raises(WorkspaceNotFound, match="no endpoint 'my-chat'"):
            run("endpoints", "get", "my-chat")

    def test_a_registered_model_is_waited_for(self, local):
        made = run("endpoints", "create", "dolly", "--model", "main.default.dolly", "--version", "1", "--always-on")
        assert made.splitlines() == ["dolly is deploying.", "dolly is ready."]
        entity = json.loads(run("endpoints", "get", "dolly"))["config"]["served_entities"][0]
        assert entity["scale_to_zero_enabled"] is False
        assert run("endpoints", "ask", "dolly", "Who are you?") == "I am dolly.\n"
        assert run("endpoints", "wait", "dolly") == "dolly is ready.\n"

    def test_it_may_be_waited_for_later(self, local):
        arguments = ("--model", "main.default.dolly", "--version", "1", "--no-wait")
        assert run("endpoints", "create", "dolly", *arguments) == "dolly is deploying.\n"
        assert run("endpoints", "wait", "dolly").endswith("dolly is ready.\n")
        assert run("endpoints", "update", "dolly", *arguments, "--size", "Large") == "dolly is changing.\n"

    def test_a_wait_that_is_too_short(self, local, monkeypatch):
        monkeypatch.setattr(local.workspace.delays, "endpoint", 60)
        run("endpoints", "create", "slow", "--model", "main.default.dolly", "--version", "1", "--no-wait")
        with pytest.raises(ZigguratError, match=r"not ready after 0\.2 s"):
            run("endpoints", "wait", "slow", "--seconds", "0.2")

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_anything_else_comes_from_a_file(self, local, tmp_path, wrapped):
        entity = {"entity_name": "system.ai.llama", "entity_version": "1", "max_provisioned_throughput": 9500}
        config = {"served_entities": [entity]}
        file = tmp_path / "config.json"
        file.write_text(json.dumps({"config": config} if wrapped else config))
        run("endpoints", "create", "mine", "--config", str(file))
        assert "9500" in run("endpoints", "get", "mine")

    @pytest.mark.parametrize("text", ["- a", "a: [", "\0"])
    def test_a_file_that_is_none(self, local, tmp_path, text):
        file = tmp_path / "config.yaml"
        file.write_text(text)
        with pytest.raises(InputError) as caught:
            run("endpoints", "create", "mine", "--config", str(file))
        assert str(file) in str(caught.value)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "serves one thing"),
            (["--external", "openai:x", "--secret", "a/b", "--model", "a.b.c"], "serves one thing"),
            (["--external", "gpt-4.1", "--secret", "a/b"], "names no model"),
            (["--external", "openai:gpt-4.1"], "needs a key"),
            (["--external", "opnai:gpt-4.1", "--secret", "a/b"], "did you mean 'openai'"),
            (["--external", "openai:gpt-4.1", "--secret", SECRET], "not a reference"),
            (["--external", "openai:x", "--secret", "a/b", "--setting", "x"], "is no input"),
            (["--external", "openai:x", "--secret", "a/b", "--setting", "openai_api_key=sk-live-1"], "given twice"),
            (["--external", "openai:x", "--secret", "a/b", "--setting", "other_token=sk-live-1"], "refer to"),
            (["--model", "a.b.c"], "Which version"),
            (["--external", "openai:gpt-4.1", "--secret", "lap/openai-api-key"], "did you mean 'lab'"),
        ],
    )
    def test_what_cannot_be_is_said_and_nothing_made(self, local, with_key, arguments, said):
        before = run("endpoints", "list")
        with pytest.raises(ZigguratError, match=said) as caught:
            run("endpoints", "create", "x", *arguments)
        assert "sk-live" not in str(caught.value)
        assert run("endpoints", "list") == before

    def test_a_removal_is_asked_about(self, local):
        run("endpoints", "create", "dolly", "--model", "main.default.dolly", "--version", "1", "--no-wait")
        assert "Nothing was removed." in run("endpoints", "delete", "dolly", input="n\n", code=1)
        with pytest.raises(InputError, match="nobody to ask"):
            run("endpoints", "delete", "dolly")
        assert "dolly" in run("endpoints", "list")
        asked = run("endpoints", "delete", "dolly", input="y\n")
        assert "Remove dolly, which serves main.default.dolly version 1?" in asked
        assert "dolly" not in run("endpoints", "list")

    def test_one_that_makes_vectors_is_not_asked(self, local):
        with pytest.raises(EndpointRefused, match="vectors, not text"):
            run("endpoints", "ask", "databricks-bge-large-en", "Hi")

    def test_another_host_and_profile(self, local, monkeypatch, tmp_path):
        monkeypatch.delenv("DATABRICKS_HOST")
        assert CHAT in run("endpoints", "list", "--host", local.url)
        monkeypatch.delenv("DATABRICKS_TOKEN")
        file = tmp_path / "cfg"
        file.write_text(f"[lab]\nhost = {local.url}\ntoken = {local.token}\n")
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(file))
        assert CHAT in run("endpoints", "list", "--profile", "lab")
        assert run("endpoints", "ask", CHAT, "Hi", "--profile", "lab") == "Lisbon is the capital.\n"
        with pytest.raises(WorkspaceDenied, match="no way into the workspace"):
            run("endpoints", "list", "--profile", "nosuch")

    def test_a_wrong_token_is_said_in_three_lines(self, local, monkeypatch, front_door):
        monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-wrong-000000")
        code, out, err = front_door("databricks", "endpoints", "list")
        assert (code, out) == (1, "")
        assert "does not accept the credentials" in err
        assert "DATABRICKS_TOKEN" in err
        assert "dapi-wrong" not in err
        assert len(err.splitlines()) == 3


class TestSecrets:
    def test_one_from_the_environment(self, local):
        said = run("secrets", "put", "lab/key", "--from-env", "KEY", env={"KEY": SECRET})
        assert said == "Wrote lab/key. An endpoint refers to it as {{secrets/lab/key}}.\n"
        assert local.workspace.secrets.value("lab", "key") == SECRET.encode()

    @pytest.mark.parametrize(
        ("written", "kept"), [(b"sk", b"sk"), (b"sk\n", b"sk"), (b"sk\r\n", b"sk"), (b" a\nb\n\n", b" a\nb\n")]
    )
    def test_one_from_a_file_loses_its_last_lines_end(self, local, tmp_path, written, kept):
        file = tmp_path / "key"
        file.write_bytes(written)
        run("secrets", "put", "lab/key", "--from-file", str(file))
        assert local.workspace.secrets.value("lab", "key") == kept
        run("secrets", "put", "lab/piped", "--from-file", "-", input=written)
        assert local.workspace.secrets.value("lab", "piped") == kept

    def test_nobody_to_ask(self, local):
        with pytest.raises(InputError, match="nobody to ask"):
            run("secrets", "put", "lab/key")
        assert local.workspace.secrets._scopes == {}

    def test_one_that_is_typed_is_not_seen(self, local):
        """In a terminal of its own, as a person has one."""
        done = _in_terminal([*ZIGGURAT, "secrets", "put", "lab/key"], f"{SECRET}\n", local)
        assert "Value" in done
        assert "Wrote lab/key" in done
        assert SECRET not in done
        assert local.workspace.secrets.value("lab", "key") == SECRET.encode()

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["lab/key", "--from-env", "NOT_SET"], "NOT_SET is not set"),
            (["key", "--from-env", "KEY"], "not a reference"),
            (["lab/key", "--from-env", "KEY", "--from-file", "-"], "from one place"),
            (["lab/key", "--from-file", "-"], "empty"),
        ],
    )
    def test_what_cannot_be(self, local, arguments, said):
        with pytest.raises(InputError, match=said):
            run("secrets", "put", *arguments, env={"KEY": SECRET})
        assert local.workspace.secrets._scopes == {}

    def test_a_file_that_is_no_text(self, local, tmp_path):
        (tmp_path / "key").write_bytes(b"\xff\xfe\0")
        with pytest.raises(InputError, match="no text"):
            run("secrets", "put", "lab/key", "--from-file", str(tmp_path / "key"))

    def test_the_list_has_names_and_no_values(self, local, with_key):
        run("secrets", "put", "other/key", "--from-env", "KEY", env={"KEY": SECRET})
        run("secrets", "delete", "other/key")
        said = run("secrets", "list")
        assert re.search(r"lab +openai-api-key +\d{4}-\d\d-\d\d \d\d:\d\d UTC", said)
        assert re.search(r"other +nothing", said)
        assert SECRET not in said
        assert "other" not in run("secrets", "list", "lab")

    def test_none_yet_and_none_of_that_name(self, local, with_key):
        with pytest.raises(WorkspaceNotFound, match="did you mean 'lab'"):
            run("secrets", "list", "lap")
        run("secrets", "delete", "lab", "--yes")
        assert run("secrets", "list") == "There are no secret scopes.\n"

    def test_a_whole_scope_is_asked_about(self, local, with_key):
        asked = run("secrets", "delete", "lab", input="n\n", code=1)
        assert "Remove the scope lab with 1 secret?" in asked
        with pytest.raises(InputError, match="nobody to ask"):
            run("secrets", "delete", "lab")
        assert "lab" in run("secrets", "list")
        assert "Removed lab." in run("secrets", "delete", "lab", input="y\n")


ZIGGURAT = [sys.executable, "-m", "ziggurat", "databricks"]


def _environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATABRICKS_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def _in_terminal(arguments, typed, local):
    """What a command shows in a pseudo-terminal when something is typed at its first question."""
    ours, theirs = os.openpty()
    environment = _environment(DATABRICKS_HOST=local.url, DATABRICKS_TOKEN=local.token)
    ends = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    shown = b""
    with subprocess.Popen(arguments, env=environment, start_new_session=True, **ends):
        os.close(theirs)
        with contextlib.suppress(OSError):  # the terminal's end, as Linux tells it
            while b"Value" not in shown:
                shown += os.read(ours, 1024)
            time.sleep(0.3)  # the echo is turned off about when the question is asked
            os.write(ours, typed.encode())
            while piece := os.read(ours, 1024):
                shown += piece
    os.close(ours)
    return shown.decode()


@contextlib.contextmanager
def process(*arguments):
    """A server of its own process, its output read until it listens; ended whatever happens."""
    server = subprocess.Popen(
        [*ZIGGURAT, *arguments], env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield server
    finally:
        if server.poll() is None:
            server.kill()
        server.communicate()


def _until(server, text):
    shown = ""
    while text not in shown:
        line = server.stdout.readline()
        assert line, server.stderr.read()
        shown += line
    return shown


def _free_port():
    import socket

    from ziggurat.databricks.driver import PORTS

    for port in PORTS[500:]:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port of the driver proxy is free")


class TestServers:
    @pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
    def test_a_workspace_prints_what_opens_it_and_stops_when_told(self, by, tmp_path):
        folder = tmp_path / "kept"
        with process("local", "--port", "0", "--chat", "fake:fixed Hello.", "--folder", str(folder)) as server:
            shown = _until(server, "Ctrl-C")
            exports = dict(re.findall(r"export (DATABRICKS_\w+)=(\S+)", shown))
            asked = subprocess.run(
                [*ZIGGURAT, "endpoints", "ask", CHAT, "Hi"],
                env=_environment(**exports), capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert (asked.returncode, asked.stdout) == (0, "Hello.\n"), asked.stderr
            server.send_signal(by)
            out, err = server.communicate(timeout=30)
        assert server.returncode == 0
        assert err.strip() == f"Stopped. Its files are in {folder}."
        assert "Traceback" not in out + err

    def test_a_workspace_that_misbehaves_on_request_says_so(self):
        with process("local", "--port", "0", "--chat", "fake:echo", "--refuse", "1") as server:
            shown = _until(server, "Ctrl-C")
            assert "100% 429" in shown
            exports = dict(re.findall(r"export (DATABRICKS_\w+)=(\S+)", shown))
            answer = httpx.post(
                f"{exports['DATABRICKS_HOST']}/serving-endpoints/{CHAT}/invocations",
                json={"messages": [{"role": "user", "content": "Hi"}]},
                headers={"Authorization": f"Bearer {exports['DATABRICKS_TOKEN']}"},
                trust_env=False,
            )
            assert answer.status_code == 429
            server.send_signal(signal.SIGINT)
            _, err = server.communicate(timeout=30)
        assert err.strip() == "Stopped. Everything in it is gone."

    @pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
    def test_a_driver_app_answers_and_stops_when_told(self, by):
        port = _free_port()
        with process("driver-app", "--model", "fake:fixed I am well. And you?", "--port", str(port)) as server:
            assert f"http://127.0.0.1:{port}/" in _until(server, "Listening")
            answer = httpx.post(
                f"http://127.0.0.1:{port}/", json={"prompt": "How are you?", "stop": ["."]}, trust_env=False
            )
            assert answer.json() == "I am well"
            server.send_signal(by)
            out, err = server.communicate(timeout=30)
        assert server.returncode == 0
        assert err.strip() == "Stopped."
        assert "Traceback" not in out + err

    def test_a_port_that_is_taken(self, workspace, front_door):
        port = workspace.url.rpartition(":")[2]
        for arguments in (["local", "--chat", "fake:echo"], ["driver-app", "--model", "fake:echo"]):
            code, out, err = front_door("databricks", *arguments, "--port", port)
            assert code == 1
            assert "Listening" not in out
            assert port in err

    def test_a_model_that_nobody_knows_is_refused_before_anything_listens(self):
        for arguments in (["local", "--port", "0", "--chat", "nosuch:x"], ["driver-app", "--model", "nosuch:x"]):
            with pytest.raises(ZigguratError, match="nosuch"):
                run(*arguments)
