"""The models of a workspace, against the local one: every documented argument, and everything that goes wrong."""

import asyncio
import threading
import time

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel
from quick_workspace import quick_workspace

from ziggurat import LLM, MultiChain, VectorIndex, chat, embeddings
from ziggurat.databricks import ChatDatabricks, Databricks, DatabricksEmbeddings
from ziggurat.databricks.local import Models
from ziggurat.databricks.local.faults import Faults
from ziggurat.errors import (
    AnswerCut,
    ChainError,
    EndpointNotReady,
    EndpointRefused,
    InputError,
    WorkspaceDenied,
    WorkspaceNotFound,
    WorkspaceUnavailable,
)
from ziggurat.testing import FakeChat, FakeEmbeddings, tool_call

CHAT = "databricks-meta-llama-3-3-70b-instruct"
ANSWERS = {"capital of Portugal": "Lisbon is the capital.", "How are": "I am well. And you?", "": "ok"}


@pytest.fixture
def behind():
    return FakeChat(script=ANSWERS)


@pytest.fixture
def local(behind, monkeypatch):
    with quick_workspace(models=Models(chat=behind, embeddings=FakeEmbeddings(dimensions=24))) as made:
        monkeypatch.setenv("DATABRICKS_HOST", made.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", made.token)
        yield made


@pytest.fixture
def dolly(local, behind):
    local.workspace.serving.serve("dolly", behind)
    return "dolly"


async def test_a_spec_answers_and_streams_with_usage(local, behind):
    model = chat(f"databricks:{CHAT}", temperature=0.1, max_tokens=64)
    said = await model.ainvoke("What is the capital of Portugal?")
    assert said.text == "Lisbon is the capital."
    assert said.usage_metadata["output_tokens"] == 4
    pieces = [one async for one in model.astream("What is the capital of Portugal?")]
    assert "".join(one.text for one in pieces) == "Lisbon is the capital."
    assert len([one for one in pieces if one.text]) > 1
    assert sum(one.usage_metadata["output_tokens"] for one in pieces if one.usage_metadata) == 4
    assert (await model.ainvoke("What is the capital of Portugal?", stop=[" is"])).text == "Lisbon"
    assert behind.calls[-1].options["max_tokens"] == 64


def test_one_model_serves_many_event_loops_and_threads(local):
    model = chat(f"databricks:{CHAT}")

    async def ask():
        return [one.text for one in await asyncio.gather(*(model.ainvoke("How are you?") for _ in range(8)))]

    found = []
    threads = [threading.Thread(target=lambda: found.append(asyncio.run(ask()))) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert asyncio.run(ask()) == ["I am well. And you?"] * 8
    assert found == [["I am well. And you?"] * 8] * 3


def test_a_chain_moves_from_laptop_to_workspace_by_its_specs_alone(local, tmp_path):
    file = tmp_path / "chain.yaml"
    text = "ziggurat: 1\nstages:\n  answer:\n    uses: llm\n    prompt: '{question}'\n    model: MODEL\n"
    file.write_text(text.replace("MODEL", "fake:fixed Lisbon is the capital."))
    before = MultiChain.from_yaml(file).run(question="What is the capital of Portugal?")
    file.write_text(text.replace("MODEL", f"databricks:{CHAT}"))
    after = MultiChain.from_yaml(file).run(question="What is the capital of Portugal?")
    assert before["answer"] == after["answer"] == "Lisbon is the capital."


def test_an_index_is_built_with_an_endpoint(local, tmp_path):
    model = embeddings("databricks:databricks-bge-large-en", batch_size=2)
    with VectorIndex.create(tmp_path / "kb", model) as index:
        index.add_texts(["Lisbon is in Portugal.", "Oslo is in Norway.", "Rome is in Italy."])
        assert "Oslo" in index.similarity_search("Oslo Norway", k=1)[0].page_content


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
def test_tools_and_structured_output_go_through(local, behind, method):
    class City(BaseModel):
        """A city."""

        name: str

    behind.script = tool_call("City", name="Lisbon") if method == "function_calling" else '{"name": "Lisbon"}'
    behind.script = [behind.script] * 2
    model = ChatDatabricks(endpoint=CHAT).with_structured_output(City, method=method)
    assert model.invoke("Which city?") == City(name="Lisbon")
    assert asyncio.run(model.ainvoke("Which city?")) == City(name="Lisbon")


@pytest.mark.parametrize("stream", [False, True])
def test_the_responses_api(local, stream):
    model = ChatDatabricks(model=CHAT, use_responses_api=True)
    if stream:
        pieces = list(model.stream("How are you?"))
        assert "".join(one.text for one in pieces) == "I am well. And you?"
        assert len(pieces) > 2
    else:
        assert model.invoke("How are you?").text == "I am well. And you?"


def test_n_answers(local):
    made = ChatDatabricks(endpoint=CHAT, n=2).generate([[HumanMessage("How are you?")]])
    assert [one.text for one in made.generations[0]] == ["I am well. And you?"] * 2


def test_vectors_come_in_the_order_of_their_texts(local):
    model = DatabricksEmbeddings(endpoint="databricks-bge-large-en", batch_size=3)
    texts = [f"text {number}" for number in range(10)]
    expected = FakeEmbeddings(dimensions=24).embed_documents(texts)
    for found in (model.embed_documents(texts), asyncio.run(model.aembed_documents(texts))):
        assert [pytest.approx(one, abs=1e-6) for one in expected] == found


class TestDocumentedArguments:
    """What the documentation of `Databricks` shows."""

    def test_a_question_and_its_end(self, dolly):
        llm = Databricks(endpoint_name=dolly)
        assert llm.invoke("How are you?") == "I am well. And you?"
        assert llm("How are you?", stop=["."]) == "I am well"
        assert asyncio.run(llm.ainvoke("How are you?", stop=["."])) == "I am well"

    def test_model_kwargs_reach_the_model(self, local):
        seen = []
        local.workspace.serving.serve("rows", lambda rows: seen.append(rows) or ["yes"] * len(rows))
        assert Databricks(endpoint_name="rows", model_kwargs={"temperature": 0.1}).invoke("Hi") == "yes"
        assert seen[-1][0]["prompt"] == "Hi"
        assert seen[-1][0]["temperature"] == 0.1

    @pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "inputs"])
    def test_each_form_of_payload(self, local, form):
        local.workspace.serving.serve("echo", lambda rows: [f"heard {one['prompt']}" for one in rows])
        assert Databricks(endpoint_name="echo", payload=form).invoke("Hi") == "heard Hi"

    def test_both_transforms(self, local):
        local.workspace.serving.serve("echo", lambda rows: [{"text": one["question"], "score": 1.0} for one in rows])
        llm = Databricks(
            endpoint_name="echo",
            transform_input_fn=lambda **request: {"question": request["prompt"] + " Be concise."},
            transform_output_fn=lambda found: found["text"].upper(),
        )
        assert llm.invoke("Hi.") == "HI. BE CONCISE."

    def test_a_transform_that_gives_no_text_is_said(self, dolly):
        with pytest.raises(InputError, match="transform_output_fn gave dict"):
            Databricks(endpoint_name=dolly, transform_output_fn=lambda _: {}).invoke("Hi")

    def test_host_and_token(self, local, dolly, monkeypatch):
        monkeypatch.delenv("DATABRICKS_HOST")
        monkeypatch.delenv("DATABRICKS_TOKEN")
        given = {"host": local.url + "/?o=1", "api_token": local.token, "endpoint_name": dolly}
        assert Databricks(**given).invoke("How are you?") == "I am well. And you?"

    def test_chat_and_completions_endpoints_too(self, local):
        assert Databricks(endpoint_name=CHAT).invoke("How are you?") == "I am well. And you?"


class TestWaysIn:
    def test_oauth_for_machines(self, local, monkeypatch):
        monkeypatch.delenv("DATABRICKS_TOKEN")
        machine = local.workspace.identity.add_service_principal()
        model = chat(f"databricks:{CHAT}", client_id=machine.client_id, client_secret=machine.client_secret)
        assert model.invoke("How are you?").text == "I am well. And you?"
        assert machine.client_secret not in repr(model)

    def test_a_profile(self, local, monkeypatch, tmp_path):
        monkeypatch.delenv("DATABRICKS_HOST")
        monkeypatch.delenv("DATABRICKS_TOKEN")
        file = tmp_path / "cfg"
        file.write_text(f"[lab]\nhost = {local.url}\ntoken = {local.token}\n")
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(file))
        for model in (
            chat(f"databricks:{CHAT}", profile="lab"),
            ChatDatabricks(endpoint=CHAT, target_uri="databricks://lab"),
        ):
            assert model.invoke("How are you?").text == "I am well. And you?"

    def test_a_client_that_is_there_already(self, local):
        from quick_workspace import sdk

        model = ChatDatabricks(endpoint=CHAT, workspace_client=sdk(local), host="http://127.0.0.1:9")
        assert model.invoke("How are you?").text == "I am well. And you?"


class TestBadLuck:
    def test_a_wrong_token(self, local):
        with pytest.raises(WorkspaceDenied, match="does not accept the credentials") as caught:
            ChatDatabricks(endpoint=CHAT, token="dapi-wrong-00000").invoke("Hi")
        assert "dapi-wrong" not in str(caught.value)

    def test_a_missing_endpoint_and_the_closest_name(self, local):
        with pytest.raises(WorkspaceNotFound, match=f"did you mean '{CHAT}'"):
            ChatDatabricks(endpoint=CHAT.replace("llama", "lama")).invoke("Hi")
        with pytest.raises(WorkspaceNotFound, match="did you mean 'databricks-bge-large-en'"):
            DatabricksEmbeddings(endpoint="databricks-bge-large").embed_query("Hi")

    def test_an_endpoint_that_is_still_deploying(self, local):
        local.workspace.delays.endpoint = 60
        body = {"name": "slow", "config": {"served_entities": [{"entity_name": "system.ai.x", "entity_version": "1"}]}}
        local.workspace.serving.register_model("system.ai.x", 1, FakeChat())
        from quick_workspace import plain

        with plain(local) as client:
            client.post("/api/2.0/serving-endpoints", json=body).raise_for_status()
        began = time.monotonic()
        with pytest.raises(EndpointNotReady, match="still being deployed"):
            ChatDatabricks(endpoint="slow").invoke("Hi")
        assert time.monotonic() - began < 10

    def test_a_schema_that_does_not_fit_shows_the_signature(self, local):
        inputs = [{"name": "question", "type": "string"}, {"name": "limit", "type": "long"}]
        signature = {"inputs": inputs, "outputs": [{"type": "string"}]}
        local.workspace.serving.serve("strict", lambda rows: ["x"] * len(rows), signature=signature)
        with pytest.raises(EndpointRefused) as caught:
            Databricks(endpoint_name="strict").invoke("Hi")
        assert "question" in str(caught.value)
        assert "limit" in str(caught.value)

    def test_a_storm_of_429_ends_in_time(self, local):
        local.workspace.luck.set(Faults(refuse=1.0, retry_after=1))
        began = time.monotonic()
        with pytest.raises(WorkspaceUnavailable, match="asks for patience"):
            ChatDatabricks(endpoint=CHAT, patience=2.5).invoke("Hi")
        assert 0.9 < time.monotonic() - began < 5

    def test_a_wait_that_is_longer_than_our_patience_is_not_begun(self, local):
        local.workspace.luck.set(Faults(refuse=1.0, retry_after=3600))
        began = time.monotonic()
        with pytest.raises(WorkspaceUnavailable) as caught:
            ChatDatabricks(endpoint=CHAT).invoke("Hi")
        assert caught.value.retry_after_secs == 3600
        assert time.monotonic() - began < 5

    async def test_after_a_429_the_answer_still_comes(self, local):
        local.workspace.luck.set(Faults(refuse=0.5, retry_after=0, seed=3))
        model = ChatDatabricks(endpoint=CHAT)
        for _ in range(6):
            assert (await model.ainvoke("How are you?")).text == "I am well. And you?"
            assert "".join([one.text async for one in model.astream("How are you?")]) == "I am well. And you?"
        assert any(one.status == 429 for one in local.workspace.record.entries)

    @pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
    def test_an_answer_that_is_cut_is_an_error_and_not_paid_twice(self, local, way):
        local.workspace.luck.set(Faults(cut=1.0, seed=1))
        model = ChatDatabricks(endpoint=CHAT)

        async def streamed():
            return [one async for one in model.astream("How are you?")]

        ways = {
            "invoke": lambda: model.invoke("How are you?"),
            "stream": lambda: list(model.stream("How are you?")),
            "ainvoke": lambda: asyncio.run(model.ainvoke("How are you?")),
            "astream": lambda: asyncio.run(streamed()),
        }
        with pytest.raises(AnswerCut, match=r"before the answer was whole|stopped in the middle"):
            ways[way]()
        assert len([one for one in local.workspace.record.entries if one.metered]) == 1

    def test_a_token_revoked_in_the_middle_of_a_stream(self, local, behind):
        behind.script = " ".join(["word"] * 400)
        pieces = []

        def read():
            for piece in ChatDatabricks(endpoint=CHAT).stream("Tell me more."):
                pieces.append(piece.text)
                if len(pieces) == 2:
                    local.workspace.revoke(local.token)

        with pytest.raises((AnswerCut, WorkspaceDenied)) as caught:
            read()
        assert 2 <= len(pieces) < 400
        assert local.token not in str(caught.value)

    def test_a_workspace_that_nobody_can_reach(self):
        began = time.monotonic()
        for host in ("http://127.0.0.1:9", "nosuch.invalid"):
            with pytest.raises(WorkspaceUnavailable, match="cannot be reached"):
                ChatDatabricks(endpoint=CHAT, host=host, token="dapi-x").invoke("Hi")
        assert time.monotonic() - began < 15

    async def test_on_a_bad_day_every_call_is_answered_or_fails_and_none_is_paid_twice(self, local, behind):
        behind.script = lambda messages: f"The answer to {messages[-1].text}, said in a few words more."
        local.workspace.luck.set(
            Faults(refuse=0.1, unavailable=0.05, cut=0.05, stall=(0.05, 0.2), retry_after=0, seed=7)
        )
        model = ChatDatabricks(endpoint=CHAT)
        gate = asyncio.Semaphore(32)

        async def ask(number):
            async with gate:
                if number % 2:
                    return "".join([one.text async for one in model.astream(f"question {number}")])
                return (await model.ainvoke(f"question {number}")).text

        found = await asyncio.gather(*(ask(number) for number in range(300)), return_exceptions=True)
        answered = [number for number, one in enumerate(found) if isinstance(one, str)]
        assert all(found[one] == f"The answer to question {one}, said in a few words more." for one in answered)
        assert {type(one) for one in found if not isinstance(one, str)} == {AnswerCut}
        statuses = []
        while statuses.count(200) < 300:  # an answer is recorded a moment after its client has it
            await asyncio.sleep(0.01)
            statuses = [one.status for one in local.workspace.record.entries if one.metered]
        assert statuses.count(429) > 10
        assert statuses.count(503) > 5
        assert local.workspace.record.completed() == len(answered) > 250

    def test_silence_ends(self, local):
        local.workspace.luck.set(Faults(stall=(1.0, 5.0)))
        began = time.monotonic()
        with pytest.raises(WorkspaceUnavailable, match="no answer within"):
            ChatDatabricks(endpoint=CHAT, timeout=0.5).invoke("Hi")
        assert time.monotonic() - began < 4

    def test_a_stage_says_which_it_was(self, local):
        chain = MultiChain(answer=LLM("{question}", ChatDatabricks(endpoint="nosuch")))
        with pytest.raises(ChainError, match="no endpoint 'nosuch'"):
            chain.run(question="Hi")
