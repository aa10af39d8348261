"""A prompt folder as a local hub, and the shipped prompts a person's folder stands before."""

import pytest

from ziggurat.errors import InputError
from ziggurat.prompts import PromptFile, PromptFolder, shipped, shipped_names
from ziggurat.prompts.shipped import original


def prompt(words, name="greeting", **more):
    return PromptFile.model_validate({"name": name, "prompts": {"en": [{"human": words}]}, **more})


def test_a_change_of_words_is_a_new_version_and_the_old_one_stays(tmp_path):
    folder = PromptFolder(tmp_path / "prompts")
    assert list(folder) == []
    assert folder.push(prompt("one")).version == 1
    assert folder.push(prompt("one")).version == 1
    assert folder.push(prompt("two")).version == 2
    assert folder.push(prompt("three")).version == 3
    assert folder.versions("greeting") == [1, 2, 3]
    assert [folder.pull("greeting", one).prompts["en"][0].human for one in (1, 2, 3)] == ["one", "two", "three"]
    assert folder.pull("greeting").version == 3
    assert folder.pull("greeting@2") == folder.pull("greeting", 2)
    assert list(folder) == ["greeting"]


def test_a_version_that_was_edited_by_hand_is_not_overwritten(tmp_path):
    folder = PromptFolder(tmp_path)
    folder.push(prompt("one"))
    folder.push(prompt("two"))
    (tmp_path / "greeting.yaml").write_text(prompt("edited", version=1).yaml(), encoding="utf-8")
    with pytest.raises(InputError, match="changed after it was pushed") as caught:
        folder.push(prompt("three"))
    assert "version 2" in caught.value.fix
    assert folder.pull("greeting", 1).prompts["en"][0].human == "edited"


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("greetin", None, "no prompt 'greetin' here.*greeting"),
        ("greeting", 9, "no version 9 of greeting; there are 1"),
        ("greeting@9", None, "no version 9"),
        ("../outside/greeting", None, "no prompt"),
        ("", None, "no prompt"),
    ],
)
def test_what_is_not_there_is_said(tmp_path, name, version, said):
    PromptFolder(tmp_path / "outside").push(prompt("secret"))
    folder = PromptFolder(tmp_path / "in")
    folder.push(prompt("one"))
    with pytest.raises(InputError, match=said):
        folder.pull(name, version)


def test_a_file_under_another_name_is_refused(tmp_path):
    (tmp_path / "other.yaml").write_text(prompt("one").yaml(), encoding="utf-8")
    with pytest.raises(InputError, match="holds the prompt 'greeting', not 'other'"):
        PromptFolder(tmp_path).pull("other")


# -- the shipped ones -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_prompt_is_in_english_chinese_and_portuguese(name):
    found = original(name)
    assert {"en", "zh", "pt"} <= set(found.prompts)
    assert found.about
    assert all(found.variables.values())
    told = {language: found.template(language, exact=True).messages for language in found.prompts}
    assert told["en"] != told["zh"] != told["pt"]
    assert any("\u4e00" <= char <= "\u9fff" for char in str(found.prompts["zh"]))


def test_a_persons_own_prompt_takes_the_place_of_the_shipped_one(tmp_path, monkeypatch):
    own = prompt("{passages} {question}?", "qa", variables={"passages": "p", "question": "q"})
    PromptFolder(tmp_path).push(own)
    monkeypatch.setenv("ZIGGURAT_PROMPTS", str(tmp_path))
    assert shipped("qa") == own
    assert shipped("multi_query") == original("multi_query")
    assert original("qa") != own


@pytest.mark.parametrize(
    ("words", "said"),
    [("{passages} {question} {mood}", "nobody gives {mood}"), ("{question}", "{passages} must be in it")],
)
def test_a_replacement_with_a_missing_or_an_extra_variable_is_refused(tmp_path, monkeypatch, words, said):
    names = {"passages": "p", "question": "q", "mood": "m"}
    PromptFolder(tmp_path).push(prompt(words, "qa", variables=names))
    monkeypatch.setenv("ZIGGURAT_PROMPTS", str(tmp_path))
    with pytest.raises(InputError, match=said) as caught:
        shipped("qa")
    assert str(tmp_path) in caught.value.where


def test_an_unknown_prompt_is_said_with_the_nearest():
    with pytest.raises(InputError, match="No stage has a prompt 'q'"):
        original("q")
    with pytest.raises(InputError, match="multi_query"):
        original("multi_qery")
