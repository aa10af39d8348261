"""The public doubles, and the provider that opens them."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import BaseModel

from ziggurat import models, testing
from ziggurat.errors import InputError, UnknownModel
from ziggurat.testing import FakeChat, FakeEmbeddings, FakeImages, tool_call


class City(BaseModel):
    """A city."""

    name: str


def test_a_list_answers_call_by_call_and_then_says_it_is_used_up():
    chat = FakeChat(script=["one", "two"])
    assert [chat.invoke("?").content, chat.invoke("?").content] == ["one", "two"]
    with pytest.raises(InputError, match="2 answers; this is call 3"):
        chat.invoke("?")


def test_a_mapping_answers_the_first_pattern_found():
    chat = FakeChat(script={"capital of (Portugal|Spain)": "Iberian", ".*": "else"})
    assert chat.invoke("The capital of Spain?").content == "Iberian"
    assert chat.invoke("Hm").content == "else"
    with pytest.raises(InputError, match="no pattern"):
        FakeChat(script={"x": "y"}).invoke("z")


def test_a_function_sees_the_messages():
    assert FakeChat(script=lambda messages: messages[-1].content.upper()).invoke("abc").content == "ABC"


def test_it_streams_word_by_word_and_the_words_are_the_text():
    chat = FakeChat(script="one two  three\n")
    chunks = list(chat.stream("?"))
    assert [chunk.content for chunk in chunks if chunk.content] == ["one", " two", "  three", "\n"]
    assert chunks[-1].chunk_position == "last"
    assert chunks[-1].usage_metadata["output_tokens"] == 4


async def test_it_answers_asynchronously_too():
    chat = FakeChat(script="one two")
    assert (await chat.ainvoke("?")).content == "one two"
    assert "".join([chunk.text async for chunk in chat.astream("?")]) == "one two"


def test_usage_counts_words():
    usage = FakeChat(script="two words").invoke("three words here").usage_metadata
    assert usage == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}


def test_stop_and_max_tokens_shorten_the_answer():
    chat = FakeChat(script="a b c d")
    assert chat.invoke("?", stop=[" c"]).content == "a b"
    cut = chat.invoke("?", max_tokens=2)
    assert (cut.content, cut.response_metadata["finish_reason"]) == ("a b", "length")


def test_errors_are_raised_at_their_call_and_in_scripts():
    chat = FakeChat(script=["fine", OSError("down")], errors={1: TimeoutError("slow")})
    with pytest.raises(TimeoutError, match="slow"):
        chat.invoke("?")
    with pytest.raises(OSError, match="down"):
        chat.invoke("?")


def test_calls_are_recorded_with_their_options():
    chat = FakeChat()
    chat.invoke("hello", temperature=0.5)
    assert chat.calls[0].messages[0].content == "hello"
    assert chat.calls[0].options["temperature"] == 0.5


def test_tool_calls_are_scripted_and_streamed():
    chat = FakeChat(script=[tool_call("add", a=1, b=2)] * 2)
    assert chat.invoke("?").tool_calls[0]["args"] == {"a": 1, "b": 2}
    whole = None
    for chunk in chat.stream("?"):
        whole = chunk if whole is None else whole + chunk
    assert (whole.tool_calls[0]["name"], whole.tool_calls[0]["args"]) == ("add", {"a": 1, "b": 2})


def test_json_text_is_a_structured_answer():
    assert FakeChat(script='{"name": "Lisbon"}').with_structured_output(City).invoke("?") == City(name="Lisbon")


def test_embeddings_are_unit_vectors_that_put_similar_texts_near():
    model = FakeEmbeddings()
    cats, cat, stocks = map(
        np.array, model.embed_documents(["cats sleep all day", "a cat sleeping by day", "stock markets fell sharply"])
    )
    assert np.linalg.norm(cats) == pytest.approx(1.0)
    assert cats @ cat > cats @ stocks + 0.2
    assert model.texts == 3


def test_embeddings_are_the_same_in_every_process():
    first = FakeEmbeddings(4).embed_query("stable")
    assert first == pytest.approx(FakeEmbeddings(4).embed_query("stable"))
    assert FakeEmbeddings(4).embed_query("") == [1.0, 0.0, 0.0, 0.0]


def test_a_picture_is_a_png_of_the_size_asked_for():
    import io

    from PIL import Image

    picture = FakeImages().generate("a red boat", size=(20, 10))
    with Image.open(io.BytesIO(picture.data)) as opened:
        opened.load()
        assert (opened.format, opened.size) == ("PNG", (20, 10))
    assert FakeImages().generate("a").data != FakeImages().generate("b").data


def test_a_picture_of_no_size_is_refused():
    with pytest.raises(InputError, match="0x5"):
        FakeImages().generate("a", size=(0, 5))


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        ("fake:echo", "hello"),
        ("fake:fixed Forty-two.", "Forty-two."),
        ("fake:fixed", "ok"),
        ('fake:json {"a": 1}', '{"a": 1}'),
    ],
)
def test_the_provider_opens_a_script_by_name(spec, answer):
    model = models.chat(spec)
    assert model.invoke("hello").content == answer
    assert model.model == spec


@pytest.mark.parametrize("spec", ["fake:parrot", "fake:json {", "fake:echo twice"])
def test_a_script_nobody_knows_is_refused(spec):
    with pytest.raises(UnknownModel, match="fake:echo"):
        models.chat(spec)


def test_the_provider_opens_embeddings_and_images():
    assert len(models.embeddings("fake:32").embed_query("x")) == 32
    assert len(models.embeddings("fake:hash").embed_query("x")) == 256
    assert models.images("fake:any").generate("x").model == "fake:any"
    with pytest.raises(UnknownModel):
        models.embeddings("fake:zero")


def test_the_shop_window_of_the_doubles_is_complete():
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    assert dir(testing) == testing.__all__
    with pytest.raises(AttributeError):
        _ = testing.nothing
