"""Tools called in text: what a model may write, and what is read of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from ziggurat.stages.agents.protocols import PROTOCOLS, DocstoreReAct, ReAct, SelfAsk, arguments_of
from ziggurat.tools import calculator


@tool
def book(city: str, nights: int, late: bool = False) -> str:
    """Books."""
    return ""


TOOLS = [calculator(), book]


def call(protocol, text, tools=TOOLS):
    read = protocol.read(AIMessage(text), tools)
    return (
        None
        if read is None
        else (read.tool_calls[0]["name"], read.tool_calls[0]["args"])
        if read.tool_calls
        else read.text
    )


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Thought: x\nAction: calculator\nAction Input: 6*7", ("calculator", {"expression": "6*7"})),
        ("Action: calculator\nAction Input: '6*7'", ("calculator", {"expression": "6*7"})),
        ('Action: calculator\nAction Input: {"expression": "6*7"}', ("calculator", {"expression": "6*7"})),
        (
            'Action: book\nAction Input: ```json\n{"city": "Faro", "nights": 2}\n```',
            ("book", {"city": "Faro", "nights": 2}),
        ),
        ("Action 2: calculator\nAction Input 2: 6*7", ("calculator", {"expression": "6*7"})),
        ("Action: [calculator]\nAction Input: 6*7\nObservation: 41", ("calculator", {"expression": "6*7"})),
        ("Action：calculator\nAction Input：6*7", ("calculator", {"expression": "6*7"})),
        ("Action: calculator\nAction Input: 6*7\nFinal Answer: 41", ("calculator", {"expression": "6*7"})),
        ("Action: calculator(6*7)", ("calculator", {"expression": "6*7"})),
        ("Action: fly\nAction Input: home", ("fly", {"input": "home"})),
        ("Thought: I know\nFinal Answer: 42\nreally", "42\nreally"),
        ("Final Answer: 42\nAction: calculator\nAction Input: 1", "42\nAction: calculator\nAction Input: 1"),
        ("I think it is 42", None),
        ("", None),
        ("Action:", None),
    ],
)
def test_react_reads(text, read):
    assert call(ReAct(), text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Thought: x\nAction: Search[Ada Lovelace]", ("Search", {"input": "Ada Lovelace"})),
        ("Action 3: Lookup[born]\nObservation 3:", ("Lookup", {"input": "born"})),
        ("Action: Finish[in 1815]", "in 1815"),
        ("Action: Finish[in [about] 1815]", "in [about] 1815"),
        ("Action: Finish[cut short", "cut short"),
        ("Search for it", None),
    ],
)
def test_a_docstore_agent_reads(text, read):
    assert call(DocstoreReAct(), text, []) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Yes.\nFollow up: How old?", ("calculator", {"expression": "How old?"})),
        ("Follow up: How old?\nIntermediate answer: 3", ("calculator", {"expression": "How old?"})),
        ("No.\nSo the final answer is: 3", "3"),
        ("So the final answer is: 3\nFollow up: why?", "3\nFollow up: why?"),
        ("Three.", None),
    ],
)
def test_self_ask_reads(text, read):
    assert call(SelfAsk(), text, TOOLS[:1]) == read


@given(
    st.dictionaries(
        st.sampled_from(["city", "nights", "late"]), st.one_of(st.integers(), st.booleans(), st.text()), min_size=1
    )
)
def test_what_was_written_as_json_is_read_again(arguments):
    import json

    written = json.dumps(arguments)
    assert arguments_of(written, "book", TOOLS) == arguments


@given(st.text(max_size=300))
def test_no_text_breaks_a_protocol(text):
    for kind in PROTOCOLS:
        protocol = PROTOCOLS[kind]()
        read = protocol.read(AIMessage(text), TOOLS)
        assert read is None or read.tool_calls or isinstance(read.content, str)
        assert isinstance(protocol.answer(text), str)
        assert isinstance(protocol.thought(text), str)


@given(st.text(min_size=1, max_size=60), st.integers(1, 20))
def test_an_answer_that_is_written_grows_and_never_changes(text, step):
    whole = f"Thought: x\nFinal Answer: {text}"
    seen = ""
    for end in range(0, len(whole) + step, step):
        now = ReAct().answer(whole[:end])
        if "Final Answer:" not in text and len(now) > len(seen):
            assert now.startswith(seen.rstrip())
            seen = now


def test_results_become_turns_under_their_label():
    messages = [
        HumanMessage("q"),
        AIMessage("Action: a", tool_calls=[{"name": "a", "args": {}, "id": "1"}]),
        ToolMessage("r", tool_call_id="1"),
    ]
    told = ReAct().written(messages)
    assert [(one.type, one.text) for one in told] == [("human", "q"), ("ai", "Action: a"), ("human", "Observation: r")]
    assert told[1].tool_calls == []
