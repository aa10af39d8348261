"""The objects of ``databricks_langchain`` as stages, models and indexes of ours, as they are."""

import pytest
from databricks.ai_search.client import AISearchClient
from databricks_langchain import ChatDatabricks, DatabricksEmbeddings, DatabricksVectorSearch

from ziggurat import LLM, MultiChain, VectorIndex
from ziggurat.stages.retrieve import Retrieve

MODEL = "databricks-meta-llama-3-3-70b-instruct"
EMBEDDINGS = "databricks-bge-large-en"
SCHEMA = {"id": "string", "text": "string", "vector": "array<float>"}
TEXTS = ["Lisbon is the capital of Portugal.", "Rice grows in water."]


def test_a_chat_model_answers_in_a_stage_and_is_a_stage():
    chat = ChatDatabricks(model=MODEL)
    chain = MultiChain(answer=LLM("{question}", chat), again=chat)
    run = chain.run(question="Hello", input="Hello")
    assert run["answer"] == "Hello there, friend."
    assert run["again"].content == "Hello there, friend."


def test_embeddings_build_an_index(tmp_path):
    with VectorIndex.create(tmp_path / "kb", DatabricksEmbeddings(endpoint=EMBEDDINGS)) as index:
        index.add_texts(TEXTS)
        assert index.similarity_search("capital of Portugal", k=1)[0].page_content == TEXTS[0]


@pytest.fixture
def store(request):
    import os

    client = AISearchClient(
        workspace_url=os.environ["DATABRICKS_HOST"],
        personal_access_token=os.environ["DATABRICKS_TOKEN"],
        disable_notice=True,
    )
    embeddings = DatabricksEmbeddings(endpoint=EMBEDDINGS)
    client.create_endpoint("stages", "STANDARD")
    client.create_direct_access_index(
        endpoint_name="stages",
        index_name="main.docs.stages",
        primary_key="id",
        embedding_dimension=len(embeddings.embed_query("x")),
        embedding_vector_column="vector",
        schema=SCHEMA,
    ).wait_until_ready()
    yield DatabricksVectorSearch(
        index_name="main.docs.stages", endpoint="stages", embedding=embeddings, text_column="text"
    )
    client.delete_index("stages", "main.docs.stages")
    client.delete_endpoint("stages")


def test_a_search_index_is_what_a_retrieve_stage_searches(store):
    store.add_texts(TEXTS)
    chain = MultiChain(found=Retrieve(store.as_retriever(search_kwargs={"k": 1})))
    found = chain.run(question=TEXTS[0])["found"]
    assert [one.page_content for one in found] == [TEXTS[0]]
