"""The parts of jobs: children that end with their families, states in both forms, what a child may see."""

import os
import sys
import threading
import time

import pytest

from ziggurat.databricks.local.process import Child, End
from ziggurat.databricks.local.run import Run, State, TaskRun
from ziggurat.databricks.local.tasks import _KEPT_VARIABLES, _filled

FAMILY = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(child.pid, flush=True)\n"
)


def child(tmp_path, code: str) -> Child:
    return Child([sys.executable, "-c", code], tmp_path / "log", tmp_path, {"PATH": os.environ["PATH"]})


def gone(pid: int) -> bool:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_child_that_exits_leaves_none_of_its_children(tmp_path):
    ended, status = child(tmp_path, FAMILY + "sys.exit(7)").wait(threading.Event(), None)
    assert (ended, status) == (End.EXITED, 7)
    assert gone(int((tmp_path / "log").read_text()))


@pytest.mark.parametrize("how", [End.TIMED_OUT, End.CANCELED])
def test_a_child_that_is_ended_takes_its_family_along_even_if_it_does_not_listen(tmp_path, how):
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FAMILY + "time.sleep(60)"
    stop = threading.Event()
    running = child(tmp_path, deaf)
    while not (tmp_path / "log").read_text().endswith("\n"):
        time.sleep(0.01)
    if how is End.CANCELED:
        stop.set()
    ended, _ = running.wait(stop, time.monotonic() if how is End.TIMED_OUT else None)
    assert ended is how
    assert gone(int((tmp_path / "log").read_text()))


def test_a_childs_environment_has_no_keys_of_the_laptop():
    assert not any(
        _KEPT_VARIABLES.fullmatch(name)
        for name in ("OPENAI_API_KEY", "DATABRICKS_TOKEN", "AWS_SECRET_ACCESS_KEY", "PATHS", "ZIGGURAT_TOKEN")
    )
    assert all(_KEPT_VARIABLES.fullmatch(name) for name in ("PATH", "HOME", "LC_ALL"))


@pytest.mark.parametrize(
    ("result", "code", "fault"),
    [
        ("SUCCESS", "SUCCESS", "SUCCESS"),
        ("FAILED", "RUN_EXECUTION_ERROR", "CLIENT_ERROR"),
        ("CANCELED", "USER_CANCELED", "CLIENT_ERROR"),
    ],
)
def test_both_forms_of_a_state_say_the_same(result, code, fault):
    state = State()
    assert "result_state" not in state.shown()["state"]
    state.end(result, "because")
    shown = state.shown()
    assert shown["state"]["result_state"] == result
    assert shown["status"] == {
        "state": "TERMINATED",
        "termination_details": {"code": code, "type": fault, "message": "because"},
    }


def test_references_in_parameters_are_filled_and_unknown_ones_stay(tmp_path):
    settings = {"parameters": [{"name": "day", "default": "monday"}, {"name": "size", "default": "1"}]}
    run = Run(7, "r", "me", "JOB_RUN", settings, {"job_parameters": {"day": "sunday"}})
    task = TaskRun({"task_key": "t"}, tmp_path)
    text = "{{job.parameters.day}} {{ job.parameters.size }} {{job.id}} {{task.name}} {{other}}"
    assert _filled(text, run, task) == "sunday 1 7 t {{other}}"


def test_a_long_log_is_cut_at_its_beginning_and_says_so(tmp_path):
    task = TaskRun({"task_key": "t"}, tmp_path)
    task.log.write_bytes(b"a" * (5 << 20) + b"end")
    told = task.output(Run(7, "r", "me", "JOB_RUN", {}, {}))
    assert told["logs_truncated"]
    assert told["logs"].endswith("end")
    assert len(told["logs"]) == 5 << 20


def test_a_child_is_ended_where_the_system_has_no_waitid_too(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "waitid")
    ended, status = child(tmp_path, FAMILY + "sys.exit(7)").wait(threading.Event(), None)
    assert (ended, status) == (End.EXITED, 7)
    assert gone(int((tmp_path / "log").read_text()))
    ended, _ = child(tmp_path, "import time; time.sleep(60)").wait(threading.Event(), time.monotonic())
    assert ended is End.TIMED_OUT
