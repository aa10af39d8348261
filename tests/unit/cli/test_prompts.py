"""``ziggurat prompts``: what a person sees of the prompts, and how they put their own in."""

import pytest

from ziggurat.prompts import shipped_names


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("ZIGGURAT_PROMPTS", raising=False)


def test_the_list_names_every_prompt_with_its_languages_and_home(front_door, tmp_path, monkeypatch):
    code, out, _ = front_door("prompts")
    assert code == 0
    assert all(name in out for name in shipped_names())
    row = next(line for line in out.splitlines() if line.startswith("qa "))
    assert row.split()[:6] == ["qa", "1", "en", "zh", "pt", "shipped"]
    front_door("prompts", "eject", "qa", "--to", str(tmp_path / "own"))
    monkeypatch.setenv("ZIGGURAT_PROMPTS", str(tmp_path / "own"))
    _, out, _ = front_door("prompts", "list")
    assert str(tmp_path / "own") in next(line for line in out.splitlines() if line.startswith("qa "))


def test_a_prompt_is_shown_in_one_language(front_door):
    code, out, _ = front_door("prompts", "show", "qa", "--lang", "zh")
    assert code == 0
    assert "段落" in out
    assert "Passages" not in out


def test_an_ejected_prompt_is_edited_checked_and_compared(front_door, tmp_path):
    own = tmp_path / "own"
    assert front_door("prompts", "eject", "qa", "multi_query", "--to", str(own))[0] == 0
    assert front_door("prompts", "diff", "qa", "--from", str(own))[1] == "They are the same.\n"
    file = own / "qa.yaml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("You answer a question", "You answer kindly a question"), encoding="utf-8")
    _, out, _ = front_door("prompts", "diff", "qa", "--from", str(own))
    assert "+" in out
    assert "kindly" in out
    assert front_door("prompts", "check", str(own))[:2] == (0, "✓ multi_query\n✓ qa\n")
    file.write_text(text.replace("{question}", "{qestion}"), encoding="utf-8")
    code, out, _ = front_door("prompts", "check", str(own))
    assert code == 1
    assert "nobody gives {qestion}" in out
    assert front_door("prompts", "versions", "multi_query", "--from", str(own))[1].splitlines() == [
        f"1  {own}",
        "1  shipped",
    ]


def test_nothing_is_overwritten_by_an_eject(front_door, tmp_path):
    front_door("prompts", "eject", "qa", "--to", str(tmp_path))
    before = (tmp_path / "qa.yaml").read_bytes()
    code, _, err = front_door("prompts", "eject", "multi_query", "qa", "--to", str(tmp_path))
    assert code == 1
    assert "has qa already" in err
    assert (tmp_path / "qa.yaml").read_bytes() == before
    assert not (tmp_path / "multi_query.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "qaa"], "No stage has a prompt 'qaa'"),
        (["show", "qa", "--lang", "xx"], "not in 'xx'"),
        (["show", "qa", "--version", "7"], "has version 1, not 7"),
        (["eject", "nothing", "--to", "x"], "No stage has a prompt"),
        (["diff", "qa"], "No folder of your own"),
        (["versions", "nothing"], "No stage has a prompt"),
    ],
)
def test_what_is_not_there_is_one_clear_error(front_door, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = front_door("prompts", *arguments)
    assert code == 1
    assert said in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())
