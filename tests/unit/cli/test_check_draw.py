"""``ziggurat check``, ``draw`` and ``run`` on chain files: what they print and how they end."""

import json

import pytest
from click.testing import CliRunner

from ziggurat.cli.main import cli
from ziggurat.drawing.raster import read_text
from ziggurat.errors import InputError

CHAIN = """\
ziggurat: 1
name: Answers
inputs: [question, rows]
outputs: [loud, each]
stages:
  answer: {uses: llm, model: "fake:fixed it is so", prompt: "{question}", retry: 2, timeout: 9}
  loud: {uses: shout, given: {text: $answer}, fallback: silence}
  each: {uses: shout, given: {text: "{row}"}, each: {row: $rows}, on_error: keep}
"""
FUNCTIONS = """
from json import dumps
from pathlib import Path


def shout(text):
    return text.upper()


def _hidden(text):
    return text


number = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chain.yaml").write_text(CHAIN, encoding="utf-8")
    (tmp_path / "functions.py").write_text(FUNCTIONS, encoding="utf-8")
    (tmp_path / "pipeline.py").write_text(
        "from ziggurat import MultiChain\nchain = MultiChain(double=lambda number: 2 * number)\n", encoding="utf-8"
    )
    (tmp_path / "small.yaml").write_text(
        "ziggurat: 1\nstages: {answer: {uses: llm, model: 'fake:echo', prompt: '{question}'}}\n", encoding="utf-8"
    )
    (tmp_path / "wrong.yaml").write_text(
        "ziggurat: 1\nstages:\n  answer:\n    uses: llm\n    modle: fake:echo\n  other: {uses: shuot}\n",
        encoding="utf-8",
    )
    return tmp_path


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result


# -- check ----------------------------------------------------------------------------------------


def test_a_chain_that_is_fine_is_shown_at_a_glance(here):
    text = run("check", "chain.yaml", "--functions", "functions.py").stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[:2] == ["chain.yaml: fine", "inputs question, rows"]
    assert "answer LLM question 2 attempts, 9 s" in lines
    assert "loud shout answer fallback" in lines
    assert any(line.startswith("each shout, for each row, failures kept rows") for line in lines)
    assert lines[-1] == "outputs loud, each"


def test_what_is_wrong_is_printed_a_line_each_and_the_exit_code_is_one(here, front_door):
    code, out, err = front_door("check", "wrong.yaml", "small.yaml", "--quiet", "--functions", "functions.py")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "wrong.yaml:5: stages.answer.modle: unknown key (did you mean 'model'?)",
        "wrong.yaml:6: stages.other.uses: no stage is called 'shuot' (did you mean 'shout'?)",
    ]


def test_a_python_chain_and_a_missing_file_are_checked_too(here, front_door):
    assert front_door("check", "pipeline.py:chain", "-q") == (0, "", "")
    code, _, err = front_door("check", "nothing.yaml", "pipeline.py:chian")
    assert code == 1
    assert "nothing.yaml:1: 'nothing.yaml' is not a file" in err
    assert "did you mean 'chain'" in err


def test_the_schema_is_printed_for_editors():
    assert json.loads(run("check", "--schema").stdout)["title"] == "A chain of Ziggurat"


def test_nothing_to_check_is_a_slip(front_door):
    code, out, err = front_door("check")
    assert (code, out) == (2, "")
    assert "for example chain.yaml" in err


# -- run ------------------------------------------------------------------------------------------


def test_a_chain_file_runs_with_functions_and_inputs(here):
    found = run("run", "chain.yaml", "question=why", 'rows:=["a", 1]', "--functions", "functions.py", "--json").stdout
    assert json.loads(found) == {"loud": "IT IS SO", "each": ["A", "1"]}
    assert json.loads(run("run", "small.yaml", "question=x", "--json").stdout) == {"answer": "x"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "wrong.yaml"], "wrong.yaml:5: stages.answer.modle"),
        (["run", "chain.yaml"], "no stage is called 'shout'"),
        (["run", "small.yaml"], "the input 'question' is missing"),
        (["run", "chain.yaml", "--functions", "none.py"], "There is no file none.py"),
        (["run", "pipeline.py:chain", "--functions", "functions.py"], "--functions is for chain files"),
        (["run", "small"], "write CHAIN.yaml, or FILE.py:NAME"),
        (["draw", "small.yaml", "-o", "chain.gif"], "not drawn as .gif"),
        (["draw", "small.yaml", "-o", "small.yaml/x.svg"], "cannot be written"),
        (["draw", "wrong.yaml"], "wrong.yaml:6"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(here, front_door, arguments, words):
    code, out, err = front_door(*arguments)
    assert (code, out) == (1, "")
    assert words in err
    assert "Traceback" not in err


def test_only_a_files_own_public_functions_are_offered(here):
    from ziggurat.chain.target import load

    (here / "small.yaml").write_text(
        "ziggurat: 1\nstages:\n  a: {uses: _hidden}\n  b: {uses: dumps}\n", encoding="utf-8"
    )
    with pytest.raises(ValueError, match="'_hidden'") as caught:
        load("small.yaml", here / "functions.py")
    assert len(caught.value.findings) == 2
    with pytest.raises(InputError, match="names no chain"):
        load("small.json")


# -- draw -----------------------------------------------------------------------------------------


def test_a_chain_is_drawn_as_text_by_default(here):
    text = run("draw", "chain.yaml", "--functions", "functions.py").stdout
    assert text.startswith("flowchart LR\n")
    assert 'stage_each[["each<br/>shout, for each row"]]' in text
    assert "stage_answer --> stage_loud" in text
    assert run("draw", "small.yaml", "-o", "deep/small.mmd").stdout == "deep/small.mmd\n"
    assert (here / "deep" / "small.mmd").read_text(encoding="utf-8") == run("draw", "small.yaml").stdout


def test_a_chain_is_drawn_as_a_picture(here):
    run("draw", "pipeline.py:chain", "-o", "chain.svg", "--title", "Twice <it>")
    svg = (here / "chain.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg ")
    assert "Twice &lt;it&gt;" in svg
    assert ">double<" in svg
    run("draw", "chain.yaml", "-o", "chain.png", "--functions", "functions.py")
    png = (here / "chain.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert read_text(png)["Title"] == "Answers"
