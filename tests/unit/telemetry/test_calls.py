"""Model calls in a trace: what the conventions for generative AI ask of their spans and measurements."""

import json

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import PydanticOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.prompts import ChatPromptTemplate
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel

from ziggurat import ChainError, MultiChain
from ziggurat.telemetry import OpenTelemetry, conventions
from ziggurat.testing import FakeChat

QUESTION = "how much is two and two ?"  # seven words: the fake model's tokens
ANSWER = "that is four"


def ask(model):
    async def answer(question):
        return (await model.ainvoke(question)).text

    return answer


def test_a_call_is_a_client_span_under_its_stage_with_what_was_asked_and_answered(collected):
    model = FakeChat(script=ANSWER, temperature=0.5, max_tokens=64, stop=["END"])
    MultiChain(qa=ask(model)).using(observers=[collected.observer()]).run(question=QUESTION)
    span = collected.one("chat fake:script")
    assert span.kind is SpanKind.CLIENT
    assert collected.parent(span) == collected.at("qa")
    told = dict(span.attributes)
    assert told.pop("ziggurat.run")
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ziggurat-fake",
        "gen_ai.request.model": "fake:script",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.response.model": "fake:script",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "ziggurat.stage.path": "qa",
    }
    assert collected.at("qa").attributes["ziggurat.usage.input_tokens"] == 7
    assert collected.root.attributes["ziggurat.usage.calls"] == 1


@pytest.mark.parametrize("surface", ["runnable", "function", "thread"])
def test_a_call_is_found_however_the_stage_makes_it(collected, surface):
    model = FakeChat(script="fine")
    stages = {
        "runnable": ChatPromptTemplate.from_template("{question}") | model,
        "function": ask(model),
        "thread": lambda question: model.invoke(question).text,
    }
    MultiChain(qa=stages[surface]).using(observers=[collected.observer()]).run(question="?")
    assert collected.tree() == {"qa": {"chat fake:script": {}}}


def test_a_span_opened_inside_the_stage_holds_the_calls_made_in_it(collected):
    model = FakeChat(script="fine")

    def qa(question):
        with collected.provider.get_tracer("mine").start_as_current_span("plan"):
            return model.invoke(question).text

    MultiChain(qa=qa).using(observers=[collected.observer()]).run(question="?")
    assert collected.tree() == {"qa": {"plan": {"chat fake:script": {}}}}


def test_a_streamed_answer_tells_when_it_began(collected):
    model = FakeChat(script="one two three")

    async def words(question):
        async for piece in model.astream(question):
            yield piece.text

    chain = MultiChain(words=words).using(observers=[collected.observer()])
    list(chain.events(question="?"))
    told = collected.one("chat fake:script").attributes
    assert told["gen_ai.request.stream"] is True
    assert 0 <= told["gen_ai.response.time_to_first_chunk"] < 5
    assert told["gen_ai.usage.output_tokens"] == 3


def test_a_call_that_fails_is_an_error_of_its_own(collected):
    model = FakeChat(errors={1: ConnectionError("line is dead")})
    with pytest.raises(ChainError):
        MultiChain(qa=ask(model)).using(observers=[collected.observer()]).run(question="?")
    span = collected.one("chat fake:script")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "ConnectionError"
    assert span.events[0].attributes["exception.message"] == "line is dead"


SECRETS = ("prompt-7731", "answer-4402")


def everything(collected):
    return "".join(span.to_json() for span in collected.spans)


@pytest.mark.parametrize("content", [False, True])
def test_prompts_and_answers_are_kept_only_if_content_is_wanted(collected, content):
    model = FakeChat(script=SECRETS[1])
    chain = MultiChain(qa=ChatPromptTemplate.from_messages([("system", "be kind"), ("human", "{question}")]) | model)
    chain.using(observers=[collected.observer(content=content)]).run(question=SECRETS[0])
    text = everything(collected)
    assert [secret in text for secret in SECRETS] == [content, content]
    assert ("gen_ai.input.messages" in collected.one("chat fake:script").attributes) is content


def test_kept_messages_have_the_form_of_the_conventions(collected):
    model = FakeChat(script="Lisbon.")
    MultiChain(qa=ChatPromptTemplate.from_messages([("system", "be brief"), ("human", "{q}")]) | model).using(
        observers=[collected.observer(content=True)]
    ).run(q="capital?")
    told = collected.one("chat fake:script").attributes
    assert json.loads(told["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
        {"role": "user", "parts": [{"type": "text", "content": "capital?"}]},
    ]
    assert json.loads(told["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Lisbon."}], "finish_reason": "stop"}
    ]
    assert json.loads(collected.root.attributes["ziggurat.output"]) == {"qa": "Lisbon."}


def test_tools_reasoning_and_files_have_their_parts():
    messages = [
        HumanMessage([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:..."}}]),
        AIMessage(
            [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "id": "1", "name": "look", "input": {}}],
            tool_calls=[{"id": "1", "name": "look", "args": {"at": "it"}}],
        ),
        ToolMessage("seen", tool_call_id="1"),
        SystemMessage(""),
    ]
    assert [one["parts"] for one in json.loads(conventions.messages_text(messages))] == [
        [{"type": "text", "content": "see"}, {"type": "image_url"}],
        [
            {"type": "reasoning", "content": "hm"},
            {"type": "tool_call", "id": "1", "name": "look", "arguments": {"at": "it"}},
        ],
        [{"type": "tool_call_response", "id": "1", "response": "seen"}],
        [],
    ]


@pytest.mark.parametrize("content", [False, True])
def test_an_error_that_quotes_an_answer_is_told_without_it(collected, content):
    class Verdict(BaseModel):
        score: int

    parser = PydanticOutputParser(pydantic_object=Verdict)
    model = FakeChat(script=json.dumps({"score": SECRETS[1]}))
    judging = model | parser

    def judge(x):
        return judging.invoke(x)

    chain = MultiChain(judge=judge)
    with pytest.raises(ChainError):
        chain.using(observers=[collected.observer(content=content)]).run(x="?")
    assert (SECRETS[1] in everything(collected)) is content
    assert collected.at("judge").attributes["error.type"] == "langchain_core.exceptions.OutputParserException"
    assert "parse" in collected.at("judge").events[0].attributes["exception.stacktrace"]


def test_an_answer_from_langchains_cache_says_so_and_its_tokens_are_not_measured_again(collected):
    reader = InMemoryMetricReader()
    model = FakeChat(script=ANSWER, cache=InMemoryCache())
    observer = OpenTelemetry(collected.provider, MeterProvider([reader]))
    chain = MultiChain(qa=ask(model)).using(observers=[observer])
    chain.run(question=QUESTION)
    chain.run(question=QUESTION)
    calls = [span for span in collected.spans if span.name == "chat fake:script"]
    assert [span.attributes.get("ziggurat.model.from_cache") for span in calls] == [None, True]
    (tokens,) = [
        one for one in points(reader, "gen_ai.client.token.usage") if one.attributes["gen_ai.token.type"] == "input"
    ]
    assert (tokens.count, tokens.sum) == (1, 7)


@pytest.mark.parametrize(
    ("metadata", "parameters", "expected"),
    [
        ({"ls_provider": "azure", "ls_model_name": "gpt"}, {}, ("azure.ai.openai", "gpt")),
        ({"ls_provider": "google_vertexai"}, {"model": "gemini"}, ("gcp.vertex_ai", "gemini")),
        ({"ls_provider": "openai"}, {"model_name": "gpt"}, ("openai", "gpt")),
        ({"ls_provider": "amazon_bedrock"}, {}, ("aws.bedrock", None)),
        ({}, {}, ("unknown", None)),
    ],
)
def test_langchains_names_of_providers_become_those_of_the_conventions(metadata, parameters, expected):
    found = conventions.requested(metadata, parameters)
    assert (found["gen_ai.provider.name"], found.get("gen_ai.request.model")) == expected


def test_what_is_asked_is_read_from_metadata_or_parameters_and_only_where_it_is_a_number():
    asked = {"ls_temperature": 0.0, "ls_max_tokens": None}
    found = conventions.requested(asked, {"max_completion_tokens": 9, "top_p": "auto", "seed": 4, "n": 3, "stop": "X"})
    assert found["gen_ai.request.temperature"] == 0.0
    assert found["gen_ai.request.max_tokens"] == 9
    assert "gen_ai.request.top_p" not in found
    assert (found["gen_ai.request.seed"], found["gen_ai.request.choice.count"]) == (4, 3)
    assert found["gen_ai.request.stop_sequences"] == ["X"]


def test_every_choice_has_its_finish_reason_and_old_style_counts_are_read():
    choices = [Generation(text="a", generation_info={"finish_reason": reason}) for reason in ("stop", "length")]
    found = conventions.answered(choices, {"token_usage": {"prompt_tokens": 4, "completion_tokens": 2}})
    assert found["gen_ai.response.finish_reasons"] == ["stop", "length"]
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (4, 2)


def test_kinds_of_tokens_are_told_where_the_provider_tells_them():
    usage = {
        "input_tokens": 7, "output_tokens": 3, "total_tokens": 10,
        "input_token_details": {"cache_read": 2, "cache_creation": 1}, "output_token_details": {"reasoning": 1},
    }  # fmt: skip
    found = conventions.answered([ChatGeneration(message=AIMessage("x", usage_metadata=usage))], {})
    assert found == {
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.cache_creation.input_tokens": 1,
        "gen_ai.usage.reasoning.output_tokens": 1,
    }


def test_an_id_that_langchain_made_up_is_not_the_answers():
    made_up = ChatGeneration(message=AIMessage("x", id="lc_run--1"))
    given = ChatGeneration(message=AIMessage("x", id="chatcmpl-1"))
    assert "gen_ai.response.id" not in conventions.answered([made_up], {})
    assert conventions.answered([given], {})["gen_ai.response.id"] == "chatcmpl-1"


# -- measurements ---------------------------------------------------------------------------------


def points(reader, name):
    data = reader.get_metrics_data()
    metrics = [one for resource in data.resource_metrics for scope in resource.scope_metrics for one in scope.metrics]
    return [point for one in metrics if one.name == name for point in one.data.data_points]


def test_calls_tokens_and_runs_are_measured_as_the_conventions_say(collected):
    reader = InMemoryMetricReader()
    model = FakeChat(script=ANSWER, errors={2: ConnectionError("dead")})
    chain = MultiChain(qa=ask(model)).using(observers=[OpenTelemetry(collected.provider, MeterProvider([reader]))])
    chain.run(question=QUESTION)
    with pytest.raises(ChainError):
        chain.run(question=QUESTION)
    shared = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ziggurat-fake",
        "gen_ai.request.model": "fake:script",
    }
    tokens = {one.attributes["gen_ai.token.type"]: one for one in points(reader, "gen_ai.client.token.usage")}
    assert {kind: one.sum for kind, one in tokens.items()} == {"input": 7, "output": 3}
    assert tokens["input"].explicit_bounds[:4] == (1, 4, 16, 64)
    assert shared.items() <= dict(tokens["input"].attributes).items()
    calls = {one.attributes.get("error.type"): one for one in points(reader, "gen_ai.client.operation.duration")}
    assert {kind: one.count for kind, one in calls.items()} == {None: 1, "ConnectionError": 1}
    assert calls[None].explicit_bounds[-1] == 81.92
    runs = {one.attributes.get("error.type"): one.count for one in points(reader, "gen_ai.workflow.duration")}
    assert runs == {None: 1, "ziggurat.errors.ChainError": 1}
