from dataclasses import dataclass
from typing import Any, Literal

import pytest

from ziggurat import MultiChain
from ziggurat.errors import InputError
from ziggurat.mlflow.signature import check_example, check_outputs, signature_of


@dataclass
class Found:
    name: str
    places: list[int]
    score: float | None = None


@dataclass
class More(Found):
    note: str = ""


def give(  # noqa: PLR0917 (one input of each type)
    text: str,
    number: int,
    share: float = 0.5,
    flag: bool = False,
    names: list[str] | None = None,
    options: dict[str, int] | None = None,
    kind: Literal["a", "b"] = "a",
    anything: Any = None,
    either: int | str = 1,
) -> Found:
    return Found(text, [number])


CHAIN = MultiChain(give=give)


def test_types_of_inputs_come_from_what_stages_declare(mlflow):
    assert {one.name: (str(one.type), one.required) for one in signature_of(CHAIN, ["give"]).inputs} == {
        "text": ("DataType.string", True),
        "number": ("DataType.long", True),
        "share": ("DataType.double", False),
        "flag": ("DataType.boolean", False),
        "names": ("Array(string)", False),
        "options": ("Map(str -> DataType.long)", False),
        "kind": ("DataType.string", False),
        "anything": ("Any", False),
        "either": ("Any", False),
    }


def test_an_output_with_fields_is_an_object(mlflow):
    (out,) = signature_of(CHAIN, ["give"]).outputs.to_dict()
    assert {name: one["type"] for name, one in out["properties"].items()} == {
        "name": "string",
        "places": "array",
        "score": "double",
    }


def test_what_was_seen_says_more_than_what_is_declared(mlflow):
    (out,) = signature_of(CHAIN, ["give"], None, {"give": More("a", [1])}).outputs.to_dict()
    assert "note" in out["properties"]


def test_an_untyped_input_is_a_text_if_the_example_is(mlflow):
    chain = MultiChain(a=lambda x: x)
    assert str(signature_of(chain, ["a"]).inputs) == "['x': Any (required)]"
    assert str(signature_of(chain, ["a"], {"x": "hello"}).inputs) == "['x': string (required)]"


def test_an_example_that_fits_is_let_through(mlflow):
    signature = signature_of(CHAIN, ["give"])
    check_example(CHAIN, {"text": "a", "number": 1, "names": ["b"], "options": {"c": 1}}, signature)
    check_outputs([{"give": {"name": "a", "places": [1], "score": None}}], signature)


@pytest.mark.parametrize(
    ("example", "said"),
    [
        ({"text": "a"}, "'number' is missing"),
        ({"text": "a", "number": 1, "flg": True}, "did you mean 'flag'"),
        ({"text": "a", "number": "one"}, "number"),
        ({"text": "a", "number": 1, "names": "b"}, "names"),
    ],
)
def test_an_example_that_does_not_fit_is_refused_with_the_signature(mlflow, example, said):
    with pytest.raises(InputError) as caught:
        check_example(CHAIN, example, signature_of(CHAIN, ["give"]))
    assert said in str(caught.value)
    assert "'number': long (required)" in caught.value.where


def test_outputs_that_are_not_what_is_declared_are_refused(mlflow):
    with pytest.raises(InputError, match="does not fit"):
        check_outputs([{"give": {"name": "a", "places": "nowhere"}}], signature_of(CHAIN, ["give"]))
