"""LangChain's own suite for retrievers, for each search type of ours that needs no threshold."""

from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_tests.integration_tests import RetrieversIntegrationTests

from ziggurat.index import VectorIndex, VectorIndexRetriever

TEXTS = ["the first tower has seven floors", "the second tower has three floors", "floors are swept at noon", "a tower"]


class Retrievers(RetrieversIntegrationTests):
    search_type = "hybrid"

    @pytest.fixture(autouse=True)
    def index(self):
        self._index = VectorIndex.from_texts(TEXTS, DeterministicFakeEmbedding(size=8))
        yield
        self._index.close()

    @property
    def retriever_constructor(self) -> type[VectorIndexRetriever]:
        return VectorIndexRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"vectorstore": self._index, "search_type": self.search_type}

    @property
    def retriever_query_example(self) -> str:
        return "how many floors has the tower"


class TestHybridRetriever(Retrievers):
    pass


class TestWordsRetriever(Retrievers):
    search_type = "words"


class TestDenseRetriever(Retrievers):
    search_type = "similarity"


class TestMmrRetriever(Retrievers):
    search_type = "mmr"


del Retrievers
