"""LangChain's own suite for retrievers, for each search type of each store of another make."""

from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_tests.integration_tests import RetrieversIntegrationTests
from store_worlds import KINDS, address_of

from ziggurat.stores import StoreRetriever, open_store

TEXTS = ["the first tower has seven floors", "the second tower has three floors", "floors are swept at noon", "a tower"]
CASES = [
    *((kind, search_type) for kind in KINDS[1:] for search_type in ("similarity", "mmr")),
    ("lancedb", "hybrid"),
    ("lancedb", "words"),
    ("databricks-search", "hybrid"),
    ("databricks-search", "words"),
]


@pytest.mark.parametrize(("kind", "search_type"), CASES, scope="class")
class TestRetrievers(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def opened(self, kind, search_type, tmp_path):
        embedding = DeterministicFakeEmbedding(size=8)
        with address_of(kind, tmp_path, 8) as (address, options), open_store(address, embedding, **options) as store:
            store.add_texts(TEXTS)
            self._store, self._search_type = store, search_type
            yield

    @property
    def retriever_constructor(self) -> type[StoreRetriever]:
        return StoreRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"vectorstore": self._store, "search_type": self._search_type}

    @property
    def retriever_query_example(self) -> str:
        return "how many floors has the tower"
