"""A prompt file: what it holds, what it refuses, and that it survives being written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.errors import InputError
from ziggurat.prompts import PromptFile, read_prompt
from ziggurat.prompts.file import LONGEST, parse_prompt

GREETING = """
name: greeting
version: 3
about: Greet somebody.
variables: {person: Who is greeted., tone: How., before: What was said.}
needs: [person]
partial: {tone: warmly}
prompts:
  en:
    - system: Greet people {tone}.
    - messages: before
    - examples:
        turns: [{human: "{who}"}, {ai: "Hello {who} {{:-)}}"}]
        values: [{who: Ana}, {who: "{Bo}"}]
    - human: "{person}"
  zh:
    - human: "{tone}问候{person}"
"""


def messages(file, language, **values):
    return [(one.type, one.text) for one in file.template(language).format_messages(**values)]


def test_a_file_becomes_a_chat_prompt_with_partial_variables_placeholders_and_examples():
    file = parse_prompt(GREETING, "greeting.yaml")
    assert file.template("en").input_variables == ["before", "person"]
    assert messages(file, "en", person="Eve", before=[("human", "hi")]) == [
        ("system", "Greet people warmly."),
        ("human", "hi"),
        ("human", "Ana"),
        ("ai", "Hello Ana {:-)}"),
        ("human", "{Bo}"),
        ("ai", "Hello {Bo} {:-)}"),
        ("human", "Eve"),
    ]


def test_a_language_that_is_missing_is_served_by_the_first():
    file = parse_prompt(GREETING, "greeting.yaml")
    assert file.language("pt") == "en"
    assert messages(file, "zh", person="王") == [("human", "warmly问候王")]


def test_a_file_survives_being_written():
    file = parse_prompt(GREETING, "greeting.yaml")
    again = parse_prompt(file.yaml(), "again.yaml")
    assert again == file
    assert messages(again, "en", person="Eve", before=[]) == messages(file, "en", person="Eve", before=[])


@given(
    st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="{}\x85\u2028\u2029\ufeff"))
)
def test_any_text_survives_being_written(text):
    file = PromptFile.model_validate({"name": "a", "prompts": {"en": [{"system": text}]}})
    assert parse_prompt(file.yaml(), "again.yaml") == file


def test_values_can_be_filled_in_later():
    file = parse_prompt(GREETING, "greeting.yaml").with_partial({"person": "Eve"})
    assert file.template("zh").format_messages()[0].text == "warmly问候Eve"
    with pytest.raises(InputError, match=r"no variable 'persn'.*'person'"):
        file.with_partial({"persn": "Eve"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "no YAML"),
        ("- a", "holds name"),
        ("name: a\nname: b", "'name' stands twice"),
        ("name: &x a\nabout: *x", "aliases are not read"),
        ("name: a\nprompts: !!python/object:os.system {}", "no YAML"),
        ("name: A B\nprompts: {en: [{human: x}]}", "name: "),
        ("name: a\nprompts: {}", "prompts: "),
        ("name: a\nwords: b\nprompts: {en: [{human: x}]}", "words: there is no such key"),
        ("name: a\nprompts: {en: [{human: x, ai: y}]}", "one of system, human, ai, messages and examples"),
        ("name: a\nvariables: {person: p}\nprompts: {en: [{human: '{persn}'}]}", r"en: nobody gives {persn}.*person"),
        (
            "name: a\nvariables: {x: p}\nneeds: [x]\nprompts: {en: [{human: '{x}'}], zh: [{human: y}]}",
            "zh: {x} must be",
        ),
        ("name: a\nneeds: [x]\nprompts: {en: [{human: y}]}", "must be in it"),
        ("name: a\npartial: {x: y}\nprompts: {en: [{human: y}]}", "'x' is not among the variables"),
        ("name: a\nprompts: {en: [{human: 'a {'}]}", "en: "),
        ("name: a\nvariables: {x: p}\nprompts: {en: [{human: '{x.__class__}'}]}", "en: "),
        ("name: a\nprompts: {en: [{examples: {turns: [{human: '{q}'}], values: [{w: x}]}}]}", "an example lacks q"),
        ("name: a\nversion: 0\nprompts: {en: [{human: x}]}", "version: "),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(text, said):
    with pytest.raises(InputError, match=said) as caught:
        parse_prompt(text, "mine.yaml")
    assert caught.value.where.startswith("mine.yaml")


def test_a_file_that_is_not_there_is_not_text_or_is_too_long_is_refused(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "long.yaml").write_text("#" * (LONGEST + 1), encoding="utf-8")
    for name, said in (("none.yaml", "cannot be read"), ("bytes.yaml", "cannot be read"), ("long.yaml", "at most")):
        with pytest.raises(InputError, match=said):
            read_prompt(tmp_path / name)


def test_a_language_can_be_served_by_anothers_words_and_still_be_asked_for():
    words = {"en": [{"human": "Hello"}], "zh": [{"human": "你好"}]}
    file = PromptFile.model_validate({"name": "hi", "instead": {"zh": "en"}, "prompts": words})
    assert file.template("zh").format() == "Human: Hello"
    assert file.template("zh", exact=True).format() == "Human: 你好"
    with pytest.raises(InputError, match="there is no 'pt'"):
        parse_prompt("name: hi\ninstead: {zh: pt}\nprompts: {en: [{human: x}]}", "mine.yaml")
