"""`DatabricksEmbeddings` against the local workspace."""

from databricks_langchain import DatabricksEmbeddings


def test_a_query_and_a_document_of_the_same_words_have_the_same_vector():
    embeddings = DatabricksEmbeddings(endpoint="databricks-bge-large-en")
    assert embeddings.embed_query("hello") == embeddings.embed_documents(["hello"])[0]


def test_many_documents_are_embedded_in_their_order():
    embeddings = DatabricksEmbeddings(endpoint="databricks-bge-large-en")
    texts = [f"text number {number}" for number in range(40)]
    assert embeddings.embed_documents(texts)[33] == embeddings.embed_query(texts[33])
