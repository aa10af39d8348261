"""Addresses of stores: what they mean, what they show, and how one that means nothing is answered."""

from pathlib import Path

import pytest

from ziggurat.errors import InputError
from ziggurat.stores import parse_address


@pytest.mark.parametrize(
    ("given", "kind", "place", "collection"),
    [
        ("kb", "index", "kb", ""),
        ("./kb?collection=x", "index", "./kb?collection=x", ""),
        (Path("chroma:x"), "index", "chroma:x", ""),
        ("C:\\kb", "index", "C:\\kb", ""),
        ("chroma:kb/chroma", "chroma", "kb/chroma", "ziggurat"),
        ("chroma:kb?collection=my%20notes", "chroma", "kb", "my notes"),
        ("Chroma+HTTP://localhost:8000?collection=n", "chroma", "http://localhost:8000", "n"),
        ("chroma+https://host/x", "chroma", "https://host/x", "ziggurat"),
        ("qdrant:/data/q?collection=n", "qdrant", "/data/q", "n"),
        ("qdrant+http://localhost:6333?collection=n", "qdrant", "http://localhost:6333", "n"),
        ("lancedb:kb?table=n", "lancedb", "kb", "n"),
        ("pinecone:notes", "pinecone", "notes", ""),
        ("pinecone:notes?namespace=a", "pinecone", "notes", "a"),
        ("databricks-search:shared/main.default.kb", "databricks-search", "shared/main.default.kb", ""),
        ("postgresql://me@host/db?collection=n", "pgvector", "postgresql://me@host/db", "n"),
        ("postgres://me@host/db", "pgvector", "postgresql://me@host/db", "ziggurat"),
        (
            "pgvector+postgresql://host/db?sslmode=require&collection=n",
            "pgvector",
            "postgresql://host/db?sslmode=require",
            "n",
        ),
        ("postgresql+psycopg://host/db?collection=n", "pgvector", "postgresql://host/db", "n"),
        (
            "postgresql://postgres:@/db?host=/run/x&collection=n",
            "pgvector",
            "postgresql://postgres:@/db?host=%2Frun%2Fx",
            "n",
        ),
    ],
)
def test_an_address_means(given, kind, place, collection):
    address = parse_address(given)
    assert (address.kind, address.place, address.collection) == (kind, place, collection)


@pytest.mark.parametrize(
    "given",
    [
        "chroma:kb?collection=n",
        "qdrant+http://localhost:6333?collection=n",
        "lancedb:kb?table=n",
        "pinecone:notes?namespace=a",
        "pinecone:notes",
        "databricks-search:shared/main.default.kb",
        "kb",
    ],
)
def test_what_an_address_shows_is_an_address(given):
    assert parse_address(str(parse_address(given))) == parse_address(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "empty"),
        ("chrome:kb", "did you mean 'chroma'"),
        ("milvus:kb", "no store of the kind"),
        ("lancedb+http://host", "no store of the kind"),
        ("pgvector:kb", "no store of the kind"),
        ("chroma:", "names no place"),
        ("chroma:?collection=n", "names no place"),
        ("chroma:kb?table=n", "no parameter 'table'"),
        ("pinecone:notes?api_key=k", "no parameter 'api_key'"),
        ("databricks-search:main.default.kb", "an endpoint and an index in full"),
        ("databricks-search:shared/kb", "an endpoint and an index in full"),
        ("databricks-search:shared/main.default.kb?namespace=a", "no parameter 'namespace'"),
        ("chroma+http://?collection=n", "names no"),
        ("qdrant+http://me:hunter2@host:6333", "holds a login"),
    ],
)
def test_an_address_that_means_nothing_is_refused(given, said):
    with pytest.raises(InputError, match=said) as caught:
        parse_address(given)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "given", ["postgresql://me:hunter2@host:5432/db?collection=n", "postgresql://host/db?user=me&password=hunter2"]
)
def test_a_password_is_shown_nowhere(given):
    address = parse_address(given)
    assert "hunter2" in address.place
    assert "hunter2" not in f"{address} {address!r}"
    assert address.secrets == ("hunter2",)
