"""Messages as turns of a small model."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from ziggurat.errors import InputError
from ziggurat.models.llama.messages import turns

CALL = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
TOOL = {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": {}}}


def test_a_plain_conversation_keeps_its_turns():
    made = turns([SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("Bye")])
    assert [(turn["role"], turn["content"]) for turn in made] == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Bye"),
    ]


def test_neighbours_of_one_role_become_one_turn():
    assert turns([HumanMessage("a"), HumanMessage("b")]) == [{"role": "user", "content": "a\n\nb"}]


def test_tools_are_told_in_the_system_turn_after_what_it_said():
    made = turns([SystemMessage("Be brief."), HumanMessage("Hi")], tools=[TOOL])
    assert made[0]["role"] == "system"
    assert made[0]["content"].startswith("Be brief.\n\n# Tools")
    assert '"name": "add"' in made[0]["content"]


def test_a_schema_is_told_even_without_a_system_message():
    made = turns([HumanMessage("Hi")], schema={"type": "object"})
    assert [turn["role"] for turn in made] == ["system", "user"]
    assert '{"type": "object"}' in made[0]["content"]


def test_a_call_and_its_result_are_text_and_the_result_asks_for_an_answer():
    made = turns(
        [HumanMessage("1 + ?"), AIMessage("", tool_calls=[CALL]), ToolMessage("3", tool_call_id="c1")], tools=[TOOL]
    )
    assert made[2] == {
        "role": "assistant",
        "content": '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>',
    }
    assert made[3]["content"].startswith("<tool_response>\n3\n</tool_response>\nAnswer my question")


def test_a_failed_result_asks_for_a_correction():
    results = [
        HumanMessage("?"),
        AIMessage("", tool_calls=[CALL]),
        ToolMessage("no", tool_call_id="c1", status="error"),
    ]
    assert "The call failed" in turns(results, tools=[TOOL])[-1]["content"]


def test_blocks_of_text_are_joined_and_blocks_of_calls_are_left_to_the_calls():
    blocks = [{"type": "text", "text": "some "}, "text", {"type": "tool_use", "id": "c1", "name": "add", "input": {}}]
    assert turns([HumanMessage("?"), AIMessage(blocks)])[1]["content"] == "some text"


def test_a_message_of_another_role_keeps_it():
    assert turns([ChatMessage("hm", role="critic")])[0]["role"] == "critic"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "image", "base64": "AA==", "mime_type": "image/png"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "file", "base64": "AA==", "mime_type": "application/pdf"},
    ],
)
def test_what_is_not_text_is_refused(block):
    with pytest.raises(InputError, match="reads text only"):
        turns([HumanMessage([{"type": "text", "text": "What is this?"}, block])])


def test_no_message_is_refused():
    with pytest.raises(InputError, match="no message"):
        turns([])
