"""Models of the transformers library in this process: real ones, tiny, built and trained here."""

import threading

import numpy as np
import pytest
import tiny_transformers

from ziggurat import LLM, VectorIndex, chat, embeddings
from ziggurat.errors import ContextLengthError, InputError, ModelUnavailable

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of those libraries

QUESTION = "What is the capital of Portugal?"


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return tiny_transformers.decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture(scope="module")
def rewriter(tmp_path_factory):
    return tiny_transformers.rewriter(tmp_path_factory.mktemp("rewriter"))


def test_a_model_in_a_folder_answers_through_its_own_chat_template(decoder):
    message = chat(f"transformers:{decoder}").invoke(QUESTION)
    assert message.text.strip() == "Lisbon is the capital. END It lies on the Tagus."
    assert message.usage_metadata["input_tokens"] > 5
    assert message.usage_metadata["output_tokens"] > 5
    assert message.response_metadata["finish_reason"] == "stop"
    assert (
        LLM("What is the capital of {country}?", f"transformers:{decoder}").run("England").strip().startswith("London")
    )


def test_it_streams_what_it_answers(decoder):
    model = chat(f"transformers:{decoder}")
    pieces = [chunk.text for chunk in model.stream(QUESTION)]
    assert len([piece for piece in pieces if piece]) > 3
    assert "".join(pieces) == model.invoke(QUESTION).text


@pytest.mark.parametrize("stop", [["END"], ["nowhere", " END It"], ["Tagus", "END"]])
def test_stop_words_end_the_answer_and_are_not_in_it_nor_in_the_stream(decoder, stop):
    model = chat(f"transformers:{decoder}", stop=stop)
    assert model.invoke(QUESTION).text.strip() == "Lisbon is the capital."
    assert "".join(chunk.text for chunk in model.stream(QUESTION)).strip() == "Lisbon is the capital."
    assert chat(f"transformers:{decoder}").invoke(QUESTION, stop=stop).text.strip() == "Lisbon is the capital."


def test_an_answer_is_as_long_as_was_allowed(decoder):
    message = chat(f"transformers:{decoder}", max_tokens=3).invoke(QUESTION)
    assert message.usage_metadata["output_tokens"] == 3
    assert message.response_metadata["finish_reason"] == "length"


def test_a_seed_makes_sampling_repeatable(decoder):
    model = chat(f"transformers:{decoder}", temperature=5.0, seed=7, max_tokens=12)
    first = model.invoke(QUESTION).text
    assert first == model.invoke(QUESTION).text
    assert any(model.invoke(QUESTION, seed=seed).text != first for seed in (1, 2, 3))


def test_a_stream_that_is_left_stops_the_generation(decoder):
    pieces = chat(f"transformers:{decoder}", temperature=3.0, max_tokens=100).stream(QUESTION)
    next(pieces)
    pieces.close()
    assert not any(thread.name == "ziggurat-transformers" for thread in threading.enumerate())


def test_an_encoder_decoder_rewrites_what_it_reads(rewriter):
    model = chat(f"transformers:{rewriter}")
    assert (
        model.invoke("What is the capital of England?").text.strip()
        == "London is the capital. END It lies on the Thames."
    )
    assert model.invoke(QUESTION, stop=["END"]).text.strip() == "Lisbon is the capital."


def test_what_is_too_long_or_unknown_is_refused(decoder, tmp_path):
    model = chat(f"transformers:{decoder}")
    with pytest.raises(ContextLengthError, match="holds 128"):
        model.invoke("word " * 400)
    with pytest.raises(InputError, match="frequency"):
        model.invoke(QUESTION, frequency=1)
    with pytest.raises(InputError, match="stop word"):
        model.invoke(QUESTION, stop=[""])
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        chat(f"transformers:{tmp_path}").invoke(QUESTION)


def test_sentence_encoders_make_an_index(tmp_path):
    folder = tiny_transformers.sentence_encoder(tmp_path)
    model = embeddings(f"transformers:{folder}")
    one, again, other = (
        np.array(model.embed_query(text)) for text in (QUESTION, QUESTION, "London lies on the Thames.")
    )
    np.testing.assert_allclose(one, again, atol=1e-6)
    assert np.abs(one - other).max() > 1e-3
    texts = list(tiny_transformers.SAID)
    with VectorIndex.from_texts(texts, f"transformers:{folder}", path=tmp_path / "kb") as index:
        assert index.similarity_search(texts[1], k=1)[0].page_content == texts[1]
    with VectorIndex.open(tmp_path / "kb") as index:  # opened by the spec it remembers
        assert index.similarity_search(texts[0], k=1)[0].page_content == texts[0]
