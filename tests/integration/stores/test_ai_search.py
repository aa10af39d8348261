"""AI Search as a store: indexes of ours, of other programs and of tables, against the local workspace."""

import io
import json

import numpy as np
import pytest
from databricks.sdk.service import vectorsearch as api
from databricks.sdk.service.catalog import VolumeType
from quick_workspace import quick_workspace, sdk
from store_worlds import SEARCH_ENDPOINT, search_endpoint

from ziggurat.errors import IndexFault, IndexNotFound, InputError, WorkspaceDenied, WorkspaceUnavailable
from ziggurat.progress import silent
from ziggurat.stages.qa import RetrievalQA
from ziggurat.stores import migrate, open_store
from ziggurat.stores.ai_search_filters import compiled
from ziggurat.stores.ai_search_layout import Layout, layout_of, schema_for
from ziggurat.stores.conditions import read_filter
from ziggurat.testing import FakeChat, FakeEmbeddings

SIZE = 16
TEXTS = {
    "seven": "The tower has seven floors and a garden.",
    "river": "The river flows to the south.",
    "zh": "通天塔有七层。",
}


@pytest.fixture(scope="module")
def local():
    with quick_workspace(delays={"index": 0.0}) as found:
        search_endpoint(found)
        sdk(found).volumes.create("main", "default", "tables", VolumeType.MANAGED)
        yield found


@pytest.fixture
def way_in(local):
    return {"host": local.url, "token": local.token}


@pytest.fixture
def address(request):
    name = "".join(one if one.isalnum() else "_" for one in request.node.name)[:60]
    return f"databricks-search:{SEARCH_ENDPOINT}/main.default.{name}"


@pytest.fixture
def store(address, way_in):
    with open_store(address, FakeEmbeddings(SIZE), **way_in) as store:
        store.add_texts(list(TEXTS.values()), [{"at": at, "lang": "en"} for at in range(3)], ids=list(TEXTS))
        yield store


def row_of(one, **fields):
    vector = FakeEmbeddings(SIZE).embed_documents([TEXTS[one]])[0]
    return {"key": one, "chunk": TEXTS[one], "v": vector, **fields}


@pytest.fixture
def foreign(address, local):
    """An index that another program made and filled."""
    schema = {"key": "string", "chunk": "string", "v": "array<float>", "year": "long", "lang": "string"}
    indexes = sdk(local).vector_search_indexes
    indexes.create_index(
        name=address.partition("/")[2],
        primary_key="key",
        endpoint_name=SEARCH_ENDPOINT,
        index_type=api.VectorIndexType.DIRECT_ACCESS,
        direct_access_index_spec=api.DirectAccessVectorIndexSpec(
            embedding_vector_columns=[api.EmbeddingVectorColumn(name="v", embedding_dimension=SIZE)],
            schema_json=json.dumps(schema),
        ),
    )
    rows = [row_of("seven", year=2020, lang="en"), row_of("river", year=2021, lang="en"), row_of("zh", lang="zh")]
    indexes.upsert_data_vector_index(address.partition("/")[2], json.dumps(rows))
    return address


@pytest.fixture
def synced(address, local):
    """An index that a table fills."""
    w = sdk(local)
    lines = [json.dumps(row_of(one, year=2020 + at)) for at, one in enumerate(TEXTS)]
    content = io.BytesIO("\n".join(lines).encode())
    w.files.upload("/Volumes/main/default/tables/papers.jsonl", content, overwrite=True)
    w.vector_search_indexes.create_index(
        name=address.partition("/")[2],
        primary_key="key",
        endpoint_name=SEARCH_ENDPOINT,
        index_type=api.VectorIndexType.DELTA_SYNC,
        delta_sync_index_spec=api.DeltaSyncVectorIndexSpecRequest(
            source_table="main.default.papers",
            pipeline_type=api.PipelineType.TRIGGERED,
            embedding_vector_columns=[api.EmbeddingVectorColumn(name="v", embedding_dimension=SIZE)],
        ),
    )
    return address


# -- an index of ours -------------------------------------------------------------------------------------------------


def test_words_are_found_by_the_service_and_joined_with_vectors(store):
    assert store.as_retriever().search_type == "hybrid"
    assert [one.id for one in store.search_documents("seven floors", k=1, mode="words")] == ["seven"]
    assert store.search_documents("seven floors", k=2)[0].id == "seven"
    assert store.search_documents("river", mode="words", filter={"at": 0}) == []


def test_other_programs_see_plain_columns_and_no_row_of_ours_among_what_they_find_by_a_filter(store, local):
    name = store.address.place.partition("/")[2]
    found = sdk(local).vector_search_indexes.query_index(
        name, ["id", "text", "at", "lang"], query_vector=[1.0] * SIZE, filters_json='{"lang": "en"}', num_results=10
    )
    assert sorted(row[:4] for row in found.result.data_array) == sorted(
        [one, text, float(at), "en"] for at, (one, text) in enumerate(TEXTS.items())
    )


def test_a_key_that_came_later_is_found_by_its_values_and_refused_where_it_needs_a_column(store):
    store.add_texts(["later"], [{"new": "x", "more": [1]}], ids=["later"])

    def found(given):
        return [one.id for one in store.similarity_search("later", k=9, filter=given)]

    assert found({"new": "x"}) == found({"new": {"$in": ["x", "y"]}}) == found({"new": {"$exists": True}}) == ["later"]
    assert found({"new": "x", "more": {"$exists": True}, "at": {"$exists": False}}) == ["later"]
    assert found({"new": "x", "more": 1}) == []
    for given in ({"new": {"$ne": "x"}}, {"new": {"$gt": 1}}, {"new": {"$exists": False}}):
        with pytest.raises(InputError, match=r"AI Search cannot filter .*'new'.* no column of its own"):
            found(given)


def test_columns_may_be_declared_when_the_index_is_made(address, way_in):
    columns = {"lang": "string", "year": "double", "year of print": "double"}
    with open_store(address, FakeEmbeddings(SIZE), columns=columns, **way_in) as store:
        store.add_texts(["a", "b"], [{}, {"year of print": 1999, "lang": "en"}], ids=["a", "b"])
        found = store.similarity_search("a", k=5, filter={"year of print": {"$lt": 2000}, "year": {"$exists": False}})
        assert [one.id for one in found] == ["b"]
    for bad, said in (({"a": "text"}, "of type 'text'"), ({f"k{at}": "string" for at in range(30)}, "20 keys at most")):
        with pytest.raises(InputError, match=said):
            open_store(address, columns=bad, **way_in)


def test_what_an_index_remembers_is_in_no_answer_and_its_id_is_reserved(store, local):
    assert len(store) == 3
    name = store.address.place.partition("/")[2]
    for vector in (np.eye(SIZE)[0], -np.eye(SIZE)[0]):  # for other programs it comes last
        found = sdk(local).vector_search_indexes.query_index(name, ["id"], query_vector=vector.tolist(), num_results=4)
        assert [row[0] for row in found.result.data_array].index("_ziggurat") == 3
    assert {one for page in store.records() for one in page.ids} == set(TEXTS)
    assert store.get_by_ids(["_ziggurat"]) == []
    store.delete(["_ziggurat"])
    assert store.fingerprint == "ziggurat.testing.embeddings.FakeEmbeddings(dimensions=16)"
    with pytest.raises(InputError, match="reserved"):
        store.add_texts(["x"], ids=["_ziggurat"])


def test_more_texts_than_one_request_takes_go_in_parts_and_come_out_in_pages(address, way_in, local, monkeypatch):
    monkeypatch.setattr("ziggurat.stores.ai_search_service._LARGEST_UPSERT", 20_000)
    monkeypatch.setattr(local.workspace.search, "page_rows", 30)
    ids = [f"{at}-{'x' * 100}" for at in range(120)]
    with open_store(address, FakeEmbeddings(SIZE), **way_in) as store:
        store.add_texts([f"text {at}" for at in range(120)], ids=ids)
        assert len(store) == 120
        assert len(store.similarity_search("text", k=100)) == 100
        assert len(store.get_by_ids(ids)) == 120
        store.delete(ids[:100])
        assert {one for page in store.records(7) for one in page.ids} == set(ids[100:])
        store.delete()
        assert len(store) == 0


# -- an index of another make -----------------------------------------------------------------------------------------


def test_an_index_of_another_program_is_read_filtered_and_written_by_its_own_columns(foreign, way_in):
    with open_store(foreign, FakeEmbeddings(SIZE), create=False, **way_in) as store:
        found = store.similarity_search_with_score(TEXTS["river"], k=1)
        assert [(one.id, one.page_content, one.metadata) for one, _ in found] == [
            ("river", TEXTS["river"], {"year": 2021, "lang": "en"})
        ]
        assert found[0][1] == pytest.approx(1.0, abs=1e-5)
        assert store.fingerprint is not None

        def ids(given):
            return sorted(one.id for one in store.similarity_search("x", k=9, filter=given))

        assert ids({"lang": "en", "year": {"$gte": 2021}}) == ["river"]
        assert ids({"$or": [{"lang": "zh"}, {"year": 2020}]}) == ["seven", "zh"]
        assert ids({"lang": {"$in": ["zh", "en"]}}) == sorted(TEXTS)
        for given, said in (
            ({"lang": {"$ne": "en"}}, "what 'lang' is not"),
            ({"lang": 1}, "a number in 'lang'"),
            ({"nowhere": 1}, "'nowhere', which is no column"),
            ({"lang": None}, "what 'lang' is not"),
            ({"year": {"$exists": True}}, "what 'year' is not"),
        ):
            with pytest.raises(InputError, match=f"AI Search cannot filter by {said}"):
                ids(given)
        store.add_texts(["a new one"], [{"lang": "fr"}], ids=["new"])
        assert ids({"lang": "fr"}) == ["new"]
        with pytest.raises(InputError, match="no column for the metadata key 'other'"):
            store.add_texts(["x"], [{"other": 1}])
        store.delete(["new"])
        assert len(store) == 3


def test_a_text_column_that_cannot_be_guessed_is_asked_for(local, way_in, address):
    schema = {"k": "string", "said": "string", "v": "array<float>"}
    sdk(local).vector_search_indexes.create_index(
        name=address.partition("/")[2],
        primary_key="k",
        endpoint_name=SEARCH_ENDPOINT,
        index_type=api.VectorIndexType.DIRECT_ACCESS,
        direct_access_index_spec=api.DirectAccessVectorIndexSpec(
            embedding_vector_columns=[api.EmbeddingVectorColumn(name="v", embedding_dimension=SIZE)],
            schema_json=json.dumps(schema),
        ),
    )
    with pytest.raises(InputError, match="which column of the index holds its texts") as caught:
        open_store(address, **way_in)
    assert "said" in caught.value.fix
    with open_store(address, FakeEmbeddings(SIZE), text_column="said", **way_in) as store:
        store.add_texts(["hello"], ids=["a"])
        assert store.similarity_search("hello", k=1)[0].page_content == "hello"


def test_an_index_that_a_table_fills_is_searched_and_migrated_from_and_never_written_to(synced, way_in, tmp_path):
    model = FakeEmbeddings(SIZE)
    with open_store(synced, model, create=False, **way_in) as store:
        assert len(store) == 3
        found = store.similarity_search(TEXTS["seven"], k=1, filter={"year": {"$lt": 2021}})
        assert [(one.id, one.metadata) for one in found] == [("seven", {"year": 2020})]
        assert store.search_documents("river", k=1)[0].id == "river"
        for attempt in (lambda: store.add_texts(["x"]), lambda: store.delete(["seven"]), store.delete):
            with pytest.raises(InputError, match="A Delta Sync index cannot be") as caught:
                attempt()
            assert "main.default.papers" in caught.value.fix
        with open_store(tmp_path / "kb", model) as index:
            assert migrate(store, index, progress=silent).written == 3
            with pytest.raises(InputError, match="A Delta Sync index cannot be written to"):
                migrate(index, store, progress=silent)
        qa = RetrievalQA(store, FakeChat(script="The tower has seven floors."), k=2)
        assert qa.invoke({"question": "How many floors has the tower?"}).citations


# -- what is not there ------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_named(local, way_in, store):
    with pytest.raises(IndexNotFound, match="no search endpoint 'sharde'") as caught:
        open_store("databricks-search:sharde/main.default.new", **way_in)
    assert SEARCH_ENDPOINT in caught.value.fix
    with pytest.raises(IndexNotFound, match=r"no AI Search index 'main\.default\.nowhere'"):
        open_store(f"databricks-search:{SEARCH_ENDPOINT}/main.default.nowhere", create=False, **way_in)
    name = store.address.place.partition("/")[2]
    with pytest.raises(InputError, match="on the search endpoint 'shared', not on 'other'"):
        open_store(f"databricks-search:other/{name}", **way_in)


def test_whoever_is_not_let_in_is_told_so_without_the_token(local, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    address, wrong = f"databricks-search:{SEARCH_ENDPOINT}/main.default.x", "dapi-wrong-token-1234567890"
    with pytest.raises(IndexFault, match="refused to be opened") as caught:
        open_store(address, host=local.url, token=wrong)
    assert wrong not in str(caught.value)
    with pytest.raises(WorkspaceDenied):
        open_store(address)
    with pytest.raises(WorkspaceUnavailable):
        open_store(address, host="http://127.0.0.1:1", token=wrong)


def test_an_index_that_does_not_become_ready_is_told(address):
    with quick_workspace(delays={"index": 60.0}) as slow:
        sdk(slow).vector_search_endpoints.create_endpoint(SEARCH_ENDPOINT, api.EndpointType.STANDARD)
        way_in = {"host": slow.url, "token": slow.token, "wait_seconds": 0.2}
        with open_store(address, FakeEmbeddings(SIZE), **way_in) as store, pytest.raises(IndexFault, match="not ready"):
            store.add_texts(["a"])


# -- filters ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def layout() -> Layout:
    schema = schema_for([{"year": 1, "lang": "en"}], None)
    return layout_of("id", "text", "text_vector", schema)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, ["id NOT"]),
        ({"lang": "en"}, ["_ziggurat_s_lang", "id NOT"]),
        ({"year": {"$gt": 1, "$lt": 9}}, ["id NOT", "year <", "year >"]),
        ({"$and": [{"year": {"$gt": 1}}, {"year": {"$gt": 5}}]}, ["id NOT", "year >"]),
        (
            {"$or": [{"lang": "en"}, {"year": {"$gt": 1}}]},
            ["_ziggurat_s_lang OR year >", "id NOT"],
        ),
        (
            {"$and": [{"$or": [{"lang": one}, {"year": {"$gt": at}}]} for at, one in enumerate("ab")]},
            ["_ziggurat_s_lang OR year >", "_ziggurat_s_lang OR year > OR year >", "id NOT"],
        ),
        ({"x": 1, "y": 2}, ["_ziggurat_marks", "_ziggurat_marks OR _ziggurat_marks", "id NOT"]),
    ],
)
def test_the_entries_of_a_filter_have_names_that_differ(layout, given, names):
    made = compiled(read_filter(given) if given else None, layout, "here")
    assert sorted(made) == names


def test_two_tests_that_no_value_meets_find_nothing_and_tighter_bounds_win(layout):
    made = compiled(read_filter({"$and": [{"lang": "en"}, {"lang": "zh"}]}), layout, "here")
    assert made["_ziggurat_s_lang"].endswith("!")
    bounds = compiled(read_filter({"$and": [{"year": {"$lte": 7}}, {"year": {"$lte": 3}}]}), layout, "here")
    assert bounds["year <="] == 3


def test_a_filter_of_too_many_alternatives_is_refused(layout):
    either = [{"$and": [{"lang": f"{at}"}, {"year": at}]} for at in range(12)]
    with pytest.raises(InputError, match="cannot filter by so many alternatives"):
        compiled(read_filter({"$or": either}), layout, "here")


def test_vectors_are_found_as_they_were_given(store):
    rows = np.eye(SIZE, dtype=np.float32)[:2]
    store.add_vectors(["first", "second"], rows, ids=["e0", "e1"])
    assert np.allclose(store.fetch(["e1", "e0"]).vectors, rows[::-1])
