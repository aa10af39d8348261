"""``ziggurat kb``: what it prints, what it returns, and what it changes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ziggurat.cli.main import cli
from ziggurat.index import VectorIndex


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with notes and an index of them."""
    monkeypatch.chdir(tmp_path)
    notes = Path("notes")
    notes.mkdir()
    for name in ("mill", "barn"):
        (notes / f"{name}.md").write_text(f"# The {name}\n\nThe {name} was built in 1720.\n", encoding="utf-8")
    (notes / "empty.txt").write_text("")
    run("index", "notes", "--to", "kb", "--embeddings", "fake:32")
    return tmp_path


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.mark.parametrize("name", ["status", "sync", "diff", "verify", "repair", "export", "reembed"])
def test_every_command_explains_itself(name):
    assert run("kb", name, "--help").startswith(f"Usage: cli kb {name}")


def test_the_status_tells_model_numbers_sources_and_what_they_left_out(here):
    text = run("kb", "status", "kb")
    for said in ("32 dimensions", "documents   2", "3 items, 2 documents, 1 left out", "empty.txt: The file is empty."):
        assert said in text
    with VectorIndex.open("kb") as index:
        index.add_texts(["loose"])
    assert "by hand" not in run("kb", "status", "kb")  # a bare text is no document


def test_what_changed_is_shown_then_synced_then_shown_no_more(here):
    Path("notes/mill.md").write_text("# The mill\n\nIt burned down.\n", encoding="utf-8")
    Path("notes/barn.md").unlink()
    Path("notes/inn.md").write_text("# The inn\n\nIt is open.\n", encoding="utf-8")
    text = run("kb", "diff", "kb", code=1)
    for said in ("new: notes/inn.md", "changed: notes/mill.md", "gone: notes/barn.md", "unreadable: notes/empty.txt"):
        assert said in text
    text = run("kb", "sync", "kb")
    assert "1 added, 1 changed, 1 removed, 0 unchanged, 1 left out" in text
    assert "2 items unchanged" in run("kb", "diff", "kb")


def test_a_sync_takes_patterns_and_sources_of_its_own(here):
    text = run("kb", "sync", "kb", "notes", "--exclude", "barn*", "--exclude", "*.txt")
    assert "0 added, 0 changed, 2 removed, 1 unchanged, 0 left out" in text


def test_an_index_without_a_source_asks_for_one(tmp_path, front_door):
    VectorIndex.create(tmp_path / "bare", "fake:32").close()
    code, _, err = front_door("kb", "sync", str(tmp_path / "bare"))
    assert code == 1
    assert "filled from no source" in err
    assert "Traceback" not in err


def test_two_indexes_are_compared(here):
    run("index", "notes/mill.md", "--to", "other", "--embeddings", "fake:32")
    text = run("kb", "diff", "kb", "other", code=1)
    assert "1 documents the same" in text
    assert "only in kb: notes/barn.md" in text
    assert "2 documents the same" in run("kb", "diff", "kb", "kb")


def test_a_sound_index_verifies_and_a_damaged_one_says_what_and_is_repaired(here):
    text = run("kb", "verify", "kb", "--probe", "2")
    assert "✓ vectors" in text
    assert "✓ probe" in text
    with VectorIndex.open("kb") as index, index._engine.store.writing() as transaction:
        transaction.connection.execute("UPDATE vectors SET vector = x'00' WHERE row = 1")
    text = run("kb", "verify", "kb", code=1)
    assert "✗ vectors: 1 missing or damaged" in text
    assert "ziggurat kb repair kb" in text
    assert "embedded 1 chunks again" in run("kb", "repair", "kb")
    run("kb", "verify", "kb")


def test_every_chunk_is_exported_as_a_line(here):
    lines = [json.loads(line) for line in run("kb", "export", "kb").splitlines()]
    assert [line["metadata"]["source"] for line in lines] == ["notes/barn.md", "notes/mill.md"]
    assert "vector" not in lines[0]
    run("kb", "export", "kb", "--vectors", "--to", "out.jsonl")
    lines = [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines[0]["vector"]) == 32
    assert not list(Path().glob(".out*"))


def test_another_model_takes_over(here):
    assert "2 chunks embedded with" in run("kb", "reembed", "kb", "--to", "fake:48")
    assert "48 dimensions" in run("kb", "status", "kb")
    assert "already" in run("kb", "reembed", "kb", "--to", "fake:48")
    run("kb", "verify", "kb", "--probe", "2")


@pytest.mark.parametrize("name", ["status", "verify", "repair", "export"])
def test_where_there_is_no_index_that_is_said(tmp_path, front_door, name):
    code, out, err = front_door("kb", name, str(tmp_path))
    assert (code, out) == (1, "")
    assert "There is no index" in err
