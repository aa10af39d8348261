import json
import sqlite3
import sys
from contextlib import closing

import pytest

from ziggurat import MultiChain
from ziggurat.errors import InputError, SpecError
from ziggurat.mlflow.package import open_package
from ziggurat.mlflow.packing import copy, pack
from ziggurat.mlflow.secrets import refuse_secret
from ziggurat.stages.conversation import Conversation
from ziggurat.testing import FakeChat

LLM = 'ziggurat: 1\nstages: {answer: {uses: llm, model: "fake:echo", prompt: "{question}"}}\n'


def chain_file(folder, text=LLM):
    folder.mkdir(exist_ok=True)
    (folder / "chain.yaml").write_text(text)
    return folder / "chain.yaml"


def names(folder):
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


def test_a_package_builds_the_same_chain(tmp_path):
    package = pack(chain_file(tmp_path / "a"), tmp_path / "b")
    assert names(tmp_path / "b") == {"chain.yaml", "ziggurat.json"}
    again = open_package(tmp_path / "b")
    assert again.note == package.note
    assert again.chain.run(question="Hm?") == {"answer": "Hm?"}


def test_prompts_in_files_and_chains_in_files_come_in_line(tmp_path):
    folder = tmp_path / "a"
    file = chain_file(
        folder,
        "ziggurat: 1\nstages:\n  inner: {uses: chain, file: inner.yaml}\n"
        '  answer: {uses: llm, model: "fake:echo", prompt: {file: p.txt}}\n',
    )
    (folder / "inner.yaml").write_text(LLM)
    (folder / "p.txt").write_text("Say {question}")
    package = pack(file, tmp_path / "b")
    assert names(tmp_path / "b") == {"chain.yaml", "ziggurat.json"}
    assert package.chain.run(question="it")["answer"] == "Say it"


def test_a_database_is_copied_as_it_stands_while_another_writes_it(tmp_path):
    source = tmp_path / "kb"
    source.mkdir()
    with closing(sqlite3.connect(source / "a.sqlite3")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (1)")
        database.commit()
        database.execute("INSERT INTO t VALUES (2)")  # not committed
        copy(source, tmp_path / "copied")
    assert names(tmp_path / "copied") == {"a.sqlite3"}
    with closing(sqlite3.connect(tmp_path / "copied" / "a.sqlite3")) as database:
        assert database.execute("SELECT x FROM t").fetchall() == [(1,)]


def test_a_database_that_the_chain_names_travels_beside_it(tmp_path):
    folder = tmp_path / "a"
    file = chain_file(folder, 'ziggurat: 1\nstages: {rows: {uses: sql, file: data/shop.sqlite, model: "fake:echo"}}\n')
    (folder / "data").mkdir()
    with closing(sqlite3.connect(folder / "data" / "shop.sqlite")) as database:
        database.execute("CREATE TABLE shop (name TEXT)")
        database.commit()
    (folder / "data" / "other.txt").write_text("not named")
    pack(file, tmp_path / "b")
    assert names(tmp_path / "b") == {"chain.yaml", "ziggurat.json", "data/shop.sqlite"}


def test_a_history_of_conversations_stays_where_it_is(tmp_path):
    chain = MultiChain(talk=Conversation(model="fake:echo", history=tmp_path / "said.sqlite3"))
    with pytest.raises(InputError, match="holds what people said") as caught:
        pack(chain, tmp_path / "b")
    assert caught.value.where == "talk.history"
    assert "history" in caught.value.fix


def test_a_chain_that_no_file_can_hold_is_told_of_scripts(tmp_path):
    with pytest.raises(SpecError, match=r"log_chain\(script=") as caught:
        pack(MultiChain(shout=lambda text: text.upper()), tmp_path / "b")
    assert "shout" in caught.value.findings[0]
    with pytest.raises(SpecError, match="model"):
        pack(MultiChain(a=Conversation(model=FakeChat(script="x"))), tmp_path / "c")


def test_a_path_outside_of_the_given_folder_is_refused(tmp_path):
    (tmp_path / "inside").mkdir()
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as database:
        database.execute("CREATE TABLE shop (name TEXT)")
        database.commit()
    chain = MultiChain.from_yaml(
        'ziggurat: 1\nstages: {rows: {uses: sql, file: shop.sqlite, model: "fake:echo"}}\n', folder=tmp_path
    )
    with pytest.raises(SpecError, match="outside of the folder"):
        pack(chain, tmp_path / "b", folder=tmp_path / "inside")
    assert pack(chain, tmp_path / "c").chain.stages.keys() == {"rows"}


SCRIPT = "from ziggurat import MultiChain\nchain = MultiChain(a=lambda x: x + 1)\nother = MultiChain(b=lambda x: x)\n"


def script(folder, text=SCRIPT):
    folder.mkdir(exist_ok=True)
    (folder / "build.py").write_text(text)
    return folder / "build.py"


def test_a_script_names_its_chain(tmp_path):
    file = script(tmp_path / "a")
    assert pack(None, tmp_path / "b", script=file).chain.run(x=1) == {"a": 2}
    assert pack(None, tmp_path / "c", script=f"{file}:other").chain.run(x=1) == {"b": 1}
    before = list(sys.path)
    assert open_package(tmp_path / "c").chain.run(x=1) == {"b": 1}
    assert sys.path == before


def test_scripts_with_neighbours_of_the_same_name_do_not_meet(tmp_path):
    chains = []
    for word in ("one", "two"):
        file = script(
            tmp_path / word, "import neighbour\nfrom ziggurat import MultiChain\nchain = MultiChain(a=neighbour.say)"
        )
        (tmp_path / word / "neighbour.py").write_text(f"def say(x):\n    return '{word} ' + x\n")
        chains.append(pack(None, tmp_path / f"packed {word}", script=file, files=["neighbour.py"]).chain)
    assert [chain.run(x="!")["a"] for chain in chains] == ["one !", "two !"]
    assert "neighbour" not in sys.modules


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("chain = 5", "no chain called 'chain'"),
        ("x = 1\n1 / 0", "build.py:2"),
        ("def chain(:", "SyntaxError"),
    ],
)
def test_a_script_that_builds_no_chain_is_refused_early(tmp_path, text, said):
    with pytest.raises(InputError) as caught:
        pack(None, tmp_path / "b", script=script(tmp_path / "a", text))
    assert said in str(caught.value)


def test_a_script_is_built_from_its_copy_so_that_a_file_it_lacks_is_found_now(tmp_path):
    file = script(tmp_path / "a", "from pathlib import Path\n(Path(__file__).parent / 'b.txt').read_text()\n" + SCRIPT)
    (tmp_path / "a" / "b.txt").write_text("here")
    with pytest.raises(InputError, match=r"files="):
        pack(None, tmp_path / "b", script=file)
    assert pack(None, tmp_path / "c", script=file, files=["b.txt"]).chain.run(x=1) == {"a": 2}


@pytest.mark.parametrize("files", [["../secret.txt"], ["missing.txt"], ["."]])
def test_files_of_a_script_are_in_its_folder(tmp_path, files):
    (tmp_path / "secret.txt").write_text("x")
    with pytest.raises(InputError):
        pack(None, tmp_path / "b", script=script(tmp_path / "a"), files=files)


@pytest.mark.parametrize(
    "text",
    [
        'key = "sk-proj-abcdefghijklmnopqrstuvwxyz123"',
        'token = "dapi0123456789abcdef0123456789abcdef"',
        'address = "postgresql://ana:hunter2@db.example.org/shop"',
        'held = "the-value-of-the-environment"',
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_in_a_script_is_refused_and_not_shown(tmp_path, text, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "the-value-of-the-environment")
    with pytest.raises(InputError, match="nothing was logged") as caught:
        pack(None, tmp_path / "b", script=script(tmp_path / "a", f"# first\n# {text}\n{SCRIPT}"))
    assert caught.value.where == "build.py:2"
    assert not any(part in str(caught.value) for part in ("abcdefgh", "0123456789", "hunter2", "the-value"))


def test_a_secret_in_a_chain_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="form of a key"):
        pack(
            chain_file(tmp_path / "a", LLM.replace("{question}", "sk-abcdefghijklmnopqrstuvwxyz {question}")),
            tmp_path / "b",
        )


@pytest.mark.parametrize("note", ["", "{}", '{"ziggurat": "1", "outputs": [], "more": 1}', "[1]"])
def test_what_is_no_package_is_refused(tmp_path, note):
    pack(chain_file(tmp_path / "a"), tmp_path / "b")
    (tmp_path / "b" / "ziggurat.json").write_text(note)
    with pytest.raises(InputError, match="no chain that Ziggurat logged"):
        open_package(tmp_path / "b")


def test_a_package_whose_chain_lacks_an_output_is_refused(tmp_path):
    pack(chain_file(tmp_path / "a"), tmp_path / "b")
    note = json.loads((tmp_path / "b" / "ziggurat.json").read_text())
    (tmp_path / "b" / "ziggurat.json").write_text(json.dumps({**note, "outputs": ["answr"]}))
    with pytest.raises(InputError, match="did you mean 'answer'"):
        open_package(tmp_path / "b")


def test_one_of_a_chain_and_a_script_is_packed(tmp_path):
    for given in ({}, {"script": script(tmp_path / "a"), "chain": CHAIN}):
        with pytest.raises(InputError, match="One of a chain and a script"):
            pack(given.pop("chain", None), tmp_path / "b", **given)
    with pytest.raises(InputError, match="not int"):
        pack(5, tmp_path / "b")


CHAIN = MultiChain.from_yaml(LLM)


def test_a_secret_of_the_environment_in_an_example_is_refused_and_not_shown(monkeypatch):
    monkeypatch.setenv("HARBOUR_API_KEY", "a-word-that-nobody-guesses")
    with pytest.raises(InputError, match="value of HARBOUR_API_KEY") as caught:
        refuse_secret("{'question': 'is a-word-that-nobody-guesses good?'}", "input_example")
    assert "nobody-guesses" not in str(caught.value)
