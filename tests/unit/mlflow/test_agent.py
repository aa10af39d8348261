import pytest

from ziggurat import MultiChain
from ziggurat.errors import ChainError, InputError
from ziggurat.mlflow.agent import Agent, Form, form_of
from ziggurat.mlflow.annotations import annotated
from ziggurat.stages.answer import Answer, Citation
from ziggurat.stages.conversation import Conversation
from ziggurat.testing import FakeChat


def asked(text, *earlier, **more):
    return {"input": [*earlier, {"role": "user", "content": text}], **more}


async def answer(question: str) -> str:
    return f"You asked: {question}"


def count(question: str) -> int:
    return len(question)


CHAIN = MultiChain(count=count, answer=answer)


def agent(chain, **named):
    outputs = [str(chain.wiring.names[position]) for position in chain.wiring.outputs]
    return Agent(chain, outputs, form_of(chain, outputs, **named))


# -- how a chain is an agent


@pytest.mark.parametrize(
    ("chain", "form"),
    [
        (CHAIN, Form("question", "answer")),
        (MultiChain(a=lambda topic: topic), Form("topic", "a")),
        (MultiChain(a=lambda query, messages: query), Form("query", "a", "messages")),
        (MultiChain(a=lambda size, prompt: prompt), Form("prompt", "a")),
    ],
)
def test_the_question_the_answer_and_the_history_are_found_by_their_names(chain, form):
    assert agent(chain).form == form


@pytest.mark.parametrize(
    ("chain", "named", "said"),
    [
        (MultiChain(a=lambda one, two: one), {}, "not clear which input takes the question"),
        (MultiChain(a=lambda x: x, b=lambda x: x), {}, "not clear which stage answers"),
        (CHAIN, {"question": "qestion"}, "takes no 'qestion' (did you mean 'question'?)"),
        (CHAIN, {"answer": "anser"}, "does not give 'anser'"),
        (CHAIN, {"history": "past"}, "takes no 'past'"),
    ],
)
def test_what_is_not_clear_is_asked_for(chain, named, said):
    with pytest.raises(InputError) as caught:
        agent(chain, **named)
    assert said in str(caught.value)


# -- requests


async def test_the_last_message_is_the_question_and_other_outputs_are_told_beside():
    said = await agent(CHAIN).respond(asked("What?", {"role": "user", "content": "Earlier"}))
    (item,) = said["output"]
    assert item["content"] == [{"type": "output_text", "text": "You asked: What?", "annotations": []}]
    assert (said["status"], said["custom_outputs"]) == ("completed", {"count": 5})


async def test_parts_of_a_message_are_read_together_and_calls_of_tools_left_out():
    parts = [{"type": "input_text", "text": "One"}, {"type": "input_text", "text": "two"}]
    call = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}
    said = await agent(CHAIN).respond({"input": [call, {"type": "message", "role": "user", "content": parts}]})
    assert said["output"][0]["content"][0]["text"] == "You asked: One\ntwo"


async def test_further_inputs_come_from_custom_inputs():
    chain = MultiChain(answer=lambda question, tone="dry": f"{tone}: {question}")
    said = await agent(chain, question="question").respond(asked("Hm?", custom_inputs={"tone": "warm"}))
    assert said["output"][0]["content"][0]["text"] == "warm: Hm?"


async def test_a_chain_that_takes_messages_is_given_what_was_said_before():
    chain = MultiChain(answer=lambda question, history: [f"{one.type}: {one.text}" for one in history])
    earlier = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
    ]
    said = await agent(chain).respond(asked("Well?", *earlier))
    assert said["output"][0]["content"][0]["text"] == '["system: Be kind.", "human: Hello", "ai: Hi"]'


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"input": []}, "has no question"),
        ({}, "has no question"),
        (asked("  "), "has no question"),
        ({"input": [{"role": "assistant", "content": "Hi"}]}, "has no question"),
        (asked("x", {"role": "robot", "content": "Hi"}), "'robot' is no role"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "reads text, not 'input_image'"),
        (asked("x", custom_inputs={"tone": "warm"}), "tone"),
    ],
)
async def test_a_request_that_is_none_is_refused_before_anything_runs(request_, said):
    ran = []
    chain = MultiChain(answer=lambda question: ran.append(question) or "done")
    with pytest.raises(InputError) as caught:
        await agent(chain).respond(request_)
    assert said in str(caught.value)
    assert ran == []


async def test_a_failed_stage_fails_the_response():
    def boom(question: str) -> str:
        raise ValueError(question)

    with pytest.raises(ChainError):
        await agent(MultiChain(answer=boom)).respond(asked("x"))


# -- conversations

EARLIER = [{"role": "user", "content": "My name is Ana."}, {"role": "assistant", "content": "Hello Ana."}]


def shown(model):
    return [message.text for message in model.calls[-1].messages]


async def test_a_conversation_remembers_what_the_request_says_and_forgets_it_after():
    model = FakeChat(script="Ana.")
    talk = agent(MultiChain(answer=Conversation(model=model)))
    await talk.respond(asked("Who am I?", *EARLIER))
    assert {"My name is Ana.", "Hello Ana.", "Who am I?"} <= set(shown(model))
    await talk.respond(asked("And now?"))
    assert "My name is Ana." not in shown(model)


async def test_a_named_conversation_goes_on_and_is_not_told_twice():
    model = FakeChat(script="Ana.")
    talk = agent(MultiChain(answer=Conversation(model=model)))
    named = {"context": {"conversation_id": "c1", "user_id": "u1"}}
    await talk.respond(asked("Who am I?", *EARLIER, **named))
    await talk.respond(asked("Really?", *EARLIER, **named))
    assert shown(model).count("My name is Ana.") == 1
    assert "Who am I?" in shown(model)
    await talk.respond(asked("Who am I?", context={"conversation_id": "c1", "user_id": "u2"}))
    assert "My name is Ana." not in shown(model)


# -- streams


async def test_a_stream_has_the_events_of_the_format_in_order_and_numbered():
    chain = MultiChain(answer=FakeChatStage("One two three"))
    events = [event async for event in agent(chain).stream(asked("x"))]
    kinds = list(dict.fromkeys(event["type"].removeprefix("response.") for event in events))
    assert kinds == [
        "created",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    deltas = [event["delta"] for event in events if event["type"].endswith("text.delta")]
    assert len(deltas) == 3
    assert "".join(deltas) == "One two three"


def FakeChatStage(text):  # noqa: N802 (it stands for a class)
    from ziggurat.stages.llm import LLM

    return LLM("{question}", FakeChat(script=text))


async def test_what_was_not_streamed_comes_as_one_delta():
    events = [event async for event in agent(CHAIN).stream(asked("x"))]
    assert [event["delta"] for event in events if event["type"].endswith("text.delta")] == ["You asked: x"]


async def test_a_stream_that_is_left_early_stops_the_run():
    stream = agent(MultiChain(answer=FakeChatStage("One two three"))).stream(asked("x"))
    async for event in stream:
        if event["type"].endswith("text.delta"):
            break
    await stream.aclose()


# -- citations


def test_citations_of_pages_and_of_files_are_annotations():
    web = Citation("https://example.org/a", "c", 0, 4, "Lamp", "h", (0, 5), 1.0)
    file = Citation("report.pdf", "c2", 9, 13, "Tide", "h2", (6, 11), 1.0, at="page 3")
    again = Citation("report.pdf", "c3", 20, 24, "Moon", "h3", (12, 16), 1.0)
    one, two, three = annotated(Answer("Lamp. Tide. Moon", (web, file, again)))
    assert (one["type"], one["url"], one["start_index"], one["end_index"]) == (
        "url_citation",
        "https://example.org/a",
        0,
        5,
    )
    assert (two["type"], two["file_id"], two["index"], two["place"]) == (
        "file_citation",
        "report.pdf",
        1,
        "report.pdf, page 3",
    )
    assert (three["index"], three["sha256"]) == (1, "h3")
    assert annotated("a text") == []
