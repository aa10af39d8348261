"""Caches of answers: bounded, safe to read whoever wrote, and never the reason that an answer is lost."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk

from ziggurat.errors import InputError
from ziggurat.models import caches
from ziggurat.models.caches import MemoryCache, RedisCache, SQLiteCache
from ziggurat.models.caches.entries import decoded, encoded, key_of
from ziggurat.prices import was_cached
from ziggurat.testing import FakeChat, tool_call

USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "input_token_details": {"cache_read": 1}}


def said(text):
    return [Generation(text=text)]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "answers.db"


@pytest.fixture
def disk(file):
    cache = SQLiteCache(file)
    yield cache
    cache.close()


@pytest.fixture(params=["memory", "sqlite"])
def small(request, tmp_path):
    """A cache that holds three answers of 1,000 letters."""
    if request.param == "memory":
        yield MemoryCache(max_bytes=3_600)
    else:
        cache = SQLiteCache(tmp_path / "small.db", max_bytes=3_900)
        yield cache
        cache.close()


@pytest.mark.parametrize(
    "generation",
    [
        Generation(text="x", generation_info={"finish_reason": "stop", "logprobs": [-0.5, None]}),
        GenerationChunk(text="x"),
        ChatGeneration(message=AIMessage("x", id="run-1", usage_metadata=USAGE, response_metadata={"model_name": "m"})),
        ChatGeneration(message=tool_call("add", a=1, b=[2, {"c": None}])),
        ChatGeneration(message=AIMessage([{"type": "text", "text": "né 数"}, {"type": "image", "url": "u"}], name="n")),
        ChatGenerationChunk(message=AIMessageChunk("x", usage_metadata=USAGE, chunk_position="last")),
        ChatGeneration(message=AIMessage('{"lc": 1, "type": "constructor"}', additional_kwargs={"lc": 1, "id": ["a"]})),
    ],
)
def test_an_answer_comes_back_as_it_was(generation):
    (back,) = decoded(encoded([generation]))
    assert back == generation
    assert type(back) is type(generation)
    if isinstance(generation, ChatGeneration):
        assert type(back.message) is type(generation.message)


def test_what_is_no_json_is_not_cached():
    assert encoded([Generation(text="x", generation_info={"raw": object()})]) is None
    assert encoded([ChatGeneration(message=AIMessage("x", additional_kwargs={"raw": b"\xff"}))]) is None

    class Odd(Generation):
        """Of a class that no table knows."""

    assert encoded([Odd(text="x")]) is None


def constructor(*path, **kwargs):
    return {"lc": 1, "type": "constructor", "id": list(path), "kwargs": kwargs}


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"\xff\x00",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        json.dumps({"version": 2, "generations": []}),
        json.dumps({"version": 1, "generations": [{}]}),
        json.dumps({"version": 1, "generations": [{"kind": "os.system", "text": "id", "info": None}]}),
        json.dumps({"version": 1, "generations": [{"kind": "Generation", "text": {"a": 1}, "info": None}]}),
        json.dumps(
            {
                "version": 1,
                "generations": [
                    {"kind": "ChatGeneration", "info": None, "message": {"type": "subprocess.Popen", "data": {}}}
                ],
            }
        ),
        json.dumps([constructor("langchain_core", "messages", "AIMessage", content="x")]),
    ],
)
def test_a_strangers_or_damaged_entry_is_a_miss(entry, file, disk):
    assert decoded(entry) is None
    disk.update("p", "m", said("right"))
    with sqlite3.connect(file) as other:
        other.execute("UPDATE entries SET value = ?", (entry,))
    other.close()
    assert disk.lookup("p", "m") is None
    disk.update("p", "m", said("right again"))
    assert disk.lookup("p", "m") == said("right again")


@given(st.binary() | st.text())
def test_no_bytes_at_all_make_reading_fail(entry):
    assert decoded(entry) is None


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_two_prompts_or_settings_have_two_keys(one, other):
    assert (key_of(*one) == key_of(*other)) == (one == other)


def test_the_least_recently_used_answer_goes_first(small):
    for name in "abc":
        small.update(name, "m", said(name * 1_000))
    assert small.lookup("a", "m") is not None
    small.update("d", "m", said("d" * 1_000))
    assert [name for name in "abcd" if small.lookup(name, "m")] == ["a", "c", "d"]
    assert small.size <= small.max_bytes


def test_an_answer_larger_than_the_cache_is_not_kept_and_costs_no_other_its_place(small):
    small.update("a", "m", said("a"))
    small.update("huge", "m", said("x" * 10_000))
    assert small.lookup("huge", "m") is None
    assert small.lookup("a", "m") == said("a")


def test_an_answer_that_is_replaced_is_counted_once(small):
    small.update("a", "m", said("a" * 1_000))
    before = small.size
    for _ in range(5):
        small.update("a", "m", said("b" * 1_000))
    assert small.size == before
    small.clear()
    assert small.size == 0


def test_a_memory_cache_is_bounded_by_number_too():
    cache = MemoryCache(max_entries=2)
    for name in "abc":
        cache.update(name, "m", said(name))
    assert len(cache) == 2
    assert cache.lookup("a", "m") is None


@pytest.mark.parametrize("bound", [0, -1, 1.5, True, "1"])
def test_a_bound_that_is_none_is_refused(bound, file):
    with pytest.raises(InputError, match="max_bytes"):
        MemoryCache(max_bytes=bound)
    with pytest.raises(InputError, match="max_bytes"):
        SQLiteCache(file, max_bytes=bound)
    assert not file.exists()


def test_who_changes_an_answer_changes_only_his_own():
    cache = MemoryCache()
    cache.update("p", "m", said("right"))
    cache.lookup("p", "m")[0].text = "wrong"
    assert cache.lookup("p", "m") == said("right")


def test_no_prompt_is_written_down(disk, file):
    disk.update("a very private question", "settings with a key", said("an answer"))
    disk.close()
    written = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert b"an answer" in written
    assert b"private question" not in written
    assert b"settings with a key" not in written


@pytest.fixture(params=["memory", "sqlite"])
def any_cache(request, disk):
    return MemoryCache() if request.param == "memory" else disk


def test_a_model_with_a_cache_is_asked_once_and_the_second_answer_says_it_was_free(any_cache):
    model = FakeChat(script=["one", "two"], cache=any_cache)
    first, second = model.invoke("?"), model.invoke("?")
    assert (first.content, second.content, len(model.calls)) == ("one", "one", 1)
    assert not was_cached(first)
    assert was_cached(second)
    assert second.usage_metadata["total_tokens"] == first.usage_metadata["total_tokens"]
    assert was_cached(model.invoke("?"))  # the mark is put on each answer, not into the cache


async def test_it_works_asynchronously_and_for_all_models_at_once(any_cache):
    set_llm_cache(any_cache)
    try:
        model = FakeChat(script=["one", "two", "three"])
        assert (await model.ainvoke("?")).content == "one"
        assert (await model.ainvoke("?")).content == "one"
        assert [one.content for one in await model.abatch(["?", "other"])] == ["one", "two"]
        await any_cache.aclear()
        assert (await model.ainvoke("?")).content == "three"
    finally:
        set_llm_cache(None)


def test_a_stream_neither_asks_nor_fills_a_cache(any_cache):
    model = FakeChat(script=["one", "two"], cache=any_cache)
    assert "".join(chunk.text for chunk in model.stream("?")) == "one"
    assert model.invoke("?").content == "two"


async def test_a_slow_disk_does_not_hold_up_the_event_loop(disk, file):
    disk.update("p", "m", said("x"))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    waiting = asyncio.create_task(disk.aupdate("q", "m", said("y")))
    turns = 0
    for _ in range(20):
        await asyncio.sleep(0.005)
        turns += 1
    assert not waiting.done()
    other.execute("ROLLBACK")
    other.close()
    await waiting
    assert turns == 20
    assert await disk.alookup("q", "m") == said("y")


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot be opened[\s\S]*answers.db[\s\S]*directory"):
        SQLiteCache(tmp_path / "nowhere" / "answers.db")
    with pytest.raises(InputError, match="cannot be opened"):
        SQLiteCache(tmp_path)
    with pytest.raises(InputError, match="MemoryCache"):
        SQLiteCache(":memory:")


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(file):
    file.write_bytes(b"my diary, not a database at all, and long enough to tell. " * 20)
    before = file.read_bytes()
    with pytest.raises(InputError, match="not a database"):
        SQLiteCache(file)
    assert file.read_bytes() == before


def test_somebody_elses_database_is_refused_and_left_as_it_is(file):
    with sqlite3.connect(file) as theirs:
        theirs.execute("CREATE TABLE diary (day TEXT)")
    theirs.close()
    before = file.read_bytes()
    with pytest.raises(InputError, match=r"something else; it was not touched"):
        SQLiteCache(file)
    assert file.read_bytes() == before


def test_a_newer_version_is_refused(disk, file):
    with sqlite3.connect(file) as theirs:
        theirs.execute("PRAGMA user_version = 99")
    theirs.close()
    with pytest.raises(InputError, match=r"version 99[\s\S]*newer Ziggurat"):
        SQLiteCache(file)


def test_a_file_that_breaks_later_is_a_miss_and_one_warning(disk, file, caplog):
    disk.update("p", "m", said("x"))
    with sqlite3.connect(file) as other:
        other.execute("DROP TABLE entries")
    other.close()
    with caplog.at_level(logging.WARNING, logger="ziggurat.models.caches"):
        for _ in range(3):
            assert disk.lookup("p", "m") is None
            disk.update("p", "m", said("an answer that was paid for"))
    assert len(caplog.records) == 1
    with pytest.raises(InputError, match="cannot be used"):
        disk.clear()


def test_a_server_that_is_not_there_is_an_error_at_first_use_and_no_password_is_told():
    for cache in (RedisCache("redis://:secret-word@127.0.0.1:9/0"),):
        with pytest.raises(
            InputError, match=r"Redis at 127\.0\.0\.1:9: ConnectionError[\s\S]*start the server"
        ) as told:
            cache.lookup("p", "m")
        assert "secret-word" not in str(told.value)
        with pytest.raises(InputError, match="cannot be used"):
            FakeChat(cache=cache).invoke("?")
        cache.close()


async def test_the_same_asynchronously():
    with pytest.raises(InputError, match="start the server"):
        await RedisCache("redis://127.0.0.1:9").alookup("p", "m")


@pytest.mark.parametrize(
    ("server", "options", "message"),
    [
        ("127.0.0.1:6379", {}, "redis://host"),
        ("http://:secret-word@127.0.0.1", {}, "redis://host"),
        ("redis://127.0.0.1", {"ttl": 0}, "ttl=0"),
        ("redis://127.0.0.1", {"ttl": "1"}, "ttl='1'"),
        ("redis://127.0.0.1", {"prefix": ""}, "delete everything"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(server, options, message):
    with pytest.raises(InputError, match=message) as refused:
        RedisCache(server, **options)
    assert "secret-word" not in str(refused.value)


def test_the_shop_window_agrees_with_its_homes():
    assert set(caches.__all__) == set(caches._HOMES)
    with pytest.raises(AttributeError):
        _ = caches.Nothing
    code = "import sys, ziggurat.models.caches; print([m for m in sys.modules if 'langchain' in m or m == 'redis'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
