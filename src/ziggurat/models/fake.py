"""The provider ``fake``: the public test doubles by spec, for chains that are tried without a model.

Chat: ``fake:echo`` repeats the last human message; ``fake:fixed <text>`` always answers with the text
(``fake:fixed`` alone with "ok"); ``fake:json <object>`` is the same, checked to be JSON when it is opened.
Embeddings: ``fake:<dimensions>``, or ``fake:hash`` for 256. Images: ``fake:<anything>``. Rerankers:
``fake:overlap``.
Knows nothing of how the doubles work.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnknownModel
from ziggurat.testing import FakeChat, FakeEmbeddings, FakeImages, FakeReranker

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage


class FakeProvider:
    """Models that do as they are told."""

    def chat(self, name: str, **options: Any) -> FakeChat:
        """Open a `FakeChat` with the script that ``name`` describes.

        Raises:
            UnknownModel: If ``name`` is none of the scripts.
        """
        kind, _, text = name.partition(" ")
        if kind == "echo" and not text:
            return FakeChat(script=_echo, model=f"fake:{name}", **options)
        if kind == "fixed":
            return FakeChat(script=text or "ok", model=f"fake:{name}", **options)
        if kind == "json" and _is_json(text):
            return FakeChat(script=text, model=f"fake:{name}", **options)
        raise UnknownModel(
            f"There is no fake chat model {name!r}.",
            where=f"fake:{name}",
            fix="use fake:echo, 'fake:fixed <text>' or 'fake:json <object>'",
        )

    def embeddings(self, name: str, **options: Any) -> FakeEmbeddings:
        """Open `FakeEmbeddings` of ``name`` dimensions.

        Raises:
            UnknownModel: If ``name`` is neither a number nor ``hash``.
        """
        if name == "hash":
            return FakeEmbeddings(**options)
        if name.isdecimal() and int(name) > 0:
            return FakeEmbeddings(int(name), **options)
        raise UnknownModel(
            f"There are no fake embeddings {name!r}.", where=f"fake:{name}", fix="use fake:hash or fake:<dimensions>"
        )

    def images(self, name: str, **options: Any) -> FakeImages:
        """Open `FakeImages`."""
        return FakeImages(f"fake:{name}", **options)

    def reranker(self, name: str, **options: Any) -> FakeReranker:
        """Open a `FakeReranker`.

        Raises:
            UnknownModel: If ``name`` is not ``overlap``.
        """
        if name != "overlap":
            raise UnknownModel(f"There is no fake reranker {name!r}.", where=f"fake:{name}", fix="use fake:overlap")
        return FakeReranker(**options)


def _echo(messages: list[BaseMessage]) -> str:
    return next((message.text for message in reversed(messages) if message.type == "human"), "")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


provider = FakeProvider()
