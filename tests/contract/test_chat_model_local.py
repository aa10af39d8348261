"""LangChain's own suites over `LocalChat` with the default local model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from ziggurat.models.llama.chat import LocalChat


class TestLocalChatUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[LocalChat]:
        return LocalChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "local:qwen2.5-coder-0.5b"}

    @property
    def supports_image_inputs(self) -> bool:
        return False


@pytest.mark.model
class TestLocalChatIntegration(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[LocalChat]:
        return LocalChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "local:qwen2.5-coder-0.5b", "max_tokens": 64, "seed": 1}

    @property
    def has_tool_calling(self) -> bool:
        return True

    @property
    def has_tool_choice(self) -> bool:
        return True

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def returns_usage_metadata(self) -> bool:
        return True

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "local:smollm2-135m"
