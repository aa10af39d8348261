"""An index's home in a volume: what is sent, what is fetched, what is refused, and a kill at every step.

Run as a script this file is the side that is killed: ``push|pull KILL_AT FROM TO``.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from ziggurat.databricks import index_copy, index_home
from ziggurat.databricks.index_home import pull, push
from ziggurat.databricks.shelf import MountedShelf, shelf_at
from ziggurat.errors import IndexCorrupt, IndexNotFound, InputError, WorkspaceDenied, WorkspaceUnavailable
from ziggurat.index import VectorIndex
from ziggurat.testing import FakeEmbeddings

PART = 16 * 1024
VOLUME = "/Volumes/main/default/files"
KILLED = 9


def _killed(verb, at, source, target):
    """Push or pull, and die without a word at the ``at``-th step that changes something."""
    index_copy.PART_BYTES = index_home.PART_BYTES = PART
    steps = iter(range(1, 10_000))
    lock = threading.Lock()

    def dying(function):
        def stepped(*args, **kwargs):
            with lock:
                if next(steps) == at:
                    os._exit(KILLED)
            return function(*args, **kwargs)

        return stepped

    MountedShelf.write, MountedShelf.remove = dying(MountedShelf.write), dying(MountedShelf.remove)
    index_home._write_whole = dying(index_home._write_whole)
    index_home._put_in_place = dying(index_home._put_in_place)
    index_home.shutil.rmtree = dying(index_home.shutil.rmtree)
    {"push": push, "pull": pull}[verb](source, target)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(index_copy, "PART_BYTES", PART)
    monkeypatch.setattr(index_home, "PART_BYTES", PART)


def filled(path, first=0, count=40):
    with VectorIndex.open_or_create(path, FakeEmbeddings(16)) as index:
        index.add_texts(
            [f"the floor number {at}" for at in range(first, first + count)],
            ids=[f"f{at}" for at in range(first, first + count)],
        )
    return path


def contents(path):
    with VectorIndex.open(path, FakeEmbeddings(16)) as index:
        health = index.verify()
        assert health.ok, health
        return {one for page in index.records(100) for one in page.ids}


def names(folder):
    return [one.name for one in folder.iterdir()]


def ids(count, first=0):
    return {f"f{at}" for at in range(first, first + count)}


def test_what_was_pushed_is_pulled_and_searched(tmp_path):
    kb = filled(tmp_path / "kb")
    sent = push(kb, tmp_path / "home")
    assert sent.moved == sent.parts > 3
    fetched = pull(tmp_path / "home", tmp_path / "other" / "kb")
    assert (fetched.generation, fetched.moved) == (sent.generation, sent.moved)
    assert contents(tmp_path / "other" / "kb") == ids(40)
    assert names(tmp_path / "other") == ["kb"]
    with VectorIndex.open(tmp_path / "other" / "kb", FakeEmbeddings(16)) as index:
        assert index.similarity_search("the floor number 7", k=1)[0].id == "f7"


def test_a_second_push_and_pull_move_nothing_and_a_change_moves_its_parts_alone(tmp_path):
    kb, home, here = filled(tmp_path / "kb", count=600), tmp_path / "home", tmp_path / "here"
    push(kb, home)
    pull(home, here)
    assert (push(kb, home).moved, pull(home, here).moved) == (0, 0)
    filled(kb, first=600, count=1)
    sent = push(kb, home)
    fetched = pull(home, here)
    assert 0 < sent.moved < sent.parts
    assert 0 < fetched.moved <= sent.moved
    assert contents(here) == ids(601)


def test_an_index_that_is_open_goes_on_and_sees_what_was_pulled(tmp_path):
    kb, home, here = filled(tmp_path / "kb"), tmp_path / "home", tmp_path / "here"
    push(kb, home)
    pull(home, here)
    with VectorIndex.open(here, FakeEmbeddings(16)) as reader:
        assert len(reader) == 40
        filled(kb, first=40)
        push(kb, home)
        pull(home, here)
        assert len(reader) == 80
        assert reader.similarity_search("the floor number 77", k=1)[0].id == "f77"
        reader.add_texts(["written after the pull"], ids=["own"])
    assert contents(here) == ids(80) | {"own"}


def test_an_index_is_pushed_while_it_is_written_to(tmp_path):
    kb, home, failures = filled(tmp_path / "kb"), tmp_path / "home", []
    ended = threading.Event()

    def write():
        try:
            for at in range(40, 60):
                filled(kb, first=at, count=1)
        except Exception as error:  # noqa: BLE001 (told by the test)
            failures.append(error)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    pushed = 0
    while not ended.is_set() or pushed == 0:
        push(kb, home)
        pushed += 1
        pull(home, tmp_path / f"here{pushed}")
        found = contents(tmp_path / f"here{pushed}")
        assert found == ids(len(found))
        assert len(found) >= 40
    writer.join()
    assert failures == []


def test_an_older_generation_is_never_put_over_a_newer_one_unless_told_to(tmp_path):
    kb, home, here = filled(tmp_path / "kb"), tmp_path / "home", tmp_path / "here"
    push(kb, home)
    pull(home, here)
    filled(kb, first=40)
    push(kb, home)
    with pytest.raises(InputError, match="there already"):
        push(here, home)
    pull(home, here)
    filled(here, first=80)
    with pytest.raises(InputError, match="there already"):
        pull(home, here)
    assert contents(here) == ids(120)
    pull(home, here, force=True)
    assert contents(here) == ids(80)


def test_histories_that_went_apart_are_told_and_not_joined(tmp_path):
    kb, home, here = filled(tmp_path / "kb"), tmp_path / "home", tmp_path / "here"
    push(kb, home)
    pull(home, here)
    filled(kb, first=40)
    filled(here, first=90)
    push(kb, home)
    for attempt in (lambda: push(here, home), lambda: pull(home, here)):
        with pytest.raises(InputError, match="Both have changed"):
            attempt()
    assert contents(here) == ids(40) | ids(40, first=90)
    push(here, home, force=True)
    pull(home, kb, force=True)
    assert contents(kb) == contents(here)


def test_another_index_is_refused(tmp_path):
    home = tmp_path / "home"
    push(filled(tmp_path / "kb"), home)
    other = filled(tmp_path / "other")
    for attempt in (lambda: push(other, home), lambda: pull(home, other)):
        with pytest.raises(InputError, match="another index"):
            attempt()


def test_what_is_damaged_or_missing_there_is_refused_and_the_index_here_stays(tmp_path):
    kb, home, here = filled(tmp_path / "kb"), tmp_path / "home", tmp_path / "here"
    push(kb, home)
    pull(home, here)
    before = set(names(home / "parts"))
    filled(kb, first=40)
    push(kb, home)
    (part, *_) = sorted(set(names(home / "parts")) - before)
    content = (home / "parts" / part).read_bytes()
    (home / "parts" / part).write_bytes(b"x" * len(content))
    with pytest.raises(IndexCorrupt, match="is damaged") as caught:
        pull(home, here)
    assert "with force" in caught.value.fix
    push(kb, home, force=True)
    assert (home / "parts" / part).read_bytes() == content
    (home / "parts" / part).unlink()
    with pytest.raises(IndexCorrupt, match="is missing"):
        pull(home, here)
    assert contents(here) == ids(40)
    assert push(kb, home).moved == 1
    pull(home, here)
    assert contents(here) == ids(80)


def test_only_the_last_two_manifests_stay_and_parts_that_none_names_go_after_a_day(tmp_path):
    kb, home = filled(tmp_path / "kb"), tmp_path / "home"
    for at in range(4):
        filled(kb, first=40 + at, count=1)
        push(kb, home)
    assert len(names(home / "manifests")) == 2
    before = set(names(home / "parts"))
    for part in before:
        os.utime(home / "parts" / part, (0, 0))
    for at in range(2):
        filled(kb, first=50 + at, count=1)
        push(kb, home)
    assert not before <= set(names(home / "parts"))
    pull(home, tmp_path / "here")
    assert contents(tmp_path / "here") == contents(kb)


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(IndexNotFound):
        push(tmp_path / "nothing", tmp_path / "home")
    with pytest.raises(IndexNotFound, match="no index in this home"):
        pull(tmp_path / "home", tmp_path / "kb")
    assert names(tmp_path) == []
    with pytest.raises(InputError, match="a folder in a volume"):
        shelf_at("/Volumes/main/default/files")


def test_where_the_volume_is_mounted_it_is_used_as_a_folder(monkeypatch):
    assert isinstance(shelf_at(Path("kb")), MountedShelf)
    monkeypatch.setattr(
        "ziggurat.databricks.shelf.Path.is_dir", lambda path: str(path) == "/Volumes/main/default/files"
    )
    found = shelf_at(f"dbfs:{VOLUME}/kb")
    assert isinstance(found, MountedShelf)
    assert found.where == f"{VOLUME}/kb"


def run(verb, at, source, target):
    command = [sys.executable, __file__, verb, str(at), str(source), str(target)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, KILLED), ended.stderr
    return ended.returncode == KILLED


def test_a_push_killed_at_any_step_leaves_readers_what_they_saw_and_is_run_again(tmp_path):
    kb, home, kills = filled(tmp_path / "kb"), tmp_path / "home", 0
    push(kb, home)
    filled(kb, first=40, count=60)
    for at in (1, 2, 4, 7, 30):
        killed = run("push", at, kb, home)
        kills += killed
        pull(home, tmp_path / f"here{at}")
        assert contents(tmp_path / f"here{at}") == (ids(40) if killed else ids(100))
    assert kills >= 3
    push(kb, home)
    pull(home, tmp_path / "here")
    assert contents(tmp_path / "here") == ids(100)


def test_a_pull_killed_at_any_step_leaves_one_generation_whole_and_is_run_again(tmp_path):
    kb, home, here, kills = filled(tmp_path / "kb"), tmp_path / "home", tmp_path / "here", 0
    push(kb, home)
    pull(home, here)
    filled(kb, first=40, count=60)
    push(kb, home)
    for at in (1, 3, 8, 11, 12, 13, 14, 60):
        kills += run("pull", at, home, here)
        assert contents(here) in (ids(40), ids(100))
    assert kills >= 3
    assert pull(home, here).moved == 0 or contents(here) == ids(100)
    assert contents(here) == ids(100)


# -- in a workspace ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def local():
    from databricks.sdk.service.catalog import VolumeType
    from quick_workspace import quick_workspace, sdk

    with quick_workspace() as found:
        sdk(found).volumes.create("main", "default", "files", VolumeType.MANAGED)
        yield found


def test_a_volume_of_a_workspace_is_a_home_too(local, tmp_path):
    kb, home, way_in = filled(tmp_path / "kb", count=200), f"{VOLUME}/kb", {"host": local.url, "token": local.token}
    sent = push(kb, home, **way_in)
    assert sent.home == f"dbfs:{home}"
    assert pull(f"dbfs:{home}", tmp_path / "here", **way_in).moved == sent.moved
    assert contents(tmp_path / "here") == ids(200)
    filled(kb, first=200, count=1)
    again = push(kb, home, **way_in)
    assert 0 < again.moved < again.parts
    pull(home, tmp_path / "here", **way_in)
    assert contents(tmp_path / "here") == ids(201)
    with pytest.raises(IndexNotFound, match="no index in this home"):
        pull(f"{VOLUME}/nothing", tmp_path / "x", **way_in)


def test_the_command_line_pushes_and_pulls(local, tmp_path, monkeypatch):
    from ziggurat.cli.databricks_index import index

    monkeypatch.setenv("DATABRICKS_HOST", local.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", local.token)
    kb = filled(tmp_path / "kb")
    for arguments, said in (
        (["push", str(kb), f"{VOLUME}/cli"], "sent"),
        (["pull", f"{VOLUME}/cli", str(tmp_path / "here")], "fetched"),
    ):
        done = CliRunner().invoke(index, arguments, catch_exceptions=False)
        assert f"parts {said}" in done.output
    assert contents(tmp_path / "here") == ids(40)


def test_whoever_may_not_write_there_is_told_so_without_the_token(local, tmp_path):
    kb, wrong = filled(tmp_path / "kb"), "dapi-wrong-token-1234567890"
    with pytest.raises(WorkspaceDenied) as caught:
        push(kb, f"{VOLUME}/kb", host=local.url, token=wrong)
    assert wrong not in str(caught.value)
    with pytest.raises(WorkspaceUnavailable):
        push(kb, f"{VOLUME}/kb", host="http://127.0.0.1:1", token=wrong)
    with pytest.raises(InputError, match="cannot be used"):
        push(kb, "/Volumes/main/default/nowhere/kb", host=local.url, token=local.token)


if __name__ == "__main__":
    _killed(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
