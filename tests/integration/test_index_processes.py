"""Several processes, and several threads, on one index."""

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ziggurat.errors import EmbeddingMismatch, InputError
from ziggurat.index import VectorIndex, dense
from ziggurat.testing import FakeEmbeddings

WRITER = """
    import sys
    from ziggurat.index import VectorIndex, dense
    from ziggurat.testing import FakeEmbeddings

    dense.LARGEST_TAIL = 30
    name, count = sys.argv[2], int(sys.argv[3])
    with VectorIndex.open_or_create(sys.argv[1], FakeEmbeddings(16)) as index:
        for at in range(count):
            index.add_texts([f"text {at} of writer {name}", "fought over"], ids=[f"{name}{at}", "shared"])
            if at % 10 == 9:
                index.delete([f"{name}{at - 5}"])
"""


def start_writer(path: Path, name: str, count: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(WRITER), str(path), name, str(count)])


def test_two_processes_write_at_once_and_a_third_reads_whole_generations_meanwhile(tmp_path: Path):
    path = tmp_path / "index"
    writers = [start_writer(path, name, 100) for name in ("a", "b")]
    while not (path / "index.sqlite3").exists():
        time.sleep(0.01)
    seen: list[int] = []
    reader = VectorIndex.open_or_create(path, FakeEmbeddings(16))
    with reader:
        while any(writer.poll() is None for writer in writers):
            hits = reader.search("text of writer", k=5)
            assert all(hit.dense or hit.words for hit in hits)
            assert len(reader.get_by_ids(["shared"])) == (1 if len(reader) else 0)
            seen.append(reader.generation)
            time.sleep(0.005)
        assert [writer.wait() for writer in writers] == [0, 0]
        expected = {f"{name}{at}" for name in "ab" for at in range(100) if at % 10 != 4} | {"shared"}
        found = {document.id for document in reader.similarity_search("text of writer a and b", k=1000)}
        assert found == expected
        health = reader.verify()
        assert health.ok, str(health)
    assert seen == sorted(seen)
    assert len(set(seen)) > 3, "the reader saw nothing happen"


def test_a_reader_sees_a_commit_of_another_connection_at_its_next_search(tmp_path: Path):
    with (
        VectorIndex.create(tmp_path / "index", FakeEmbeddings()) as writer,
        VectorIndex.open(tmp_path / "index", FakeEmbeddings(), read_only=True) as reader,
    ):
        assert reader.search("anything") == []
        writer.add_texts(["the gate is open"], ids=["gate"])
        assert reader.search("gate", k=1)[0].chunk_id == "gate"
        writer.add_texts(["the gate is shut", "a wall"], ids=["gate", "wall"])
        assert reader.search("gate", k=1)[0].text == "the gate is shut"
        assert reader.generation == writer.generation == 2
        writer.delete(["gate"])
        assert [hit.chunk_id for hit in reader.search("gate")] == ["wall"]
        writer.delete()
        assert reader.search("gate") == []


def test_a_reader_keeps_up_while_snapshots_are_replaced_under_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(dense, "LARGEST_TAIL", 20)
    draw = np.random.default_rng(1)
    with (
        VectorIndex.create(tmp_path / "index", FakeEmbeddings(8)) as writer,
        VectorIndex.open(tmp_path / "index", FakeEmbeddings(8)) as reader,
    ):
        for turn in range(12):
            vectors = draw.normal(size=(15, 8))
            ids = [f"{turn}.{at}" for at in range(15)]
            writer.add_vectors(ids, vectors, ids=ids)
            if turn > 1:
                writer.delete([f"{turn - 2}.{at}" for at in range(5)])
            if turn % 3 == 0:
                for at in (0, 7, 14):
                    assert reader.similarity_search_by_vector(vectors[at], k=1)[0].id == ids[at]
        assert {document.id for document in reader.similarity_search_by_vector(vectors[0], k=500)} == {
            document.id for document in writer.similarity_search_by_vector(vectors[0], k=500)
        }
        assert reader.stats().chunks == 12 * 15 - 10 * 5


def test_two_models_that_settle_a_new_index_at_once_cannot_both_win(tmp_path: Path):
    with (
        VectorIndex.create(tmp_path / "index", "local:some-model") as first,
        VectorIndex.open(tmp_path / "index", FakeEmbeddings(8)) as second,
        VectorIndex.open(tmp_path / "index", FakeEmbeddings(4)) as third,
    ):
        second.add_texts(["eight"])
        with pytest.raises((EmbeddingMismatch, InputError), match="8"):
            third.add_texts(["four"])
        with pytest.raises(InputError, match="dimensions"):
            first.add_vectors(["three"], [[1.0, 2.0, 3.0]])
        assert len(first) == 1


def test_threads_search_and_add_on_one_index(tmp_path: Path):
    with VectorIndex.create(tmp_path / "index", FakeEmbeddings(16)) as index:
        index.add_texts(["a first text"])
        failures: list[BaseException] = []

        def work(name: int) -> None:
            try:
                for at in range(25):
                    index.add_texts([f"thread {name} text {at}"], ids=[f"{name}.{at}"])
                    assert index.search(f"thread {name} text {at}", k=3)
            except BaseException as error:  # noqa: BLE001 (handed to the test)
                failures.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(index) == 151
        assert index.generation == 151


class Slow(FakeEmbeddings):
    """A model that takes its time in its own thread."""

    def embed_query(self, text: str) -> list[float]:
        time.sleep(0.2)
        return super().embed_query(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        time.sleep(0.2)
        return super().embed_documents(texts)


async def test_async_methods_leave_the_event_loop_free(tmp_path: Path):
    (tmp_path / "note.txt").write_text("A note about bees.")
    with VectorIndex.create(tmp_path / "index", Slow(8)) as index:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        ticking = asyncio.create_task(tick())
        await index.aadd_files(tmp_path / "note.txt")
        await index.aadd_texts(["a text about wasps"], ids=["w"])
        await index.aadd_vectors(["given"], [[1.0] * 8], ids=["v"])
        hits = await index.asearch("bees", k=1)
        await index.asimilarity_search("bees", k=1)
        await index.amax_marginal_relevance_search("bees", k=1)
        documents = await index.as_retriever(search_type="words").ainvoke("wasps")
        await index.adelete(["v"])
        ticking.cancel()
        assert hits[0].text == "A note about bees."
        assert documents[0].id == "w"
        assert len(index) == 2
        assert ticks > 50
