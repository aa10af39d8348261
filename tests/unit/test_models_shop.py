"""The room's front door."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from ziggurat import models
from ziggurat.errors import InputError, MissingDependency, ModelUnavailable, UnknownModel
from ziggurat.testing import FakeChat, FakeEmbeddings, FakeImages


def test_importing_it_imports_no_langchain():
    code = "import sys, ziggurat.models, ziggurat.testing; print([m for m in sys.modules if 'langchain' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_object_is_returned_as_it_is():
    chat, vectors, pictures = FakeChat(), FakeEmbeddings(), FakeImages()
    assert models.chat(chat) is chat
    assert models.embeddings(vectors) is vectors
    assert models.images(pictures) is pictures


def test_no_name_means_the_local_model_and_is_said_once(caplog, monkeypatch):
    monkeypatch.setattr(models, "_said", set())
    monkeypatch.setenv("OPENAI_API_KEY", "sk-present")
    with caplog.at_level(logging.INFO, logger="ziggurat.models"):
        first, second = models.chat(), models.chat()
    assert first.model == second.model == "local:qwen2.5-coder-0.5b"
    assert [record.getMessage() for record in caplog.records] == ["no chat model named; using local:qwen2.5-coder-0.5b"]


def test_options_reach_the_constructor():
    assert models.chat("local:smollm2-135m", temperature=0.7, context_tokens=512).context_tokens == 512


def test_an_option_the_local_model_lacks_is_refused_with_those_it_has():
    with pytest.raises(InputError, match=r"'temprature'[\s\S]*temperature"):
        models.chat("local:smollm2-135m", temprature=1)


def test_a_local_name_nobody_knows_is_refused_with_the_closest():
    with pytest.raises(UnknownModel, match=r"smollm2-135m"):
        models.chat("local:smollm-135m")


def test_local_embeddings_are_no_chat_model():
    with pytest.raises(InputError, match="embeddings"):
        models.chat("local:multilingual-e5-small")


def test_weights_that_are_not_there_are_refused_when_opened(tmp_path):
    with pytest.raises(ModelUnavailable, match="no file"):
        models.chat(f"local:{tmp_path / 'nothing.gguf'}")


def test_weights_that_are_no_weights_are_refused_by_name(tmp_path):
    file = tmp_path / "fake.gguf"
    file.write_bytes(b"not weights")
    with pytest.raises(ModelUnavailable, match="GGUF"):
        models.chat(f"local:{file}").invoke("hi")


@pytest.mark.parametrize("opener", [models.chat, models.embeddings])
def test_an_unknown_provider_is_refused_with_the_closest(opener):
    with pytest.raises(UnknownModel, match="openai"):
        opener("opnai:gpt-4.1")


def test_a_missing_integration_is_named():
    with pytest.raises(MissingDependency, match="pip install langchain-anthropic"):
        models.chat("anthropic:claude-sonnet-4-5")
