"""Local models in one process that others share: real processes, real weights, real deaths."""

import asyncio
import os
import signal
import socket
import struct
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import tiny_transformers
from langchain_core.messages import HumanMessage
from pydantic import BaseModel
from sharing_process import processes, servers, until
from small_cross_encoders import BERT, SmallCrossEncoder

from ziggurat import LLM, MultiChain, Retry, models, stage
from ziggurat.errors import ContextLengthError, InputError, ModelUnavailable
from ziggurat.index.embedder import fingerprint_of
from ziggurat.models.llama.chat import LocalChat
from ziggurat.models.shared import share_local_models, sharing, unshare_local_models
from ziggurat.models.shared.address import Address, Files
from ziggurat.models.shared.wire import Connection, ConnectionLost

SMALL = "local:smollm2-135m"
TEXTS = [
    f"Sentence {number} about the sea and what lives in it, at length {'and more ' * number}." for number in range(20)
]
libraries = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class Colour(BaseModel):
    """A colour."""

    name: str
    warm: bool


def get_weather(location: str) -> str:
    """Get the weather at a location."""
    return f"Sunny in {location}."


@pytest.fixture
def home(tmp_path):
    """A home whose server has ended when the test has."""
    made = tmp_path / "home"
    yield made
    unshare_local_models()
    for pid in servers(made):
        os.kill(pid, signal.SIGTERM)
    until(lambda: not servers(made))


@pytest.fixture
def shared(home):
    share_local_models(home, idle_seconds=30)
    return home


@pytest.mark.model
def test_three_processes_have_one_copy_of_the_weights_and_the_answers_of_their_own(home):
    asked = {"chat": SMALL, "question": "Name three colours.", "max_tokens": 16}
    with processes("alone", home, home, home) as (alone, *sharers):
        for one in (alone, *sharers):
            one.ask(**asked)
            one.ask(vectors=TEXTS)
            one.ask(memory=True)
        text, vectors, weight = (alone.answer() for _ in range(3))
        for one in sharers:
            assert one.answer() == text
            assert one.answer() == vectors
            assert one.answer() < weight / 4
        assert len(servers(home)) == 1


@pytest.mark.model
def test_the_server_ends_when_nobody_has_been_connected_for_a_while(home):
    with processes(home) as (one,):
        one.end()
    share_local_models(home, idle_seconds=1)
    models.embeddings().embed_query("hello")
    assert len(servers(home)) == 1
    time.sleep(2)  # connected, though it asks nothing
    assert len(servers(home)) == 1
    unshare_local_models()
    until(lambda: not servers(home), 5)
    assert not [path for path in home.iterdir() if path.suffix in {".json", ".sock"}]
    assert len(models.embeddings().embed_query("hello")) == 384  # and this process has its own again


@pytest.mark.model
def test_the_server_ends_when_its_home_is_gone(shared):
    models.embeddings().embed_query("hello")
    (server,) = servers(shared)
    for path in shared.iterdir():
        path.unlink()
    shared.rmdir()
    until(lambda: server not in servers(shared), 5)


@pytest.mark.model
def test_tools_schemas_streams_and_counts_are_those_of_a_model_in_this_process(home):
    model = LocalChat(max_tokens=48)

    def answers():
        call = model.bind_tools([get_weather], tool_choice="any").invoke("What is the weather in Lisbon?")
        structured = model.with_structured_output(Colour).invoke("Describe the colour red.")
        pieces = [chunk.text for chunk in model.stream("Say hello in three words.")]
        sampled = model.invoke("Tell me a story.", temperature=1.0, seed=7, max_tokens=12, stop=["dragon"])
        count = model.get_num_tokens_from_messages([HumanMessage("How many?"), sampled])
        tokens = model.get_token_ids("How many tokens?"), model.get_num_tokens("How many tokens?")
        calls = [(one["name"], one["args"]) for one in call.tool_calls]
        usage = {key: sampled.usage_metadata[key] for key in ("input_tokens", "output_tokens")}
        return calls, structured, pieces, sampled.text, usage, sampled.response_metadata, count, tokens

    own = answers()
    share_local_models(home)
    assert answers() == own
    assert len(servers(home)) == 1


@pytest.mark.model
def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers(shared):
    with pytest.raises(ContextLengthError) as refused:
        LocalChat(model=SMALL, context_tokens=512).invoke("word " * 3000)
    assert refused.value.prompt_tokens > 3000
    assert refused.value.context_tokens == 512


@pytest.mark.model
def test_what_a_stage_computed_alone_is_found_by_one_that_shares(home, tmp_path):
    def chain():
        return MultiChain(say=LLM("Say {word}.", SMALL, max_tokens=4)).using(cache=tmp_path / "cache.sqlite3")

    own = fingerprint_of(models.embeddings())
    first = chain().run(word="hello")
    share_local_models(home)
    assert chain().run(word="hello") == first
    assert not servers(home)  # nothing was asked
    assert fingerprint_of(models.embeddings()) == own
    chain().run(word="goodbye")
    assert len(servers(home)) == 1


@pytest.mark.model
async def test_calls_of_one_process_run_side_by_side_and_leave_the_loop_free(shared):
    model = LocalChat(model=SMALL, max_tokens=12)
    questions = [f"Repeat the number {number}." for number in range(4)]
    together = asyncio.gather(*(model.ainvoke(question) for question in questions))
    longest, last = 0.0, time.monotonic()
    while not together.done():
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    unshare_local_models()
    assert [one.text for one in await together] == [(await model.ainvoke(question)).text for question in questions]
    assert longest < 0.3


@pytest.mark.model
def test_without_the_prompt_cache_an_answer_does_not_depend_on_what_was_asked_before(shared):
    model = LocalChat(model=SMALL, max_tokens=8, prompt_cache=False)
    facts = "The orchard was planted in 1987. The mill was built in 1720 beside the river. " * 3
    questions = [f"{facts}What is said of the {word}?" for word in ("orchard", "mill", "river")]
    forward = [model.invoke(question) for question in questions]
    backward = [model.invoke(question) for question in reversed(questions)]
    assert [one.text for one in forward] == [one.text for one in reversed(backward)]
    assert not any(one.usage_metadata["input_token_details"]["cache_read"] for one in (*forward, *backward))


@pytest.mark.model
def test_leaving_a_stream_frees_the_model_for_others(shared):
    stream = LocalChat(model=SMALL, max_tokens=3000, temperature=1.0, seed=3).stream("Write a novel.")
    next(stream)
    stream.close()
    started = time.monotonic()
    LocalChat(model=SMALL, max_tokens=1).invoke("hi")
    assert time.monotonic() - started < 3


@pytest.mark.model
def test_a_killed_process_leaves_no_call_behind(shared):
    model = LocalChat(model=SMALL, max_tokens=1)
    model.invoke("load")
    with processes(shared, shared) as (writer, waiter):
        for one in (writer, waiter):
            one.ask(chat=SMALL, question="Write a novel.", max_tokens=3500, temperature=1.0, seed=3)
        time.sleep(3)
        for one in (writer, waiter):
            one.process.kill()
        started = time.monotonic()
        assert model.invoke("hi").usage_metadata["output_tokens"] == 1
        assert time.monotonic() - started < 5


@pytest.mark.model
def test_a_waiting_call_keeps_its_timeout(shared):
    stream = LocalChat(model=SMALL, max_tokens=3000, temperature=1.0, seed=3).stream("Write a novel.")
    next(stream)
    sharing()._worker = "another"
    with pytest.raises(ModelUnavailable, match="within 1 seconds"):
        LocalChat(model=SMALL, timeout=1).invoke("hi")
    stream.close()


@pytest.mark.model
def test_a_killed_server_fails_what_is_under_way_and_is_started_again_by_the_next_call(shared):
    model = LocalChat(model=SMALL, max_tokens=3000, temperature=1.0, seed=3)
    stream = model.stream("Write a novel.")
    next(stream)
    (server,) = servers(shared)
    os.kill(server, signal.SIGKILL)
    with pytest.raises(ModelUnavailable, match="ended before it had answered"):
        list(stream)
    assert model.invoke("hi", max_tokens=2).text
    (another,) = servers(shared)
    assert another != server


@pytest.mark.model
async def test_the_retry_of_a_stage_outlives_a_killed_server(shared):
    model = LocalChat(model=SMALL, max_tokens=100, temperature=1.0, seed=3)
    chain = MultiChain(say=stage(LLM("Write about {word}.", model), retry=Retry(2, wait=0)))
    expected = await chain.ainvoke({"word": "the sea"})
    running = asyncio.ensure_future(chain.ainvoke({"word": "the sea"}))
    await asyncio.sleep(0.5)
    os.kill(servers(shared)[0], signal.SIGKILL)
    assert await running == expected


@pytest.mark.model
def test_where_a_path_is_too_long_for_a_socket_it_listens_on_this_machine_alone(tmp_path, home):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    assert Files.of(deep).socket is None
    share_local_models(deep)
    try:
        assert len(models.embeddings().embed_query("hello")) == 384
        said = Address.read(Files.of(deep))
        assert said.port
        with socket.create_connection(("127.0.0.1", said.port)) as there:
            assert there.getpeername()[0] == "127.0.0.1"
    finally:
        unshare_local_models()
        os.kill(said.pid, signal.SIGTERM)
        until(lambda: not servers(deep))


@pytest.mark.model
def test_who_does_not_know_the_token_or_talks_nonsense_is_shown_out_and_hurts_nobody(shared):
    vector = models.embeddings().embed_query("hello")
    said = Address.read(Files.of(shared))
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", struct.pack(">I", 1 << 31), b"\0\0\0\x02\xc1\xc1", b"\0\0\0\x01\x80"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(said.path)
            sock.sendall(nonsense)
            with suppress(ConnectionResetError):  # the same, where something was left unread
                assert sock.recv(100) == b""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(said.path)
        stranger = Connection(sock)
        stranger.send({"token": "x" * len(said.token), "worker": "w"})
        with pytest.raises(ConnectionLost):
            stranger.receive()
    assert models.embeddings().embed_query("hello") == vector
    assert Path(Files.of(shared).address).stat().st_mode & 0o077 == 0
    assert shared.stat().st_mode & 0o077 == 0


@pytest.mark.model
def test_a_forked_child_has_connections_of_its_own(shared):
    embeddings = models.embeddings()
    own = embeddings.embed_array(TEXTS)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, embeddings.embed_array(TEXTS)[0].tobytes())
        finally:
            os._exit(0)
    again = embeddings.embed_array(TEXTS)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as there:
        os.close(writing)
        assert there.read() == own[0].tobytes()
    assert again.tobytes() == own.tobytes()
    assert len(servers(shared)) == 1


@pytest.mark.model
def test_progress_and_counts_of_many_texts_are_told_here(shared):
    done = []

    @contextmanager
    def progress(label, total, unit="items"):
        class Counter:
            def advance(self, amount=1):
                done.append(amount)

        yield Counter()

    assert models.embeddings(progress=progress).embed_array(TEXTS[:4]).shape == (4, 384)
    assert sum(done) == 4
    assert models.embeddings().count_tokens(["one two", "lone \ud800 surrogate"])[0] == 2


def test_a_reranker_scores_as_one_in_this_process(home, tmp_path):
    made = SmallCrossEncoder(tmp_path / "cross", BERT)
    texts = ["tea does grow in the valley .", "the river freezes in winter .", "coffee"]

    def scores():
        return models.reranker(f"local:{made.folder}").score("where does tea grow ?", texts)

    own = scores()
    share_local_models(home)
    assert scores().tobytes() == own.tobytes()
    assert len(servers(home)) == 1


@libraries
def test_models_of_the_transformers_library_are_shared_too(home, tmp_path):
    decoder = tiny_transformers.decoder(tmp_path / "decoder")
    sentences = tiny_transformers.sentence_encoder(tmp_path)

    def results():
        chat = models.chat(f"transformers:{decoder}", stop=["END"])
        message = chat.invoke("What is the capital of Portugal?")
        sampled = chat.invoke("What is?", temperature=2.0, seed=5, max_tokens=6)
        pieces = [chunk.text for chunk in chat.stream("What is the capital of England?")]
        vectors = models.embeddings(f"transformers:{sentences}")
        return (
            message.text,
            message.usage_metadata,
            message.response_metadata,
            sampled.text,
            pieces,
            chat.get_num_tokens("one two"),
            vectors.embed_documents(["London", "Lisbon"]),
            vectors.embed_query("London"),
            vectors.embed_documents([]),
            fingerprint_of(vectors),
        )

    own = results()
    share_local_models(home)
    assert results() == own
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        models.chat(f"transformers:{tmp_path / 'nothing'}").invoke("hi")
    with pytest.raises(ContextLengthError):
        models.chat(f"transformers:{decoder}").invoke("word " * 500)
    assert len(servers(home)) == 1


def test_a_server_that_cannot_start_says_what_it_said(home, monkeypatch):
    share_local_models(home)
    monkeypatch.setattr(sys, "path", ["/nowhere"])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ModelUnavailable, match="ended before it was ready"):
        sharing().call("chat.tokens", {})


def test_a_home_that_is_a_file_and_a_time_that_is_none_are_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="directory"):
        share_local_models(file)
    with pytest.raises(InputError, match="idle_seconds"):
        share_local_models(tmp_path, idle_seconds=0)
    assert sharing() is None
