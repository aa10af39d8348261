"""JSON: a line a record, else a line a value."""

import pytest
from made_files import at, document, documents

from ziggurat.errors import UnreadableDocument


def test_a_list_of_records_is_a_table():
    one = document(
        "a.json",
        '[{"name": "Ada", "born": 1815, "at": {"city": "London"}}, {"name": "Bob", "tags": ["x", "y"], "gone": null}]',
    )
    assert one.text == "name: Ada; born: 1815; at.city: London\nname: Bob; tags: x, y"
    assert (one.kind, at(one, "Bob")) == ("table", {"record": 2})


def test_any_other_value_is_a_line_for_each_value_with_the_way_to_it():
    one = document(
        "a.json", '{"title": "Our list", "n": 0.10, "ok": true, "items": [{"a": 1}, {"a": [[2]]}], "empty": {}}'
    )
    assert one.text == "title: Our list\nn: 0.10\nok: true\nitems[1].a: 1\nitems[2].a[1]: 2"
    assert (one.kind, one.title) == ("text", "Our list")


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json"])
def test_values_a_line_each(name):
    one = document(name, '{"a": 1}\n\n{"a": "x\\ny"}\n')
    assert one.text == "a: 1\na: x y"
    assert at(one, "x y") == {"line": 3}


def test_numbers_stand_as_the_file_writes_them():
    assert document("a.json", f"[{'9' * 5000}, 1.10, 1e5]").text == f"{'9' * 5000}, 1.10, 1e5"


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.json", "{", "not JSON"),
        ("a.json", "nothing", "not JSON"),
        ("a.json", '{"a": 1}\n{"a": ', "Line 2 is not JSON"),
        ("a.jsonl", '{"a": 1}\nb', "Line 2 is not JSON"),
        ("a.json", "{}", "no text"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", "[" * 300 + "1" + "]" * 300, "nested too deeply"),
    ],
)
def test_what_is_no_json_or_has_no_words_is_refused(name, data, says):
    with pytest.raises(UnreadableDocument, match=says):
        documents(name, data)


def test_half_a_character_becomes_a_mark_that_can_be_stored():
    assert document("a.json", '{"a": "\\ud83d\\ude00 \\ud83d \\u0000!"}').text == "a: 😀 \ufffd  !"


def test_no_text_is_many_times_its_files_size():
    data = '{"' + "k" * 5000 + '": {' + ", ".join(f'"{number}": {number}' for number in range(1000)) + "}}"
    assert len(document("a.json", data).text) < 40 * len(data)
