"""What `open_store` says before any store is reached."""

import sys

import pytest

import ziggurat.stores
from ziggurat.errors import IndexNotFound, InputError, MissingDependency
from ziggurat.stores import ConnectedStore, open_store


@pytest.mark.parametrize(
    ("address", "module", "extra"),
    [
        ("chroma:kb", "langchain_chroma", "chroma"),
        ("qdrant:kb", "langchain_qdrant", "qdrant"),
        ("postgresql://127.0.0.1:1/db", "langchain_postgres", "pgvector"),
        ("lancedb:kb", "lancedb", "lancedb"),
        ("pinecone:kb", "langchain_pinecone", "pinecone"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, address, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependency) as caught:
        open_store(address)
    assert f"ziggurat[{extra}]" in str(caught.value)


@pytest.mark.parametrize("address", ["kb", "chroma:kb", "lancedb:kb", "postgresql://127.0.0.1:1/db"])
def test_an_option_that_nobody_reads_is_refused(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Unknown options: api_kee"):
        open_store(address, api_kee="x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["kb", "chroma:kb", "qdrant:kb", "lancedb:kb"])
def test_a_store_that_is_not_there_is_not_made_when_it_may_not_be(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IndexNotFound):
        open_store(address, create=False)
    assert list(tmp_path.iterdir()) == []


def test_pinecone_without_a_key_says_which_variable_to_set(monkeypatch):
    monkeypatch.delenv("PINECONE_API_KEY", raising=False)
    with pytest.raises(InputError, match="PINECONE_API_KEY"):
        open_store("pinecone:notes")


def test_an_index_of_ours_is_no_connected_store(tmp_path):
    with pytest.raises(InputError, match="open_store"):
        ConnectedStore.open(str(tmp_path))


def test_the_shop_window_shows_what_it_names():
    for name in ziggurat.stores.__all__:
        assert getattr(ziggurat.stores, name) is not None
    assert dir(ziggurat.stores) == sorted(ziggurat.stores.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = ziggurat.stores.Nothing
