"""`DatabricksVectorSearch` and both names of the search client against the local workspace."""

import uuid

import pytest
from databricks.ai_search.client import AISearchClient
from databricks.vector_search.client import VectorSearchClient
from databricks_langchain import DatabricksEmbeddings, DatabricksVectorSearch
from langchain_core.documents import Document

EMBEDDINGS = "databricks-bge-large-en"
SCHEMA = {"id": "string", "text": "string", "year": "long", "vector": "array<float>"}


@pytest.fixture(scope="module")
def client(request):
    import os

    made = AISearchClient(
        workspace_url=os.environ["DATABRICKS_HOST"],
        personal_access_token=os.environ["DATABRICKS_TOKEN"],
        disable_notice=True,
    )
    made.create_endpoint("search", "STANDARD")
    yield made
    for one in made.list_indexes("search").get("vector_indexes", []):
        made.delete_index("search", one["name"])
    made.delete_endpoint("search")


@pytest.fixture
def index(client):
    dimension = len(DatabricksEmbeddings(endpoint=EMBEDDINGS).embed_query("x"))
    name = f"main.docs.i{uuid.uuid4().hex}"
    made = client.create_direct_access_index(
        endpoint_name="search",
        index_name=name,
        primary_key="id",
        embedding_dimension=dimension,
        embedding_vector_column="vector",
        schema=SCHEMA,
    )
    yield made
    client.delete_index("search", name)


@pytest.fixture
def store(index):
    made = DatabricksVectorSearch(
        index.name,
        embedding=DatabricksEmbeddings(endpoint=EMBEDDINGS),
        text_column="text",
        columns=["id", "text", "year"],
    )
    made.add_texts(
        ["the cat sat on the mat", "a dog ran in the park", "stars shine at night"],
        metadatas=[{"year": 2020}, {"year": 2021}, {"year": 2022}],
        ids=["cat", "dog", "stars"],
    )
    return made


def test_the_nearest_text_is_found_with_its_columns(store):
    (found,) = store.similarity_search("the cat sat on the mat", k=1)
    assert isinstance(found, Document)
    assert found.page_content == "the cat sat on the mat"
    assert found.metadata["year"] == 2020


def test_scores_fall_and_the_same_text_has_one(store):
    scores = [score for _, score in store.similarity_search_with_score("stars shine at night", k=3)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1.0, abs=1e-4)


def test_filters_leave_what_fits(store):
    found = store.similarity_search("the cat sat on the mat", k=3, filter={"year >": 2020})
    assert {one.metadata["year"] for one in found} == {2021, 2022}


def test_a_hybrid_search_reads_words(store):
    (found,) = store.similarity_search("park", k=1, query_type="HYBRID")
    assert found.page_content == "a dog ran in the park"


def test_marginal_relevance_needs_the_vectors_and_has_them(store):
    found = store.max_marginal_relevance_search("the cat sat on the mat", k=2, fetch_k=3)
    assert found[0].page_content == "the cat sat on the mat"
    assert len(found) == 2


def test_what_is_deleted_is_gone(store):
    store.delete(["cat"])
    assert all(one.page_content[:7] != "the cat" for one in store.similarity_search("the cat sat on the mat", k=3))


def test_a_retriever_is_a_stage(store):
    retriever = store.as_retriever(search_kwargs={"k": 2})
    assert len(retriever.invoke("night")) == 2


def test_the_older_name_of_the_client_reads_the_same_index(store, index, host, token):
    older = VectorSearchClient(workspace_url=host, personal_access_token=token, disable_notice=True)
    found = older.get_index(index_name=index.name)
    answer = found.similarity_search(columns=["id"], query_text="dog", query_type="FULL_TEXT", num_results=1)
    assert answer["result"]["data_array"][0][0] == "dog"
    assert found.scan(num_results=2)["last_primary_key"] == "dog"


def test_a_search_of_many_rows_comes_in_pages_that_are_joined(store, index, client):
    found = client.get_index(index_name=index.name)
    vector = DatabricksEmbeddings(endpoint=EMBEDDINGS).embed_query("cat")
    found.upsert([{"id": f"n{number}", "text": "more", "year": 1, "vector": vector} for number in range(1200)])
    answer = found.similarity_search(columns=["id"], query_vector=vector, num_results=1203)
    assert answer["result"]["row_count"] == 1203
    assert len({row[0] for row in answer["result"]["data_array"]}) == 1203


def test_a_synced_index_embeds_its_own_text(client):
    name = f"main.docs.s{uuid.uuid4().hex}"
    client.create_delta_sync_index(
        endpoint_name="search",
        index_name=name,
        primary_key="id",
        source_table_name="main.docs.passages",
        pipeline_type="TRIGGERED",
        embedding_source_column="text",
        embedding_model_endpoint_name=EMBEDDINGS,
    )
    client.get_index(index_name=name).sync()
    import time

    time.sleep(0.1)
    store = DatabricksVectorSearch(name, columns=["id", "text"])
    (found,) = store.similarity_search("Lisbon is the capital of Portugal.", k=1)
    assert found.metadata["id"] == 1
    client.delete_index("search", name)


def test_an_index_that_is_not_there_is_named(client):
    from databricks.ai_search.exceptions import NotFound

    with pytest.raises(NotFound, match=r"main\.docs\.nothing"):
        client.get_index(index_name="main.docs.nothing")


def test_a_service_principal_searches(store, index, host, principal):
    signed_in = AISearchClient(
        workspace_url=host,
        service_principal_client_id=principal[0],
        service_principal_client_secret=principal[1],
        disable_notice=True,
    )
    found = signed_in.get_index(index_name=index.name)
    answer = found.similarity_search(columns=["id"], query_text="dog", query_type="FULL_TEXT", num_results=1)
    assert answer["result"]["data_array"][0][0] == "dog"
