"""`ChatDatabricks` and `DatabricksOpenAI` against the local workspace, used as their documentation shows."""

import pytest
from databricks.sdk import WorkspaceClient
from databricks_langchain import ChatDatabricks
from databricks_openai import DatabricksOpenAI
from pydantic import BaseModel

MODEL = "databricks-meta-llama-3-3-70b-instruct"


class City(BaseModel):
    city: str


def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


def test_a_chat_answers_with_its_usage():
    answer = ChatDatabricks(model=MODEL, temperature=0.1, max_tokens=50).invoke("Hello")
    assert answer.content == "Hello there, friend."
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"


def test_a_chat_stops_where_it_is_told():
    assert ChatDatabricks(model=MODEL).invoke("Hello", stop=["friend"]).content == "Hello there, "


def test_a_chat_streams_pieces_that_are_the_answer():
    pieces = list(ChatDatabricks(model=MODEL).stream("Hello"))
    assert len([piece for piece in pieces if piece.content]) == 3
    assert "".join(piece.content for piece in pieces) == "Hello there, friend."


def test_the_usage_of_a_stream_comes_when_it_is_asked_for():
    whole = None
    for piece in ChatDatabricks(model=MODEL).stream("Hello", stream_usage=True):
        whole = piece if whole is None else whole + piece
    # This client adds what the last piece says and a piece of its own that says it again.
    assert whole.usage_metadata["output_tokens"] in (3, 6)


async def _said(model):
    return "".join([piece.content async for piece in model.astream("Hello")])


def test_a_chat_answers_asynchronously():
    import asyncio

    model = ChatDatabricks(model=MODEL)
    assert asyncio.run(_said(model)) == "Hello there, friend."


def test_a_tool_is_called():
    (call,) = ChatDatabricks(model=MODEL).bind_tools([weather]).invoke("What is the weather?").tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Lisbon"})


def test_a_tools_answer_is_read_by_the_next_call():
    from langchain_core.messages import HumanMessage, ToolMessage

    model = ChatDatabricks(model=MODEL).bind_tools([weather])
    asked = HumanMessage("What is the weather?")
    answer = model.invoke([asked])
    told = ToolMessage("Sunny.", tool_call_id=answer.tool_calls[0]["id"])
    assert model.invoke([asked, answer, told, HumanMessage("Hello")]).content == "Hello there, friend."


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
def test_structured_output_is_the_schemas_object(method):
    found = ChatDatabricks(model=MODEL).with_structured_output(City, method=method).invoke("The capital?")
    assert found == City(city="Lisbon")


def test_the_responses_api_answers_and_streams():
    model = ChatDatabricks(model=MODEL, use_responses_api=True)
    assert model.invoke("Hello").text == "Hello there, friend."
    assert "".join(piece.text for piece in model.stream("Hello")) == "Hello there, friend."
    (call,) = model.bind_tools([weather]).invoke("What is the weather?").tool_calls
    assert call["args"] == {"city": "Lisbon"}


def test_the_gateways_path_answers_too():
    assert ChatDatabricks(model=MODEL, use_ai_gateway=True).invoke("Hello").content == "Hello there, friend."


def test_a_service_principal_chats(host, principal):
    client = WorkspaceClient(host=host, client_id=principal[0], client_secret=principal[1], auth_type="oauth-m2m")
    model = ChatDatabricks(model=MODEL, workspace_client=client)
    assert model.invoke("Hello").content == "Hello there, friend."


def test_databricks_openai_chats_embeds_and_responds():
    client = DatabricksOpenAI()
    asked = [{"role": "user", "content": "Hello"}]
    assert client.chat.completions.create(model=MODEL, messages=asked).choices[0].message.content.startswith("Hello")
    assert client.responses.create(model=MODEL, input="Hello").output_text == "Hello there, friend."
    found = client.embeddings.create(model="databricks-gte-large-en", input=["a", "b"])
    assert [one.index for one in found.data] == [0, 1]


def test_an_agent_endpoint_answers_responses():
    model = ChatDatabricks(model="agent", use_responses_api=True)
    assert model.invoke("Hello").text == "An agent says this."
    assert "".join(piece.text for piece in model.stream("Hello")) == "An agent says this."
