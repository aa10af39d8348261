"""What custom models are sent and what comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.databricks.payload import FORMS, as_text, before, checked_form, completions, packed, predicted
from ziggurat.errors import AnswerCut, InputError

REQUEST = {"prompt": "Hi", "stop": ["."]}


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("dataframe_records", {"dataframe_records": [REQUEST]}),
        (
            "dataframe_split",
            {"dataframe_split": {"index": [0], "columns": ["prompt", "stop"], "data": [["Hi", ["."]]]}},
        ),
        ("inputs", {"inputs": {"prompt": ["Hi"], "stop": [["."]]}}),
        ("instances", {"instances": [REQUEST]}),
    ],
)
def test_a_request_in_each_form(form, body):
    assert packed(REQUEST, checked_form(form)) == body
    assert form in FORMS


def test_a_form_that_is_none_is_refused():
    with pytest.raises(InputError, match="dataframe_record"):
        checked_form("dataframe_record")


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ({"predictions": ["Hello"]}, "Hello"),
        ({"predictions": "Hello"}, "Hello"),
        ({"predictions": [{"0": "Hello"}]}, "Hello"),
        ({"predictions": {"generated_text": "Hello"}}, "Hello"),
    ],
)
def test_a_prediction_is_read_in_the_ways_models_give_it(reply, text):
    assert as_text(predicted(reply, "here"), "here") == text


def test_an_answer_without_predictions_or_text_says_what_to_do():
    with pytest.raises(AnswerCut, match="no predictions"):
        predicted({"choices": []}, "here")
    with pytest.raises(AnswerCut, match="no predictions"):
        predicted({"predictions": []}, "here")
    with pytest.raises(InputError, match="transform_output_fn"):
        as_text({"score": 0.3, "text": "x"}, "here")


def test_completions_and_chats_have_choices():
    assert completions({"choices": [{"text": "a"}, {"message": {"content": "b"}}]}, "here") == ["a", "b"]
    with pytest.raises(AnswerCut):
        completions({"predictions": ["x"]}, "here")


@given(st.text("ab."), st.lists(st.text("ab.", max_size=2), max_size=3))
def test_an_answer_ends_before_any_of_its_ends(text, ends):
    found = before(text, ends)
    assert text.startswith(found)
    assert not any(one in found for one in ends if one)
