"""Another embedding model for an index: the old vectors serve until the new ones are all there."""

import threading

import pytest

from ziggurat.errors import EmbeddingMismatch, InputError
from ziggurat.index import VectorIndex, reembed
from ziggurat.testing import FakeEmbeddings

TEXTS = [f"text number {number}" for number in range(30)]


class Halting(FakeEmbeddings):
    """Stops after some batches, as a killed process would."""

    fingerprint = "halting"

    def __init__(self, dimensions, left):
        super().__init__(dimensions)
        self.left = left

    def embed_documents(self, texts):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().embed_documents(texts)


@pytest.fixture
def index(tmp_path):
    with VectorIndex.create(tmp_path / "kb", "fake:32") as made:
        made.add_texts(TEXTS, ids=[str(number) for number in range(30)])
        yield made


@pytest.fixture(autouse=True)
def small_commits(monkeypatch):
    monkeypatch.setattr(reembed, "BATCH", 4)


def best(index):
    return index.search("text number 7", k=1, mode="dense")[0]


def test_after_it_the_index_is_as_if_it_had_been_built_with_the_new_model(index, tmp_path):
    report = index.reembed("fake:48")
    assert (report.embedded, report.kept) == (30, 0)
    assert "48" in report.after
    assert "32" in report.before
    with VectorIndex.create(tmp_path / "fresh", "fake:48") as fresh:
        fresh.add_texts(TEXTS, ids=[str(number) for number in range(30)])
        scores = [[hit.score for hit in one.search("text", k=9, mode="dense")] for one in (fresh, index)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert index.verify(probe=30).ok
    assert index.stats().dimensions == 48
    index.add_texts(["one more"])
    assert len(index) == 31


def test_the_same_model_again_is_nothing_to_do(index):
    generation = index.generation
    assert index.reembed("fake:32").embedded == 0
    assert index.generation == generation


def test_until_it_is_done_the_old_vectors_serve_and_a_stopped_run_goes_on(index):
    before, generation = best(index), index.generation
    with pytest.raises(KeyboardInterrupt):
        index.reembed(Halting(64, left=3))
    assert best(index) == before
    assert index.generation == generation
    index.delete(["0"])
    index.add_texts(["a late text"], ids=["late"])
    report = index.reembed(Halting(64, left=100))
    assert (report.kept, report.embedded) == (11, 19)
    assert index.verify(probe=30).ok
    assert index.search("a late text", k=1, mode="dense")[0].chunk_id == "late"


def test_vectors_of_a_model_that_was_given_up_are_not_used(index):
    with pytest.raises(KeyboardInterrupt):
        index.reembed(Halting(64, left=3))
    assert index.reembed("fake:48").kept == 0
    assert index.verify(probe=30).ok


def test_another_handle_changes_over_with_its_next_search(index):
    with VectorIndex.open(index.path) as other, VectorIndex.open(index.path, FakeEmbeddings(32)) as fixed:
        best(other)
        best(fixed)
        index.reembed("fake:48")
        assert best(other).chunk_id == best(index).chunk_id
        assert other.stats().dimensions == 48
        with pytest.raises(EmbeddingMismatch, match="fake:48"):
            best(fixed)


def test_a_pinned_run_goes_on_with_the_old_model(index):
    before = best(index)
    with index.pinned():
        index.reembed("fake:48")
        assert best(index) == before
        assert index.search("text number 7", k=3)
    assert best(index).chunk_id == before.chunk_id
    assert index.stats().dimensions == 48


def test_searches_and_commits_go_on_meanwhile(index):
    faults, stop = [], threading.Event()

    def search():
        while not stop.is_set():
            try:
                assert best(index).chunk_id == "7"
            except Exception as error:  # noqa: BLE001 (told to the test)
                faults.append(error)
                return

    def write():
        for number in range(20):
            try:
                with VectorIndex.open(index.path) as other:
                    other.add_texts([f"more of {number}"])
            except EmbeddingMismatch:
                pass  # the change fell between opening and writing
            except Exception as error:  # noqa: BLE001 (told to the test)
                faults.append(error)

    threads = [threading.Thread(target=search), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    for size in (48, 32, 64):
        index.reembed(f"fake:{size}")
    threads[1].join()
    stop.set()
    threads[0].join()
    assert faults == []
    assert index.verify(probe=100).ok


def test_two_models_at_once_are_refused(index):
    class Meddling(FakeEmbeddings):
        fingerprint = "meddling"

        def embed_documents(self, texts):
            reembed._begin(index._engine, {"spec": None, "fingerprint": "third"})
            return super().embed_documents(texts)

    with pytest.raises(InputError, match="another model"):
        index.reembed(Meddling(16))
