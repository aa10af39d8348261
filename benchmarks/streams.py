"""The streams that `streaming.py` measures: what makes the pieces, and every contender that carries them.

Each contender is made from a `Source`, which yields one run's pieces, and gives a reader: an asynchronous iterator of
what arrives. Counting and timing are not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

Source = Callable[[], AsyncIterator[Any]]
Reader = Callable[[], AsyncIterator[Any]]
Make = Callable[[Source, int], Reader]
"""From what one stage yields, and how many stages do so side by side."""

_END = object()
_AHEAD = 256


def bare(source: Source, _stages: int) -> Reader:
    """The floor: the generator itself."""
    return source


def queue(source: Source, stages: int) -> Reader:
    """The floor where something is between: tasks that fill an `asyncio.Queue`."""

    async def read() -> AsyncIterator[Any]:
        pieces: asyncio.Queue[Any] = asyncio.Queue(_AHEAD)

        async def fill() -> None:
            async for piece in source():
                await pieces.put(piece)
            await pieces.put(_END)

        tasks = [asyncio.create_task(fill()) for _ in range(stages)]
        left = stages
        while left:
            piece = await pieces.get()
            if piece is _END:
                left -= 1
            else:
                yield piece
        await asyncio.gather(*tasks)

    return read


def ours(how: str) -> Make:
    """Ziggurat, read in one of its ways."""

    def make(source: Source, stages: int) -> Reader:
        from ziggurat import MultiChain

        async def tell() -> AsyncIterator[Any]:
            async with aclosing(source()) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    yield piece

        chain = MultiChain(**{f"s{at}": tell for at in range(stages)})

        async def events() -> AsyncIterator[Any]:
            async for event in chain.aevents():
                if event.type == "token":
                    yield event.chunk

        async def pieces() -> AsyncIterator[Any]:
            async for piece in chain.astream({}):
                yield piece

        async def messages() -> AsyncIterator[Any]:
            async for piece in chain.astream({}, stream_mode="messages"):
                yield piece

        return {"events": events, "pieces": pieces, "messages": messages}[how]

    return make


def _lcel(source: Source, stages: int) -> Any:
    from langchain_core.runnables import RunnableGenerator, RunnableParallel

    async def tell(given: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for _ in given:
            pass
        async for piece in source():
            yield piece

    if stages == 1:
        return RunnableGenerator(tell)
    return RunnableParallel({f"s{at}": RunnableGenerator(tell) for at in range(stages)})


def lcel(source: Source, stages: int) -> Reader:
    """LCEL's `astream`."""
    whole = _lcel(source, stages)

    async def read() -> AsyncIterator[Any]:
        async for piece in whole.astream({}):
            yield piece

    return read


def lcel_events(source: Source, stages: int) -> Reader:
    """LCEL's `astream_events`."""
    whole = _lcel(source, stages)

    async def read() -> AsyncIterator[Any]:
        async for event in whole.astream_events({}, version="v2"):
            if event["event"] == "on_chain_stream" and event["name"] == "tell":
                yield event["data"]["chunk"]

    return read


def langgraph(source: Source, stages: int) -> Reader:
    """LangGraph's ``stream_mode="custom"``: nodes write to its stream writer."""
    from langgraph.config import get_stream_writer
    from langgraph.graph import END, START, StateGraph
    from typing_extensions import TypedDict

    async def tell(_state: Any) -> dict[str, Any]:
        write = get_stream_writer()
        async for piece in source():
            write(piece)
        return {}

    class State(TypedDict):
        x: int

    graph: Any = StateGraph(State)
    for at in range(stages):
        graph.add_node(f"s{at}", tell)
        graph.add_edge(START, f"s{at}")
        graph.add_edge(f"s{at}", END)
    app = graph.compile()

    async def read() -> AsyncIterator[Any]:
        async for piece in app.astream({"x": 0}, stream_mode="custom"):
            yield piece

    return read


# -- a chat model -----------------------------------------------------------------------------------------------------


def chat_model(count: int) -> Any:
    """A LangChain chat model that answers with so many tokens, at once."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

    class Speaks(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "speaks"

        def _generate(self, *_arguments: Any, **_more: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=AIMessage("tok " * count))])

        async def _astream(
            self, _messages: Any, stop: Any = None, run_manager: Any = None, **_more: Any
        ) -> AsyncIterator[ChatGenerationChunk]:
            del stop
            for _ in range(count):
                chunk = ChatGenerationChunk(message=AIMessageChunk("tok "))
                if run_manager:
                    await run_manager.on_llm_new_token("tok ", chunk=chunk)
                yield chunk

    return Speaks()


def _prompt() -> Any:
    from langchain_core.prompts import ChatPromptTemplate

    return ChatPromptTemplate.from_messages([("user", "{question}")])


def model_alone(count: int) -> Reader:
    """The floor: the model's own stream."""
    model = chat_model(count)

    async def read() -> AsyncIterator[Any]:
        async for piece in model.astream("why?"):
            yield piece

    return read


def model_lcel(count: int) -> Reader:
    """LCEL: prompt and model."""
    whole = _prompt() | chat_model(count)

    async def read() -> AsyncIterator[Any]:
        async for piece in whole.astream({"question": "why?"}):
            yield piece

    return read


def model_lcel_events(count: int) -> Reader:
    """LCEL: prompt and model, through `astream_events`."""
    whole = _prompt() | chat_model(count)

    async def read() -> AsyncIterator[Any]:
        async for event in whole.astream_events({"question": "why?"}, version="v2"):
            if event["event"] == "on_chat_model_stream":
                yield event["data"]["chunk"]

    return read


def model_ours(how: str) -> Callable[[int], Reader]:
    """Ziggurat: prompt and model as a stage."""

    def make(count: int) -> Reader:
        from ziggurat import MultiChain

        chain = MultiChain(answer=_prompt() | chat_model(count))

        async def events() -> AsyncIterator[Any]:
            async for event in chain.aevents(question="why?"):
                if event.type == "token":
                    yield event.chunk

        async def messages() -> AsyncIterator[Any]:
            async for piece in chain.astream({"question": "why?"}, stream_mode="messages"):
                yield piece

        return {"events": events, "messages": messages}[how]

    return make


def model_langgraph(count: int) -> Reader:
    """LangGraph's ``stream_mode="messages"``."""
    from langgraph.graph import END, START, MessagesState, StateGraph

    model = chat_model(count)

    async def answer(state: Any) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph: Any = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    app = graph.compile()

    async def read() -> AsyncIterator[Any]:
        async for piece in app.astream({"messages": [("user", "why?")]}, stream_mode="messages"):
            yield piece

    return read
