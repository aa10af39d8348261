"""The commands, in this process: what they print, what they return, and how they say what is wrong."""

import json

import pytest
from click.testing import CliRunner

import ziggurat
from ziggurat.cli.main import _COMMANDS, cli
from ziggurat.errors import InputError

PIPELINE = """
from ziggurat import Answer, ImageGeneration, MultiChain


def double(number):
    return 2 * number


def say(double, who="you"):
    return f"{who}: {double}"


def boom(text):
    raise ValueError("out of [ink]")


chain = MultiChain(double=double, say=say)
broken = MultiChain(boom=boom, after=lambda boom: boom, fine=lambda text: text)
picture = ImageGeneration(chat="fake:echo", size=(320, 320))
number = 3


def answer(text):
    return Answer(text, found=False)


def shape(rows):
    return {"rows": rows, "kind": type(rows).__name__}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, with a pipeline and some notes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.py").write_text(PIPELINE, encoding="utf-8")
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "mill.md").write_text("# Mill\n\nThe mill was built in 1720.\n\nOwls live there.\n", encoding="utf-8")
    (notes / "raw.bin").write_bytes(b"\0\1")
    return tmp_path


def run(*arguments):
    """A command that must go well; returns what it printed."""
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


# -- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], *([name] for name in _COMMANDS), ["models", "list"], ["models", "pull"]])
def test_every_command_explains_itself(arguments):
    text = run(*arguments, "--help")
    assert text.startswith(f"Usage: cli {' '.join(arguments)}".rstrip())
    assert "\b" not in text
    assert run(*arguments, "-h") == text


def test_the_front_page_names_every_command_with_its_first_line():
    text = run("--help")
    for name, (_, line) in _COMMANDS.items():
        assert f"  {name}" in text
        assert line in text


def test_the_version_is_the_packages():
    assert ziggurat.__version__ in run("--version")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["idnex"], "Did you mean 'index'?"),
        (["bogus-command"], "No such command 'bogus-command'."),
        (["ask", "kb"], "Missing argument 'QUESTION'"),
        (["index", "notes"], "Missing option '--to'"),
        (["ask", "kb", "q", "-k", "0"], "Invalid value for '-k'"),
        (["run", "--jsn"], "--json"),
    ],
)
def test_a_slip_is_named_and_the_exit_code_is_two(front_door, arguments, words):
    code, out, err = front_door(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


# -- index and ask --------------------------------------------------------------------------------


def test_a_folder_is_indexed_and_what_is_left_out_is_named(here):
    text = run("index", "notes", "--to", "kb", "--embeddings", "fake:64")
    assert "left out: notes/raw.bin: Nothing reads .bin files." in text
    assert "kb holds 1 documents, 1 chunks" in text
    again = run("index", "notes", "--to", "kb")
    assert "kb holds 1 documents, 1 chunks" in again


def test_an_answer_is_printed_with_its_marks_and_places(here):
    run("index", "notes", "--to", "kb", "--embeddings", "fake:64")
    model = "fake:fixed The mill was built in 1720. It is haunted by a pianist."
    text = run("ask", "kb", "When was the mill built?", "--model", model)
    first, *rest = text.splitlines()
    assert first == "The mill was built in 1720. [1] It is haunted by a pianist. [?]"
    assert rest == ['  [1] notes/mill.md:3 "The mill was built in 1720."']


def test_a_search_in_several_hops_shows_its_path(here):
    (here / "notes" / "miller.md").write_text("# Joan Miller\n\nShe came from Delft.\n", encoding="utf-8")
    (here / "notes" / "mill.md").write_text("# Old Mill\n\nThe mill belonged to Joan Miller.\n", encoding="utf-8")
    run("index", "notes", "--to", "kb", "--embeddings", "fake:64")
    model = "fake:fixed She came from Delft."
    text = run("ask", "kb", "Where did the owner of Old Mill come from?", "--model", model, "--search", "multihop")
    assert "  Old Mill names “Joan Miller” → Joan Miller" in text.splitlines()
    assert "notes/miller.md:3" in text


def test_a_question_the_documents_do_not_answer_is_an_answer_and_no_failure(here):
    run("index", "notes", "--to", "kb", "--embeddings", "fake:64")
    assert run("ask", "kb", "Who won the cup?", "--model", "fake:fixed Nobody knows.") == "Not in the documents.\n"
    assert run("ask", "kb", "谁赢了？", "--model", "fake:fixed x") == "文档中没有相关内容。\n"


def test_asking_changes_nothing_in_the_index(here):
    run("index", "notes", "--to", "kb", "--embeddings", "fake:64")
    before = {path.name: path.read_bytes() for path in (here / "kb").iterdir() if path.is_file()}
    run("ask", "kb", "When was the mill built?", "-k", "1", "--model", "fake:fixed The mill was built in 1720.")
    after = {path.name: path.read_bytes() for path in (here / "kb").iterdir() if path.is_file()}
    assert {name: after[name] for name in before if not name.endswith("-shm")} == {
        name: data for name, data in before.items() if not name.endswith("-shm")
    }


# -- run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "inputs", "printed"),
    [
        ("chain", ["number:=21"], {"double": 42, "say": "you: 42"}),
        ("chain", ["number=ab"], {"double": "abab", "say": "you: abab"}),
        ("chain", ["number:=1.5", "who=me"], {"double": 3.0, "say": "me: 3.0"}),
        ("double", ["number:=[1, 2]"], {"double": [1, 2, 1, 2]}),
        ("double", ["number=@text.txt"], {"double": "é=1\né=1\n"}),
        ("double", ["number="], {"double": ""}),
        ("double", ["number=a=b:=c"], {"double": "a=b:=ca=b:=c"}),
        ("shape", ['rows:={"a": null}'], {"shape": {"rows": {"a": None}, "kind": "dict"}}),
    ],
)
def test_a_chain_of_a_file_runs_with_inputs_of_every_form(here, target, inputs, printed):
    (here / "text.txt").write_text("é=1\n", encoding="utf-8")
    assert json.loads(run("run", f"pipeline.py:{target}", *inputs, "--json")) == printed


def test_outputs_are_printed_by_stage_and_the_tree_goes_to_stderr(here):
    result = CliRunner().invoke(cli, ["run", "pipeline.py:chain", "number:=4"])
    assert result.stdout == "\ndouble\n8\n\nsay\nyou: 8\n"
    assert "✓ double" in result.stderr
    assert "✓ say" in result.stderr


def test_markup_in_an_output_is_only_text(here):
    assert "[red]x[/][red]x[/]" in run("run", "pipeline.py:double", "number=[red]x[/]")


def test_an_answer_among_the_outputs_is_printed_as_one(here):
    assert run("run", "pipeline.py:answer", "text=No.") == "\nanswer\nNo.\n"
    assert json.loads(run("run", "pipeline.py:answer", "text=No.", "--json"))["answer"]["found"] is False


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_pictures_are_saved_and_their_path_is_printed(here, flags):
    text = run("run", "pipeline.py:picture", "prompt=A boat", "--out", "made/here", *flags)
    path = here / "made" / "here" / "picture.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "made/here/picture.png" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "pipeline.py"], "'pipeline.py' names no chain"),
        (["run", "pipeline.py:"], "names no chain"),
        (["run", "nothing.py:chain"], "There is no file nothing.py"),
        (["run", "notes/mill.md:chain"], "is not a Python file"),
        (["run", "pipeline.py:chian"], "did you mean 'chain'"),
        (["run", "pipeline.py:number"], "cannot be a stage"),
        (["run", "wrong.py:chain"], "wrong.py is not Python that can be run"),
        (["run", "pipeline.py:chain"], "the input 'number' is missing"),
        (["run", "pipeline.py:chain", "nmber=1"], "did you mean 'number'"),
        (["run", "pipeline.py:chain", "number"], "'number' is no input"),
        (["run", "pipeline.py:chain", "=1"], "'=1' is no input"),
        (["run", "pipeline.py:chain", ":=1"], "':=1' is no input"),
        (["run", "pipeline.py:chain", "number:={"], "The value of 'number' is not JSON"),
        (["run", "pipeline.py:chain", "number=@missing.txt"], "The value of 'number' cannot be read"),
        (["run", "pipeline.py:chain", "number=@raw.bin"], "The value of 'number' cannot be read"),
        (["index", "missing", "notes", "--to", "kb"], "There is no missing"),
        (["index", "notes", "--to", "pipeline.py", "--embeddings", "fake:8"], "pipeline.py"),
        (["index", "notes", "--to", "new", "--embeddings", "fake:what"], "no fake embeddings 'what'"),
        (["ask", "nowhere", "Why?"], "There is no index"),
        (["ask", "kb", "?!", "--model", "fake:echo"], "is not a question"),
        (["ask", "kb", "Why?", "--model", "no-colon"], "is not a model spec"),
        (["ask", "kb", "Why?", "--model", "fake:unheard"], "no fake chat model 'unheard'"),
        (["models", "pull", "gpt-9"], "no local model 'gpt-9'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_without_a_traceback(here, front_door, arguments, words):
    (here / "wrong.py").write_text("def (", encoding="utf-8")
    (here / "raw.bin").write_bytes(b"\xff\xfe\xfd")
    front_door("index", "notes", "--to", "kb", "--embeddings", "fake:64")
    code, out, err = front_door(*arguments)
    assert (code, out) == (1, "")
    assert "\nerror: " in f"\n{err}"
    assert words in err
    assert "Traceback" not in err


def test_a_failed_stage_is_named_after_what_finished_was_shown(here, front_door):
    code, out, err = front_door("run", "pipeline.py:broken", "text=x")
    assert (code, out) == (1, "")
    assert "✓ fine" in err
    assert "✗ boom" in err
    assert "- after" in err
    assert "error: Stage 'boom' failed with ValueError: out of [ink]" in err
    assert "Traceback" not in err


def test_an_interruption_has_the_shells_exit_code(monkeypatch, front_door):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ziggurat.cli.run.load_multichain", interrupted)
    code, _, err = front_door("run", "pipeline.py:chain")
    assert code == 130
    assert "Traceback" not in err


def test_an_error_without_a_place_or_a_cure_is_one_line(monkeypatch, front_door):
    def refused(*_):
        raise InputError("Just so.")

    monkeypatch.setattr("ziggurat.cli.run.load_multichain", refused)
    assert front_door("run", "pipeline.py:chain") == (1, "", "error: Just so.\n")


# -- models ---------------------------------------------------------------------------------------


def test_the_catalogue_is_listed_with_size_licence_and_defaults():
    from ziggurat import specs
    from ziggurat.models.weights import catalogue

    text = run("models", "list")
    for entry in catalogue.entries():
        (line,) = [line for line in text.splitlines() if line.startswith(f"local:{entry.name} ")]
        assert f"{entry.size / 1e6:.0f} MB" in line
        assert entry.licence in line
        assert ("default" in line) is (f"local:{entry.name}" in specs.DEFAULTS.values())
        assert entry.description in text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import math\nchain = math.sqrt(-1)\n", ["raised ValueError: math domain error", "broken.py:2"]),
        ("chain = (\n", ["is not Python that can be run"]),
        (
            "from ziggurat import MultiChain\nchain = MultiChain(a=lambda b: b, b=lambda a: a)\n",
            ["circle", "a -> b -> a"],
        ),
    ],
)
def test_a_file_that_fails_to_load_says_where_without_a_traceback(tmp_path, front_door, source, words):
    file = tmp_path / "broken.py"
    file.write_text(source, encoding="utf-8")
    code, _, shown = front_door("run", f"{file}:chain")
    assert code == 1
    assert "Traceback" not in shown
    for word in words:
        assert word in shown
