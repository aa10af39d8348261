"""LangChain's own suite for vector stores over every store of another make, whole: nothing is skipped or expected to fail."""

from pathlib import Path

import pytest
from langchain_tests.integration_tests import VectorStoreIntegrationTests
from store_worlds import address_of

from ziggurat.stores import open_store


class Stores(VectorStoreIntegrationTests):
    kind: str

    @pytest.fixture
    def vectorstore(self, tmp_path: Path):
        embedding = self.get_embeddings()
        with (
            address_of(self.kind, tmp_path, embedding.size) as (address, options),
            open_store(address, embedding, **options) as store,
        ):
            yield store


class TestChroma(Stores):
    kind = "chroma"


class TestChromaServer(Stores):
    kind = "chroma-server"


class TestQdrant(Stores):
    kind = "qdrant"


class TestQdrantServer(Stores):
    kind = "qdrant-server"


class TestPostgres(Stores):
    kind = "postgres"


class TestLanceDB(Stores):
    kind = "lancedb"


class TestPinecone(Stores):
    kind = "pinecone"


class TestAISearch(Stores):
    kind = "databricks-search"


del Stores
