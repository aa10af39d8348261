"""Making, opening, closing an index, and what importing the room costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.embeddings import Embeddings
from worlds import TEXTS

import ziggurat.index
from ziggurat.errors import EmbeddingMismatch, IndexNotFound, InputError
from ziggurat.index import StructureSplitter, VectorIndex
from ziggurat.index.embedder import fingerprint_of
from ziggurat.testing import FakeEmbeddings


def test_what_was_committed_is_there_after_reopening(tmp_path):
    splitter = StructureSplitter(size=200, overlap=0)
    with VectorIndex.create(tmp_path / "index", FakeEmbeddings(), splitter=splitter) as index:
        index.add_texts(TEXTS, ids=list("abcd"))
        before = index.search("canal")
    with VectorIndex.open(tmp_path / "index", FakeEmbeddings()) as index:
        assert index.search("canal") == before
        assert index.generation == 1
        assert index._splitter() == splitter
        stats = index.stats()
        assert (stats.chunks, stats.documents, stats.dimensions, stats.searcher) == (4, 0, 256, "flat")


def test_another_model_is_refused_by_the_name_of_the_right_one(tmp_path):
    with VectorIndex.create(tmp_path / "index", FakeEmbeddings(8)) as index:
        index.add_texts(["x"])
    for other in (FakeEmbeddings(16), type("Other", (FakeEmbeddings,), {})(8)):
        with pytest.raises(EmbeddingMismatch, match=r"FakeEmbeddings\(dimensions=8\)"):
            VectorIndex.open(tmp_path / "index", other)
    with VectorIndex.open(tmp_path / "index") as index:
        assert index.search("x", mode="words")
        with pytest.raises(InputError, match=r"FakeEmbeddings\(dimensions=8\)"):
            index.search("x")


def test_a_fingerprint_names_the_model_and_no_secret():
    class Remote(Embeddings):
        model = "m-1"
        api_key = "sk-secret"
        endpoint = "https://user:password@host/path?sig=abc"

        def embed_documents(self, texts):
            return []

        def embed_query(self, text):
            return []

    fingerprint = fingerprint_of(Remote())
    assert "model=m-1" in fingerprint
    assert "//host/path" in fingerprint
    assert not any(secret in fingerprint for secret in ("sk-", "password", "sig="))
    Remote.fingerprint = "remote:m-1@abc"
    assert fingerprint_of(Remote()) == "remote:m-1@abc"


def test_create_open_and_open_or_create_say_which_is_meant(tmp_path):
    with pytest.raises(IndexNotFound):
        VectorIndex.open(tmp_path / "index")
    assert not (tmp_path / "index").exists()
    VectorIndex.open_or_create(tmp_path / "index", FakeEmbeddings()).close()
    with pytest.raises(InputError, match="already"):
        VectorIndex.create(tmp_path / "index", FakeEmbeddings())
    VectorIndex.create(tmp_path / "index", FakeEmbeddings(), exist_ok=True).close()
    VectorIndex.open_or_create(tmp_path / "index", FakeEmbeddings()).close()


def test_a_closed_index_and_a_read_only_one_say_so(tmp_path):
    index = VectorIndex.create(tmp_path / "index", FakeEmbeddings())
    index.add_texts(["x"])
    index.close()
    index.close()
    with pytest.raises(InputError, match="closed"):
        index.search("x")
    with VectorIndex.open(tmp_path / "index", FakeEmbeddings(), read_only=True) as reader:
        assert reader.search("x")
        for attempt in (lambda: reader.add_texts(["y"]), reader.delete, reader.repair):
            with pytest.raises(InputError, match="read-only"):
                attempt()


def test_an_index_without_a_path_goes_with_its_folder():
    index = VectorIndex.from_texts(TEXTS, FakeEmbeddings(), [{"n": at} for at in range(4)], ids=list("abcd"))
    folder = index.path
    assert index.search("tower", k=1)[0].chunk_id == "b"
    index.close()
    assert not folder.exists()


def test_from_texts_with_a_path_stays(tmp_path):
    VectorIndex.from_texts(TEXTS, FakeEmbeddings(), path=tmp_path / "index").close()
    with VectorIndex.open(tmp_path / "index", FakeEmbeddings()) as index:
        assert len(index) == 4


# The shop window


def test_everything_in_the_window_is_there_and_nothing_else():
    assert sorted(ziggurat.index._HOMES) == sorted(ziggurat.index.__all__) == dir(ziggurat.index)
    for name in ziggurat.index.__all__:
        assert getattr(ziggurat.index, name) is not None
    with pytest.raises(AttributeError):
        _ = ziggurat.index.nothing


def test_importing_the_room_imports_neither_langchain_nor_faiss():
    code = "import sys, json, ziggurat.index; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"langchain_core", "faiss", "numpy", "sqlite3", "langchain_text_splitters"}


def test_the_manifest_holds_no_path_of_the_machine(filled, tmp_path):
    filled.close()
    assert str(Path.home()).encode() not in (tmp_path / "index" / "index.sqlite3").read_bytes()
