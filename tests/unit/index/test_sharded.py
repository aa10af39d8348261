"""An index in several shards finds what one index of the same texts finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ziggurat.errors import EmbeddingMismatch, IndexCorrupt, IndexNotFound, InputError
from ziggurat.index import VectorIndex
from ziggurat.index.rarity import BUDGET
from ziggurat.index.shard_list import SHARDS_FILE, shard_of, write_shard_names
from ziggurat.index.sharded import ShardedIndex
from ziggurat.testing import FakeEmbeddings

WORDS = (
    "belt motor house river stone paper music light doctor winter 天气 机器 crème über the of and is in a "
    "engine battery garden window bottle mountain teacher letter market station"
).split()
QUESTIONS = [
    "the motor of the house",
    "机器 belt",
    "creme in winter",
    "where is the teacher",
    "a",
    "stone paper music light",
]


def _texts(count: int) -> list[str]:
    texts = []
    for number in range(count):
        words = [WORDS[(number * 7 + at * at * (number % 11 + 1)) % len(WORDS)] for at in range(3 + number % 40)]
        texts.append(f"{' '.join(words)} number {number % 90}.")
    return texts


def _fill(index: VectorIndex, numbered: list[tuple[int, str]]) -> None:
    index.add_texts(
        [text for _, text in numbered],
        [{"part": number % 3} for number, _ in numbered],
        ids=[f"id-{number:05d}" for number, _ in numbered],
    )


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return _texts(600)


@pytest.fixture(scope="module")
def plain(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorIndex]:
    with VectorIndex.create(tmp_path_factory.mktemp("plain") / "index", FakeEmbeddings(64)) as index:
        _fill(index, list(enumerate(texts)))
        yield index


def _sharded(folder: Path, texts: list[str], count: int) -> ShardedIndex:
    numbered = list(enumerate(texts))
    for number, name in enumerate(write_shard_names(folder, count)):
        with VectorIndex.create(folder / name, FakeEmbeddings(64)) as shard:
            mine = [one for one in numbered if shard_of(f"id-{one[0]:05d}", count) == number]
            if mine:
                _fill(shard, mine)
    return ShardedIndex.open(folder, FakeEmbeddings(64))


@pytest.mark.parametrize("count", [1, 4, 7])
@pytest.mark.parametrize("mode", ["hybrid", "dense", "words"])
def test_any_number_of_shards_finds_what_one_index_finds(plain, texts, tmp_path, count, mode):
    with _sharded(tmp_path / "shards", texts, count) as sharded:
        assert len(sharded) == len(plain)
        for question in QUESTIONS:
            for given in (None, {"part": 1}):
                wanted = plain.search(question, k=12, mode=mode, filter=given)
                found = sharded.search(question, k=12, mode=mode, filter=given)
                assert [hit.chunk_id for hit in found] == [hit.chunk_id for hit in wanted]
                assert [hit.score for hit in found] == pytest.approx([hit.score for hit in wanted], abs=1e-6)
                assert [(hit.text, hit.metadata, hit.position) for hit in found] == [
                    (hit.text, hit.metadata, hit.position) for hit in wanted
                ]


def test_the_words_leg_scores_bit_for_bit_as_one_index_does(plain, texts, tmp_path):
    with _sharded(tmp_path / "shards", texts, 4) as sharded:
        for question in QUESTIONS:
            wanted = {hit.chunk_id: hit.score for hit in plain.search(question, k=50, mode="words")}
            found = {hit.chunk_id: hit.score for hit in sharded.search(question, k=50, mode="words")}
            assert found == wanted


def test_common_words_are_left_out_by_how_often_they_stand_in_all_shards(tmp_path):
    # each shard alone would still ask for the common word: it stands in fewer places than the budget there
    texts = [f"common common word{number}" for number in range(BUDGET // 2 + 100)] + ["rare common"]
    with VectorIndex.create(tmp_path / "plain", FakeEmbeddings(8)) as plain:
        _fill(plain, list(enumerate(texts)))
        with _sharded(tmp_path / "shards", texts, 3) as sharded:
            for question in ("common rare", "common", "word7 common"):
                wanted = [(hit.chunk_id, hit.score) for hit in plain.search(question, k=5, mode="words")]
                assert [(hit.chunk_id, hit.score) for hit in sharded.search(question, k=5, mode="words")] == wanted


def test_hits_are_widened_to_the_parts_of_their_documents_as_in_one_index(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    for number in range(12):
        paragraphs = [f"Paragraph {at} of {WORDS[number]} says {WORDS[at]} and {WORDS[at + 9]}." * 4 for at in range(9)]
        (files / f"{number:02d}.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    with VectorIndex.create(tmp_path / "plain", FakeEmbeddings(64)) as plain:
        plain.sync(files)
        names = write_shard_names(tmp_path / "shards", 3)
        for number, name in enumerate(names):
            with VectorIndex.create(tmp_path / "shards" / name, FakeEmbeddings(64)) as shard:
                shard.sync([one for one in sorted(files.iterdir()) if shard_of(str(one), 3) == number])
        with ShardedIndex.open(tmp_path / "shards", FakeEmbeddings(64)) as sharded:
            for question in ("motor says winter", "river"):
                wanted = plain.search(question, k=4, parent=900)
                found = sharded.search(question, k=4, parent=900)
                assert [(hit.text, hit.position.start) for hit in found] == [
                    (hit.text, hit.position.start) for hit in wanted
                ]


def test_it_is_a_langchain_store_and_retriever(plain, texts, tmp_path):
    with _sharded(tmp_path / "shards", texts, 3) as sharded:
        wanted = plain.as_retriever(k=3).invoke("the motor")
        assert sharded.as_retriever(k=3).invoke("the motor") == wanted
        assert sharded.similarity_search("the motor", 3) == plain.similarity_search("the motor", 3)
        vector = FakeEmbeddings(64).embed_query("the motor")
        assert sharded.similarity_search_by_vector(vector, 3) == plain.similarity_search_by_vector(vector, 3)
        diverse = {"k": 4, "fetch_k": 30, "lambda_mult": 0.3, "filter": {"part": 2}}
        wanted = plain.max_marginal_relevance_search("the motor", **diverse)
        assert sharded.max_marginal_relevance_search("the motor", **diverse) == wanted
        ids = ["id-00500", "id-00001", "nobody", "id-00001"]
        assert sharded.get_by_ids(ids) == plain.get_by_ids(ids)


def test_a_pinned_search_sees_the_generations_it_began_with(texts, tmp_path):
    with _sharded(tmp_path / "shards", texts[:40], 2) as sharded:
        before = sharded.search("zebra", k=3, mode="words")
        identity = sharded.stage_identity
        with sharded.stage_pin():
            with VectorIndex.open(tmp_path / "shards" / "shard-00001", FakeEmbeddings(64)) as shard:
                shard.add_texts(["a zebra"])
            assert sharded.search("zebra", k=3, mode="words") == before == []
        assert [hit.text for hit in sharded.search("zebra", k=3, mode="words")] == ["a zebra"]
        assert sharded.stage_identity != identity


def test_empty_shards_and_an_empty_index_find_nothing_and_do_no_harm(tmp_path):
    with _sharded(tmp_path / "one", ["only a motor"], 5) as sharded:
        assert [hit.text for hit in sharded.search("motor")] == ["only a motor"]
    with _sharded(tmp_path / "none", [], 2) as empty:
        assert empty.search("motor") == []
        assert empty.search("motor", mode="words") == []


def test_what_is_no_sharded_index_is_refused_with_what_to_do(plain, tmp_path):
    with pytest.raises(IndexNotFound, match="no sharded index"):
        ShardedIndex.open(tmp_path)
    (tmp_path / SHARDS_FILE).write_text("{")
    with pytest.raises(IndexCorrupt, match="cannot be read"):
        ShardedIndex.open(tmp_path)
    (tmp_path / SHARDS_FILE).write_text('{"format": 1, "shards": ["shard-00000"]}')
    with pytest.raises(IndexNotFound):
        ShardedIndex.open(tmp_path)


def test_the_number_of_shards_is_for_good(tmp_path):
    write_shard_names(tmp_path / "shards", 3)

    assert write_shard_names(tmp_path / "shards", 3) == ["shard-00000", "shard-00001", "shard-00002"]
    with pytest.raises(InputError, match="has 3 shards, not 4"):
        write_shard_names(tmp_path / "shards", 4)


def test_shards_of_different_models_are_not_searched_as_one(tmp_path):
    for name, size in zip(write_shard_names(tmp_path / "shards", 2), (8, 16), strict=True):
        with VectorIndex.create(tmp_path / "shards" / name, FakeEmbeddings(size)) as shard:
            shard.add_texts(["a text"])

    with pytest.raises(EmbeddingMismatch, match="different embedding models"):
        ShardedIndex.open(tmp_path / "shards")


def test_what_needs_one_index_is_refused(texts, tmp_path):
    with _sharded(tmp_path / "shards", texts[:5], 2) as sharded:
        with pytest.raises(InputError, match="multihop"):
            sharded.search("motor", mode="multihop")
        with pytest.raises(InputError, match="not added to"):
            sharded.add_texts(["more"])
        with pytest.raises(InputError, match="built from a source"):
            ShardedIndex.from_texts(["more"], FakeEmbeddings(8))
