"""Cross-encoders: what they compute, how long pairs are cut, and what is refused."""

import asyncio
import time
from contextlib import contextmanager

import numpy as np
import pytest
import small_cross_encoders as small

from ziggurat import models, specs
from ziggurat.errors import InputError, ModelUnavailable, UnknownModel
from ziggurat.models.encoder.reranker import LocalReranker
from ziggurat.models.weights import catalogue
from ziggurat.testing import FakeReranker

QUESTION = "where does tea grow in winter ?"
TEXTS = ["tea grow in the cold valley .", "coffee", "the river freezes in winter . " * 9, "", "Unbekannt 茶 \ud83c"]


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("ZIGGURAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "home"


@pytest.fixture(params=["BERT", "ROBERTA"])
def made(request, tmp_path):
    return small.SmallCrossEncoder(tmp_path / "model", getattr(small, request.param))


def test_a_score_is_what_the_published_model_computes(made):
    reranker = models.reranker(f"local:{made.folder}")
    longest = small.ROWS - made.family["first_position"]
    expected = [made.score(QUESTION, text.replace("\ud83c", "?"), window=longest) for text in TEXTS]
    scores = reranker.score(QUESTION, TEXTS)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=0.01)
    assert np.ptp(expected) > 0.05


def test_a_score_does_not_depend_on_company_order_or_batches(made):
    reranker = LocalReranker(str(made.folder))
    together = reranker.score(QUESTION, TEXTS)
    alone = [reranker.score(QUESTION, [text])[0] for text in TEXTS]
    one_by_one = LocalReranker(str(made.folder), batch_tokens=1).score(QUESTION, TEXTS)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)
    np.testing.assert_allclose(together[::-1], reranker.score(QUESTION, TEXTS[::-1]), atol=1e-5)


def test_of_a_long_pair_the_end_of_the_text_is_left_out_and_the_question_is_kept(made):
    reranker = LocalReranker(str(made.folder), window=24)
    text = "tea grow in the valley . " * 4
    cut, longer = reranker.score(QUESTION, [text, text + "coffee warm mountain"])
    assert cut == pytest.approx(longer, abs=1e-5)
    assert cut == pytest.approx(made.score(QUESTION, text, window=24), abs=0.01)
    assert reranker.score("where does coffee grow in winter ?", [text])[0] != pytest.approx(cut, abs=1e-4)


def test_a_question_longer_than_half_the_window_leaves_the_other_half_to_the_text(made):
    reranker = LocalReranker(str(made.folder), window=24)
    long = "where does tea grow ? " * 40
    first, second = reranker.score(long, ["coffee", "the cold river"])
    assert first != second
    assert first == pytest.approx(reranker.score(long + "in winter", ["coffee"])[0], abs=1e-5)


def test_the_fingerprint_follows_the_files_and_what_is_read(made, tmp_path):
    first = LocalReranker(str(made.folder)).fingerprint
    assert first == LocalReranker(str(made.folder), batch_tokens=7).fingerprint
    assert first != LocalReranker(str(made.folder), window=24).fingerprint
    other = small.SmallCrossEncoder(tmp_path / "other", made.family, seed=4)
    assert first != LocalReranker(str(other.folder)).fingerprint
    assert str(tmp_path) not in first
    named = LocalReranker("mmarco-minilm-l12")
    assert named.fingerprint.startswith("local:mmarco-minilm-l12@5daeca2481a7;")


def test_files_of_ones_own_are_left_alone_and_converted_once(made, home):
    before = sorted(path.name for path in made.folder.iterdir())
    LocalReranker(str(made.folder)).score(QUESTION, ["tea"])
    assert sorted(path.name for path in made.folder.iterdir()) == before
    (converted,) = (home / "models").glob("own-*/openvino-*/model.xml")
    when = converted.stat().st_mtime_ns
    LocalReranker(str(made.folder), threads=1).score(QUESTION, ["tea"])
    assert converted.stat().st_mtime_ns == when


async def test_the_async_form_leaves_the_loop_free(made):
    reranker = LocalReranker(str(made.folder))
    await reranker.ascore(QUESTION, ["opened before the clock starts"])
    task = asyncio.ensure_future(reranker.ascore(QUESTION, TEXTS * 300))
    turns, began = 0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert len(await task) == 300 * len(TEXTS)
    assert turns > 10 or time.perf_counter() - began < 0.05


def test_progress_counts_every_text_once(made):
    seen = []

    @contextmanager
    def progress(label, total, unit="items"):
        class Counter:
            def advance(self, amount=1):
                seen.append(amount)

        assert total == len(TEXTS)
        yield Counter()

    LocalReranker(str(made.folder), progress=progress).score(QUESTION, TEXTS)
    assert sum(seen) == len(TEXTS)


def test_what_is_no_question_or_no_text_is_refused_before_anything_is_fetched():
    reranker = LocalReranker("mmarco-minilm-l12")
    with pytest.raises(InputError, match="not a question"):
        reranker.score(" \n", ["tea"])
    with pytest.raises(InputError, match="not one text"):
        reranker.score("tea?", "tea")
    with pytest.raises(InputError, match="Text 1 is int"):
        reranker.score("tea?", ["tea", 3])
    assert reranker.score("tea?", []).shape == (0,)


def test_weights_that_cannot_be_had_are_said_to_be():
    with pytest.raises(ModelUnavailable, match="Hugging Face hub"):
        LocalReranker("mmarco-minilm-l12").score("tea?", ["tea"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "no cross-encoder known here"),
        ({"architectures": None}, "describes nothing"),
        ({"hidden_act": "relu"}, "not built here"),
        ({"pad_token_id": None}, "no pad_token_id"),
        ({"outputs": 3}, "3 scores a pair"),
    ],
)
def test_a_model_that_is_no_cross_encoder_is_refused(tmp_path, options, reason):
    made = small.SmallCrossEncoder(tmp_path / "model", small.ROBERTA, **options)
    with pytest.raises(ModelUnavailable, match=reason):
        LocalReranker(str(made.folder)).score("tea?", ["tea"])
    assert not list(tmp_path.rglob("openvino-1*.part"))


def test_a_folder_without_its_files_is_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"no model\.safetensors"):
        models.reranker(f"local:{tmp_path}")


def test_a_model_that_does_something_else_is_refused():
    with pytest.raises(UnknownModel, match=r"does not rerank[\s\S]*mmarco-minilm-l12, bge-reranker-v2-m3"):
        models.reranker("local:multilingual-e5-small")
    with pytest.raises(UnknownModel, match="has no rerankers"):
        models.reranker("openai:gpt-4.1")
    with pytest.raises(InputError, match="at least 16"):
        LocalReranker("mmarco-minilm-l12", window=3)


def test_every_reranker_of_the_catalogue_is_pinned_to_a_revision():
    rerankers = [entry for entry in catalogue.entries() if entry.kind == "reranker"]
    assert rerankers
    for entry in rerankers:
        assert {file.name for file in entry.files} == {"model.safetensors", "tokenizer.json", "config.json"}
        assert all(len(source.revision) == 40 for source in entry.sources)


def test_the_double_scores_by_shared_words_the_same_everywhere():
    fake = models.reranker("fake:overlap")
    assert isinstance(fake, specs.Reranker)
    assert isinstance(fake, FakeReranker)
    scores = fake.score("Where does TEA grow?", ["Tea grows.", "where does tea grow", "coffee", ""])
    assert scores.tolist() == pytest.approx([0.25 * 0.95, 1, 0, 0])
    assert fake.questions == ["Where does TEA grow?"]
    with pytest.raises(UnknownModel, match="fake:overlap"):
        models.reranker("fake:other")
