"""The files of one folder: what is found in it, and that nothing outside of it is."""

import os
import threading

import pytest

from ziggurat.errors import InputError
from ziggurat.tools import acts, files


@pytest.fixture
def root(tmp_path):
    (tmp_path / "secret.txt").write_text("the secret")
    inside = tmp_path / "root"
    (inside / "notes").mkdir(parents=True)
    (inside / "readme.md").write_text("Read me.\nThe Boat is red.\n")
    (inside / "notes" / "boat.txt").write_text("\n".join(f"line {n}" for n in range(1, 200)))
    (inside / "picture.bin").write_bytes(b"\0\1\2boat")
    return inside


@pytest.fixture
def call(root):
    tools = {one.name: one for one in files(root, write=True)}
    return lambda name, **given: tools[name].invoke(given)


def test_it_lists_reads_and_searches(call):
    assert call("list_files") == "notes/\npicture.bin (7 bytes)\nreadme.md (26 bytes)"
    assert call("list_files", folder="notes") == "boat.txt (1,682 bytes)"
    assert call("read_file", path="readme.md") == "Read me.\nThe Boat is red."
    assert call("read_file", path="notes/boat.txt", first_line=199) == "line 199"
    assert call("search_files", words="boat is") == "readme.md:2: The Boat is red."
    assert call("search_files", words="line 42", folder="notes") == "notes/boat.txt:42: line 42"
    assert call("search_files", words="line").endswith("[only the first 60 lines]")
    assert call("search_files", words="nowhere") == "No file has 'nowhere' in it."


def test_writing_is_an_act_and_there_only_if_wanted(root, call):
    assert [one.name for one in files(root) if acts(one)] == []
    assert [one.name for one in files(root, write=True) if acts(one)] == ["write_file"]
    assert call("write_file", path="new/deep/a.txt", text="grüß") == "Wrote new/deep/a.txt (6 bytes)."
    assert (root / "new" / "deep" / "a.txt").read_text() == "grüß"
    assert call("write_file", path="readme.md", text="x") == "Replaced readme.md (1 bytes)."
    assert sorted(path.name for path in root.iterdir()) == ["new", "notes", "picture.bin", "readme.md"]


@pytest.mark.parametrize(
    "path", ["../secret.txt", "notes/../../secret.txt", "/etc/passwd", "..", "notes/../readme.md", "a\0b", "~/x/../.."]
)
def test_no_path_leads_out(call, path, tmp_path):
    for said in (
        call("read_file", path=path),
        call("write_file", path=path, text="stolen"),
        call("list_files", folder=path),
        call("search_files", words="secret", folder=path),
    ):
        assert "outside of the folder" in said
    assert (tmp_path / "secret.txt").read_text() == "the secret"


def test_links_are_not_followed(call, root, tmp_path):
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "up").symlink_to(tmp_path)
    (root / "notes" / "inner").symlink_to(root / "readme.md")
    for path in ("link.txt", "up/secret.txt", "notes/inner"):
        assert "secret" not in call("read_file", path=path).replace("secret.txt", "")
        assert "not followed" in call("read_file", path=path)
        assert "stolen" not in call("write_file", path=path, text="stolen")
    assert "not followed" in call("list_files", folder="up")
    assert "link.txt" not in call("list_files")
    assert "secret" not in call("search_files", words="the secret").replace("'the secret'", "")
    assert (tmp_path / "secret.txt").read_text() == "the secret"


def test_a_link_that_is_put_there_meanwhile_leads_nowhere(call, root, tmp_path):
    (root / "swap").mkdir()
    (root / "swap" / "secret.txt").write_text("harmless")
    ended = threading.Event()

    def swapping():
        while not ended.is_set():
            (root / "swap").rename(root / "away")
            (root / "swap").symlink_to(tmp_path)
            (root / "swap").unlink()
            (root / "away").rename(root / "swap")

    thread = threading.Thread(target=swapping)
    thread.start()
    try:
        said = {call("read_file", path="swap/secret.txt") for _ in range(300)}
    finally:
        ended.set()
        thread.join()
    assert "the secret" not in said
    assert "harmless" in said


def test_what_is_no_text_or_no_file_is_said(call, root):
    os.mkfifo(root / "pipe")
    assert call("read_file", path="picture.bin") == "This is not a text file."
    assert "is not a file" in call("read_file", path="pipe")
    assert "is not a file" in call("write_file", path="notes", text="x")
    assert "no such file" in call("read_file", path="missing.txt").lower()
    assert "has 2 lines" in call("read_file", path="readme.md", first_line=9)
    assert "names no file" in call("read_file", path=".")


def test_a_large_file_is_cut(call, root):
    (root / "large.txt").write_text("x" * (3 << 20))
    said = call("read_file", path="large.txt")
    assert len(said) < 4200
    assert "left out" in said


def test_a_root_that_is_no_folder_is_refused(root):
    with pytest.raises(InputError):
        files(root / "readme.md")
