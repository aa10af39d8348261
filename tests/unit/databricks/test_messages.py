"""Messages and answers of the chat API: what goes over the wire, and back."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from ziggurat.databricks.messages import answers, as_sent, piece
from ziggurat.errors import AnswerCut, InputError


def reply(message, **more):
    return {"id": "c1", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}], **more}


def test_a_conversation_with_tools_is_sent_in_openais_form():
    call = {"name": "weather", "args": {"city": "Lisboa"}, "id": "c1", "type": "tool_call"}
    sent = as_sent(
        [
            SystemMessage("Be brief."),
            HumanMessage([{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]),
            AIMessage("", tool_calls=[call]),
            ToolMessage("18 C", tool_call_id="c1"),
        ]
    )  # fmt: skip
    assert [one["role"] for one in sent] == ["system", "user", "assistant", "tool"]
    assert sent[1]["content"][1]["image_url"]["url"] == "data:image/png;base64,AA"
    assert sent[2]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Lisboa"}'}
    assert sent[3]["tool_call_id"] == "c1"


def test_nothing_to_say_is_refused():
    with pytest.raises(InputError, match="no message"):
        as_sent([])


def test_an_answer_tells_its_text_its_calls_and_its_usage():
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{broken"}},
    ]
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    (made,) = answers(reply({"content": "hi", "tool_calls": calls}, usage=usage), "here")
    assert made.text == "hi"
    assert [(one["name"], one["args"]) for one in made.tool_calls] == [("f", {"x": 1})]
    assert [one["name"] for one in made.invalid_tool_calls] == ["g"]
    assert made.usage_metadata == {
        "input_tokens": 7, "output_tokens": 3, "total_tokens": 10, "input_token_details": {"cache_read": 4},
    }  # fmt: skip
    assert made.response_metadata == {"model_provider": "databricks", "model_name": "m", "finish_reason": "stop"}


def test_content_in_blocks_keeps_what_is_no_text():
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
    (plain,) = answers(reply({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}), "here")
    (mixed,) = answers(reply({"content": [thought, {"type": "text", "text": "a"}]}), "here")
    assert plain.content == "ab"
    assert mixed.content[0] == thought
    assert mixed.text == "a"


@pytest.mark.parametrize("odd", [{}, {"choices": []}, {"predictions": ["x"]}])
def test_an_answer_without_choices_is_an_error(odd):
    with pytest.raises(AnswerCut, match="no choices"):
        answers(odd, "here")


def test_pieces_of_a_stream_add_up_to_the_answer():
    events = [
        {"id": "c", "choices": [{"delta": {"role": "assistant", "content": ""}}]},
        {"id": "c", "choices": [{"delta": {"content": "Hel"}}]},
        {"id": "c", "choices": [{"delta": {"content": "lo", "tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": '{"a'}}]}}]},
        {"id": "c", "choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '": 2}'}}]}}]},
        {"id": "c", "model": "m", "choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
        {"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    ]  # fmt: skip
    pieces = [one for one in map(piece, events) if one is not None]
    whole = pieces[0]
    for one in pieces[1:]:
        whole += one
    assert whole.text == "Hello"
    assert whole.tool_calls[0]["args"] == {"a": 2}
    assert whole.usage_metadata["total_tokens"] == 3
    assert whole.response_metadata["finish_reason"] == "tool_calls"
    assert piece({"choices": [{"delta": {"role": "assistant"}}]}) is None
