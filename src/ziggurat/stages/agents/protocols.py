"""Agents in plain text: how tools and their results are written for a model that calls none itself.

A protocol turns messages with tool calls into text and a model's text back into one tool call or an
answer. Pure: asks no model and calls no tool, so that every kind of agent runs on one runtime.
Invariant: reading what was written gives the same call again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool

from ziggurat.tools.wording import parameters


class TextProtocol(Protocol):
    """A way to call tools by text."""

    @property
    def stop(self) -> Sequence[str]:
        """What ends a model's turn: where it would begin to invent a result."""

    @property
    def forms(self) -> tuple[str, str]:
        """How a call and how an answer are written, for a model that forgot."""

    def written(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """The messages with calls and results as text."""

    def read(self, message: AIMessage, tools: Sequence[BaseTool]) -> AIMessage | None:
        """What a model wrote as one call or an answer; None if it is neither."""

    def answer(self, text: str) -> str:
        """The part of a text, perhaps unfinished, that is the answer; empty if there is none yet."""

    def thought(self, text: str) -> str:
        """The part that came before a call."""


class _Lines:
    """What protocols share that label lines: results come as a person's turn under a label."""

    stop: Sequence[str] = ()
    forms = ("", "")
    result_label = "Observation"
    call_label = re.compile("^$")
    answer_label = re.compile("^$")

    def written(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """Calls stay the text they were read from; a result is a turn that begins with the label."""
        told: list[BaseMessage] = []
        for one in messages:
            if isinstance(one, ToolMessage):
                told.append(HumanMessage(f"{self.result_label}: {one.text}"))
            elif isinstance(one, AIMessage):
                told.append(AIMessage(str(one.text)))
            else:
                told.append(one)
        return told

    def answer(self, text: str) -> str:
        """What follows the last label of an answer."""
        found = list(self.answer_label.finditer(text))
        return text[found[-1].end() :].strip() if found else ""

    def thought(self, text: str) -> str:
        """What precedes the first call."""
        found = self.call_label.search(text)
        before = text[: found.start()] if found else text
        return re.sub(r"^\s*Thought(?: \d+)?\s*[:：]\s*", "", before).strip()

    def _call(self, message: AIMessage, name: str, arguments: dict[str, Any]) -> AIMessage:
        call = {"name": name, "args": arguments, "id": f"call_{uuid4().hex[:12]}", "type": "tool_call"}
        return message.model_copy(update={"content": str(message.text), "tool_calls": [call], "invalid_tool_calls": []})

    def _answer(self, message: AIMessage, text: str) -> AIMessage:
        return message.model_copy(update={"content": text, "tool_calls": [], "invalid_tool_calls": []})


class ReAct(_Lines):
    """Thought, Action, Action Input, Observation; as in Yao et al., "ReAct", 2022, with tools by their description."""

    stop = ("\nObservation:", "\nObservation：")
    forms = ("Action: <tool>\nAction Input: <arguments>", "Final Answer: <answer>")
    call_label = re.compile(r"^\s*Action(?: \d+)?\s*[:：]\s*", re.MULTILINE)
    answer_label = re.compile(r"^\s*(?:Final Answer|Final answer)\s*[:：]\s*", re.MULTILINE)
    _ACTION = re.compile(
        r"^\s*Action(?: \d+)?\s*[:：]\s*(?P<name>[^\n]+?)\s*\n\s*Action Input(?: \d+)?\s*[:：]\s*(?P<given>.*)",
        re.MULTILINE | re.DOTALL,
    )
    _BARE = re.compile(r"^\s*Action(?: \d+)?\s*[:：]\s*(?P<name>\w+)\s*(?:\((?P<given>.*)\))?\s*$", re.MULTILINE)

    def read(self, message: AIMessage, tools: Sequence[BaseTool]) -> AIMessage | None:
        """The first action, or else the final answer."""
        text = str(message.text)
        found = self._ACTION.search(text) or self._BARE.search(text)
        final = self.answer_label.search(text)
        if found and (final is None or found.start() < final.start()):
            name = found["name"].strip().strip("`*[]\"'")
            given = (found["given"] or "").strip()
            cut = re.search(r"^\s*(?:Observation|Thought|Action|Final Answer)(?: \d+)?\s*[:：]", given, re.MULTILINE)
            return self._call(message, name, arguments_of(given[: cut.start()] if cut else given, name, tools))
        return self._answer(message, self.answer(text)) if final else None


class DocstoreReAct(_Lines):
    """``Search[topic]``, ``Lookup[term]`` and ``Finish[answer]``, the form that ReAct has over a document store."""

    stop = ("\nObservation",)
    forms = ("Action: Search[<topic>] or Action: Lookup[<term>]", "Action: Finish[<answer>]")
    call_label = re.compile(r"^\s*Action(?: \d+)?\s*[:：]\s*", re.MULTILINE)
    answer_label = re.compile(r"Finish\[")
    _ACTION = re.compile(
        r"(?P<name>Search|Lookup|Finish)\[(?P<given>[^\n]*?)\]\s*(?:$|\n)|(?P<open>Finish)\[(?P<rest>.*)\Z", re.DOTALL
    )

    def read(self, message: AIMessage, tools: Sequence[BaseTool]) -> AIMessage | None:
        """The first of the three."""
        found = self._ACTION.search(str(message.text))
        if found is None:
            return None
        name = found["name"] or found["open"]
        given = found["given"] if found["given"] is not None else found["rest"]
        if name == "Finish":
            return self._answer(message, given.strip().removesuffix("]").strip())
        return self._call(message, name, arguments_of(given.strip(), name, tools))

    def answer(self, text: str) -> str:
        """What stands in ``Finish[...]``."""
        return super().answer(text).removesuffix("]").strip()


class SelfAsk(_Lines):
    """Follow up, Intermediate answer, So the final answer is; Press et al., "Measuring and Narrowing the Compositionality Gap", 2022."""

    stop = ("\nIntermediate answer:", "\nIntermediate answer：")
    forms = ("Follow up: <question>", "So the final answer is: <answer>")
    result_label = "Intermediate answer"
    call_label = re.compile(r"^\s*Follow up\s*[:：]\s*", re.MULTILINE)
    answer_label = re.compile(r"So the final answer is\s*[:：]\s*")

    def read(self, message: AIMessage, tools: Sequence[BaseTool]) -> AIMessage | None:
        """The first follow-up question, or else the final answer."""
        text = str(message.text)
        found, final = self.call_label.search(text), self.answer_label.search(text)
        if found and (final is None or found.start() < final.start()):
            question = text[found.end() :].strip().split("\n", 1)[0].strip()
            return self._call(message, tools[0].name, arguments_of(question, tools[0].name, tools)) if tools else None
        return self._answer(message, self.answer(text)) if final else None

    def thought(self, text: str) -> str:  # noqa: ARG002 (the question itself says it all)
        """None is written."""
        return ""


def arguments_of(written: str, name: str, tools: Sequence[BaseTool]) -> dict[str, Any]:
    """A tool's arguments from text: a JSON object, or the one argument that it needs.

    What fits neither becomes that one argument as it is, so that the tool itself says what is wrong.
    """
    text = re.sub(r"^```\w*\s*|\s*```$", "", written.strip())
    tool = next((one for one in tools if one.name == name), None)
    properties, required = parameters(tool) if tool is not None else ({}, [])
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if isinstance(given, dict) and (not properties or given.keys() & properties.keys() or not required):
        return given
    (only, *_) = required or list(properties) or ["input"]
    wanted = properties.get(only, {}).get("type", "string")
    if given is not None and not isinstance(given, dict) and (wanted != "string" or isinstance(given, str)):
        return {only: given}
    return {only: text.strip().strip("\"'")} if text or required else {}


PROTOCOLS: dict[str, Callable[[], TextProtocol]] = {"react": ReAct, "docstore": DocstoreReAct, "self_ask": SelfAsk}
