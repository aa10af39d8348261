"""LangChain's own suite for caches, passed by ours; Redis is a real server."""

from __future__ import annotations

import pytest
from langchain_tests.integration_tests.cache import AsyncCacheTestSuite, SyncCacheTestSuite
from redis_server import redis_server

from ziggurat.models.caches import MemoryCache, RedisCache, SQLiteCache


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture
def sqlite_cache(tmp_path):
    cache = SQLiteCache(tmp_path / "answers.db")
    yield cache
    cache.close()


@pytest.fixture
def redis_cache(server):
    cache = RedisCache(server)
    cache.clear()
    yield cache
    cache.close()


class TestMemoryCache(SyncCacheTestSuite):
    @pytest.fixture
    def cache(self):
        return MemoryCache()


class TestMemoryCacheAsync(AsyncCacheTestSuite):
    @pytest.fixture
    async def cache(self):
        return MemoryCache()


class TestSQLiteCache(SyncCacheTestSuite):
    @pytest.fixture
    def cache(self, sqlite_cache):
        return sqlite_cache


class TestSQLiteCacheAsync(AsyncCacheTestSuite):
    @pytest.fixture
    async def cache(self, sqlite_cache):
        return sqlite_cache


class TestRedisCache(SyncCacheTestSuite):
    @pytest.fixture
    def cache(self, redis_cache):
        return redis_cache


class TestRedisCacheAsync(AsyncCacheTestSuite):
    @pytest.fixture
    async def cache(self, redis_cache):
        return redis_cache
