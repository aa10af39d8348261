"""``ziggurat eval``: what is printed and saved, and how a set of questions is made and reviewed."""

import json

import pytest
from click.testing import CliRunner

from ziggurat.cli.main import cli
from ziggurat.errors import InputError
from ziggurat.evaluation import load_dataset
from ziggurat.index import VectorIndex

MILLS = ["Hollow", "Brook", "Ridge"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an index of three mills and questions about two of them."""
    monkeypatch.chdir(tmp_path)
    with VectorIndex.create("kb", "fake:256") as index:
        texts = [f"The mill of {name} was built in {1700 + at}. " * 4 for at, name in enumerate(MILLS)]
        index.add_texts(texts, [{"title": name, "source": f"{name}.md"} for name in MILLS], ids=MILLS)
    rows = [
        {"question": "When was the mill of Hollow built?", "gold": "Hollow", "answer": "1700", "language": "en"},
        {"question": "¿Cuándo fue construido el mill de Ridge?", "gold": ["Ridge.md"], "answer": "1702"},
    ]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


def run(*arguments, answers=None):
    """A command that must go well; returns what it printed."""
    result = CliRunner().invoke(cli, ["eval", *arguments], input=answers, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", ["retrieval", "answers", "compare", "make"])
def test_every_command_explains_itself(command):
    text = run(command, "--help")
    assert text.startswith(f"Usage: cli eval {command}")
    assert "Example" in text
    assert "\b" not in text


# -- retrieval ------------------------------------------------------------------------------------


def test_searches_are_measured_printed_and_saved_with_a_page(here):
    said = run("retrieval", "questions.jsonl", "--index", "kb", "--search", "hybrid", "--search", "words", "--k", "2")
    for word in ("hybrid", "words", "recall@1", "all-gold@2", "All 2 gold names are in the index."):
        assert word in said
    (saved,) = (here / "evaluations").glob("*.json")
    assert saved.name == "retrieval-questions-hybrid-words-2.json"
    told = json.loads(saved.read_text("utf-8"))
    assert told["settings"] == {"searches": ["hybrid", "words"], "k": 2, "parent": None}
    assert told["figures"]["words"]["recall@1"]["value"] == 1.0
    assert "words: nothing went wrong" in saved.with_suffix(".html").read_text("utf-8")


def test_a_name_a_folder_and_a_limit_are_kept_to(here):
    run("retrieval", "questions.jsonl", "--index", "kb", "--limit", "1", "--out", "runs", "--name", "first")
    assert json.loads((here / "runs" / "first.json").read_text("utf-8"))["dataset"]["questions"] == 1


def test_a_bad_row_is_refused_in_words_and_nothing_is_written(here, front_door):
    (here / "bad.jsonl").write_text('{"question": "When was Troy built?"}\n', encoding="utf-8")
    code, out, err = front_door("eval", "retrieval", "bad.jsonl", "--index", "kb")
    assert (code, out) == (1, "")
    assert "neither gold nor answer" in err
    assert "bad.jsonl:1" in err
    assert not (here / "evaluations").exists()


def test_a_dataset_of_another_index_is_refused_in_words(here, front_door):
    (here / "other.jsonl").write_text('{"question": "When was Troy built?", "gold": "Troy"}\n', encoding="utf-8")
    code, _, err = front_door("eval", "retrieval", "other.jsonl", "--index", "kb")
    assert code == 1
    assert "none of the 1 gold passages" in err


# -- answers --------------------------------------------------------------------------------------


def test_answers_are_measured_with_tokens_and_cost_and_a_second_run_goes_on(here):
    asked = ("answers", "questions.jsonl", "--index", "kb", "--model", "fake:fixed 1700", "--gold", "--closed-book")
    said = run(*asked, "--judge", 'fake:json {"supported": "yes"}')
    for word in ("retrieved passages, short", "gold passages, short", "closed book, short", "exact match", "faithful"):
        assert word in said
    assert "answers: 6 calls, " in said
    assert "judge: 4 calls, " in said
    assert "$0.0000" in said
    (rows,) = (here / "evaluations").glob("*.rows.jsonl")
    before = rows.read_bytes()
    run(*asked, "--judge", 'fake:json {"supported": "yes"}')
    assert rows.read_bytes() == before
    (saved,) = (here / "evaluations").glob("*.json")
    figures = json.loads(saved.read_text("utf-8"))["figures"]
    assert figures["closed book, short"]["exact match"]["value"] == 0.5


def test_rows_of_another_run_under_the_same_name_are_refused_unless_it_begins_anew(here):
    asked = ("answers", "questions.jsonl", "--index", "kb", "--model", "fake:fixed 1700", "--name", "mine")
    run(*asked)
    with pytest.raises(InputError, match="another run"):
        run(*asked, "--k", "1")
    run(*asked, "--k", "1", "--fresh")


# -- compare --------------------------------------------------------------------------------------


def test_two_runs_are_set_side_by_side(here):
    base = ("answers", "questions.jsonl", "--index", "kb", "--style", "short")
    run(*base, "--model", "fake:fixed Paris", "--name", "before")
    run(*base, "--model", "fake:fixed 1700", "--name", "after")
    said = run("compare", "evaluations/before", "evaluations/after.json")
    assert "+0.500" in said
    assert "2 questions, compared by F1." in said
    assert "1 better" in said
    assert "'Paris' → '1700'" in said
    assert "0 worse" in said


# -- make -----------------------------------------------------------------------------------------

PAIR = 'fake:json {"question": "In which year did they build the mill of Brook?", "answer": "1701"}'


def made(here):
    return [json.loads(line) for line in (here / "set.jsonl").read_text("utf-8").splitlines()]


def test_a_set_is_made_from_the_index_and_can_be_measured(here):
    said = run("make", "kb", "--out", "set.jsonl", "--count", "2", "--model", PAIR)
    assert "1 questions from 3 passages" in said
    assert "2 refused: the answer does not stand in the passage" in said
    assert "no further passages" in said
    (row,) = made(here)
    assert (row["gold"], row["reviewed"]) == (["Brook"], False)
    assert "all-gold" in run("retrieval", "set.jsonl", "--index", "kb")


def many(here):
    rows = [
        {"question": f"When was the mill of {name} built?", "answer": str(1700 + at), "gold": [name],
         "excerpt": f"The mill of {name} was built in {1700 + at}.", "reviewed": False}
        for at, name in enumerate(MILLS)
    ]  # fmt: skip
    (here / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_a_review_keeps_drops_and_edits_and_goes_on_where_it_was_left(here):
    many(here)
    review = ("make", "kb", "--out", "set.jsonl", "--count", "3", "--model", PAIR, "--review")
    said = run(*review, answers="k\nq\n")
    assert "When was the mill of Hollow built?" in said
    assert [row["reviewed"] for row in made(here)] == [True, False, False]
    assert "2 not reviewed" in said
    said = run(*review, answers="d\ne\nIn which year was Ridge's mill built?\n1999\n1702\n")
    assert "1 of 2" in said
    assert "Hollow" not in said
    assert "That does not stand in the passage." in said
    assert [row["reviewed"] for row in made(here)] == [True, "dropped", True]
    assert made(here)[2]["question"] == "In which year was Ridge's mill built?"
    assert [one.gold for one in load_dataset(here / "set.jsonl").questions] == [("Hollow",), ("Ridge",)]


def test_a_line_that_was_cut_short_is_dropped_and_another_file_is_refused(here):
    many(here)
    with (here / "set.jsonl").open("a") as file:
        file.write('{"question": "When w')
    run("make", "kb", "--out", "set.jsonl", "--count", "3", "--model", PAIR)
    assert len(made(here)) == 3
    (here / "notes.md").write_text("# Notes\n", encoding="utf-8")
    with pytest.raises(InputError, match="no questions a line each"):
        run("make", "kb", "--out", "notes.md", "--model", PAIR)
    assert (here / "notes.md").read_text("utf-8") == "# Notes\n"
