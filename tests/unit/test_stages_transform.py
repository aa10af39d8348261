"""Functions and prompts as stages: inputs by name, outputs by name, and the same part alone and in a chain."""

import threading

import pytest
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

from ziggurat import LLM, ChainError, InputError, MultiChain, SimpleChain, Transform
from ziggurat.testing import FakeChat

# -- Transform ------------------------------------------------------------------------------------


def double(number: int) -> int:
    return 2 * number


async def later(number: int) -> int:
    return 3 * number


def pieces(text):
    yield from text.split()


@pytest.mark.parametrize(
    ("function", "given_input", "output"),
    [(double, 4, 8), (later, 4, 12), (double, {"number": 5}, 10), (lambda number=1: number, {}, 1)],
)
def test_any_function_runs_alone(function, given_input, output):
    assert Transform(function).run(given_input) == output
    assert Transform(function).invoke(given_input) == output
    assert list(Transform(function).stream(given_input)) == [output]


def test_a_generators_pieces_are_added_up():
    assert Transform(pieces).run("a b c") == "abc"


async def test_it_works_inside_a_running_loop():
    assert Transform(double).run(2) == 4
    assert await Transform(later).ainvoke(2) == 6
    assert await Transform(double).abatch([1, 2]) == [2, 4]


def test_a_plain_function_does_not_hold_up_the_loop():
    assert Transform(lambda x: threading.current_thread()).run(1) is not threading.main_thread()


def test_its_parameters_are_the_stages_inputs():
    transform = Transform(lambda a, b=2: (a, b))
    assert [(param.name, param.required) for param in transform.stage_inputs] == [("a", True), ("b", False)]
    assert transform.run(a=1) == (1, 2)
    assert transform.invoke(1, b=3) == (1, 3)
    assert Transform(double).stage_output is int
    assert Transform(double).name == "double"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "needs number"),
        ({"numbr": 1}, "takes no 'numbr' .did you mean 'number'"),
        ({"number": 1, "other": 2}, "takes no 'other'"),
    ],
)
def test_wrong_inputs_are_refused_by_name(inputs, words):
    with pytest.raises(InputError, match=words):
        Transform(double).invoke(inputs)


def test_one_value_for_two_inputs_is_refused():
    with pytest.raises(InputError, match="takes a, b; one value is not enough"):
        Transform(lambda a, b: a).run(1)


@pytest.mark.parametrize("thing", [3, "text", None, int, [double]])
def test_what_is_no_function_is_refused(thing):
    with pytest.raises(InputError, match="cannot be a stage"):
        Transform(thing)


def test_what_the_function_raises_is_passed_on():
    def boom(x):
        raise KeyError("no such thing")

    with pytest.raises(KeyError, match="no such thing"):
        Transform(boom).run(1)
    with pytest.raises(ChainError) as caught:
        MultiChain(boom=Transform(boom)).run(x=1)
    assert isinstance(caught.value.__cause__, KeyError)


# -- SimpleChain ----------------------------------------------------------------------------------


def test_one_output_is_the_value_itself():
    chain = SimpleChain(input_variables=["prompt"], output_variables=["image"], transform=lambda prompt: f"<{prompt}>")
    assert chain.run(prompt="x") == "<x>"
    assert chain.run("x") == "<x>"
    assert MultiChain(chains=[{"name": "image", "chain": chain}]).run({"image": {"prompt": "x"}}) == {"image": "<x>"}


@pytest.mark.parametrize(
    "result",
    [(1, 2), [1, 2], {"low": 1, "high": 2}, {"high": 2, "low": 1, "more": 3}],
    ids=["tuple", "list", "dict", "more"],
)
def test_several_outputs_are_a_mapping_in_their_order(result):
    chain = SimpleChain(input_variables=["x"], output_variables=["low", "high"], transform=lambda x: result)
    assert list(chain.run(1).items()) == [("low", 1), ("high", 2)]
    assert chain.stage_output is dict


@pytest.mark.parametrize("result", [3, "ab", (1,), (1, 2, 3), {"low": 1}, None])
def test_outputs_that_are_not_there_are_told(result):
    chain = SimpleChain(input_variables=["x"], output_variables=["low", "high"], transform=lambda x: result)
    with pytest.raises(InputError, match="does not hold low, high"):
        chain.run(1)


@pytest.mark.parametrize(
    ("variables", "function", "words"),
    [
        (["q"], lambda prompt: 1, "takes prompt, not q"),
        ([], lambda prompt: 1, "takes prompt, not nothing"),
        (["prompt", "q"], lambda prompt: 1, "takes prompt, not prompt, q"),
        (["prompt"], lambda prompt, size: 1, "takes prompt, size, not prompt"),
        (["prompt"], lambda: 1, "takes nothing, not prompt"),
    ],
)
def test_variables_the_function_does_not_take_are_refused(variables, function, words):
    with pytest.raises(InputError, match=words):
        SimpleChain(input_variables=variables, output_variables=["y"], transform=function)


def test_a_chain_without_outputs_is_refused():
    with pytest.raises(InputError, match="at least one output"):
        SimpleChain(input_variables=["x"], output_variables=[], transform=lambda x: x)


def test_only_the_named_variables_are_inputs():
    chain = SimpleChain(input_variables=["a"], output_variables=["y"], transform=lambda a, b=2: (a, b))
    assert [param.name for param in chain.stage_inputs] == ["a"]
    with pytest.raises(InputError, match="takes no 'b'"):
        chain.run(a=1, b=3)
    open_ended = SimpleChain(
        input_variables=["a", "b"], output_variables=["y"], transform=lambda **named: sorted(named)
    )
    assert open_ended.run(a=1, b=2) == ["a", "b"]


# -- LLM ------------------------------------------------------------------------------------------


def test_a_prompt_is_filled_in_and_its_answer_is_text():
    model = FakeChat(script="a short text")
    stage = LLM("Shorten to {words} words: {text}", model)
    assert stage.run(words=3, text="a long text") == "a short text"
    assert model.calls[0].messages[-1].text == "Shorten to 3 words: a long text"
    assert {param.name for param in stage.stage_inputs} == {"words", "text"}


def test_without_a_template_the_prompt_is_the_input():
    assert LLM(model="fake:echo").run("hello") == "hello"


def test_an_answer_streams_word_by_word():
    stage = LLM("{x}", FakeChat(script="one two three"))
    assert list(stage.stream("?")) == ["one", " two", " three"]
    events = list(MultiChain(say=stage).events(x="?"))
    assert [event.text for event in events if event.type == "token"] == ["one", " two", " three"]
    assert events[-1].outputs == {"say": "one two three"}
    assert events[-1].usage.output_tokens == 3


@pytest.mark.parametrize(
    "prompt", [PromptTemplate.from_template("Say {x}"), ChatPromptTemplate.from_messages([("human", "Say {x}")])]
)
def test_any_langchain_prompt_will_do(prompt):
    assert LLM(prompt, "fake:echo").run(x="it") == "Say it"


def test_options_go_to_the_model_that_is_opened():
    assert LLM("{x}", "fake:echo", max_tokens=2).run("one two three") == "one two"


def test_options_for_a_model_that_is_open_already_are_refused():
    with pytest.raises(InputError, match="max_tokens cannot be set"):
        LLM("{x}", FakeChat(), max_tokens=2)


def test_braces_in_an_input_stay_as_they_are():
    assert LLM("Say {x}", "fake:echo").run("{y} {{z}}") == "Say {y} {{z}}"
