"""Datasets: the forms that are understood, and bad rows refused with file and line."""

import json

import pytest

from ziggurat.errors import InputError
from ziggurat.evaluation.dataset import Dataset, Question, load_dataset


def written(tmp_path, text, name="set.json"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


CASES = {
    "our own form": (
        {"question": "Who built Troy?", "gold": ["a.md", "b.md"], "answer": "Ann", "language": "pt", "group": "easy"},
        Question("Who built Troy?", ("a.md", "b.md"), ("Ann",), "pt", "easy", 1),
    ),
    "a lone text and several answers": (
        {"question": "When was Troy built?", "gold": "a.md", "answer": ["1911", "in 1911", "1911"]},
        Question("When was Troy built?", ("a.md",), ("1911", "in 1911"), "en", "", 1),
    ),
    "titles and multihop": (
        {"question": "When was Troy built?", "gold_titles": ["A", "B"], "multihop": True},
        Question("When was Troy built?", ("A", "B"), (), "en", "multi-hop", 1),
    ),
    "titles and a type": (
        {"id": "5a7", "question": "When was Troy built?", "answer": "yes", "type": "bridge", "gold_titles": ["A"]},
        Question("When was Troy built?", ("A",), ("yes",), "en", "bridge", 1),
    ),
    "a passage by its number": (
        {"id": "x", "question": "美国首位诺贝尔经济学奖得主是？", "passage": 179, "answers": ["保罗"]},
        Question("美国首位诺贝尔经济学奖得主是？", ("179",), ("保罗",), "zh", "", 1),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_row_is_read(tmp_path, name):
    given, expected = CASES[name]
    assert load_dataset(written(tmp_path, json.dumps([given]))).questions == (expected,)
    assert load_dataset(written(tmp_path, json.dumps(given), "set.jsonl")).questions == (expected,)
    assert load_dataset(written(tmp_path, json.dumps({"passages": [], "questions": [given]}))).questions == (expected,)


def test_a_language_that_is_not_told_is_detected(tmp_path):
    asked = ["When was it built?", "¿Cuándo fue construida?", "Quando foi construída a ponte?", "什么时候建的？"]
    path = written(tmp_path, json.dumps([{"question": one, "gold": "x"} for one in asked]))
    assert [one.language for one in load_dataset(path).questions] == ["en", "es", "pt", "zh"]


BAD = {
    "no question": ({"gold": "a"}, "no 'question'"),
    "a misspelt question": ({"qestion": "Who?", "gold": "a"}, "did you mean 'qestion'"),
    "a question without words": ({"question": "??", "gold": "a"}, "is not a question"),
    "a question that is a number": ({"question": 7, "gold": "a"}, "is not a question"),
    "nothing to measure by": ({"question": "When was Troy built?"}, "neither gold nor answer"),
    "gold that is no name": ({"question": "When was Troy built?", "gold": [{"id": 1}]}, "is no gold"),
    "a blank gold": ({"question": "When was Troy built?", "gold": " "}, "is no gold"),
    "an answer that is true": ({"question": "When was Troy built?", "answer": True}, "is no answer"),
    "a misspelt answer": ({"question": "When was Troy built?", "gold": "a", "anwser": "x"}, "did you mean 'answer'"),
    "a language that is a number": ({"question": "When was Troy built?", "gold": "a", "language": 3}, "is no language"),
    "no object": ("When was Troy built?", "A row is an object"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_refused_with_file_and_line(tmp_path, name):
    row, told = BAD[name]
    good = {"question": "When was Troy built?", "gold": "a"}
    lines = "".join(f"{json.dumps(one)}\n" for one in (good, good, row))
    with pytest.raises(InputError, match="(?s)" + told) as caught:
        load_dataset(written(tmp_path, lines, "set.jsonl"))
    assert caught.value.where.endswith("set.jsonl:3")
    with pytest.raises(InputError) as caught:
        load_dataset(written(tmp_path, json.dumps([good, good, row], indent=1)))
    lines_of_a_good_row = len(json.dumps(good, indent=1).splitlines())
    assert caught.value.where.endswith(f"set.json:{2 + 2 * lines_of_a_good_row}")


FILES = {
    "json that is cut": ("set.json", '[{"question": ', "is not JSON"),
    "a line that is cut": ("set.jsonl", '{"question": "When was Troy built?", "gold": "a"}\n{"qu', "is not JSON"),
    "lines under the name of json": (
        "set.json",
        '{"question": "When was Troy built?"}\n{"question": "Who built Troy?"}\n',
        "called .jsonl",
    ),
    "no list": ("set.json", '{"rows": []}', "no list of questions"),
    "nothing": ("set.json", "[]", "holds no question"),
    "only dropped rows": (
        "set.jsonl",
        '{"question": "When was Troy built?", "gold": "a", "reviewed": "dropped"}',
        "no question",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_refused(tmp_path, name):
    file, text, told = FILES[name]
    with pytest.raises(InputError, match=told):
        load_dataset(written(tmp_path, text, file))


def test_a_file_that_is_not_there_or_not_utf_8_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_dataset(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes('[{"question": "¿Cuándo?"}]'.encode("latin-1"))
    with pytest.raises(InputError, match="cannot be read"):
        load_dataset(tmp_path / "latin.json")


def test_rows_that_a_reviewer_dropped_are_passed_over(tmp_path):
    rows = [
        {"question": f"When was {one} built?", "gold": "a", "reviewed": kept}
        for one, kept in (("A1", True), ("B2", "dropped"))
    ]
    path = written(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "set.jsonl")
    assert [one.text for one in load_dataset(path).questions] == ["When was A1 built?"]


def test_short_answers_are_told_from_long_ones():
    short = Question("When?", (), ("1911",))
    long = Question("Why?", (), ("because the river rose so high that spring that nobody could cross",))
    chinese = Question("何时？", (), ("一九一一年三月",), "zh")
    assert Dataset.of("s", (short, short, long)).has_short_answers
    assert Dataset.of("s", (chinese,)).has_short_answers
    assert not Dataset.of("s", (short, long, long)).has_short_answers
    assert not Dataset.of("s", (Question("When?", ("a",)),)).has_short_answers


def test_the_digest_tells_questions_apart_and_not_files(tmp_path):
    rows = [{"question": "When was Troy built?", "gold": "a"}, {"question": "Who built Troy?", "gold": "b"}]
    one = load_dataset(written(tmp_path, json.dumps(rows)))
    same = load_dataset(written(tmp_path, "\n".join(map(json.dumps, rows)), "other.jsonl"))
    assert one.digest == same.digest
    assert one.first(1).digest != one.digest
    assert len(one.first(1)) == 1
