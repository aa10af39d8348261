"""The real encoders: what their vectors mean, and that company, threads and length do not change them."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from ziggurat.index.splitting import StructureSplitter
from ziggurat.models.encoder import e5
from ziggurat.models.encoder.embeddings import LocalEmbeddings
from ziggurat.models.encoder.engine import Engine, Limits
from ziggurat.models.weights import catalogue

pytestmark = pytest.mark.model

TEXTS = [
    "The granary stood beside the canal.",
    "粮仓位于运河旁边。",
    "El granero estaba junto al canal.",
    "A cat sleeps on the keyboard. " * 30,
    "x",
    "Ａ full-width １２３ ﬁ … \u00a0 and   many    spaces",
    "emoji 🏺🧱 and a lone surrogate \ud83c",
]


@pytest.fixture(scope="module", params=["multilingual-e5-small", "all-minilm-l6-v2"])
def model(request):
    return LocalEmbeddings(request.param)


@pytest.fixture(scope="module")
def encoder():
    return Engine(catalogue.fetch("multilingual-e5-small"), e5, Limits(window=510, windows=True, group=32))


def test_vectors_are_float32_of_length_one_in_the_declared_dimensions(model):
    vectors = model.embed_array(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), model.dimensions)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_has_the_same_vector_alone_in_company_and_in_any_batch(model):
    alone = np.concatenate([model.embed_array([text]) for text in TEXTS])
    together = model.embed_array(TEXTS)
    small = LocalEmbeddings(model.spec.removeprefix("local:"), batch_tokens=1).embed_array(TEXTS)
    assert (alone * together).sum(axis=1).min() > 0.9995
    assert (alone * small).sum(axis=1).min() > 0.9995


def test_order_is_kept_whatever_the_lengths(model):
    backwards = model.embed_array(TEXTS[::-1])[::-1]
    assert (backwards * model.embed_array(TEXTS)).sum(axis=1).min() > 0.9995


def test_the_same_call_gives_the_same_bytes(model):
    assert model.embed_array(TEXTS).tobytes() == model.embed_array(TEXTS).tobytes()


def test_threads_do_not_disturb_one_another(model):
    expected = model.embed_array(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: model.embed_array(TEXTS), range(8)))
    for vectors in results:
        assert (vectors * expected).sum(axis=1).min() > 0.9995


async def test_the_async_form_leaves_the_loop_free(model):
    model.embed_query("opened before the clock starts")
    task = asyncio.ensure_future(model.aembed_documents([TEXTS[3]] * 60))
    gaps, last = [], time.perf_counter()
    while not task.done():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    assert len(await task) == 60
    assert len(gaps) > 20


def test_progress_counts_every_text_once(model):
    seen = []

    @contextmanager
    def progress(label, total, unit="items"):
        class Counter:
            def advance(self, amount=1):
                seen.append(amount)

        assert (total, unit) == (len(TEXTS), "items")
        yield Counter()

    LocalEmbeddings(model.spec.removeprefix("local:"), progress=progress).embed_array(TEXTS)
    assert sum(seen) == len(TEXTS)


def test_a_question_is_nearest_to_its_answer_in_every_language():
    model = LocalEmbeddings()
    passages = [
        "The ziggurat of Ur was built of mud brick in the twenty-first century BC.",
        "光合作用把光能转化为化学能。",
        "El ajedrez se juega sobre un tablero de sesenta y cuatro casillas.",
        "A fotossíntese não ocorre à noite, mas a respiração sim.",
    ]
    questions = [
        "What was the ziggurat made of?",
        "植物如何利用阳光？",
        "¿Cuántas casillas tiene un tablero de ajedrez?",
        "O que acontece com as plantas à noite?",
    ]
    queries = np.array([model.embed_query(question) for question in questions], np.float32)
    assert (queries @ model.embed_array(passages).T).argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_a_long_text_is_the_average_of_its_windows_and_no_part_is_lost():
    model = LocalEmbeddings()
    long = "Bricks were baked from clay and straw. " * 120
    turned = long + "The comet was seen from the observatory by every astronomer. " * 120
    same, other = model.embed_array([long, turned])
    comet = model.embed_array(["The comet was seen from the observatory by every astronomer."])[0]
    assert other @ comet > same @ comet + 0.02


def test_minilm_ignores_what_is_beyond_its_256_tokens():
    model = LocalEmbeddings("all-minilm-l6-v2")
    long = "clay " * 254
    first, second = model.embed_array([long, long + "The comet was seen by every astronomer."])
    assert first @ second > 0.9995


def test_tokens_are_counted_without_prefix_and_ends(model):
    words = "the granary stood beside the canal"
    assert model.count_tokens([words, ""]) == [model.count_tokens([words])[0], 0]
    assert 6 <= model.count_tokens([words])[0] <= 9
    assert model.count_tokens([]) == []
    splitter = StructureSplitter(size=64, overlap=10, measure="tokens", counter=model)
    text = "The granary stood beside the canal. 粮仓位于运河旁边。 " * 40
    pieces = [text[piece.start : piece.end] for piece in splitter.split(text)]
    assert len(pieces) > 5
    assert 32 < max(model.count_tokens(pieces)) <= 64


def test_the_fingerprint_names_spec_weights_and_recipe(model):
    sha256 = catalogue.entry(model.spec.removeprefix("local:")).files[0].sha256
    assert model.fingerprint.startswith(f"{model.spec}@{sha256[:12]};mean,")


def test_the_vocabulary_of_the_file_is_read_in_full():
    file = e5.E5File(catalogue.fetch("multilingual-e5-small") / e5.FILE)
    pieces = file.pieces()
    assert len(pieces) == 250_002
    assert [piece for piece, _ in pieces[:5]] == ["<s>", "<pad>", "</s>", "<unk>", ","]
    assert len(file.characters) == 4_837
    assert file.characters[ord("Ａ")] == "A"
    assert file.characters[ord("ﬁ")] == "fi"


@pytest.mark.parametrize(
    ("text", "tokens"),  # counted by the engine that comes with the weights, prefix and both ends included
    [
        ("Ａ full-width １２３ ﬁ … \u00a0 and   many    spaces", 15),
        ("naïve café Ⅷ ㍿ ｶﾞ", 14),
        ("\t tabs\nnew lines\r\n", 9),
        ("ไทย ภาษา", 8),
        ("हिन्दी भाषा", 6),
        ("日本語の文章です。", 10),
        ("한국어 문장", 7),
        ("\u200bzero\u200dwidth", 7),
        ("ʼn İ ß", 9),
        ("a" * 100, 25),
    ],
)
def test_texts_are_cut_into_as_many_tokens_as_by_the_models_own_engine(encoder, text, tokens):
    (window,) = encoder._windows([f"passage: {text}"])
    assert len(window.ids) == tokens
