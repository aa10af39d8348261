"""The Responses API: requests from messages, answers and streams back."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from ziggurat.databricks.responses import Pieces, answer, as_request
from ziggurat.errors import AnswerCut


def test_a_request_is_a_list_of_items_with_its_options_under_their_other_names():
    call = {"name": "f", "args": {"x": 1}, "id": "c1", "type": "tool_call"}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    made = as_request(
        [HumanMessage("Hi"), AIMessage("Let me see.", tool_calls=[call]), ToolMessage("2", tool_call_id="c1")],
        {
            "max_tokens": 5, "n": 2, "stop": ["x"], "stream": True, "tools": [tool],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
        },
    )  # fmt: skip
    assert [one["type"] for one in made["input"]] == ["message", "message", "function_call", "function_call_output"]
    assert made["input"][2] == {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x": 1}'}
    assert made["max_output_tokens"] == 5
    assert made["tools"] == [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    assert made["tool_choice"] == {"type": "function", "name": "f"}
    assert made["text"]["format"] == {"type": "json_schema", "name": "a", "schema": {}}
    assert not {"n", "stop", "max_tokens", "response_format"} & made.keys()


def test_an_answer_keeps_annotations_calls_and_usage():
    cited = {"type": "output_text", "text": "Lisbon.", "annotations": [{"type": "url_citation", "url": "https://x"}]}
    told = {
        "id": "r", "model": "m", "status": "completed", "usage": {"input_tokens": 1, "output_tokens": 2},
        "output": [
            {"type": "message", "id": "i", "content": [cited]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"x": 1}'},
            {"type": "function_call", "call_id": "d", "name": "g", "arguments": "{"},
        ],
    }  # fmt: skip
    made = answer(told, "here")
    assert made.text == "Lisbon."
    assert made.content[0]["annotations"][0]["url"] == "https://x"
    assert [one["name"] for one in made.tool_calls] == ["f"]
    assert [one["name"] for one in made.invalid_tool_calls] == ["g"]
    assert made.usage_metadata["total_tokens"] == 3


@pytest.mark.parametrize(
    ("told", "said"),
    [({}, "no output"), ({"status": "failed", "output": [], "error": {"message": "Too long"}}, "Too long")],
)
def test_an_answer_that_failed_is_an_error(told, said):
    with pytest.raises(AnswerCut, match=said):
        answer(told, "here")


def test_a_stream_says_everything_once():
    item = {"type": "message", "id": "i", "content": [{"type": "output_text", "text": "Hello"}]}
    other = {"type": "message", "id": "j", "content": [{"type": "output_text", "text": " again"}]}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"x": 1}'}
    read = Pieces().read
    events = [
        {"type": "response.created"},
        {"type": "response.output_text.delta", "item_id": "i", "delta": "Hel"},
        {"type": "response.output_text.delta", "item_id": "i", "delta": "lo"},
        {"type": "response.output_item.done", "item": item},
        {"type": "response.output_item.done", "item": other},
        {"type": "response.output_item.done", "item": call},
        {"type": "response.completed", "response": {"id": "r", "usage": {"input_tokens": 1, "output_tokens": 2}}},
    ]
    pieces = [one for one in map(read, events) if one is not None]
    whole = pieces[0]
    for one in pieces[1:]:
        whole += one
    assert whole.text == "Hello again"
    assert whole.tool_calls[0]["args"] == {"x": 1}
    assert whole.usage_metadata["total_tokens"] == 3
