"""Tool calls of a small model, without the model."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.errors import InputError
from ziggurat.models.llama.tools import CallScanner, Choice, call_schema, opening, signature


def tool(name, parameters=None):
    return {"type": "function", "function": {"name": name, "description": "…", "parameters": parameters or {}}}


TOOLS = [tool("add"), tool("search")]


@pytest.mark.parametrize(
    ("value", "kind", "names"),
    [
        (None, "auto", ("add", "search")),
        ("auto", "auto", ("add", "search")),
        ("none", "none", ("add", "search")),
        ("any", "any", ("add", "search")),
        ("required", "any", ("add", "search")),
        (True, "any", ("add", "search")),
        ("search", "any", ("search",)),
        ({"type": "function", "function": {"name": "add"}}, "any", ("add",)),
    ],
)
def test_a_tool_choice_says_who_may_be_called(value, kind, names):
    choice = Choice.parse(value, TOOLS)
    assert (choice.kind, choice.names) == (kind, names)


@pytest.mark.parametrize("value", ["subtract", {"type": "function", "function": {"name": "x"}}, 3, {"a": 1}])
def test_a_tool_choice_that_names_no_bound_tool_is_refused(value):
    with pytest.raises(InputError):
        Choice.parse(value, TOOLS)


def test_a_forced_call_without_tools_is_refused():
    with pytest.raises(InputError, match="no bound tool"):
        Choice.parse("any", [])


def test_without_tools_nothing_is_called():
    assert Choice.parse(None, []).kind == "none"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "undecided"),
        ("\n ", "undecided"),
        ("<tool", "undecided"),
        ("<tool_call>\n", "undecided"),
        ('{"na', "undecided"),
        ('{"name": "ad', "undecided"),
        ("```", "undecided"),
        ("```js", "undecided"),
        ('{"name": "add"', ("add",)),
        ('<tool_call>\n{"name": "add", "arguments"', ("add",)),
        ('```json\n{ "name" : "add"', ("add",)),
        ('```\n{"name":"add"', ("add",)),
        ("Hello", "text"),
        ("<b>bold</b>", "text"),
        ('{"city": "Lisbon"', "text"),
        ("```python\n", "text"),
        ("[1, 2]", "text"),
    ],
)
def test_the_opening_of_a_line_shows_whether_a_call_begins(text, shown):
    assert opening(text) == shown


def test_the_schema_of_a_call_admits_only_the_chosen_tools():
    schema = call_schema(TOOLS, Choice.parse("search", TOOLS))
    assert schema["properties"]["name"] == {"const": "search"}
    both = call_schema(TOOLS, Choice.parse("any", TOOLS))
    assert [call["properties"]["name"]["const"] for call in both["anyOf"]] == ["add", "search"]


def test_a_tool_without_parameters_is_called_with_an_empty_object():
    arguments = call_schema(TOOLS, Choice.parse("add", TOOLS))["properties"]["arguments"]
    assert arguments == {"type": "object", "properties": {}, "additionalProperties": False}


def test_local_definitions_of_two_tools_do_not_collide():
    def nested(kind):
        return {
            "type": "object",
            "properties": {"item": {"$ref": "#/$defs/Item"}},
            "$defs": {"Item": {"type": kind, "title": kind}},
        }

    tools = [tool("one", nested("string")), tool("two", nested("integer"))]
    schema = call_schema(tools, Choice.parse("any", tools))
    assert {name: value["type"] for name, value in schema["$defs"].items()} == {
        "one.Item": "string",
        "two.Item": "integer",
    }
    references = [call["properties"]["arguments"]["properties"]["item"]["$ref"] for call in schema["anyOf"]]
    assert references == ["#/$defs/one.Item", "#/$defs/two.Item"]


def test_parallel_calls_are_a_bounded_list():
    schema = call_schema(TOOLS, Choice.parse("any", TOOLS, parallel=True))
    assert (schema["type"], schema["minItems"], schema["maxItems"]) == ("array", 1, 8)


def test_equal_calls_have_equal_signatures_in_any_order_of_arguments():
    assert signature("add", {"a": 1, "b": 2}) == signature("add", {"b": 2, "a": 1})
    assert signature("add", {"a": 1}) != signature("add", {"a": 2})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
calls = st.lists(
    st.tuples(st.text(min_size=1, max_size=8), st.dictionaries(st.text(max_size=5), values, max_size=4)),
    min_size=1,
    max_size=4,
)


@given(calls=calls, listed=st.booleans(), indent=st.sampled_from([None, 2]), data=st.data())
def test_calls_are_read_whole_however_their_text_is_cut(calls, listed, indent, data):
    calls = calls if listed else calls[:1]
    made = [{"name": name, "arguments": arguments} for name, arguments in calls]
    text = json.dumps(made if listed else made[0], ensure_ascii=data.draw(st.booleans()), indent=indent)
    scanner, names, arguments = CallScanner(), [], {}
    while text:
        cut = data.draw(st.integers(1, len(text)))
        for piece in scanner.feed(text[:cut]):
            if piece.name is not None:
                names.append(piece.name)
            arguments[piece.index] = arguments.get(piece.index, "") + piece.arguments
        text = text[cut:]
    assert list(zip(names, [json.loads(arguments[index]) for index in sorted(arguments)], strict=True)) == calls
