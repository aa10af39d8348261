"""Names become edges, and everything that is wrong is found at once."""

from dataclasses import dataclass

import pytest

from ziggurat.chain.adapt import as_stage, given, stage
from ziggurat.chain.stage import ref, template, value
from ziggurat.chain.types import can_meet
from ziggurat.chain.wiring import wire
from ziggurat.errors import InputError, WiringError


@dataclass
class Reply:
    text: str
    found: bool


def answer(question: str) -> Reply:
    return Reply(question, found=True)


def shout(text: str) -> str:
    return text.upper()


def wired(**stages):
    return wire([(name, as_stage(thing)) for name, thing in stages.items()])


def findings(*pairs, **options):
    with pytest.raises(WiringError) as caught:
        wire([(name, as_stage(thing)) for name, thing in pairs], **options)
    return caught.value.findings


@pytest.mark.parametrize(
    ("stages", "edges"),
    [
        ({"a": lambda x: x, "b": lambda a: a}, {"a": [], "b": ["a"]}),
        ({"b": lambda a: a, "a": lambda x: x}, {"b": ["a"], "a": []}),
        ({"a": lambda x: x, "b": lambda a, x: a, "c": lambda b, a: b}, {"a": [], "b": ["a"], "c": ["b", "a"]}),
        ({"a": lambda a: a}, {"a": []}),
        ({"qa": answer, "say": given(shout, text=ref("qa.text"))}, {"qa": [], "say": ["qa"]}),
        ({"qa": answer, "say": given(shout, text="{qa.text} and {more}")}, {"qa": [], "say": ["qa"]}),
        ({"qa": answer, "say": given(shout, text=value("{qa.text}"))}, {"qa": [], "say": []}),
    ],
)
def test_a_parameter_named_like_another_stage_is_fed_by_it(stages, edges):
    wiring = wired(**stages)
    found = {
        name: [wiring.names[parent] for parent in wiring.parents[position]]
        for position, name in enumerate(wiring.names)
    }
    assert found == edges


def test_what_no_stage_feeds_is_an_input_of_the_run():
    wiring = wired(a=lambda x, y=1: x, b=lambda a, z: a)
    assert {name: one.required for name, one in wiring.inputs.items()} == {"x": True, "y": False, "z": True}
    assert wiring.inputs["z"].readers == ("b",)


@pytest.mark.parametrize(
    ("pairs", "options", "words"),
    [
        ([("a", lambda b: b), ("b", lambda a: a)], {}, ["circle", "a -> b -> a"]),
        ([("a", lambda a2: a2), ("a2", lambda c: c), ("c", lambda a: a)], {}, ["circle"]),
        ([("qa", answer), ("qa", shout)], {}, ["two stages are called 'qa'"]),
        ([("qa", answer), ("say", given(shout, txt="x"))], {}, ["'say'", "'txt'", "did you mean 'text'"]),
        ([("qa", answer), ("say", given(shout, text=ref("qa.txt")))], {}, ["no field 'txt'", "did you mean 'text'"]),
        ([("qa", answer)], {"inputs": ["qestion"]}, ["'question'", "did you mean 'qestion'"]),
        ([("qa", answer)], {"inputs": ["question", "more"]}, ["'more' is read by no stage"]),
        ([("qa", answer), ("say", shout)], {"outputs": ["qa"]}, ["'say' is reached by no output"]),
        ([("qa", answer)], {"outputs": ["qaa"]}, ["'qaa' is no stage", "did you mean 'qa'"]),
        ([("qa", answer), ("say", given(shout, text=ref("qa")))], {}, ["'say' wants str", "'qa' gives Reply"]),
        ([("say", given(shout, text=3))], {}, ["wants str", "it is given int"]),
        ([("a-b", shout), ("2c", shout)], {}, ["'2c' cannot name a stage"]),
        ([("_a", shout)], {}, ["private"]),
        ([], {}, ["no stages"]),
        ([("a", given(shout, text=ref("a")))], {}, ["its own output"]),
    ],
)
def test_each_mistake_is_a_finding_that_names_its_stage(pairs, options, words):
    text = "\n".join(findings(*pairs, **options))
    for word in words:
        assert word in text


def test_all_mistakes_are_found_at_once():
    found = findings(("a", lambda b: b), ("b", lambda a: a), ("c", given(shout, txt="x")), outputs=["nowhere"])
    assert len(found) >= 3


@pytest.mark.parametrize("text", ["qa.__class__", "qa..text", "", ".x", "qa._secret", "qa.x y"])
def test_a_reference_reads_data_and_never_the_insides_of_an_object(text):
    with pytest.raises(InputError):
        ref(text)


def test_a_template_without_references_is_a_constant():
    assert template("{{literal}}") == value("{literal}")


@pytest.mark.parametrize("text", ["{a", "a}", "{a!r}", "{a:>10}", "{a.__class__}", "{}"])
def test_a_template_holds_plain_references_only(text):
    with pytest.raises(InputError):
        template(text)


@pytest.mark.parametrize(
    ("source", "target", "fits"),
    [
        (str, str, True), (int, float, True), (bool, int, True), (str, int, False), (list[int], list, True),
        (str | None, str, True), (None, str, False), (int | str, bytes, False), (dict, list, False),
        (object, int, True), (list[str], "Forward", True), (Reply, str, False),
    ],
)  # fmt: skip
def test_types_clash_only_where_no_value_could_fit(source, target, fits):
    assert can_meet(source, target) is fits


def test_a_stage_decorator_takes_a_policy():
    @stage(retry=2, timeout=5, limit=1)
    def work(x: int) -> int:
        return x

    assert work.policy.retry.attempts == 2
    assert work.policy.timeout == 5
    assert work.label == "work"


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": -1}, {"limit": 0}, {"retry": 0}])
def test_a_policy_that_can_never_be_followed_is_refused(options):
    with pytest.raises(InputError):
        stage(shout, **options)


@pytest.mark.parametrize("thing", [3, "text", None, str, object()])
def test_what_cannot_be_called_is_no_stage(thing):
    with pytest.raises(InputError):
        as_stage(thing)


def test_a_function_that_takes_its_inputs_by_position_is_refused():
    with pytest.raises(InputError, match="by position"):
        as_stage(lambda x, /: x)


def test_a_parent_that_is_read_twice_is_one_parent():
    wiring = wire([("a", as_stage(lambda x: x)), ("b", given(lambda p, q: p, p=ref("a.x"), q="{a} and {a.y}"))])
    assert (wiring.parents, wiring.children) == (((), (0,)), ((1,), ()))
