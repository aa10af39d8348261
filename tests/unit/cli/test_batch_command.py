"""``ziggurat batch``: what a shell sees of it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ziggurat.batch import Rate
from ziggurat.cli.batch_run import read_rate
from ziggurat.errors import InputError

CHAIN = """
import os
from ziggurat import LLM, MultiChain

async def answer(question: str, style: str = "plain") -> str:
    if question in os.environ.get("BAD_QUESTIONS", "").split(","):
        raise ValueError(f"[no] answer to {question}")
    return f"{style} answer to {question}"

async def length(answer: str) -> int:
    return len(answer)

chain = MultiChain(answer=answer, length=length, name="tiny")
asking = MultiChain(answer=LLM("{question}", model="fake:echo"), name="asking")
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a chain and a table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "pipeline.py").write_text(CHAIN)
    (tmp_path / "questions.csv").write_text("id,question\n" + "".join(f"{number},q{number}\n" for number in range(10)))
    return tmp_path


@pytest.fixture
def batch(front_door):
    def call(*arguments):
        return front_door("batch", *map(str, arguments))

    return call


def test_a_chain_over_a_table_and_how_it_went(batch, here):
    code, out, err = batch("pipeline.py:chain", "questions.csv", "answers.parquet")
    assert (code, out) == (0, "")
    assert "10 rows in " in err
    assert f"→ {here / 'answers.parquet'}\n" in err, "a path is on one line"
    assert "cells: 20 computed, 0 kept" in err
    assert "failed" not in err
    assert "models" not in err
    rows = pq.read_table(here / "answers.parquet").to_pylist()
    assert rows[3] == {"id": 3, "question": "q3", "answer": "plain answer to q3", "length": 18, "error": None}
    assert "0 computed, 20 kept" in batch("run", "pipeline.py:chain", "questions.csv", "answers.parquet")[2]


@pytest.mark.parametrize("run", [(), ("run",)])
def test_options_may_stand_before_the_arguments(batch, here, run):
    options = (
        "--key",
        "id",
        "--concurrency",
        "2",
        "--output",
        "n=length",
        "--output",
        "answer",
        "--set",
        "style=short",
    )
    code, _, err = batch(*run, *options, "pipeline.py:chain", "questions.csv", "out.jsonl", "--carry", "id")
    assert code == 0, err
    rows = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
    assert rows[9] == {"id": 9, "n": 18, "answer": "short answer to q9", "error": None}


def test_columns_that_are_called_otherwise_and_the_column_for_errors(batch, here):
    (here / "t.csv").write_text("title\nq1\n")
    code, _, err = batch(
        "pipeline.py:chain", "t.csv", "o.parquet", "--input", "question=title", "--output", "length", "--error-column", "wrong"
    )  # fmt: skip
    assert code == 0, err
    assert pq.read_table(here / "o.parquet").to_pylist() == [{"title": "q1", "length": 18, "wrong": None}]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--input", "question"), "'question' is no pair"),
        (("--input", "=title"), "'=title' is no pair"),
        (("--input", "question="), "'question=' is no pair"),
        (("--output", "=answer"), "'=answer' is no output"),
        (("--output", "n="), "'n=' is no output"),
        (("--rate", "many"), "'many' is no rate"),
        (("--rate", "5/fortnight"), "'5/fortnight' is no rate"),
        (("--rate", "0/s"), "no rate"),
        (("--set", "style"), "style"),
        (("--set", "stile=x"), "no input 'stile', did you mean 'style'"),
        (("--key", "idd"), "no column 'idd', did you mean 'id'"),
        (("--max-calls", "0"), "allows nothing"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_is_begun(batch, here, options, said):
    code, out, err = batch("pipeline.py:chain", "questions.csv", "o.parquet", *options)
    assert (code, out) == (1, "")
    assert said in " ".join(err.replace(" (", ", ").split())
    assert "Traceback" not in err
    assert not (here / "o.parquet").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("pipeline.py:chain", "questions.csv"),
        ("pipeline.py:chain", "questions.csv", "o.parquet", "--nothing"),
        ("pipeline.py:chain", "questions.csv", "o.parquet", "--concurrency", "0"),
        ("pipeline.py:chain", "questions.csv", "o.parquet", "--on-effect", "maybe"),
        ("status",),
        ("retry", "a", "b"),
    ],
)
def test_a_command_that_is_none_is_a_matter_of_usage(batch, arguments):
    code, _, err = batch(*arguments)
    assert code == 2
    assert "--help" in err


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/min", Rate(600, 60)), ("10/s", Rate(10, 1)), ("100/10s", Rate(100, 10)), (" 5 / 2 Hours ", None),
        ("7/H", Rate(7, 3600)), ("3/sec", Rate(3, 1)), ("1/minute", Rate(1, 60)),
    ],
)  # fmt: skip
def test_rates_are_read_as_people_write_them(text, rate):
    if rate is None:
        with pytest.raises(InputError, match="is no rate"):
            read_rate(text)
    else:
        assert read_rate(text) == rate


def test_a_table_or_a_chain_that_is_not_there_is_said(batch):
    code, _, err = batch("pipeline.py:chain", "question.csv", "o.parquet")
    assert code == 1
    assert "questions.csv" in err, "the name that was meant"
    code, _, err = batch("pipelines.py:chain", "questions.csv", "o.parquet")
    assert code == 1
    assert "Traceback" not in err


def test_failed_rows_are_counted_reported_and_run_again(batch, here, monkeypatch):
    monkeypatch.setenv("BAD_QUESTIONS", "q3,q5")
    code, _, err = batch("pipeline.py:chain", "questions.csv", "o.parquet", "--key", "id")
    assert code == 0
    assert "2 rows failed: ziggurat batch report o.parquet" in err

    code, out, _ = batch("status", "o.parquet")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "tiny over questions.csv → o.parquet: done"
    assert lines[1] == "  last run on this machine: 10 rows, 16 cells computed, 0 kept"
    assert "ledger: 16 cells" in lines[2]
    assert "runs so far: 1" in lines[2]
    assert "2 rows failed: ziggurat batch report o.parquet" in out

    code, out, _ = batch("report", "o.parquet")
    assert code == 0
    assert "[no] answer to q3" in out, "a message is shown as it is"
    assert "for example 3; 5" in out
    assert [line.split()[:3] for line in out.splitlines() if line.startswith(("answer", "length"))] == [["answer", "8", "2"], ["length", "8", "0"]]  # fmt: skip

    monkeypatch.setenv("BAD_QUESTIONS", "")
    code, _, err = batch("retry", "o.parquet")
    assert code == 0, err
    assert "4 computed, 16 kept" in err
    assert "rows failed" not in err
    assert "failed" not in batch("status", "o.parquet")[1].replace(str(here), "")
    assert pq.read_table(here / "o.parquet")["error"].null_count == 10


def test_an_error_without_words_and_a_name_with_brackets_are_shown_as_they_are(batch, here):
    (here / "mute.py").write_text(
        "from ziggurat import MultiChain\n"
        "async def answer(question: str) -> str:\n    raise ValueError\n"
        "chain = MultiChain(answer=answer)\n"
    )
    code, _, err = batch("mute.py:chain", "questions.csv", "[red].parquet", "--key", "id")
    assert code == 0
    assert "[red].parquet\n" in err
    assert "ziggurat batch report [red].parquet" in err
    code, out, _ = batch("report", "[red].parquet")
    assert code == 0, out
    assert "answer: ValueError" in out


def test_status_and_report_are_json_too(batch, monkeypatch):
    monkeypatch.setenv("BAD_QUESTIONS", "q3")
    batch("pipeline.py:chain", "questions.csv", "o.parquet", "--key", "id")
    for command in ("status", "report"):
        found = json.loads(batch(command, "o.parquet", "--json")[1])
        assert (found["chain"], found["failed"], found["running"]) == ("tiny", 1, False)
        assert found["stages"]["answer"]["cells"] == 9
        assert found["failures"][0] == {
            "stage": "answer", "type": "ValueError", "rows": 1, "message": "[no] answer to q3", "examples": ["3"]
        }  # fmt: skip
        assert [run["status"] for run in found["runs"]] == ["done"]


def test_what_models_used_is_told(batch):
    _, _, err = batch("pipeline.py:asking", "questions.csv", "o.parquet")
    assert "models: 10 calls, " in err
    assert "models, all runs: 10 calls" in batch("status", "o.parquet")[1]


def test_rows_beyond_the_budget_are_told_and_a_retry_goes_on_within_the_same(batch, here):
    code, _, err = batch("pipeline.py:asking", "questions.csv", "o.parquet", "--key", "id", "--max-calls", "4")
    assert code == 0
    assert "6 rows failed" in err
    assert "BudgetExceeded" in batch("report", "o.parquet")[1]
    code, _, err = batch("retry", "o.parquet")
    assert code == 0
    assert "models: 4 calls" in err, "what was asked for holds for the retry, too"
    assert batch("pipeline.py:asking", "questions.csv", "o.parquet", "--key", "id", "--max-calls", "4")[0] == 0
    assert pq.read_table(here / "o.parquet")["error"].null_count == 10


def test_too_many_failures_end_it_with_an_exit_code(batch, here, monkeypatch):
    monkeypatch.setenv("BAD_QUESTIONS", "q3,q5,q6")
    code, _, err = batch("pipeline.py:chain", "questions.csv", "o.parquet", "--stop-after", "2", "--concurrency", "1")
    assert code == 1
    assert "it was to stop after 2" in err
    assert not (here / "o.parquet").exists()
    out = batch("status", "o.parquet")[1]
    assert "o.parquet: failed" in out
    assert "it ended with BatchStopped" in out
    assert "ziggurat batch retry o.parquet" in out


def test_nothing_is_computed_where_only_what_is_kept_is_wanted(batch, here):
    batch("pipeline.py:chain", "questions.csv", "o.parquet", "--key", "id")
    (here / "questions.csv").write_text("id,question\n1,q1\n99,q99\n")
    code, _, err = batch("pipeline.py:chain", "questions.csv", "o.parquet", "--key", "id", "--kept-only")
    assert code == 0, err
    assert [row["length"] for row in pq.read_table(here / "o.parquet").to_pylist()] == [18, None]


def test_an_output_of_somebody_else_s_is_replaced_only_if_asked(batch, here):
    pq.write_table(pa.table({"mine": [1]}), here / "o.parquet")
    code, _, err = batch("pipeline.py:chain", "questions.csv", "o.parquet")
    assert code == 1
    assert "--overwrite" in err
    assert pq.read_table(here / "o.parquet").schema.names == ["mine"]
    assert batch("pipeline.py:chain", "questions.csv", "o.parquet", "--overwrite")[0] == 0
    assert pq.read_table(here / "o.parquet").num_rows == 10


@pytest.mark.parametrize("command", ["status", "report", "retry"])
def test_an_output_without_a_batch_has_nothing_to_tell(batch, here, command):
    code, out, err = batch(command, "nothing.parquet")
    assert (code, out) == (1, "")
    assert "There is no batch for this output" in err
    assert list(here.glob("*nothing*")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--help",), ["CHAIN TABLE OUT", "status", "report", "retry", "Examples:", "--spark"]),
        (
            ("run", "--help"),
            ["--key", "--max-usd", "--rate", "--stop-after", "--kept-only", "--overwrite", "default: 64"],
        ),
        (("status", "--help"), ["--json", "Example:"]),
        (("report", "--help"), ["--json", "Example:"]),
        (("retry", "--help"), ["--spark", "Example:"]),
        (("-h",), ["CHAIN TABLE OUT"]),
    ],
)
def test_help_says_what_there_is(batch, arguments, said):
    code, out, _ = batch(*arguments)
    assert code == 0
    for one in said:
        assert one in out
