"""LangChain's prompt hub: prompts pulled from LangSmith and pushed to it, through its own client.

A pulled manifest is data: only LangChain's prompt and message classes are made of it, never a model, a
chain or anything else it may name, no secret is looked up for it, and Jinja templates, which can run
code, are refused. What is pulled can be pushed into a `PromptFolder` and is then a file like any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from langchain_core._api import suppress_langchain_beta_warning
from langchain_core.load import load
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import (
    AIMessagePromptTemplate,
    BasePromptTemplate,
    ChatMessagePromptTemplate,
    ChatPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessagePromptTemplate,
)

from ziggurat.errors import InputError, ZigguratError
from ziggurat.prompts.file import PromptFile

ADDRESS = "https://api.smith.langchain.com"
"""Where the hub is, unless ``LANGSMITH_ENDPOINT`` says otherwise."""

_PROMPTS: tuple[type[Any], ...] = (
    ChatPromptTemplate,
    PromptTemplate,
    SystemMessagePromptTemplate,
    HumanMessagePromptTemplate,
    AIMessagePromptTemplate,
    ChatMessagePromptTemplate,
    MessagesPlaceholder,
    SystemMessage,
    HumanMessage,
    AIMessage,
)
"""All that a pulled manifest can become."""

_Made = TypeVar("_Made")


class PromptHub:
    """LangChain's hub, or a server that speaks as it does.

    Args:
        address: The hub's API; ``LANGSMITH_ENDPOINT`` or LangSmith's own when None.
        key: A LangSmith key; ``LANGSMITH_API_KEY`` when None. Public prompts need one too.
        seconds: How long one request may take.
    """

    def __init__(self, address: str | None = None, key: str | None = None, *, seconds: float = 20.0) -> None:
        from langsmith import Client

        self.address = address or os.environ.get("LANGSMITH_ENDPOINT") or ADDRESS
        milliseconds = int(seconds * 1000)
        self._client = Client(
            api_url=self.address,
            api_key=key or os.environ.get("LANGSMITH_API_KEY"),
            timeout_ms=(milliseconds, milliseconds),
            auto_batch_tracing=False,
        )

    def pull(self, name: str) -> BasePromptTemplate[Any]:
        """A prompt, as LangChain has it.

        Args:
            name: ``name``, ``owner/name``, or either with a commit: ``owner/name:50442af1``. Prefer a commit
                for what others own: the newest one can change.

        Raises:
            InputError: If there is no such prompt, or it holds more than texts, variables and messages.
            ZigguratError: If the hub cannot be reached, or refuses the key.
        """
        # The flag lets other owners' prompts be fetched; what may become of them is decided below.
        commit = self._asked(
            name,
            lambda: self._client.pull_prompt_commit(name, skip_cache=True, dangerously_pull_public_prompt=True),
        )
        try:
            with suppress_langchain_beta_warning():
                made = load(commit.manifest, allowed_objects=_PROMPTS, secrets_from_env=False)
        except Exception as error:
            raise InputError(
                "The prompt holds more than texts, variables and messages, and was not loaded.",
                where=f"{name} in the prompt hub",
                fix="ask its owner for a plain chat prompt",
            ) from error
        if not isinstance(made, BasePromptTemplate):
            raise InputError(f"That is no prompt but a {type(made).__name__}.", where=f"{name} in the prompt hub")
        return made

    def push(self, name: str, prompt: PromptFile | BasePromptTemplate[Any], *, language: str = "en") -> str:
        """Put a prompt there; private, unless it is public already.

        Args:
            name: ``name``, or ``owner/name`` of one's own.
            prompt: A LangChain prompt, or a prompt file.
            language: Which of a file's languages: the hub's prompts have one.

        Returns:
            Where people see it.

        Raises:
            InputError: If the name cannot be one, or the file is not in that language.
            ZigguratError: If the hub cannot be reached or refuses it.
        """
        about = None
        if isinstance(prompt, PromptFile):
            if language not in prompt.prompts:
                raise InputError(f"The prompt {prompt.name} is not in {language!r}.", fix=", ".join(prompt.prompts))
            about, prompt = prompt.about or None, prompt.template(language, exact=True)
        return self._asked(name, lambda: self._client.push_prompt(name, object=prompt, description=about))

    def _asked(self, name: str, ask: Callable[[], _Made]) -> _Made:
        """What the client answers; its errors as ours, which hold no key."""
        from langsmith import utils as problems

        where = f"{name} in the prompt hub at {self.address}"
        try:
            return ask()
        except problems.LangSmithNotFoundError as error:
            raise InputError("There is no such prompt.", where=where, fix="check owner, name and commit") from error
        except problems.LangSmithAuthError as error:
            raise ZigguratError("The hub refuses the key.", where=where, fix="set LANGSMITH_API_KEY") from error
        except problems.LangSmithUserError as error:
            raise InputError(str(error).partition("\n")[0], where=where) from error
        except ValueError as error:
            raise InputError(
                "That is no name of a prompt.", where=where, fix="owner/name or owner/name:commit"
            ) from error
        except Exception as error:
            raise ZigguratError(
                f"The hub cannot be asked: {type(error).__name__}.",
                where=where,
                fix="check the address and the network",
            ) from error
