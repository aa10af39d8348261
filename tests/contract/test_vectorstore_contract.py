"""LangChain's own suite for vector stores, whole: nothing is skipped or expected to fail."""

from pathlib import Path

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from ziggurat.index import VectorIndex


class TestVectorIndexOnDisk(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path):
        with VectorIndex.create(tmp_path / "index", self.get_embeddings()) as index:
            yield index


class TestVectorIndexReopened(VectorStoreIntegrationTests):
    """The same with every row in the snapshot's tail read back by a second connection."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path):
        VectorIndex.create(tmp_path / "index", self.get_embeddings()).close()
        with VectorIndex.open(tmp_path / "index", self.get_embeddings()) as index:
            yield index


class TestVectorIndexInATemporaryDirectory(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self):
        index: VectorStore = VectorIndex.from_texts([], self.get_embeddings())
        yield index
        index.close()
