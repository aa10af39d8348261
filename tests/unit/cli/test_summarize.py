"""``ziggurat summarize``: a file in a few sentences, with its places and what was read."""

import pytest
from book import book


def test_a_file_is_summarised_with_places_and_what_was_read(front_door, tmp_path):
    (tmp_path / "mill.md").write_text("# Mill\n\nThe mill at Osk was built in 1720. It grinds rye.\n", encoding="utf-8")
    said = "fake:fixed The mill at Osk was built in 1720."
    code, out, err = front_door("summarize", str(tmp_path / "mill.md"), "--model", said)
    assert (code, err) == (0, "")
    assert out.startswith("The mill at Osk was built in 1720. [1]\n")
    assert "mill.md:3" in out
    assert out.endswith("Read 1 of 1 passages (100% of the text), stuff.\n")


def test_a_long_file_keeps_its_bound_on_calls_and_says_what_it_left(front_door, tmp_path):
    (tmp_path / "book.txt").write_text(book(200_000).text, encoding="utf-8")
    arguments = ["summarize", str(tmp_path / "book.txt"), "--model", "fake:fixed Nothing.", "--max-calls", "4"]
    code, out, _ = front_door(*arguments, "--sentences", "3")
    assert code == 0
    assert "% of the text), map_reduce." in out.splitlines()[-1]
    assert "(100%" not in out


def test_a_folder_is_summarised_and_what_cannot_be_read_is_told(front_door, tmp_path):
    (tmp_path / "mill.md").write_text("The mill at Osk was built in 1720.", encoding="utf-8")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    said = "fake:fixed The mill at Osk was built in 1720."
    code, out, err = front_door("summarize", str(tmp_path), "--model", said)
    assert code == 0
    assert "The mill at Osk was built in 1720. [1]" in out
    assert "left out: " in err
    assert "broken.pdf" in err


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("  ", [], ""),
        ("A mill.", ["--strategy", "map_rerank"], "question"),
    ],
)
def test_what_cannot_be_is_one_clear_error(front_door, tmp_path, text, options, said):
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    code, _, err = front_door("summarize", str(tmp_path / "a.txt"), "--model", "fake:echo", *options)
    assert code == 1
    assert said in err
    assert "Traceback" not in err
