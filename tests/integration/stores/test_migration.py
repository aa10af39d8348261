"""Moving between stores: what is copied, what is refused, and what a second look says."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from itertools import pairwise

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from store_worlds import KINDS, address_of

from ziggurat.errors import EmbeddingMismatch, IndexFault, InputError
from ziggurat.index import VectorIndex
from ziggurat.progress import silent
from ziggurat.stores import migrate, open_store
from ziggurat.testing import FakeEmbeddings

ROWS = 90


@pytest.fixture
def model():
    return FakeEmbeddings(8)


@pytest.fixture
def index(tmp_path, model):
    with open_store(tmp_path / "index", model) as index:
        index.add_texts(
            [f"the {at}th floor of the tower" for at in range(ROWS)],
            [
                {"floor": at, "even": at % 2 == 0, "tags": [at], "none": None, "ü": {"deep": [1, 2.5]}}
                for at in range(ROWS)
            ],
            ids=[f"floor-{at}" for at in range(ROWS)],
        )
        model.texts = 0
        yield index


@pytest.fixture
def world(tmp_path):
    """Opens new stores by kind; all are closed in the end."""
    with contextlib.ExitStack() as stack:

        def opened(kind, embedding=None):
            address, options = stack.enter_context(address_of(kind, tmp_path, 8))
            return stack.enter_context(open_store(address, embedding, **options))

        yield opened


def contents(store):
    return {one: (text, metadata) for page in store.records(7) for one, text, metadata, _ in zip(*page, strict=True)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_migration_there_and_back_keeps_everything_and_embeds_nothing(kind, index, world, tmp_path, model):
    there, back = world(kind), world("index")
    report = migrate(index, there, batch=20, progress=silent)
    assert (report.read, report.written, report.unchanged, report.embedded) == (ROWS, ROWS, 0, 0)
    assert report.compared > 50
    migrate(there, back, batch=20, progress=silent)
    assert contents(back) == contents(index)
    assert model.texts == 0
    asked = model.embed_query("the 7th floor")
    expected = scores(index, asked)
    assert scores(there, asked) == pytest.approx(expected, abs=1e-5)
    assert scores(back, asked) == pytest.approx(expected, abs=1e-5)


def scores(store, vector):
    found = store.similarity_search_with_score_by_vector(vector, k=9, filter={"floor": {"$lt": 50}})
    assert all(document.metadata["floor"] < 50 for document, _ in found)
    return [score for _, score in found]


def test_between_two_stores_of_another_make_nothing_of_ours_is_needed(index, world):
    names = [kind for kind in KINDS if kind != "index"]
    stores = [world(kind) for kind in names]
    migrate(index, stores[0], progress=silent)
    for source, target in pairwise(stores):
        assert migrate(source, target, progress=silent).written == ROWS
    assert contents(stores[-1]) == contents(index)


def test_a_second_migration_writes_nothing_and_a_change_is_carried_over_alone(index, world):
    there = world("lancedb")
    migrate(index, there, progress=silent)
    version = there._backend._table.version
    again = migrate(index, there, progress=silent)
    assert (again.written, again.unchanged, again.others) == (0, ROWS, 0)
    assert there._backend._table.version == version
    index.add_texts(["a floor that was rebuilt"], [{"floor": 7}], ids=["floor-7"])
    changed = migrate(index, there, progress=silent)
    assert (changed.written, changed.unchanged) == (1, ROWS - 1)
    assert there.get_by_ids(["floor-7"])[0].metadata == {"floor": 7}


def test_what_the_target_holds_beyond_the_source_stays_and_is_told(index, world, model):
    there = world("qdrant", model)
    there.add_texts(["a stranger"], ids=["stranger"])
    report = migrate(index, there, progress=silent)
    assert report.others == 1
    assert len(there) == ROWS + 1


def test_the_target_remembers_the_model_and_its_spec(index, world):
    there = world("chroma")
    assert there.fingerprint is None
    migrate(index, there, progress=silent)
    assert there.fingerprint == "ziggurat.testing.embeddings.FakeEmbeddings(dimensions=8)"
    with pytest.raises(EmbeddingMismatch, match=r"FakeEmbeddings\(dimensions=8\)"):
        open_store(str(there.address), FakeEmbeddings(9))


@pytest.mark.parametrize("kind", ["index", "chroma", "postgres"])
def test_vectors_of_another_model_are_refused_before_anything_is_written(kind, index, world):
    there = world(kind, DeterministicFakeEmbedding(size=8))
    with pytest.raises(EmbeddingMismatch) as caught:
        migrate(index, there, progress=silent)
    assert "FakeEmbeddings" in caught.value.what
    assert "re_embed=True" in (caught.value.fix or "")
    assert len(there) == 0


@pytest.mark.parametrize("kind", ["index", "lancedb"])
def test_texts_are_embedded_again_only_when_told_to(kind, index, world):
    other = FakeEmbeddings(5)
    there = world(kind, other)
    report = migrate(index, there, re_embed=True, progress=silent)
    assert (report.written, report.embedded, other.texts) == (ROWS, ROWS, ROWS)
    again = migrate(index, there, re_embed=True, progress=silent)
    assert (again.written, again.embedded, other.texts) == (0, 0, ROWS)
    vectors = next(there.records(ROWS)).vectors
    assert vectors.shape == (ROWS, 5)


def test_a_source_that_does_not_tell_its_model_is_refused_until_it_is_told(tmp_path, world, model):
    from langchain_chroma import Chroma

    plain = Chroma("notes", model, persist_directory=str(tmp_path / "plain"))
    plain.add_texts(["one", "two"], ids=["a", "b"])
    address = f"chroma:{tmp_path / 'plain'}?collection=notes"
    target = world("index")
    with open_store(address) as source:
        with pytest.raises(InputError, match="Nothing tells which embedding model"):
            migrate(source, target, progress=silent)
        with pytest.raises(InputError, match="does not tell which embedding model"):
            source.similarity_search("one")
    with open_store(address, model) as source:
        assert migrate(source, target, progress=silent).written == 2
    assert {one.page_content for one in target.get_by_ids(["a", "b"])} == {"one", "two"}
    plain._client.close()


def test_a_target_that_holds_vectors_of_nobody_knows_which_model_is_refused(tmp_path, index, model):
    from langchain_chroma import Chroma

    plain = Chroma("notes", model, persist_directory=str(tmp_path / "plain"))
    plain.add_texts(["one"], ids=["a"])
    with (
        open_store(f"chroma:{tmp_path / 'plain'}?collection=notes") as target,
        pytest.raises(InputError, match="that the target holds"),
    ):
        migrate(index, target, progress=silent)
    plain._client.close()


def test_a_store_is_not_migrated_into_itself(index, tmp_path):
    with open_store(tmp_path / "." / "index") as same, pytest.raises(InputError, match="into itself"):
        migrate(index, same, progress=silent)


def test_a_dry_run_tells_what_a_migration_would_do_and_writes_nothing(index, world):
    there = world("chroma")
    report = migrate(index, there, dry_run=True, progress=silent)
    assert (report.read, report.written, report.dry_run) == (ROWS, ROWS, True)
    assert "to write" in str(report)
    assert len(there) == 0
    assert there.fingerprint is None


def test_an_empty_source_is_no_error(world):
    report = migrate(world("qdrant"), world("index"), progress=silent)
    assert (report.read, report.written, report.compared) == (0, 0, 0)


def test_a_record_that_cannot_be_stored_is_left_out_with_its_reason(tmp_path, world, model):
    from langchain_chroma import Chroma

    plain = Chroma("notes", model, persist_directory=str(tmp_path / "plain"))
    plain.add_texts(["one", "   ", "three"], ids=["a", "blank", "c"])
    target = world("index")
    with open_store(f"chroma:{tmp_path / 'plain'}?collection=notes", model) as source:
        report = migrate(source, target, progress=silent)
    assert [str(one) for one in report.left_out] == ["blank: A text is empty: there is nothing to find in it."]
    assert len(target) == 2
    plain._client.close()


def test_a_target_that_loses_what_it_was_given_is_found_out(index, world, monkeypatch):
    monkeypatch.setattr("ziggurat.stores.migration._PATIENCE", (0.0,))
    there = world("qdrant")
    put = type(there._backend).put

    def forgetful(self, records):
        put(self, records._replace(texts=[text.replace("floor", "flour") for text in records.texts]))

    monkeypatch.setattr(type(there._backend), "put", forgetful)
    with pytest.raises(IndexFault, match="does not hold what was written"):
        migrate(index, there, progress=silent)


def test_progress_is_told_in_records(index, world):
    seen = []

    @contextlib.contextmanager
    def counting(label, total, unit="items"):
        class Counter:
            def advance(self, amount=1):
                seen.append(amount)

        seen.append(total)
        yield Counter()

    migrate(index, world("qdrant"), batch=40, progress=counting)
    assert seen == [ROWS, 40, 40, 10]


def test_documents_of_an_index_bring_their_places_along(tmp_path, world, model):
    (tmp_path / "a.md").write_text("# Towers\n\nThe tower has seven floors.\n\n# Rivers\n\nThe river flows.\n")
    with VectorIndex.create(tmp_path / "documents", model) as source:
        source.add_files(tmp_path / "a.md")
        there = world("chroma")
        migrate(source, there, progress=silent)
        ids = [one for page in source.records() for one in page.ids]
        assert {one.id: one.metadata for one in there.get_by_ids(ids)} == {
            one.id: one.metadata for one in source.get_by_ids(ids)
        }
        assert "start_index" in there.get_by_ids(ids)[0].metadata


SCRIPT = """
import sys
from ziggurat.progress import silent
from ziggurat.stores import migrate, open_store
with open_store(sys.argv[1]) as source, open_store(sys.argv[2]) as target:
    print("begun", flush=True)
    migrate(source, target, batch=4, progress=silent)
    print("done", flush=True)
"""


@pytest.mark.parametrize("kind", ["chroma", "lancedb", "postgres", "index"])
def test_a_migration_that_is_killed_goes_on_where_it_stopped(kind, index, tmp_path):
    index_path = str(tmp_path / "index")
    chance = random.Random(kind)
    with address_of(kind, tmp_path, 8) as (address, _):
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(SCRIPT), index_path, address],
                stdout=subprocess.PIPE,
                env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
            )
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            time.sleep(chance.uniform(0.0, 0.15))
            process.send_signal(signal.SIGKILL)
            process.communicate()
        with open_store(address) as target:
            report = migrate(index, target, progress=silent)
            assert report.written + report.unchanged == ROWS
            assert contents(target) == contents(index)
            pages = list(target.records(ROWS))
            assert np.allclose(np.linalg.norm(np.concatenate([page.vectors for page in pages]), axis=1), 1, atol=1e-5)
