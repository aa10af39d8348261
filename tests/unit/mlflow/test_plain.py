import base64
import datetime as dt
import enum
import json
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.errors import InputError
from ziggurat.mlflow import as_json
from ziggurat.picture import Picture
from ziggurat.stages.answer import Answer, Citation


@dataclass
class Pair:
    one: int
    other: object = None


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


CASES = [
    (None, None),
    (True, True),
    (1.5, 1.5),
    (float("nan"), None),
    (float("inf"), None),
    ("文", "文"),
    ((1, [2]), [1, [2]]),
    ({"b", "a"}, ["a", "b"]),
    ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
    (b"\x00\xff", {"media_type": "application/octet-stream", "data": "AP8="}),
    (dt.date(2026, 1, 2), "2026-01-02"),
    (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), "2026-01-02T03:00:00+00:00"),
    (PurePosixPath("a/b"), "a/b"),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    (Pair(1, Pair(2)), {"one": 1, "other": {"one": 2, "other": None}}),
    (np.float32(0.5), 0.5),
    (np.array([[1, 2]]), [[1, 2]]),
    (pd.DataFrame({"a": [1, 2]}), [{"a": 1}, {"a": 2}]),
]


@pytest.mark.parametrize(("value", "plain"), CASES, ids=lambda one: type(one).__name__)
def test_a_value_has_its_json_form(value, plain):
    assert as_json(value) == plain
    json.dumps(as_json(value), allow_nan=False)


def test_an_answer_keeps_its_citations_and_usage():
    cited = Citation("notes.md", "c1", 0, 4, "Lamp", "h", (0, 4), 1.0, line=3)
    told = as_json(Answer("Lamp.", (cited,), usage=Usage((ModelUsage("m", input_tokens=3),))))
    assert told["citations"][0]["document"] == "notes.md"
    assert told["citations"][0]["answer_span"] == [0, 4]
    assert told["usage"]["lines"][0]["input_tokens"] == 3


def test_a_picture_is_base64_with_its_media_type_and_its_story():
    told = as_json([Picture(b"\x89PNG", "png", 2, 3, "a lamp", "diagram", "fake:x", provenance={"prompt": "a lamp"})])[
        0
    ]
    assert base64.b64decode(told["data"]) == b"\x89PNG"
    assert (told["type"], told["media_type"], told["width"]) == ("picture", "image/png", 2)
    assert told["provenance"] == {"prompt": "a lamp"}


def test_a_document_of_langchain_is_its_fields():
    assert as_json(Document("text", metadata={"source": "a"}))["metadata"] == {"source": "a"}


@pytest.mark.parametrize(
    ("value", "place"), [({"a": [1, object()]}, "qa['a'][1]"), (Pair(1, lambda: 0), "qa.other"), ({(1, 2): 3}, "qa")]
)
def test_what_has_no_json_form_is_refused_with_its_place(value, place):
    with pytest.raises(InputError) as caught:
        as_json(value, "qa")
    assert caught.value.where == place


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_what_is_json_already_stays_as_it_is(value):
    assert as_json(value) == value
