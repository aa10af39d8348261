"""``ziggurat agent``: what it shows, what it asks, what it refuses."""

import sys

import pytest

from ziggurat import VectorIndex, models
from ziggurat.testing import FakeChat, tool_call


@pytest.fixture
def scripted(monkeypatch):
    """The model of the command answers from a script."""

    def script(*answers):
        model = FakeChat(script=list(answers))
        monkeypatch.setattr(models, "chat", lambda spec=None, **options: model)
        return model

    return script


def test_steps_and_the_answer_are_shown(front_door, scripted):
    scripted(tool_call("calculator", expression="6*7"), "It is 42.")
    code, out, err = front_door("agent", "What is 6 times 7?", "--tool", "calculator")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == ' 1 calculator(expression="6*7")'
    assert lines[1].startswith("   → 42  (")
    assert lines[2] == "It is 42."
    assert lines[3].startswith("1 step, 2 model calls, ")


def test_tools_are_named_with_what_they_need(front_door, scripted, tmp_path):
    with VectorIndex.from_texts(["the boat is red"], "fake:16", path=tmp_path / "kb"):
        pass
    (tmp_path / "a.txt").write_text("the boat is old")
    scripted(tool_call("index_search", question="boat"), tool_call("read_file", path="a.txt"), "Red and old.")
    code, out, _ = front_door(
        "agent", "The boat?", "-t", f"index:{tmp_path / 'kb'}", "-t", f"files:{tmp_path}", "-t", "python"
    )
    assert code == 0
    assert "the boat is red" in out
    assert "the boat is old" in out


def test_without_a_terminal_an_act_is_refused(front_door, scripted, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    scripted(tool_call("write_file", path="a.txt", text="x"), "I may not.")
    code, out, _ = front_door("agent", "Write.", "-t", f"write:{tmp_path}")
    assert code == 0
    assert "⊘ refused" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("said", [True, False])
def test_in_a_terminal_an_act_is_shown_and_asked_about(front_door, scripted, tmp_path, monkeypatch, said):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("click.confirm", lambda *args, **more: said)
    scripted(tool_call("write_file", path="a.txt", text="x\x1b[2Jy"), "Done.")
    _, out, _ = front_door("agent", "Write.", "-t", f"write:{tmp_path}")
    assert "The agent wants to act: write_file" in out
    assert "  path: a.txt" in out
    assert "\x1b[2J" not in out  # nothing shown can clear what was shown
    assert [path.name for path in tmp_path.iterdir()] == (["a.txt"] if said else [])


def test_an_act_is_allowed_by_name(front_door, scripted, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    scripted(tool_call("write_file", path="a.txt", text="x"), "Done.")
    front_door("agent", "Write.", "-t", f"write:{tmp_path}", "--allow", "write_file")
    assert (tmp_path / "a.txt").read_text() == "x"


def test_bounds_are_told_when_they_end_it(front_door, scripted):
    scripted(*(tool_call("calculator", expression=f"{n}") for n in range(9)))
    _, out, _ = front_door("agent", "What?", "-t", "calculator", "--steps", "2")
    assert "stopped: steps; 2 steps, 3 model calls" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-t", "calculater"], "did you mean 'calculator'"),
        (["-t", "index"], "No tool is written 'index'"),
        (["-t", "index:"], "No tool is written 'index:'"),
        (["-t", "teleport:home"], "No tool is written 'teleport:home'"),
        ([], "without tools"),
        (["--mcp", "/no/such/program"], "cannot be reached"),
    ],
)
def test_what_is_no_tool_is_one_clear_line(front_door, scripted, arguments, said):
    scripted("x")
    code, _, err = front_door("agent", "What?", *arguments)
    assert code == 1
    assert said in err
    assert "Traceback" not in err
