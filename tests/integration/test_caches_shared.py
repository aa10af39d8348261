"""Caches between processes and machines: a file that several processes fill, and a real Redis server."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from langchain_core.outputs import Generation
from pydantic import BaseModel
from redis_server import redis_server

from ziggurat import models
from ziggurat.errors import InputError
from ziggurat.models.caches import MemoryCache, RedisCache, SQLiteCache
from ziggurat.testing import FakeChat, OpenAIServer


def said(text):
    return [Generation(text=text)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture
def client(server):
    client = redis.Redis.from_url(server)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def shared(server, client):
    cache = RedisCache(server)
    yield cache
    cache.close()


FILLER = """
import sys
from langchain_core.outputs import Generation
from ziggurat.models.caches import SQLiteCache
path, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
cache = SQLiteCache(path, max_bytes=60_000)
for index in range(number):
    cache.update(f"{name} {index}", "m", [Generation(text=f"{name} {index} " + "x" * 500)])
    found = cache.lookup(f"{name} {index}", "m")
    assert found is None or found[0].text.startswith(f"{name} {index} "), found
assert cache.lookup(f"{name} {number - 1}", "m") is not None
cache.close()
"""


def test_several_processes_fill_one_file_and_it_stays_whole_and_within_its_bound(tmp_path):
    file = tmp_path / "answers.db"
    command = [sys.executable, "-c", FILLER, str(file)]
    fillers = [subprocess.Popen([*command, name, "150"], stderr=subprocess.PIPE, text=True) for name in "abc"]
    for filler in fillers:
        _, errors = filler.communicate(timeout=120)
        assert filler.returncode == 0, errors
    with sqlite3.connect(file) as database:
        (check,) = database.execute("PRAGMA integrity_check").fetchone()
        (summed,) = database.execute("SELECT sum(size) FROM entries").fetchone()
        (counted,) = database.execute("SELECT bytes FROM total").fetchone()
    database.close()
    assert check == "ok"
    assert summed == counted <= 60_000


def test_many_threads_share_one_file(tmp_path):
    cache = SQLiteCache(tmp_path / "answers.db")

    def work(name):
        cache.update(name, "m", said(name))
        return cache.lookup(name, "m") == said(name)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, map(str, range(200))))
    cache.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # other tests' threads; none holds our lock
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_uses_the_file_through_a_connection_of_its_own(tmp_path):
    cache = SQLiteCache(tmp_path / "answers.db")
    cache.update("parent", "m", said("parent"))
    context = multiprocessing.get_context("fork")

    def child():
        assert cache.lookup("parent", "m") == said("parent")
        cache.update("child", "m", said("child"))

    process = context.Process(target=child)
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert cache.lookup("child", "m") == said("child")
    cache.close()


def test_two_caches_on_one_server_see_the_same_answers(server, shared):
    other = RedisCache(server)
    shared.update("p", "m", said("x"))
    assert other.lookup("p", "m") == said("x")
    other.close()


async def test_answers_kept_synchronously_are_found_asynchronously_and_the_other_way_round(shared):
    shared.update("p", "m", said("x"))
    assert await shared.alookup("p", "m") == said("x")
    await shared.aupdate("q", "m", said("y"))
    assert shared.lookup("q", "m") == said("y")


def test_it_serves_one_event_loop_after_another_and_leaves_no_connection(shared, client):
    async def use(name):
        await shared.aupdate(name, "m", said(name))
        return await shared.alookup(name, "m")

    for name in "abc":
        assert asyncio.run(use(name)) == said(name)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda name: asyncio.run(use(name)), "def")) == [said(name) for name in "def"]
    for _ in range(100):
        if len(client.client_list()) <= 2:
            break
        time.sleep(0.02)
    assert len(client.client_list()) <= 2  # this client and the cache's own


def test_an_answer_is_forgotten_after_its_time(server, client):
    cache = RedisCache(server, ttl=0.2)
    cache.update("p", "m", said("x"))
    assert cache.lookup("p", "m") == said("x")
    time.sleep(0.3)
    assert cache.lookup("p", "m") is None
    cache.close()


def test_clearing_deletes_what_is_ours_and_nothing_else(server, client):
    client.set("theirs", "1")
    client.set("house*other", "1")
    cache = RedisCache(server, prefix="house*[a]?:")
    for index in range(1_200):
        cache.update(str(index), "m", said("x"))
    assert client.dbsize() == 1_202
    cache.clear()
    assert sorted(client.keys()) == [b"house*other", b"theirs"]
    cache.close()


@pytest.mark.parametrize("entry", [b"\xff\x00", b"{}", b'{"lc": 1}'])
async def test_a_strangers_entry_is_a_miss(shared, client, entry):
    shared.update("p", "m", said("x"))
    (key,) = client.keys()
    client.set(key, entry)
    assert shared.lookup("p", "m") is None
    assert await shared.alookup("p", "m") is None
    client.delete(key)
    client.lpush(key, "not even a text")
    assert shared.lookup("p", "m") is None


async def test_a_client_of_ones_own_is_used_as_it_is(server, client):
    texts = redis.Redis.from_url(server, decode_responses=True)
    cache = RedisCache(texts)
    await cache.aupdate("p", "m", said("né"))
    assert cache.lookup("p", "m") == await cache.alookup("p", "m") == said("né")
    await cache.aclear()
    assert cache.lookup("p", "m") is None
    texts.close()
    async with redis.asyncio.Redis.from_url(server) as theirs:
        cache = RedisCache(theirs)
        await cache.aupdate("p", "m", said("x"))
        assert await cache.alookup("p", "m") == said("x")
        await cache.aclear()
        with pytest.raises(InputError, match="asynchronous client"):
            cache.lookup("p", "m")


def test_a_server_that_goes_away_later_costs_no_answer(tmp_path, caplog):
    with redis_server(tmp_path) as address:
        cache = RedisCache(address)
        model = FakeChat(script=["one", "two", "three"], cache=cache)
        assert [model.invoke("?").content for _ in range(2)] == ["one", "one"]
    assert [model.invoke("?").content for _ in range(2)] == ["two", "three"]
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    with pytest.raises(InputError, match="cannot be used"):
        cache.clear()
    cache.close()


class City(BaseModel):
    """A city."""

    name: str


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_a_structured_answer_of_a_real_client_is_cached_whole(method):
    with OpenAIServer(FakeChat(script='{"name": "Lisbon"}')) as service:
        model = models.chat("openai:gpt-4.1", base_url=service.base_url, api_key="k", cache=MemoryCache())
        asked = model.with_structured_output(City, method=method)
        assert [asked.invoke("The capital?") for _ in range(3)] == [City(name="Lisbon")] * 3
        assert len(service.requests) == 1
