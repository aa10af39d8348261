"""Folders as sources: which files, in which order, and what cannot be listed."""

import os
import time
from pathlib import Path

import pytest

from ziggurat.errors import InputError, UnreadableDocument, UnsupportedDocument
from ziggurat.loaders import load, open_source
from ziggurat.loaders.folder import Folder, open_path, read_file, walk


def read(path):
    (document,) = load(path)
    return document


def made(root, *names, **texts):
    for name in (*names, *texts):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(texts.get(name, "x"))


def listed(root, **options):
    return [os.path.relpath(item.key, root) for item in open_path(root, **options).items()]


def test_nothing_at_the_path_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "missing.txt")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(UnreadableDocument, match="neither"):
        read(tmp_path / "a.txt")


def test_a_folder_is_walked_in_order_without_hidden_and_ignored_ones(tmp_path):
    for name in (
        "b/2.txt",
        "b/1.md",
        "a.txt",
        ".hidden.txt",
        ".git/x.txt",
        "node_modules/y.txt",
        "c/.z/t.txt",
        "c/d.log",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "c" / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = [str(path.relative_to(tmp_path)) for path in walk(tmp_path)]
    assert found == ["a.txt", "b/1.md", "b/2.txt", "c/d.log"]


def test_globs_choose_files_and_leave_out_folders(tmp_path):
    made(tmp_path, "a.md", "a.txt", "b/c.md", "b/old/d.md", "b/old/e.txt", "old.md")
    assert listed(tmp_path, include=["*.md"]) == ["a.md", "old.md", "b/c.md", "b/old/d.md"]
    assert listed(tmp_path, include=["/b/**"], exclude=["old/"]) == ["b/c.md"]
    assert listed(tmp_path, include="*.md", exclude="b") == ["a.md", "old.md"]
    assert listed(tmp_path, include=["*", "!*.md"]) == ["a.txt", "b/old/e.txt"]


def test_a_glob_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="no glob"):
        open_path(tmp_path, include=["a", "!"])


def test_ignore_files_speak_for_their_folder_and_the_nearer_one_has_the_last_word(tmp_path):
    made(tmp_path, "a.log", "keep.log", "b/c.log", "b/d.txt", "b/keep.txt", "build/x.txt", "b/build/y.txt", "top.txt")
    (tmp_path / ".gitignore").write_text("# logs\n*.log\n!keep.log\nbuild/\n/top.txt\n")
    (tmp_path / "b" / ".gitignore").write_text("!c.log\nd.txt\n")
    assert listed(tmp_path) == ["keep.log", "b/c.log", "b/keep.txt"]
    (tmp_path / "b" / ".zigguratignore").write_text("*.log\n!d.txt\n")
    assert listed(tmp_path) == ["keep.log", "b/d.txt", "b/keep.txt"]
    assert "build/x.txt" in listed(tmp_path, ignore_files=())


def test_a_folder_that_is_left_out_is_not_looked_into(tmp_path, monkeypatch):
    made(tmp_path, "a.txt", "big/b.txt")
    (tmp_path / ".gitignore").write_text("big/\n!big/b.txt\n")
    looked, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked.append(str(path)) or scandir(path))
    assert listed(tmp_path) == ["a.txt"]
    assert looked == [str(tmp_path)]


def test_hidden_files_come_when_asked_for(tmp_path):
    made(tmp_path, ".a.txt", ".b/c.txt", "d.txt")
    assert listed(tmp_path) == ["d.txt"]
    assert listed(tmp_path, hidden=True) == [".a.txt", "d.txt", ".b/c.txt"]


def test_links_to_files_are_read_and_links_to_folders_are_not_followed(tmp_path):
    made(tmp_path, "a/b.txt")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a" / "b.txt")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round.txt").symlink_to(tmp_path / "round.txt")
    problems = {}
    texts = [
        one.source
        for one in load(tmp_path, on_problem=lambda key, error: problems.update({Path(key).name: error.what}))
    ]
    assert [os.path.relpath(one, tmp_path) for one in texts] == ["link.txt", "a/b.txt"]
    assert problems["gone.txt"] == "The link leads nowhere."
    assert "cannot be read" in problems["round.txt"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    made(tmp_path, "a.txt", "closed/b.txt")
    scandir = os.scandir

    def forbidden(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    items = list(open_path(tmp_path).items())
    assert [os.path.relpath(item.key, tmp_path) for item in items] == ["a.txt", "closed"]
    with pytest.raises(UnreadableDocument, match="cannot be listed: Permission denied"):
        list(items[1].read())


def test_a_stamp_is_size_and_time_and_changes_with_either(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    os.utime(path, ns=(5, 7))
    (item,) = open_path(path).items()
    assert (item.key, item.stamp, item.size) == (str(path), "1:7", 1)
    path.write_text("xy")
    os.utime(path, ns=(5, 7))
    assert next(open_path(tmp_path).items()).stamp == "2:7"


def test_the_limit_reaches_the_files(tmp_path):
    made(tmp_path, "a.txt")
    with pytest.raises(UnreadableDocument, match="at most 0"):
        list(next(open_source(tmp_path, max_bytes=0).items()).read())


def test_what_vanished_since_it_was_listed_says_so(tmp_path):
    made(tmp_path, "a.txt")
    source = open_path(tmp_path)
    (item,) = source.items()
    (tmp_path / "a.txt").unlink()
    with pytest.raises(UnreadableDocument, match="gone"):
        list(item.read())
    tmp_path.rmdir()
    with pytest.raises(InputError, match="no such file"):
        list(source.items())


def test_a_folder_is_no_file_and_a_file_of_no_type_is_named(tmp_path):
    with pytest.raises(UnreadableDocument, match="is a folder"):
        list(read_file(tmp_path))
    made(tmp_path, "a.xyz")
    with pytest.raises(UnsupportedDocument):
        list(read_file(tmp_path / "a.xyz"))
    assert Folder(tmp_path).name == str(tmp_path)


def test_a_very_deep_folder_is_walked(tmp_path):
    folders = [Path(f"{tmp_path}{'/d' * depth}") for depth in range(1, 1200)]
    for folder in folders:
        folder.mkdir()
    file = folders[-1] / "a.txt"
    file.write_text("x")
    try:
        assert [item.key for item in open_path(tmp_path).items()] == [str(file)]
    finally:  # what pytest cleans up with is not made for this depth
        file.unlink()
        for folder in reversed(folders):
            folder.rmdir()


def test_ten_thousand_files_are_listed_in_well_under_a_second(tmp_path):
    for folder in range(100):
        (tmp_path / f"{folder}").mkdir()
        for number in range(100):
            (tmp_path / f"{folder}" / f"{number}.txt").touch()
    (tmp_path / ".gitignore").write_text("*.log\n")
    began = time.perf_counter()
    assert sum(1 for _ in open_path(tmp_path).items()) == 10_000
    assert time.perf_counter() - began < 1
