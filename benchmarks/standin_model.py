"""The stand-in of `standin_server` as a LangChain chat model, and as a provider of ours: ``standin:PORT``.

LangChain's row and ours use the same class, so what differs between them is not the client. The prompt is ``ID: text``.
`registered` makes a folder that a Python with it on its path finds the provider in.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

_CONNECTIONS = httpx.Limits(max_connections=256, max_keepalive_connections=256)


class StandInChat(BaseChatModel):
    """Asks the stand-in at a port of 127.0.0.1."""

    port: int
    _client: httpx.AsyncClient | None = PrivateAttr(None)

    @property
    def _llm_type(self) -> str:
        return "standin"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": "standin"}

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{self.port}", limits=_CONNECTIONS, timeout=30, trust_env=False
            )
        number, _, text = messages[-1].text.partition(": ")
        answer = await self._client.post("/", json={"id": int(number), "text": text})
        return _result(answer)

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        number, _, text = messages[-1].text.partition(": ")
        return _result(httpx.post(f"http://127.0.0.1:{self.port}/", json={"id": int(number), "text": text}, timeout=30))


def _result(answer: httpx.Response) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=AIMessage(answer.raise_for_status().json()["answer"]))])


class Provider:
    """What answers to ``standin:PORT``."""

    def chat(self, name: str, **_: Any) -> StandInChat:
        """The chat model at a port."""
        return StandInChat(port=int(name))


provider = Provider()


def registered(folder: Path) -> str:
    """A PYTHONPATH on which Ziggurat finds the provider; the folder is written."""
    described = folder / "standin-1.0.dist-info"
    described.mkdir(parents=True, exist_ok=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: standin\nVersion: 1.0\n", "utf-8")
    (described / "entry_points.txt").write_text("[ziggurat.providers]\nstandin = standin_model:provider\n", "utf-8")
    return os.pathsep.join([str(folder), str(Path(__file__).parent)])
