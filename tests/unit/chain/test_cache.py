"""The cache: found is whole, bounded is bounded, and a broken file costs values and never a run."""

import hashlib
import logging
import os
import random
import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest

from ziggurat.chain import database
from ziggurat.chain.cache import SCHEMA, Cache, CacheStats
from ziggurat.chain.journal import Journal
from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.errors import InputError, JournalTooNew, ValueNotReadable

SPENT = Usage((ModelUsage("gpt", "openai", 1, 2, 0, 1),))


def large(number, size=10_000):
    data = random.Random(number).randbytes(size)
    return hashlib.sha256(data).digest(), data


@pytest.fixture(params=["memory", "file"])
def place(request, tmp_path):
    return None if request.param == "memory" else tmp_path / "sub" / "cache.sqlite3"


@pytest.fixture
def cache(place):
    with Cache(place) as cache:
        yield cache


@pytest.fixture
def where(tmp_path):
    return tmp_path / "cache.sqlite3"


def test_a_value_is_found_with_what_it_cost_and_where_it_was_made(cache):
    hash_, data = large(1)
    cache.put(b"k", b"value", blobs={hash_: data}, usage=SPENT, seconds=1.5, run="r1", path="qa[3]/answer")
    hit = cache.get(b"k")
    assert (hit.value, hit.usage, hit.seconds, hit.run, hit.path) == (b"value", SPENT, 1.5, "r1", "qa[3]/answer")
    assert hit.blobs == {hash_: data}
    assert cache.blob(hash_) == data
    assert cache.get(b"other") is None


def test_a_later_value_takes_the_place_of_an_earlier_one(cache):
    first, second = large(1), large(2)
    cache.put(b"k", b"1", blobs=dict([first, second]))
    cache.put(b"k", b"2", blobs=dict([second]))
    assert cache.get(b"k").value == b"2"
    assert list(cache.get(b"k").blobs) == [second[0]]
    assert cache.stats().entries == 1
    cache.put(b"k", b"3")
    assert cache.get(b"k").blobs == {}


def test_hits_and_misses_are_counted_and_asking_is_neither(cache):
    cache.put(b"k", b"12345")
    assert cache.has(b"k")
    assert not cache.has(b"j")
    cache.get(b"k")
    cache.get(b"j")
    cache.get(b"k")
    assert cache.stats() == CacheStats(entries=1, bytes=5, hits=2, misses=1, evicted=0)


def test_it_is_never_larger_than_its_bound(place):
    with Cache(place, max_bytes=50_000) as cache:
        for at in range(200):
            cache.put(b"%d" % at, bytes(1000))
            assert cache.stats().bytes <= 50_000
        stats = cache.stats()
        assert stats.entries + stats.evicted == 200
        assert stats.entries >= 40
        assert cache.has(b"199")
        assert not cache.has(b"0")


def test_it_never_has_more_entries_than_its_bound(place):
    with Cache(place, max_entries=20) as cache:
        for at in range(100):
            cache.put(b"%d" % at, b"v")
        assert 15 <= cache.stats().entries <= 20


def test_what_was_used_longest_ago_leaves_first(place):
    with Cache(place, max_entries=10) as cache:
        for at in range(10):
            cache.put(b"%d" % at, b"v")
        for at in (0, 1, 2):
            cache.get(b"%d" % at)
        for at in range(10, 15):
            cache.put(b"%d" % at, b"v")
        assert [at for at in range(15) if cache.has(b"%d" % at)][:3] == [0, 1, 2]
        assert not cache.has(b"3")


def test_asking_whether_there_is_a_value_does_not_keep_it(place):
    with Cache(place, max_entries=10) as cache:
        for at in range(10):
            cache.put(b"%d" % at, b"v")
        cache.has(b"0")
        cache.put(b"10", b"v")
        assert not cache.has(b"0")


def test_uses_are_remembered_after_closing(where):
    with Cache(where, max_entries=10) as cache:
        for at in range(10):
            cache.put(b"%d" % at, b"v")
        cache.get(b"0")
    with Cache(where, max_entries=10) as cache:
        cache.put(b"10", b"v")
        assert cache.has(b"0")
        assert not cache.has(b"1")


def test_a_value_larger_than_the_cache_is_not_kept(place):
    with Cache(place, max_bytes=10_000) as cache:
        cache.put(b"small", b"v")
        cache.put(b"large", bytes(10_001))
        cache.put(b"with blob", b"v", blobs=dict([large(1)]))
        assert not cache.has(b"large")
        assert not cache.has(b"with blob")
        assert cache.has(b"small")


def test_large_bytes_leave_with_the_last_value_that_refers_to_them(place):
    shared, own = large(1), large(2)
    with Cache(place, max_bytes=45_000) as cache:
        cache.put(b"a", b"v", blobs=dict([shared, own]))
        cache.put(b"b", b"v", blobs=dict([shared]))
        cache.put(b"c", bytes(14_000))
        cache.put(b"d", bytes(14_000))
        assert [cache.has(key) for key in (b"a", b"b")] == [False, True]
        assert cache.blob(shared[0]) == shared[1]
        with pytest.raises(ValueNotReadable, match="left the cache"):
            cache.blob(own[0])


def test_a_value_whose_large_bytes_are_gone_is_no_hit(cache):
    cache.put(b"k", b"v", blobs=dict([large(1), large(2)]))
    cache._db.write("DELETE FROM blobs WHERE hash = ?", (large(2)[0],))
    assert cache.get(b"k") is None


def test_it_can_be_emptied(cache):
    cache.put(b"k", b"v", blobs=dict([large(1)]))
    cache.get(b"k")
    cache.clear()
    assert cache.stats().entries == cache.stats().bytes == 0
    assert cache.get(b"k") is None
    assert cache._db.rows("SELECT count(*) FROM blobs") == [(0,)]


def test_it_is_shared_by_threads(cache):
    failures = []

    def work(name):
        for at in range(100):
            cache.put(b"%s%d" % (name, at), name * 100, blobs=dict([large(at % 5, 5000)]))
            hit = cache.get(b"%s%d" % (name, at))
            if hit is None or hit.value != name * 100:
                failures.append((name, at))

    threads = [threading.Thread(target=work, args=(name,)) for name in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert cache.stats().entries == 400


def test_it_is_shared_by_processes(where):
    code = """
    import sys
    from ziggurat.chain.cache import Cache
    with Cache(sys.argv[1], max_bytes=200_000) as cache:
        for at in range(200):
            cache.put(f"{sys.argv[2]}{at}".encode(), bytes(2000))
            hit = cache.get(f"{sys.argv[2]}{at}".encode())
            assert hit is None or hit.value == bytes(2000)  # the others may have needed the room
    """
    workers = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), where, name]) for name in "abc"]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    with Cache(where, max_bytes=200_000) as cache:
        cache.put(b"last", bytes(2000))
        assert cache.stats().bytes <= 200_000
        assert cache.get(b"last") is not None


def test_what_is_in_the_file_is_found_by_the_next_process(where):
    with Cache(where) as cache:
        cache.put(b"k", b"v", usage=SPENT)
    with Cache(where) as cache:
        assert cache.get(b"k").usage == SPENT


# -- what goes wrong --------------------------------------------------------------------------------------------------


def aside(where):
    names = (one.name for one in where.parent.iterdir() if ".damaged-" in one.name)
    return sorted(name for name in names if not name.endswith(("-wal", "-shm")))


@pytest.mark.parametrize("content", [b"garbage " * 5000, b"SQLite format 3\0" + os.urandom(20_000), b"\0" * 5000])
def test_a_damaged_file_is_put_aside_with_one_warning_and_begun_anew(where, content, caplog):
    where.write_bytes(content)
    with caplog.at_level(logging.WARNING), Cache(where) as cache:
        assert cache.get(b"k") is None
        cache.put(b"k", b"v")
        assert cache.get(b"k").value == b"v"
    assert len(caplog.records) == 1
    assert "begun anew" in caplog.text
    assert [(where.parent / name).read_bytes() for name in aside(where)] == [content]


def test_damage_in_mid_run_costs_values_and_no_exception(where, caplog):
    with Cache(where) as cache:
        for at in range(300):
            cache.put(b"%d" % at, bytes(3000))
    data = bytearray(where.read_bytes())
    data[8192:] = os.urandom(len(data) - 8192)
    with caplog.at_level(logging.WARNING):
        where.write_bytes(data)
        with Cache(where) as cache:
            for at in range(300):
                cache.get(b"%d" % at)
                cache.put(b"%d" % at, b"again")
                cache.has(b"%d" % at)
            assert cache.get(b"299").value == b"again"
            assert cache.stats().entries >= 250
    assert len(caplog.records) == 1
    assert len(aside(where)) == 1


def test_the_second_process_that_sees_the_damage_keeps_what_the_first_began(where, caplog):
    first, second = Cache(where), Cache(where)
    first.put(b"k", b"v")
    error = database.JournalCorrupt("it is torn")
    with caplog.at_level(logging.WARNING):
        first._begin_anew(error)
        first.put(b"new", b"v")
        second._begin_anew(error)
    assert second.get(b"new").value == b"v"
    assert len(aside(where)) == 1
    first.close()
    second.close()


def test_a_full_disk_costs_values_and_one_warning(where, caplog):
    with caplog.at_level(logging.WARNING), Cache(where) as cache:
        cache.put(b"k", b"v")
        pages = cache._db.rows("PRAGMA page_count")[0][0]
        cache._db.rows(f"PRAGMA max_page_count = {pages}")
        for at in range(50):
            cache.put(b"%d" % at, bytes(5000))
            cache.put(b"b%d" % at, b"v", blobs=dict([large(at)]))
        assert cache.get(b"k").value == b"v"
        cache._db.rows("PRAGMA max_page_count = 1073741823")
        cache.put(b"later", b"v")
        assert cache.get(b"later").value == b"v"
    assert len(caplog.records) == 1
    assert "disk is full" in caplog.text


def test_a_locked_file_costs_values_and_one_warning(where, monkeypatch, caplog):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with caplog.at_level(logging.WARNING), Cache(where) as cache:
        other = sqlite3.connect(where, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        cache.put(b"k", b"v")
        cache.put(b"j", b"v")
        other.execute("COMMIT")
        other.close()
        assert not cache.has(b"k")
        cache.put(b"k", b"v")
        assert cache.has(b"k")
    assert len(caplog.records) == 1


def test_a_later_versions_cache_is_refused_and_left_alone(where):
    with sqlite3.connect(where) as connection:
        connection.execute("CREATE TABLE a (b)")
        connection.execute(f"PRAGMA application_id = {SCHEMA.application_id}")
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(JournalTooNew, match="cache has schema version 9"):
        Cache(where)
    assert aside(where) == []


def test_a_journal_is_not_taken_for_a_cache(where):
    Journal(where).close()
    with pytest.raises(InputError, match="another database, and no cache"):
        Cache(where)
    with Journal(where) as journal:
        assert journal.verify() == []


@pytest.mark.parametrize("bounds", [{"max_bytes": 0}, {"max_entries": -1}])
def test_a_bound_that_is_not_positive_is_refused(bounds):
    with pytest.raises(InputError, match="positive"):
        Cache(**bounds)


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match="directory"):
        Cache(tmp_path)


def test_a_closed_cache_says_so(where):
    cache = Cache(where)
    cache.close()
    cache.close()
    with pytest.raises(InputError, match="closed"):
        cache.get(b"k")
