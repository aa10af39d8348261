"""LangChain's own suites over `ChatDatabricks`, against the local workspace with the default local model behind it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from quick_workspace import quick_workspace

from ziggurat.databricks import ChatDatabricks, DatabricksEmbeddings
from ziggurat.databricks.local import Models
from ziggurat.models import chat
from ziggurat.testing import FakeEmbeddings

CHAT = "databricks-meta-llama-3-1-8b-instruct"


@pytest.fixture(scope="module")
def workspace():
    local = chat("local:qwen2.5-coder-0.5b", max_tokens=64, seed=1)
    with quick_workspace(models=Models(chat=local, embeddings=FakeEmbeddings())) as made:
        yield made


@pytest.fixture
def reached(workspace, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)


class TestChatDatabricksUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatDatabricks]:
        return ChatDatabricks

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"endpoint": CHAT, "host": "https://x.databricks.com"}


@pytest.mark.model
@pytest.mark.usefixtures("reached")
class TestChatDatabricksIntegration(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[ChatDatabricks]:
        return ChatDatabricks

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"endpoint": CHAT}

    @property
    def model_override_value(self) -> str:
        return "databricks-gpt-oss-120b"

    @property
    def supports_json_mode(self) -> bool:
        return True


@pytest.mark.usefixtures("reached")
class TestDatabricksEmbeddingsIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[DatabricksEmbeddings]:
        return DatabricksEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"endpoint": "databricks-bge-large-en"}
