"""A lab's state: whole or not at all, of one workspace, held by one process."""

import json
import subprocess
import sys

import pytest

from ziggurat.databricks.lab.state import State, held
from ziggurat.errors import InputError, ZigguratError

HOST = "http://127.0.0.1:1"


def test_what_is_intended_and_made_is_read_back(tmp_path):
    path = tmp_path / "below" / "lab.json"
    assert State.read(path, HOST) is None
    state = State(path, HOST)
    entry = state.intend("cluster", "c")
    assert State.read(path, HOST).entries[0].id == ""
    state.made(entry, "1-2", "abc")
    again = State.read(path, HOST)
    assert (again.mark, again.find("cluster", "c").id) == (state.mark, "1-2")
    again.intend("cluster", "c")
    assert (State.read(path, HOST).entries[0].id, State.read(path, HOST).entries[0].digest) == ("1-2", "")
    state.forget(entry)
    assert State.read(path, HOST).entries == []
    state.remove()
    assert list(path.parent.iterdir()) == []


def test_a_state_of_another_workspace_is_refused(tmp_path):
    State(tmp_path / "lab.json", HOST).write()
    with pytest.raises(InputError, match="another workspace"):
        State.read(tmp_path / "lab.json", "http://127.0.0.1:2")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 9}', json.dumps({"version": 1, "host": HOST})])
def test_a_damaged_state_is_said_to_be_one(tmp_path, text):
    path = tmp_path / "lab.json"
    path.write_text(text)
    with pytest.raises(ZigguratError, match="state"):
        State.read(path, HOST)
    assert path.read_text() == text


def test_a_state_with_a_thing_that_no_lab_makes_is_a_damaged_one(tmp_path):
    state = State(tmp_path / "lab.json", HOST)
    state.intend("spaceship", "s")
    with pytest.raises(ZigguratError, match="kind 'spaceship'"):
        State.read(tmp_path / "lab.json", HOST)


def test_where_nothing_can_be_written_it_is_said_before_anything_is_made(tmp_path):
    (tmp_path / "states").write_text("a file where the folder should be")
    path = tmp_path / "states" / "lab.json"
    with pytest.raises(InputError, match="state cannot be written") as caught, held(path):
        pass
    assert str(path) in str(caught.value)
    with pytest.raises(InputError, match="state cannot be written"):
        State(path, HOST).write()


def test_marks_are_never_the_same(tmp_path):
    assert len({State(tmp_path, HOST).mark for _ in range(100)}) == 100


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_one_process_at_a_time_and_a_killed_one_lets_go(tmp_path):
    path = tmp_path / "lab.json"
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom ziggurat.databricks.lab.state import held\n"
        "with held(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="Another process"), held(path):
            pass
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    with held(path):
        pass
