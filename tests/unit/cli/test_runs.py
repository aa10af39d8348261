"""``ziggurat run --journal``, ``runs`` and ``explain``: what a person sees of runs that were written down."""

import re

import pytest

from ziggurat.chain.journal import Cell, CellStatus, Journal, RunRecord
from ziggurat.chain.values import encode

PIPELINE = """
import os
from ziggurat import LLM, Map, MultiChain, given, ref, stage
from ziggurat.testing import FakeChat

def rows(text):
    return text.split()

def check(words):
    if os.path.exists("down"):
        raise OSError("the service is down")
    return len(words)

@stage(effect=True)
def send(check):
    with open("outbox", "a") as outbox:
        outbox.write("sent\\n")
    return f"sent {check}"

chain = MultiChain(
    rows=rows,
    words=given(Map(LLM("Say {word}", FakeChat(script="one two")), each="word"), word=ref("rows")),
    check=check,
    send=send,
    name="pipe",
)

def longer(words):
    return len(words) * 100
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipe.py").write_text(PIPELINE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def failed(here, front_door):
    """A run that failed half way, and its id."""
    (here / "down").touch()
    code, _, err = front_door("run", "pipe.py:chain", "text=a b c", "--journal")
    assert code == 1
    (here / "down").unlink()
    return re.search(r"to go on: ziggurat runs resume (\w+)", err).group(1)


def words(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_failed_run_says_how_to_go_on_and_going_on_keeps_what_finished(here, front_door, failed):
    code, out, err = front_door("runs", "resume", failed[:5])
    assert code == 0
    assert "= rows from the journal: ['a', 'b', 'c']" in words(err)
    assert words(out)[-1] == "sent 3"
    code, out, _ = front_door("runs", "list")
    assert re.match(rf"{failed} pipe done .* 7 12 0\.0000$", words(out)[1])


def test_a_run_is_shown_with_stages_items_usage_and_cost(here, front_door, failed):
    _code, out, _ = front_door("runs", "show", failed)
    lines = words(out)
    assert lines[0].startswith(f"{failed} pipe failed, ")
    assert re.match(r"words\[0\] done 1 [\d.]+ 4 0\.0000", lines[5])
    assert any(re.match(r"check failed 1 [\d.]+ OSError: the service is down", line) for line in lines)
    assert any(re.match(r"send skipped 1 [\d.]+ check failed", line) for line in lines)
    assert lines[-1] == "fake:script: 3 calls, 6 tokens in, 6 out, 0.0000 USD"


def test_a_replay_shows_what_differs_and_sends_nothing(here, front_door, failed):
    front_door("runs", "resume", failed)
    code, out, _ = front_door("runs", "replay", failed, "--swap", "check=pipe.py:longer")
    lines = words(out)
    assert code == 0
    assert any(line.startswith("check DIFFERS") for line in lines)
    assert any(line.startswith("words[2] kept 4 -> 4 tokens") for line in lines)
    assert lines[-2:] == ["- 3", "+ 300"]
    assert (here / "outbox").read_text() == "sent\n"


def test_why_says_what_changed(here, front_door, failed):
    front_door("run", "pipe.py:chain", "text=a b", "--journal")
    _, out, _ = front_door("runs", "list")
    newest = words(out)[1].partition(" ")[0]
    _code, out, _ = front_door("runs", "why", newest, "rows")
    assert words(out) == [f"rows ran in {newest}; since {failed}:", "- the input 'text' has another value"]


def test_an_unknown_run_and_a_missing_journal_are_errors_in_words(here, front_door, failed):
    code, _, err = front_door("runs", "show", "nope")
    assert (code, "has no run 'nope'" in err, "Traceback" in err) == (1, True, False)
    code, _, err = front_door("runs", "list", "--journal", "other.sqlite3")
    assert (code, "other.sqlite3" in err) == (1, True)


def test_nobody_to_ask_about_an_effect_is_an_error_with_the_way_out(here, front_door, failed):
    with Journal("runs.sqlite3") as journal:
        journal.record(failed, Cell("send", CellStatus.BEGUN))
    code, _, err = front_door("runs", "resume", failed)
    assert (code, "--on-effect repeat" in err) == (1, True)
    assert not (here / "outbox").exists()
    code, out, _ = front_door("runs", "resume", failed, "--on-effect", "skip")
    assert (code, words(out)[-1]) == (0, "None")
    assert not (here / "outbox").exists()


def test_a_run_that_does_not_say_where_its_chain_is_asks_for_it(here, front_door):
    with Journal("runs.sqlite3") as journal:
        journal.begin(RunRecord("r", "pipe", inputs=encode({"text": "a"})), {})
    code, _, err = front_door("runs", "resume", "r")
    assert (code, "--chain chain.yaml" in err) == (1, True)
    code, out, _ = front_door("runs", "resume", "r", "--chain", "pipe.py:chain")
    assert (code, words(out)[-1]) == (0, "sent 1")


def test_a_budget_on_the_command_line_ends_the_run_with_what_to_do(here, front_door):
    code, _, err = front_door("run", "pipe.py:chain", "text=a b c d", "--max-calls", "2")
    assert code == 1
    assert "The budget in calls has no room for this call" in err
    assert words(err)[-1] == "try: allow more calls"


def test_a_cache_on_the_command_line_is_kept_between_runs(here, front_door):
    front_door("run", "pipe.py:chain", "text=a", "--cache")
    _, _, err = front_door("run", "pipe.py:chain", "text=a", "--cache")
    assert "= rows from the cache: ['a']" in words(err)
    assert (here / "outbox").read_text() == "sent\n" * 2, "what acts on the world is never taken from a cache"
    _, out, _ = front_door("explain", "pipe.py:chain", "text=a", "--cache")
    assert words(out)[1] == "rows cached no model call"


def test_explain_says_what_is_known_and_what_is_not(here, front_door):
    code, out, _ = front_door("explain", "pipe.py:chain")
    lines = words(out)
    assert code == 0
    assert "words[] depends 1 call, tokens unknown, 0.0000 USD fake:script" in lines
    assert lines[-3:] == [
        "at most an unknown number of calls, tokens unknown, 0.0000 USD",
        "not counted, since functions do not say: rows, check, send",
        "still to be given: text",
    ]


def test_old_runs_are_pruned_only_when_somebody_says_what_is_old(here, front_door, failed):
    code, _, err = front_door("runs", "prune")
    assert (code, "--older-than" in err) == (1, True)
    code, out, _ = front_door("runs", "prune", "--max-bytes", "1", "--dry-run")
    assert out.startswith("would remove 1 runs")
    front_door("runs", "prune", "--max-bytes", "1")
    assert front_door("runs", "list")[2] == "No runs in runs.sqlite3.\n"


def test_a_journal_is_verified(here, front_door, failed):
    assert front_door("runs", "verify") == (0, "runs.sqlite3: all well\n", "")
