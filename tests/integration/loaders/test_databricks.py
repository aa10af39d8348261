"""Volumes and workspace files by the real client, against the local workspace."""

import io
import os

import pytest
from click.testing import CliRunner
from databricks.sdk.errors import PermissionDenied
from databricks.sdk.service.catalog import VolumeType
from databricks.sdk.service.workspace import ImportFormat, Language
from quick_workspace import quick_workspace, sdk

from ziggurat.cli.index import command
from ziggurat.errors import InputError, UnreadableDocument, WorkspaceDenied, WorkspaceUnavailable
from ziggurat.index import VectorIndex
from ziggurat.loaders import load, open_source
from ziggurat.loaders.cloud_databricks import open_volume
from ziggurat.testing import FakeEmbeddings

VOLUME = "/Volumes/main/default/docs"
WHERE = f"dbfs:{VOLUME}"
HOME = "/Users/someone@example.com"


@pytest.fixture(scope="module")
def local():
    with quick_workspace() as found:
        yield found


@pytest.fixture
def w(local):
    client = sdk(local)
    client.volumes.create("main", "default", "docs", VolumeType.MANAGED)
    yield client
    client.volumes.delete("main.default.docs")


@pytest.fixture
def put(w):
    def put(name, body):
        content = body if isinstance(body, bytes) else body.encode()
        w.files.upload(f"{VOLUME}/{name}", io.BytesIO(content), overwrite=True)

    return put


@pytest.fixture
def way_in(local):
    return {"host": local.url, "token": local.token}


def test_files_are_listed_by_path_through_all_folders_and_read(put, way_in):
    put("docs/a.md", "# Alpha\n\ntext")
    put("docs/deep/er/b.txt", "beta")
    put("docs2/c.txt", "not below docs")
    source = open_source(f"{WHERE}/docs", **way_in)
    items = list(source.items())
    assert source.name == f"{WHERE}/docs"
    assert [(one.key, one.size) for one in items] == [
        (f"{WHERE}/docs/a.md", 13),
        (f"{WHERE}/docs/deep/er/b.txt", 4),
    ]
    (alpha,) = items[0].read()
    assert (alpha.source, alpha.title, alpha.kind) == (f"{WHERE}/docs/a.md", "Alpha", "markdown")


@pytest.mark.parametrize("address", [WHERE, f"dbfs://{VOLUME}", VOLUME, f"{VOLUME}/", f"{WHERE}/a.txt"])
def test_every_way_to_write_the_address_reads_the_same(address, put, way_in):
    put("a.txt", "text")
    (document,) = load(address, **way_in)
    assert (document.text, document.source) == ("text", f"{WHERE}/a.txt")


def test_globs_choose_in_the_address_and_beside_it(put, way_in):
    for name in ("a.md", "b.txt", "deep/c.md", "deep/d.txt", "deep/draft.md"):
        put(name, "text")

    def named(address, **options):
        return [one.key.removeprefix(f"{WHERE}/") for one in open_source(address, **options, **way_in).items()]

    assert named(f"{WHERE}/*.md") == ["a.md", "deep/c.md", "deep/draft.md"]
    assert named(f"{WHERE}/deep/?.*") == ["deep/c.md", "deep/d.txt"]
    assert named(WHERE, include="*.md", exclude="*draft*") == ["a.md", "deep/c.md"]
    assert named(f"{WHERE}/deep/*.md", exclude=["draft.md"]) == ["deep/c.md"]


def test_a_sync_fetches_only_what_has_changed(local, put, w, way_in, tmp_path):
    for name in ("a.txt", "b.txt", "deep/c.txt"):
        put(name, f"the text of {name}")

    def fetched():
        return sum(one.path == "/api/2.0/fs/create-download-url" for one in local.workspace.record.entries)

    with VectorIndex.open_or_create(tmp_path / "kb", FakeEmbeddings(8)) as index:
        source = open_source(WHERE, **way_in)
        assert len(index.sync(source).added) == 3
        local.workspace.record.clear()
        assert index.sync(open_source(WHERE, **way_in)).added == []
        assert fetched() == 0
        put("b.txt", "another text, and longer")
        w.files.delete(f"{VOLUME}/a.txt")
        report = index.sync(open_source(WHERE, **way_in))
        assert (len(report.added), len(report.changed), len(report.removed)) == (0, 1, 1)
        assert fetched() == 1


def test_files_that_cannot_be_read_are_one_line_each(put, way_in):
    put("a.txt", "good")
    put("b.mp4", b"\0\0\0\x18ftypmp42")
    put("c.pdf", "no pdf at all")
    put("e.txt", "x" * 2000)
    said = {}
    found = list(load(WHERE, max_bytes=1000, on_problem=lambda key, error: said.update({key: error.what}), **way_in))
    assert [one.text for one in found] == ["good"]
    assert sorted(said) == [f"{WHERE}/{name}" for name in ("b.mp4", "c.pdf", "e.txt")]
    assert "at most 1,000" in said[f"{WHERE}/e.txt"]


def test_a_file_too_large_is_not_fetched(local, put, way_in):
    put("large.txt", "x" * 2000)
    (item,) = open_source(WHERE, max_bytes=1000, **way_in).items()
    local.workspace.record.clear()
    with pytest.raises(UnreadableDocument, match="at most 1,000"):
        list(item.read())
    assert [one for one in local.workspace.record.entries if "download" in one.path or "/fs/files" in one.path] == []


def test_a_file_that_vanishes_before_it_is_read_is_one_line(put, w, way_in):
    put("a.txt", "here")
    (item,) = open_source(WHERE, **way_in).items()
    w.files.delete(f"{VOLUME}/a.txt")
    with pytest.raises(UnreadableDocument, match="no such") as caught:
        list(item.read())
    assert caught.value.where == f"{WHERE}/a.txt"


def test_a_folder_that_may_not_be_listed_is_an_item_and_nothing_below_it_counts_as_gone(put, w, tmp_path):
    put("a.txt", "open")
    put("locked/b.txt", "behind the door")

    class Guarded:
        def __init__(self, files):
            self.__dict__ = {"files": self, "download": files.download, "_files": files, "shut": False}

        def list_directory_contents(self, path):
            if self.shut and path.endswith("/locked"):
                raise PermissionDenied("User does not have READ VOLUME")
            return self._files.list_directory_contents(path)

    client = Guarded(w.files)
    with VectorIndex.open_or_create(tmp_path / "kb", FakeEmbeddings(8)) as index:
        assert len(index.sync(open_source(WHERE, client=client)).added) == 2
        client.shut = True
        report = index.sync(open_source(WHERE, client=client))
        assert (report.removed, [one.source for one in report.left_out]) == ([], [f"{WHERE}/locked"])
        assert "Access is denied" in str(report.left_out[0])
        assert index.stats().documents == 2


def test_the_command_line_takes_the_addresses_too(put, local, monkeypatch, tmp_path):
    put("a.md", "# Alpha\n\nThe tower has seven floors.")
    monkeypatch.setenv("DATABRICKS_HOST", local.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", local.token)
    for at, address in enumerate((WHERE, VOLUME)):
        asked = [address, "--to", os.fspath(tmp_path / f"kb{at}"), "--embeddings", "fake:8"]
        done = CliRunner().invoke(command, asked, catch_exceptions=False)
        assert "1 documents read" in done.output


def test_what_is_not_there_is_an_error_of_the_source(w, way_in):
    for address in ("dbfs:/Volumes/main/default/nowhere", f"{WHERE}/mistyped", "workspace:/Users/nobody"):
        with pytest.raises(InputError, match="no such") as caught:
            list(open_source(address, **way_in).items())
        assert caught.value.where == address
    assert list(open_source(WHERE, **way_in).items()) == []


@pytest.mark.parametrize(
    "address",
    ["dbfs:/tmp/x", "dbfs:/Volumes/main/default", "dbfs:", "dbfs:/Volumes/main/default/docs/../x", "workspace:/"],
)
def test_addresses_that_name_nothing_are_refused(address, way_in):
    with pytest.raises(InputError):
        open_source(address, **way_in)


def test_whoever_is_not_let_in_is_told_so_without_the_token(w, local, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    wrong = "dapi-wrong-token-1234567890"
    with pytest.raises(InputError, match="token is not accepted") as caught:
        list(open_source(WHERE, host=local.url, token=wrong).items())
    assert wrong not in str(caught.value)
    with pytest.raises(WorkspaceDenied):
        open_source(WHERE)
    with pytest.raises(WorkspaceUnavailable):
        open_source(WHERE, host="http://127.0.0.1:1", token=wrong)


def test_a_path_of_no_volume_is_a_path_where_no_workspace_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match="no such file or folder"):
        open_source("/Volumes/a/b/c/d")
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("DATABRICKS_TOKEN", "x")
    with pytest.raises(WorkspaceUnavailable):
        open_source("/Volumes/a/b/c/d")


def test_where_the_volume_is_mounted_it_is_read_as_a_folder(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("mounted")
    (tmp_path / "b.md").write_text("not wanted")
    real = os.fspath(tmp_path)
    monkeypatch.setattr("ziggurat.loaders.cloud_databricks._mounted", lambda path: real + path.removeprefix(VOLUME))
    (document,) = open_volume(f"{WHERE}/*.txt").items()
    assert document.key == f"{WHERE}/deep/a.txt"
    assert next(iter(document.read())).text == "mounted"


def test_workspace_files_and_notebooks_are_read_by_their_types(w, way_in):
    w.workspace.mkdirs(f"{HOME}/papers/deep")
    w.workspace.upload(f"{HOME}/papers/a.md", b"# Alpha\n\ntext", format=ImportFormat.AUTO)
    w.workspace.upload(f"{HOME}/papers/deep/b.txt", b"beta", format=ImportFormat.AUTO)
    notebook = b"# Databricks notebook source\nprint('the tower')\n"
    w.workspace.upload(f"{HOME}/papers/steps", notebook, format=ImportFormat.SOURCE, language=Language.PYTHON)
    where = f"workspace:{HOME}/papers"
    found = {one.source: one.text for one in load(where, **way_in)}
    assert list(found) == [f"{where}/a.md", f"{where}/steps.py", f"{where}/deep/b.txt"]
    assert "the tower" in found[f"{where}/steps.py"]
    assert [one.source for one in load(f"{where}/steps", **way_in)] == [f"{where}/steps.py"]
    assert [one.source for one in load(f"{where}/a.md", **way_in)] == [f"{where}/a.md"]
    before = [one.stamp for one in open_source(where, **way_in).items()]
    w.workspace.upload(f"{HOME}/papers/deep/b.txt", b"beta!", format=ImportFormat.AUTO, overwrite=True)
    after = [one.stamp for one in open_source(where, **way_in).items()]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False]
