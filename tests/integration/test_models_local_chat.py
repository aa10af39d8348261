"""`LocalChat` with real weights: the smallest model wherever wisdom does not matter."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel

from ziggurat import models
from ziggurat.errors import ContextLengthError, InputError, ModelUnavailable
from ziggurat.models.llama.chat import LocalChat

pytestmark = pytest.mark.model

SMALL = "local:smollm2-135m"


class Node(BaseModel):
    """A node of a tree."""

    name: str
    children: list[Node] = []


def get_weather(location: str) -> str:
    """Get the weather at a location."""
    return f"Sunny in {location}."


def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


def search_documents(query: str) -> str:
    """Search the company handbook for passages."""
    return query


def test_it_answers_and_says_what_it_used():
    answer = LocalChat(model=SMALL, max_tokens=8).invoke("Say hello.")
    assert answer.content
    assert answer.response_metadata["model_name"] == SMALL
    assert answer.response_metadata["finish_reason"] in {"stop", "length"}
    usage = answer.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens"] <= 8


def test_a_stream_says_the_same_as_an_answer():
    chat = LocalChat(model=SMALL, max_tokens=16)
    chunks = list(chat.stream("Name three colours."))
    assert "".join(chunk.text for chunk in chunks) == chat.invoke("Name three colours.").content
    assert [bool(chunk.usage_metadata) for chunk in chunks].count(True) == 1
    assert chunks[-1].chunk_position == "last"


def test_a_repeated_prompt_is_read_from_the_cache():
    chat = LocalChat(model=SMALL, max_tokens=2)
    chat.invoke("The same prompt, long enough to be worth keeping.")
    again = chat.invoke("The same prompt, long enough to be worth keeping.")
    cached = again.usage_metadata["input_token_details"]["cache_read"]
    assert cached >= again.usage_metadata["input_tokens"] - 1


def test_sampling_repeats_with_its_seed():
    chat = LocalChat(model=SMALL, max_tokens=24, temperature=1.0)
    first, second = (chat.invoke("Tell me a story.", seed=7).content for _ in range(2))
    assert first == second
    assert first != chat.invoke("Tell me a story.", seed=8).content


def test_a_stop_text_ends_the_answer_and_is_not_part_of_it():
    chat = LocalChat(model=SMALL, max_tokens=24)
    whole = chat.invoke("Count: one two three").content
    word = whole.split()[2]
    assert chat.invoke("Count: one two three", stop=[word]).content == whole.partition(word)[0]


def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers_before_it_is_read():
    chat = LocalChat(model=SMALL, context_tokens=512, max_tokens=4)
    chat.invoke("load")
    prompt = "word " * 3000
    started = time.monotonic()
    with pytest.raises(ContextLengthError) as refused:
        chat.invoke(prompt)
    assert time.monotonic() - started < 0.5
    assert refused.value.prompt_tokens == chat.get_num_tokens_from_messages([HumanMessage(prompt)])
    assert refused.value.context_tokens == 512


def test_an_answer_ends_where_the_context_does():
    chat = LocalChat(model=SMALL, context_tokens=512, max_tokens=2000, temperature=1.0, seed=1)
    prompt = "Tell a very long story about the sea. " * 50
    answer = chat.invoke(prompt)
    assert answer.usage_metadata["total_tokens"] <= 512


def test_tokens_are_counted_exactly_and_nothing_is_computed():
    chat = LocalChat(model=SMALL, max_tokens=1)
    messages = [HumanMessage("How many tokens is this?")]
    assert chat.get_num_tokens_from_messages(messages) == chat.invoke(messages).usage_metadata["input_tokens"]
    assert chat.get_num_tokens("How many tokens is this?") == len(chat.get_token_ids("How many tokens is this?"))
    assert chat.get_num_tokens_from_messages(messages, tools=[get_weather]) > chat.get_num_tokens_from_messages(
        messages
    )


def test_objects_with_the_same_settings_share_one_loaded_model():
    first, second = LocalChat(model=SMALL), LocalChat(model="smollm2-135m", temperature=1.0)
    assert first._engine(first.model) is second._engine(second.model)
    assert first._engine(SMALL) is not LocalChat(model=SMALL, context_tokens=512)._engine(SMALL)


def test_threads_take_turns_and_each_gets_its_own_answer():
    chat = LocalChat(model=SMALL, max_tokens=6)
    questions = [f"Repeat the number {number}." for number in range(4)]
    alone = [chat.invoke(question).content for question in questions]
    together = [answer.content for answer in chat.batch(questions)]
    assert together == alone


async def test_the_loop_stays_free_while_the_model_works():
    chat = LocalChat(model=SMALL, max_tokens=40)
    await chat.ainvoke("load")
    answer = asyncio.create_task(chat.ainvoke("Write about the sea."))
    longest, last = 0.0, time.monotonic()
    while not answer.done():
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert (await answer).content
    assert longest < 0.2


def test_leaving_a_stream_stops_the_computation():
    chat = LocalChat(model=SMALL, max_tokens=1500, temperature=1.0, seed=3)
    stream = chat.stream("Write a novel.")
    next(stream)
    stream.close()
    started = time.monotonic()
    LocalChat(model=SMALL, max_tokens=1).invoke("hi")
    assert time.monotonic() - started < 2


async def test_cancelling_a_task_stops_the_computation():
    chat = LocalChat(model=SMALL, max_tokens=1500, temperature=1.0, seed=3)
    task = asyncio.create_task(chat.ainvoke("Write a novel."))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    started = time.monotonic()
    await LocalChat(model=SMALL, max_tokens=1).ainvoke("hi")
    assert time.monotonic() - started < 2


def test_an_answer_that_takes_too_long_is_given_up():
    with pytest.raises(ModelUnavailable, match=r"within 0\.2 seconds"):
        LocalChat(model=SMALL, max_tokens=1500, temperature=1.0, seed=3, timeout=0.2).invoke("Write a novel.")


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_a_recursive_schema_is_kept_by_the_smallest_model(method):
    chat = LocalChat(model=SMALL, max_tokens=80).with_structured_output(Node, method=method, include_raw=True)
    made = chat.invoke("A tree with a root called oak.")
    assert made["parsing_error"] is None or made["raw"].response_metadata["finish_reason"] == "length"


def test_json_mode_without_a_schema_is_any_object():
    made = LocalChat(model=SMALL, max_tokens=60).with_structured_output(method="json_mode", include_raw=True)
    assert made.invoke("A JSON object with a name.")["raw"].content.lstrip().startswith("{")


@pytest.mark.parametrize("stream", [False, True])
def test_a_forced_call_of_the_smallest_model_is_always_a_call(stream):
    chat = LocalChat(model=SMALL, max_tokens=60).bind_tools([get_weather], tool_choice="any")
    if stream:
        answer = None
        for chunk in chat.stream("Lisbon?"):
            answer = chunk if answer is None else answer + chunk
    else:
        answer = chat.invoke("Lisbon?")
    assert [call["name"] for call in answer.tool_calls] == ["get_weather"]
    assert answer.response_metadata["finish_reason"] == "tool_calls"
    assert isinstance(answer.tool_calls[0]["args"]["location"], str)


def test_several_calls_come_when_they_are_allowed():
    chat = LocalChat(max_tokens=120).bind_tools([get_weather], tool_choice="any", parallel_tool_calls=True)
    calls = chat.invoke("The weather in Lisbon and in Porto?").tool_calls
    assert {call["name"] for call in calls} == {"get_weather"}
    assert len({call["id"] for call in calls}) == len(calls) >= 1


def test_no_call_is_made_when_none_is_allowed():
    answer = LocalChat(max_tokens=24).bind_tools([get_weather], tool_choice="none").invoke("The weather in Lisbon?")
    assert not answer.tool_calls
    assert answer.content


def test_the_default_model_mostly_decides_rightly_when_to_call():
    """A floor under a measurement: 8 of these 10 when the wording for tools was chosen."""
    cases = [
        ("What is the weather in Porto?", [get_weather, add], "get_weather"),
        ("Is it raining in Lisbon today?", [get_weather, add], "get_weather"),
        ("Add 17 and 25.", [get_weather, add], "add"),
        ("Look up the travel policy.", [search_documents], "search_documents"),
        ("Hi there!", [get_weather, add], None),
        ("Thanks, bye!", [get_weather, add], None),
        ("What is the capital of France?", [get_weather, add], None),
        ("Translate 'good morning' into French.", [search_documents], None),
        ("Write a haiku about spring.", [search_documents], None),
        ("What time is it?", [search_documents, get_weather], None),
    ]
    right = 0
    for question, tools, wanted in cases:
        answer = LocalChat(max_tokens=32).bind_tools(tools).invoke(question)
        right += [call["name"] for call in answer.tool_calls] == ([wanted] if wanted else [])
        assert answer.content or answer.tool_calls
    assert right >= 7


def test_the_default_model_answers_from_a_result_instead_of_calling_again():
    call = {"name": "get_weather", "args": {"location": "Porto"}, "id": "c1", "type": "tool_call"}
    answer = (
        LocalChat(max_tokens=48)
        .bind_tools([get_weather])
        .invoke(
            [
                HumanMessage("What is the weather in Porto?"),
                AIMessage("", tool_calls=[call]),
                ToolMessage("Sunny, 23 degrees.", tool_call_id="c1"),
            ]
        )
    )
    assert not answer.tool_calls
    assert "unny" in answer.text or "23" in answer.text


def test_pictures_and_unknown_options_are_refused_before_anything_is_loaded():
    with pytest.raises(InputError, match="text only"):
        LocalChat(model="local:nothing").invoke(
            [HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}])]
        )
    with pytest.raises(InputError, match="no option 'temprature'"):
        LocalChat(model="local:nothing").invoke("hi", temprature=1)


def test_the_weights_of_a_file_are_opened_by_path():
    from ziggurat.models.weights import catalogue

    path = catalogue.fetch("smollm2-135m") / "model.gguf"
    assert models.chat(f"local:{path}", max_tokens=2).invoke("hi").content


def test_a_process_that_leaves_in_the_middle_of_a_stream_ends_quietly():
    code = (
        "from ziggurat import models\n"
        f"stream = models.chat({SMALL!r}, max_tokens=1500, temperature=1.0, seed=3).stream('Write a novel.')\n"
        "next(stream)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_forked_worker_loads_its_own_model_and_leaves():
    code = (
        "import multiprocessing\n"
        "from ziggurat import models\n"
        f"chat = models.chat({SMALL!r}, max_tokens=2)\n"
        "def answer():\n"
        "    return chat.invoke('hi').content\n"
        "here = answer()\n"
        "with multiprocessing.get_context('fork').Pool(1) as pool:\n"
        "    print(pool.apply(answer) == here)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "True")


def test_many_threads_may_open_the_same_model_at_once():
    answers: list[str] = []
    chat = LocalChat(model=SMALL, context_tokens=640, max_tokens=2)
    threads = [threading.Thread(target=lambda: answers.append(chat.invoke("hi").text)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1
