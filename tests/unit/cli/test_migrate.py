"""``ziggurat migrate`` as a shell sees it, without its place in the front door."""

import pytest
from click.testing import CliRunner

from ziggurat.cli.migrate import command
from ziggurat.errors import IndexNotFound
from ziggurat.stores import open_store
from ziggurat.testing import FakeEmbeddings


@pytest.fixture
def kb(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_store("kb", FakeEmbeddings(8)) as index:
        index.add_texts(["the tower", "the river"], [{"n": 1}, {"n": None}], ids=["a", "b"])


def call(*arguments):
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_a_migration_says_what_it_did(kb):
    first = call("kb", "lancedb:l?table=t")
    assert first.exit_code == 0
    assert "kb -> lancedb:l?table=t: 2 records read, 2 written, 0 there already, 2 compared and equal" in first.output
    assert "0 written, 2 there already" in call("kb", "lancedb:l?table=t").output
    assert "2 written" in call("lancedb:l?table=t", "back").output
    with open_store("back") as back:
        assert back.get_by_ids(["b"])[0].metadata == {"n": None}


def test_a_dry_run_makes_nothing(kb, tmp_path):
    assert "2 records to write; other would be made" in call("kb", "other", "--dry-run").output
    assert not (tmp_path / "other").exists()
    call("kb", "other")
    assert "0 to write, 2 there already" in call("kb", "other", "--dry-run").output


def test_another_model_embeds_again_and_the_same_does_not(kb):
    with open_store("by-spec", "fake:12") as index:
        index.add_texts(["the tower"], ids=["a"])
    assert "embedded again" not in call("by-spec", "same", "--to-embeddings", "fake:12").output
    assert "2 embedded again" in call("kb", "another", "--to-embeddings", "fake:12").output


def test_a_source_that_is_not_there_is_not_made(kb, tmp_path):
    with pytest.raises(IndexNotFound):
        call("nowhere", "other")
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "other").exists()
