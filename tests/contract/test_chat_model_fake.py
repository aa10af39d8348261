"""LangChain's own unit suite over `FakeChat`."""

from __future__ import annotations

from typing import Any

from langchain_tests.unit_tests import ChatModelUnitTests

from ziggurat.testing import FakeChat


class TestFakeChatUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[FakeChat]:
        return FakeChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"script": "hello there"}
