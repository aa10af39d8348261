"""A chain spoken to in OpenAI's Responses format: a request becomes its inputs, its events become output items.

Knows the format's words and a chain; knows no MLflow and no server. The last user message is the question; what was
said before goes to the input that takes it, or into the memory of the chain's conversation. Invariant: an answer
that was streamed and one that was not are made by the same run, so both end in the same items.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from time import time
from typing import Any, cast
from uuid import uuid4

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from ziggurat.chain.events import Event, RunFinished, Token
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.stage import ANY
from ziggurat.errors import InputError
from ziggurat.mlflow.annotations import annotated
from ziggurat.mlflow.plain import as_json
from ziggurat.stages.answer import Answer
from ziggurat.stages.conversation import Conversation
from ziggurat.suggest import did_you_mean

_QUESTIONS = ("question", "query", "input", "text", "prompt")
_HISTORIES = ("history", "chat_history", "messages")
_ROLES: dict[str, type[BaseMessage]] = {
    "user": HumanMessage,
    "assistant": AIMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
}


@dataclass(frozen=True, slots=True)
class Form:
    """How a chain is an agent.

    Attributes:
        question: The run input that takes the last user message.
        answer: The stage whose output is the answer.
        history: The run input that takes what was said before, as LangChain messages; empty for none.
    """

    question: str
    answer: str
    history: str = ""

    def as_dict(self) -> dict[str, str]:
        """For the package's note."""
        return asdict(self)


def form_of(
    chain: MultiChain,
    outputs: Sequence[str],
    *,
    question: str | None = None,
    answer: str | None = None,
    history: str | None = None,
) -> Form:
    """Find out how a chain is an agent.

    Args:
        chain: The chain.
        outputs: The stages it gives.
        question: The input that takes the question; found by its name or because it is the only text when None.
        answer: The stage that answers; the last one that gives an answer or a text when None.
        history: The input that takes earlier messages; found by its name when None.

    Raises:
        InputError: If that is not clear, saying what to name.
    """
    inputs = chain.run_inputs
    for named in (question, history):
        if named is not None and named not in inputs:
            raise InputError(
                f"The chain takes no {named!r}{did_you_mean(named, inputs)}.", fix=f"one of {', '.join(inputs)}"
            )
    if answer is not None and answer not in outputs:
        raise InputError(
            f"The chain does not give {answer!r}{did_you_mean(answer, outputs)}.", fix=f"one of {', '.join(outputs)}"
        )
    earlier = history if history is not None else next((one for one in _HISTORIES if one in inputs), "")
    texts = [name for name, one in inputs.items() if one.type in (str, ANY, Any) and name != earlier]
    needed = [name for name in texts if inputs[name].required]
    asked = question or next((one for one in _QUESTIONS if one in texts), needed[0] if len(needed) == 1 else None)
    if asked is None:
        raise InputError(
            "It is not clear which input takes the question.", fix=f"say question=...: one of {', '.join(inputs)}"
        )
    return Form(asked, answer or _answering(chain, outputs), earlier)


def _answering(chain: MultiChain, outputs: Sequence[str]) -> str:
    kinds = {name: chain.stages[name].returns for name in outputs}
    for wanted in (Answer, str):
        found = [name for name, kind in kinds.items() if kind is wanted]
        if found:
            return found[-1]
    if len(outputs) == 1:
        return outputs[0]
    raise InputError("It is not clear which stage answers.", fix=f"say answer=...: one of {', '.join(outputs)}")


class Agent:
    """A chain that is spoken to in the Responses format.

    Args:
        chain: The chain.
        outputs: The stages it gives; those that are not the answer are told as ``custom_outputs``.
        form: How it is an agent.
        watch: Gives the chain with what observes a run; asked for each request.
    """

    def __init__(
        self,
        chain: MultiChain,
        outputs: Sequence[str],
        form: Form,
        watch: Callable[[MultiChain], MultiChain] = lambda chain: chain,
    ) -> None:
        self.chain = chain
        self.watch = watch
        self.outputs = tuple(outputs)
        self.form = form

    async def respond(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The whole response to a request, as ``ResponsesAgentResponse`` has it.

        Raises:
            InputError: If the request cannot be given to the chain.
            ChainError: If a stage failed.
        """
        done: dict[str, Any] = {}
        async with aclosing(self.stream(request)) as events:
            async for event in events:
                done = event
        return {**done["response"], **({"custom_outputs": done["custom_outputs"]} if "custom_outputs" in done else {})}

    async def stream(self, request: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The events of a response: created, item and part added, deltas, annotations, item done, completed.

        Raises:
            InputError: If the request cannot be given to the chain; before the first event.
            ChainError: If a stage failed.
        """
        said = turns(request)
        inputs, seeded = await self._inputs(request, said)
        response, item = f"resp_{uuid4().hex}", f"msg_{uuid4().hex}"
        begun, number = time(), 0
        try:
            async with aclosing(self._told(inputs, response, item, begun)) as events:
                async for event in events:
                    yield {**event, "sequence_number": number}
                    number += 1
        finally:
            for history in seeded:
                await history.aclear()

    async def _told(
        self, inputs: Mapping[str, Any], response: str, item: str, begun: float
    ) -> AsyncGenerator[dict[str, Any], None]:
        part = {"item_id": item, "output_index": 0, "content_index": 0}
        whole = {"id": response, "object": "response", "created_at": begun}
        opened = streamed = False
        async with aclosing(cast("AsyncGenerator[Event, None]", self.watch(self.chain).aevents(inputs))) as events:
            async for event in events:
                if not opened:  # only now are the inputs known to be what the chain takes
                    opened = True
                    yield {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}
                    for one in _opened(item):
                        yield one
                if isinstance(event, Token) and event.path == self.form.answer and event.text:
                    streamed = True
                    yield {"type": "response.output_text.delta", "delta": event.text, **part}
                elif isinstance(event, RunFinished):
                    if event.error is not None:
                        raise event.error
                    for one in self._ended(event, whole, item, streamed=streamed):
                        yield one

    def _ended(
        self, event: RunFinished, whole: Mapping[str, Any], item: str, *, streamed: bool
    ) -> Iterator[dict[str, Any]]:
        """The events after the last delta; what was not streamed comes as one delta before them."""
        answer = event.outputs[self.form.answer]
        text, noted = text_of(answer), annotated(answer)
        if not streamed and text:
            part = {"item_id": item, "output_index": 0, "content_index": 0}
            yield {"type": "response.output_text.delta", "delta": text, **part}
        yield from _closed(text, noted, item)
        output = [message_item(item, text, noted)]
        done = {**whole, "status": "completed", "output": output, "usage": usage_of(event)}
        others = {name: as_json(event.outputs[name], name) for name in self.outputs if name != self.form.answer}
        more = {"custom_outputs": others} if others else {}
        yield {"type": "response.completed", "response": done, **more}

    async def _inputs(
        self, request: Mapping[str, Any], said: Sequence[BaseMessage]
    ) -> tuple[dict[str, Any], list[BaseChatMessageHistory]]:
        """The run's inputs; and the histories that were filled for this request only."""
        *earlier, question = said
        inputs: dict[str, Any] = {**(request.get("custom_inputs") or {}), self.form.question: question.text}
        if self.form.history:
            inputs[self.form.history] = earlier
        talks = [stage.call.target for stage in self.chain.stages.values()]
        memories = [one.memory for one in talks if isinstance(one, Conversation)]
        if not memories or "session" not in self.chain.run_inputs:
            return inputs, []
        context = request.get("context") or {}
        known = inputs.get("session") or context.get("conversation_id")
        session = str(known or uuid4().hex)
        user = str(inputs.get("user") or context.get("user_id") or request.get("user") or "")
        inputs["session"] = session
        if user and "user" in self.chain.run_inputs:
            inputs["user"] = user
        histories = [memory.history(session, user if "user" in self.chain.run_inputs else "") for memory in memories]
        spoken = [one for one in earlier if not isinstance(one, SystemMessage)]
        for history in histories:
            if spoken and not await history.aget_messages():
                await history.aadd_messages(spoken)
        return inputs, [] if known else histories


def turns(request: Mapping[str, Any]) -> list[BaseMessage]:
    """The messages of a request, the question last; calls of tools and reasoning of earlier answers are left out.

    Raises:
        InputError: If there is no question, or something that is no text.
    """
    given = request.get("input")
    items: Sequence[Any] = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
    said = [_message(one, position) for position, one in enumerate(items) if one.get("type", "message") == "message"]
    if not said or not isinstance(said[-1], HumanMessage) or not said[-1].text.strip():
        raise InputError(
            "The request has no question: its last message is not a user's, or is empty.",
            fix='send {"input": [{"role": "user", "content": "..."}]}',
        )
    return said


def _message(item: Mapping[str, Any], position: int) -> BaseMessage:
    kind, content = _ROLES.get(str(item.get("role"))), item.get("content")
    if kind is None:
        raise InputError(
            f"{item.get('role')!r} is no role.", where=f"input[{position}]", fix=f"one of {', '.join(_ROLES)}"
        )
    if isinstance(content, str):
        return kind(content)
    texts = []
    for part in content or []:
        if not isinstance(part.get("text"), str):
            raise InputError(
                f"The chain reads text, not {part.get('type')!r}.", where=f"input[{position}]", fix="send input_text"
            )
        texts.append(part["text"])
    return kind("\n".join(texts))


# -- the format -----------------------------------------------------------------------------------


def text_of(answer: Any) -> str:
    """An answer's text; what has none is told as JSON."""
    if isinstance(answer, str):
        return answer
    text = getattr(answer, "text", None)
    return text if isinstance(text, str) else json.dumps(as_json(answer), ensure_ascii=False)


def message_item(item: str, text: str, noted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An answer as an output item."""
    return {"id": item, "type": "message", "role": "assistant", "status": "completed", "content": [_part(text, noted)]}


def usage_of(event: RunFinished) -> dict[str, Any]:
    """What a run's models used, in the format's words."""
    cached = sum(line.cached_tokens for line in event.usage.lines)
    return {
        "input_tokens": event.usage.input_tokens,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": event.usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": event.usage.total_tokens,
    }


def _part(text: str, noted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [dict(one) for one in noted]}


def _opened(item: str) -> list[dict[str, Any]]:
    empty = {"id": item, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part = {"item_id": item, "output_index": 0, "content_index": 0}
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        {"type": "response.content_part.added", "part": _part("", []), **part},
    ]


def _closed(text: str, noted: Sequence[Mapping[str, Any]], item: str) -> list[dict[str, Any]]:
    part = {"item_id": item, "output_index": 0, "content_index": 0}
    told = [
        {"type": "response.output_text.annotation.added", "annotation": one, "annotation_index": position, **part}
        for position, one in enumerate(noted)
    ]
    return [
        *told,
        {"type": "response.output_text.done", "text": text, **part},
        {"type": "response.content_part.done", "part": _part(text, noted), **part},
        {"type": "response.output_item.done", "output_index": 0, "item": message_item(item, text, noted)},
    ]
