"""Every store behind one class: what it remembers, replaces, refuses, and lets other programs see."""

import asyncio
import gc
import os
import pickle
import sqlite3
import threading

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from store_worlds import KEY, KINDS, address_of, postgres_server

from ziggurat.errors import EmbeddingMismatch, IndexCorrupt, IndexFault, IndexNotFound, InputError, MissingDependency
from ziggurat.stages.qa import RetrievalQA
from ziggurat.stores import StoreRetriever, open_store
from ziggurat.testing import FakeChat, FakeEmbeddings, PineconeServer

OTHERS = KINDS[1:]
TEXTS = {
    "seven": "The tower has seven floors and a garden.",
    "river": "The river flows to the south.",
    "zh": "通天塔有七层。",
}


@pytest.fixture(params=OTHERS)
def place(request, tmp_path):
    """An address, what else opens it, and a short name of the kind."""
    with address_of(request.param, tmp_path, 16) as (address, options):
        yield address, options, request.param


@pytest.fixture
def store(place):
    address, options, _ = place
    with open_store(address, FakeEmbeddings(16), **options) as store:
        store.add_texts(list(TEXTS.values()), [{"at": at} for at in range(3)], ids=list(TEXTS))
        yield store


def test_what_was_added_is_there_after_opening_again_without_a_model(place):
    address, options, _ = place
    with open_store(address, FakeEmbeddings(16), **options) as store:
        store.add_texts(["one", "two"], [{"n": 1}, {}], ids=["a", "b"])
    with open_store(address, create=False, **options) as store:
        assert len(store) == 2
        assert [(one.id, one.page_content, one.metadata) for one in store.get_by_ids(["b", "a", "c"])] == [
            ("b", "two", {}),
            ("a", "one", {"n": 1}),
        ]
        assert store.embeddings is None
        with pytest.raises(InputError, match="no spec to open it by"):
            store.similarity_search("one")


def test_another_model_is_refused_by_name_on_opening(place):
    address, options, _ = place
    with open_store(address, FakeEmbeddings(16), **options) as store:
        store.add_texts(["one"])
    with pytest.raises(EmbeddingMismatch) as caught:
        open_store(address, DeterministicFakeEmbedding(size=16), **options)
    assert "FakeEmbeddings(dimensions=16)" in str(caught.value)
    assert "DeterministicFakeEmbedding(size=16)" in str(caught.value)


def test_a_model_by_spec_is_opened_again_from_what_the_collection_remembers(place):
    address, options, _ = place
    spec = "fake:16"
    with open_store(address, spec, **options) as store:
        store.add_texts(["the tower", "the river"])
    with open_store(address, **options) as store:
        assert store.spec == spec
        assert store.similarity_search("the tower", k=1)[0].page_content == "the tower"


def test_a_text_that_is_added_again_replaces_the_old_one_with_all_its_metadata(store):
    store.add_texts(["now a river"], [{"other": True}], ids=["seven"])
    assert len(store) == len(TEXTS)
    document = store.get_by_ids(["seven"])[0]
    assert (document.page_content, document.metadata) == ("now a river", {"other": True})
    assert store.similarity_search("now a river", k=1)[0].id == "seven"
    store.add_texts(["bare"], ids=["seven"])
    assert store.get_by_ids(["seven"])[0].metadata == {}
    assert store.similarity_search("bare", k=5, filter={"other": True}) == []


def test_of_two_texts_with_one_id_the_later_counts(store):
    assert store.add_texts(["first", "second"], ids=["x", "x"]) == ["x", "x"]
    assert store.get_by_ids(["x"])[0].page_content == "second"


def test_scores_are_cosines_whatever_the_store_measures(store):
    model = FakeEmbeddings(16)
    asked = np.array(model.embed_query("the tower"))
    found = store.similarity_search_with_score("the tower", k=3)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    for document, score in found:
        vector = np.array(model.embed_documents([document.page_content])[0])
        assert score == pytest.approx(float(vector @ asked), abs=1e-5)


def test_nothing_is_removed_by_an_unknown_id_and_everything_by_none(store):
    store.delete(["nobody", "river"])
    assert {one.id for one in store.get_by_ids(list(TEXTS))} == {"seven", "zh"}
    store.delete([])
    assert len(store) == 2
    store.delete()
    assert len(store) == 0
    store.delete()
    assert store.similarity_search("tower") == []


@pytest.mark.parametrize(
    ("texts", "metadatas", "ids"),
    [
        ("one text", None, None),
        (["  "], None, None),
        (["a\0b"], None, None),
        (["a"], [{"x": float("nan")}], None),
        (["a"], [{"x": object()}], None),
        (["a"], [{}, {}], None),
        (["a"], None, [""]),
        (["a"], None, ["a", "b"]),
    ],
)
def test_bad_input_is_refused_and_nothing_written(store, texts, metadatas, ids):
    with pytest.raises(InputError):
        store.add_texts(texts, metadatas, ids=ids)
    assert len(store) == len(TEXTS)


def test_vectors_of_another_length_are_refused(store):
    with pytest.raises(InputError, match="dimensions"):
        store.add_vectors(["a"], [[1.0, 0.0]])
    with pytest.raises(InputError, match="dimensions"):
        store.similarity_search_by_vector([1.0, 0.0])


def test_a_reserved_key_is_refused(store):
    with pytest.raises(InputError, match="reserved"):
        store.add_texts(["a"], [{"_ziggurat": 1}])


def test_a_misspelt_parameter_is_refused(store):
    with pytest.raises(InputError, match="filtre"):
        store.similarity_search("tower", filtre={"at": 1})


def test_the_inner_store_is_the_packages_own_and_sees_the_same_texts(place, store):
    if place[2] == "databricks-search":  # its package is installed in an environment of its own only
        with pytest.raises(MissingDependency, match="databricks_langchain"):
            _ = store.inner
        return
    inner = store.inner
    assert type(inner).__module__.startswith("langchain_")
    assert inner.similarity_search(TEXTS["seven"], k=1)[0].page_content == TEXTS["seven"]
    (made,) = inner.add_texts(["added by the package's own class"], [{"at": 9}])
    assert len(store) == len(TEXTS) + 1
    found = store.similarity_search("added by the package's own class", k=1, filter={"at": 9})
    assert found[0].page_content == "added by the package's own class"
    assert store.get_by_ids([found[0].id])[0].metadata == {"at": 9}
    store.delete([found[0].id])
    assert len(store) == len(TEXTS)
    assert isinstance(made, str)


def test_the_retriever_is_the_same_to_its_user_as_that_of_an_index(store):
    retriever = store.as_retriever(k=1, search_kwargs={"filter": {"at": {"$lt": 2}}})
    assert isinstance(retriever, StoreRetriever)
    assert [one.id for one in retriever.invoke("the tower has seven floors")] == ["seven"]
    assert len(retriever.invoke("tower", k=3)) == 2
    assert retriever.stage_identity is None
    assert [one.id for one in asyncio.run(retriever.ainvoke("the tower has seven floors"))] == ["seven"]


def test_hybrid_is_refused_where_a_store_cannot_search_words(place, store):
    if place[2] in {"lancedb", "databricks-search"}:
        assert store.as_retriever().search_type == "hybrid"
        return
    assert store.as_retriever().search_type == "similarity"
    with pytest.raises(InputError, match="cannot search by 'hybrid'") as caught:
        store.as_retriever(search_type="hybrid")
    assert "similarity, mmr" in str(caught.value)
    with pytest.raises(InputError, match="cannot search by 'words'"):
        store.search_documents("tower", mode="words")


def test_questions_are_answered_from_any_store(store):
    qa = RetrievalQA(store, FakeChat(script="The tower has seven floors."), k=2)
    answer = qa.invoke({"question": "How many floors has the tower?"})
    assert answer.found
    assert answer.citations


def test_threads_may_search_and_write_at_once(store):
    failures = []

    def work(at):
        try:
            store.add_texts([f"text {at}"], [{"worker": at}], ids=[f"w{at}"])
            assert store.similarity_search(f"text {at}", k=1, filter={"worker": at})[0].id == f"w{at}"
        except Exception as error:  # noqa: BLE001 (told by the test)
            failures.append(error)

    workers = [threading.Thread(target=work, args=(at,)) for at in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert len(store) == len(TEXTS) + 6


def test_closing_twice_is_harmless(place):
    address, options, _ = place
    store = open_store(address, FakeEmbeddings(16), **options)
    store.close()
    store.close()


# -- one store at a time ----------------------------------------------------------------------------------------------


def test_lancedb_finds_words_in_chinese_and_through_a_filter(tmp_path):
    with open_store(f"lancedb:{tmp_path}/l?table=t", FakeEmbeddings(16)) as store:
        store.add_texts(
            [*TEXTS.values(), "塔在河边。", "A garden by the river."],
            [{"at": at} for at in range(5)],
            ids=["a", "b", "c", "d", "e"],
        )
        assert [one.id for one in store.search_documents("七层", mode="words")] == ["c"]
        assert [one.id for one in store.search_documents("GARDEN", mode="words", filter={"at": {"$gt": 0}})] == ["e"]
        assert store.search_documents("?!", mode="words") == []
        assert "c" in [one.id for one in store.search_documents("通天塔有几层？", k=2, mode="hybrid")]
        assert store.search_documents("garden", mode="hybrid", filter={"at": {"$in": []}}) == []
        with pytest.raises(InputError, match="cannot search by 'multihop'"):
            store.search_documents("garden", mode="multihop")


def test_a_chroma_collection_of_another_program_and_metric_is_read_and_scored_rightly(tmp_path):
    from langchain_chroma import Chroma

    model = FakeEmbeddings(16)
    plain = Chroma("notes", model, persist_directory=str(tmp_path))
    plain.add_texts(list(TEXTS.values()), [{"at": at} for at in range(3)], ids=list(TEXTS))
    with open_store(f"chroma:{tmp_path}?collection=notes", model) as store:
        document, score = store.similarity_search_with_score(TEXTS["river"], k=1, filter={"at": {"$gte": 1}})[0]
        assert (document.id, score) == ("river", pytest.approx(1.0, abs=1e-5))
        store.add_texts(["new"], ids=["new"])
        assert store.fingerprint is not None
    assert len(plain.get()["ids"]) == 4
    plain._client.close()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # a lock file that Qdrant's client leaves open
def test_a_qdrant_folder_is_open_in_one_place_at_a_time(tmp_path):
    with (
        open_store(f"qdrant:{tmp_path}/q", FakeEmbeddings(16)),
        pytest.raises(IndexFault, match="already accessed"),
    ):
        open_store(f"qdrant:{tmp_path}/q", FakeEmbeddings(16))
    gc.collect()


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


def test_a_qdrant_folder_that_would_run_something_is_refused_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_store("qdrant:q?collection=n", FakeEmbeddings(16)) as store:
        store.add_texts(["a"])
    with sqlite3.connect("q/collection/n/storage.sqlite") as database:
        database.execute("INSERT INTO points VALUES ('x', ?)", (pickle.dumps(Harm()),))
    database.close()
    with pytest.raises(IndexFault, match=r"asks to run posix\.mkdir"):
        open_store("qdrant:q?collection=n")
    assert not (tmp_path / "harmed").exists()
    with sqlite3.connect("q/collection/n/storage.sqlite") as database:
        database.execute("UPDATE points SET point = ? WHERE id = 'x'", (b"no pickle",))
    database.close()
    with pytest.raises(IndexCorrupt, match="cannot be read"):
        open_store("qdrant:q?collection=n")


def test_ids_that_another_program_gave_to_qdrant_are_found(tmp_path):
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(tmp_path / "q"))
    client.create_collection("n", models.VectorParams(size=4, distance=models.Distance.COSINE))
    client.upsert("n", [models.PointStruct(id=42, vector=[1, 0, 0, 0], payload={"page_content": "a"})])
    client.close()
    with open_store(f"qdrant:{tmp_path}/q?collection=n", FakeEmbeddings(4)) as store:
        assert [one.id for one in store.get_by_ids(["42", "43"])] == ["42"]
        store.delete(["42"])
        assert len(store) == 0


UNREACHABLE = [
    ("chroma+http://127.0.0.1:1?collection=n", {"headers": {"x-chroma-token": KEY}}),
    ("qdrant+http://127.0.0.1:1?collection=n", {"api_key": KEY}),
    (f"postgresql://me:{KEY}@127.0.0.1:1/db?collection=n", {}),
    ("pinecone:notes", {"api_key": KEY, "host": "http://127.0.0.1:1"}),
]


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection:UserWarning")  # meant here
@pytest.mark.parametrize(("address", "options"), UNREACHABLE)
def test_a_server_that_is_not_there_is_one_clear_line_without_the_key(address, options, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)  # clients that try again do not wait
    with pytest.raises(IndexFault) as caught:
        open_store(address, FakeEmbeddings(4), **options)
    assert KEY not in f"{caught.value} {caught.value!r} {caught.value.where}"
    assert "refused to be opened" in caught.value.what
    assert "connect" in caught.value.what.lower()


def test_a_postgres_connection_that_was_killed_is_made_anew(tmp_path):
    import psycopg

    with address_of("postgres", tmp_path, 4) as (address, _), open_store(address, FakeEmbeddings(4)) as store:
        store.add_texts(["a"])
        with psycopg.connect(postgres_server(), autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'ziggurat' AND pid <> pg_backend_pid()"
            )
        with pytest.raises(IndexFault, match="Postgres refused"):
            len(store)
        assert len(store) == 1


def test_a_postgres_batch_is_written_whole_or_not_at_all(tmp_path):
    with address_of("postgres", tmp_path, 4) as (address, _), open_store(address, FakeEmbeddings(4)) as store:
        store.add_texts(["a"])
        with store._backend._transaction("to be changed") as connection:
            connection.execute(store._backend._named("ALTER TABLE {table} ADD CHECK (content <> 'bad')"))
        with pytest.raises(IndexFault, match="CheckViolation"):
            store.add_texts(["good", "bad"])
        assert len(store) == 1


def test_a_table_that_may_not_be_made_is_not(tmp_path):
    with address_of("postgres", tmp_path, 4) as (address, _), pytest.raises(IndexNotFound):
        open_store(address, create=False)


def test_a_postgres_table_with_a_vector_index_still_finds_all_that_pass(tmp_path):
    with address_of("postgres", tmp_path, 8) as (address, _), open_store(address, FakeEmbeddings(8)) as store:
        count = 400
        rows = np.random.default_rng(7).standard_normal((count, 8))
        store.add_vectors([f"text {at}" for at in range(count)], rows, [{"rare": at % 80 == 0} for at in range(count)])
        with store._backend._transaction("to be indexed") as connection:
            connection.execute(
                store._backend._named("CREATE INDEX ON {table} USING hnsw (embedding vector_cosine_ops)")
            )
            connection.execute(store._backend._named("ANALYZE {table}"))
            connection.execute("SET enable_seqscan = off")
        assert len(store.similarity_search_by_vector(rows[1], k=5, filter={"rare": True})) == 5


@pytest.mark.parametrize("absent_differs", [True, False])
def test_pinecone_finds_what_lacks_a_field_however_the_service_takes_it(absent_differs):
    with (
        PineconeServer("notes", dimension=4, absent_differs=absent_differs) as server,
        open_store("pinecone:notes", FakeEmbeddings(4), api_key=KEY, host=server.url) as store,
    ):
        rows = {"a": {"lang": "en"}, "b": {"lang": None}, "c": {}, "d": {"lang": ["en"]}}
        store.add_texts(list(rows), list(rows.values()), ids=list(rows))

        def found(given):
            return "".join(sorted(one.id for one in store.similarity_search("x", k=9, filter=given)))

        assert found({"lang": {"$ne": "en"}}) == "bcd"
        assert found({"lang": {"$nin": ["en", "zh"]}}) == "bcd"
        assert found({"lang": {"$ne": None}}) == "acd"
        assert found({"lang": None}) == "b"
        assert found({"lang": {"$exists": True}}) == "abd"
        assert found({"lang": {"$exists": False}}) == "c"


def test_a_wrong_key_for_pinecone_is_refused_and_shown_nowhere():
    with PineconeServer("notes", dimension=4, api_key=KEY) as server, pytest.raises(IndexFault) as caught:
        open_store("pinecone:notes", api_key="pcsk_wrong_secret", host=server.url)
    assert "pcsk_wrong_secret" not in str(caught.value)
    with (
        PineconeServer("notes", dimension=4) as server,
        pytest.raises(IndexNotFound, match="no Pinecone index 'other'"),
    ):
        open_store("pinecone:other", api_key=KEY, host=server.url)


def test_more_vectors_than_pinecone_takes_at_once_are_sent_in_parts():
    with (
        PineconeServer("notes", dimension=4) as server,
        open_store("pinecone:notes", FakeEmbeddings(4), api_key=KEY, host=server.url) as store,
    ):
        store.add_texts([f"text {at}" for at in range(250)])
        assert len(store) == 250
        assert server.paths.count("/vectors/upsert") == 4  # three of texts, one of the model
        assert sum(len(page.ids) for page in store.records(100)) == 250
        assert len(store.get_by_ids([one for page in store.records() for one in page.ids])) == 250
