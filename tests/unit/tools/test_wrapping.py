"""Anything as a tool: its arguments with their types, its result as text, its bounds, its mark."""

import asyncio
import time

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel
from worlds import over

from ziggurat import LLM, MultiChain, RetrievalQA
from ziggurat.chain.adapt import stage
from ziggurat.errors import InputError
from ziggurat.testing import FakeChat
from ziggurat.tools import acts, as_tool, describe, marked, preferred
from ziggurat.tools.bounds import apart, cut, one_line
from ziggurat.tools.wording import as_text, parameters


def add(left: int, right: int = 1) -> int:
    """Adds two numbers."""
    return left + right


def test_a_function_is_a_tool_with_its_types():
    made = as_tool(add)
    assert (made.name, made.description) == ("add", "Adds two numbers.")
    properties, required = parameters(made)
    assert properties["left"]["type"] == "integer"
    assert required == ["left"]
    assert made.invoke({"left": 2, "right": 3}) == "5"
    assert made.invoke({"left": 2, "right": None} if False else {"left": 2, "right": 1}) == "3"


async def test_an_asynchronous_function_is_a_tool():
    async def slow(word: str) -> str:
        """Waits."""
        await asyncio.sleep(0)
        return word

    assert await as_tool(slow).ainvoke({"word": "x"}) == "x"


def test_a_langchain_tool_stays_as_it_is():
    @tool
    def greet(name: str) -> str:
        """Greets."""
        return f"hi {name}"

    assert as_tool(greet) is greet
    renamed = as_tool(greet, name="hello", description="Says hello.", acts=True)
    assert (renamed.name, renamed.description, acts(renamed)) == ("hello", "Says hello.", True)
    assert (greet.name, acts(greet)) == ("greet", False)
    assert renamed.invoke({"name": "Ana"}) == "hi Ana"


def test_a_stage_is_a_tool_by_its_inputs():
    qa = RetrievalQA(over("The boat is red."), FakeChat(script="The boat is red."))
    made = as_tool(qa, name="docs", description="Asks the documents.")
    assert list(parameters(made)[0]) == ["question"]
    assert made.invoke({"question": "What colour is the boat?"}).startswith("The boat is red. [1]")


def test_a_chain_is_a_tool_and_a_part_that_acts_makes_it_act():
    plain = MultiChain(double=lambda number: number * 2)
    assert as_tool(plain, name="twice", description="Doubles.").invoke({"number": 4}) == '{"double": 8}'
    acting = MultiChain(inner=MultiChain(send=stage(lambda number: number, effect=True)))
    assert not acts(as_tool(plain, name="twice", description="Doubles."))
    assert acts(as_tool(acting, name="send", description="Sends."))


def test_a_runnable_with_one_input_is_a_tool():
    made = as_tool(RunnableLambda(lambda text: text.upper()), name="upper", description="Raises its voice.")
    assert made.invoke({next(iter(parameters(made)[0])): "x"}) == "X"


def test_what_no_model_would_know_how_to_use_is_refused():
    with pytest.raises(InputError, match="description"):
        as_tool(LLM("Spell {word}", FakeChat()))
    with pytest.raises(InputError):
        as_tool(7, description="Seven.")


class Point(BaseModel):
    x: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "(done; nothing was returned)"),
        (42, "42"),
        ({"a": [1]}, '{"a": [1]}'),
        ([1, "ü"], '[1, "ü"]'),
        (Point(x=1), '{"x": 1}'),
        ([Document("words", metadata={"source": "a.md", "first_line": 3})], "[1] a.md:3\nwords"),
        ([], "[]"),
    ],
)
def test_results_are_told_as_text(value, text):
    def give() -> object:
        """Gives."""
        return value

    assert as_tool(give).invoke({}) == text


def test_a_tool_of_ours_never_raises_never_hangs_and_is_never_long():
    def broken() -> str:
        """Breaks."""
        raise KeyError("x\ny")

    def hangs() -> str:
        """Hangs."""
        time.sleep(60)
        return ""

    def flood() -> str:
        """Floods."""
        return "x" * (50 << 20)

    began = time.monotonic()
    assert as_tool(broken).invoke({}) == "The tool failed: 'x\\ny'"
    assert as_tool(hangs, seconds=0.1).invoke({}) == "No result within 0.1 s; the tool was given up."
    assert len(as_tool(flood).invoke({})) < 4100
    assert time.monotonic() - began < 10


def test_text_that_is_cut_says_how_much():
    assert cut("short", 5) == "short"
    assert cut("longer text", 6) == "longer\n[cut: 5 of 11 characters left out]"


def test_an_error_is_one_bounded_line():
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(ValueError()) == "ValueError"
    assert len(one_line(ValueError("x" * 10**7))) <= 300
    assert one_line(InputError("What.", where="here", fix="that")) == "What."


async def test_work_apart_sees_its_error_and_can_be_left():
    def stop():
        raise StopIteration

    with pytest.raises(RuntimeError):
        await apart(stop)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await apart(lambda: time.sleep(5))
    assert time.monotonic() - began < 2


def test_a_preference_orders_and_words_and_nothing_more():
    one, two, three = (describe(as_tool(add), f"Tool {name}.", name=name) for name in ("one", "two", "three"))
    made = preferred([one, two, three], {"three": 3.0, "one": 0.1})
    assert [tool.name for tool in made] == ["three", "two", "one"]
    assert [tool.description for tool in made] == [
        "Tool three. Prefer this tool wherever it fits.",
        "Tool two.",
        "Tool one. Use this tool only where no other fits.",
    ]
    assert one.description == "Tool one."
    with pytest.raises(InputError, match="did you mean 'three'"):
        preferred([one, three], {"thre": 2})
    with pytest.raises(InputError):
        describe(one, "  ")


def test_tools_as_text_tell_their_arguments():
    assert as_text([as_tool(add)]) == "- add(left: integer, right: integer (optional)): Adds two numbers."


def test_a_mark_is_kept_beside_other_metadata():
    made = marked(as_tool(add).model_copy(update={"metadata": {"mine": 1}}), acts=True)
    assert made.metadata == {"mine": 1, "acts": True}
