"""Volumes, workspace objects and DBFS through the real client: whole files, ranges, parts, folders."""

import io

import pytest
from databricks.sdk.errors import AlreadyExists, BadRequest, NotFound, PermissionDenied, ResourceAlreadyExists
from databricks.sdk.service.catalog import VolumeType
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, Language, ObjectType
from quick_workspace import plain, quick_workspace, sdk

VOLUME = "/Volumes/main/default/docs"


@pytest.fixture(scope="module")
def local():
    with quick_workspace() as found:
        yield found


@pytest.fixture(scope="module")
def w(local):
    client = sdk(local)
    client.volumes.create("main", "default", "docs", VolumeType.MANAGED, comment="papers")
    return client


def test_a_volume_is_declared_listed_and_deleted_with_its_files(w, local):
    w.catalogs.create("second")
    w.schemas.create("drafts", "second")
    made = w.volumes.create("second", "drafts", "v", VolumeType.MANAGED)
    assert made.full_name == "second.drafts.v"
    w.files.upload("/Volumes/second/drafts/v/a.txt", io.BytesIO(b"a"))
    assert [one.name for one in w.volumes.list("second", "drafts")] == ["v"]
    w.volumes.delete("second.drafts.v")
    with pytest.raises(NotFound, match="does not exist"):
        w.files.download("/Volumes/second/drafts/v/a.txt")
    with pytest.raises(NotFound, match=r"did you mean 'second\.drafts'"):
        w.volumes.create("second", "draft", "v", VolumeType.MANAGED)
    w.catalogs.delete("second", force=True)
    assert [one.name for one in w.catalogs.list()] == ["main"]


def test_a_file_goes_up_and_comes_down_the_same(w, tmp_path):
    content = bytes(range(256)) * 1000
    w.files.upload(f"{VOLUME}/deep/er/每日.bin", io.BytesIO(content), overwrite=True)
    assert w.files.download(f"{VOLUME}/deep/er/每日.bin").contents.read() == content
    assert w.files.get_metadata(f"{VOLUME}/deep/er/每日.bin").content_length == len(content)
    w.files.download_to(f"{VOLUME}/deep/er/每日.bin", str(tmp_path / "here"))
    assert (tmp_path / "here").read_bytes() == content
    with pytest.raises(AlreadyExists):
        w.files.upload(f"{VOLUME}/deep/er/每日.bin", io.BytesIO(b"x"), overwrite=False)
    w.files.delete(f"{VOLUME}/deep/er/每日.bin")
    with pytest.raises(NotFound):
        w.files.get_metadata(f"{VOLUME}/deep/er/每日.bin")


def test_a_large_file_goes_up_in_parts_and_comes_down_in_ranges(w, tmp_path):
    w.files._config.files_ext_multipart_upload_min_stream_size = 1 << 20
    w.files._config.files_ext_parallel_download_min_file_size = 1 << 20
    w.files._config.files_ext_parallel_download_default_part_size = 1 << 20
    content = bytes(range(251)) * 20_000
    w.files.upload(f"{VOLUME}/large", io.BytesIO(content), part_size=1 << 20)
    assert w.files.get_metadata(f"{VOLUME}/large").content_length == len(content)
    w.files.download_to(f"{VOLUME}/large", str(tmp_path / "large"), use_parallel=True)
    assert (tmp_path / "large").read_bytes() == content


def test_folders_are_made_listed_in_pages_and_deleted_when_empty(w):
    w.files.create_directory(f"{VOLUME}/folder/below")
    for number in range(5):
        w.files.upload(f"{VOLUME}/folder/{number}.txt", io.BytesIO(b"12345"))
    found = list(w.files.list_directory_contents(f"{VOLUME}/folder", page_size=2))
    assert [one.name for one in found] == ["0.txt", "1.txt", "2.txt", "3.txt", "4.txt", "below"]
    assert found[0].file_size == 5
    assert found[-1].is_directory
    w.files.get_directory_metadata(f"{VOLUME}/folder")
    with pytest.raises(BadRequest, match="not empty"):
        w.files.delete_directory(f"{VOLUME}/folder")
    w.files.delete_directory(f"{VOLUME}/folder/below")
    with pytest.raises(NotFound):
        w.files.get_directory_metadata(f"{VOLUME}/folder/below")


def test_a_range_of_a_file_is_answered_as_one(w, local):
    w.files.upload(f"{VOLUME}/range", io.BytesIO(b"0123456789"))
    with plain(local) as http:
        for asked, got, told in (
            ("bytes=2-4", b"234", "bytes 2-4/10"),
            ("bytes=7-", b"789", "bytes 7-9/10"),
            ("bytes=-2", b"89", "bytes 8-9/10"),
        ):
            answer = http.get(f"/api/2.0/fs/files{VOLUME}/range", headers={"Range": asked})
            assert (answer.status_code, answer.content, answer.headers["content-range"]) == (206, got, told)
        assert http.get(f"/api/2.0/fs/files{VOLUME}/range", headers={"Range": "bytes=10-"}).status_code == 416


@pytest.mark.parametrize(
    "path",
    ["/Volumes/main/default/docs/%2e%2e/%2e%2e/%2e%2e/x", "/Volumes/main/default/docs/..%2f..%2fx", "/etc/passwd"],
)
def test_no_path_leaves_its_volume(w, local, path):
    with plain(local) as http:
        for method in ("GET", "PUT", "DELETE"):
            answer = http.request(method, f"/api/2.0/fs/files{path}", content=b"x" if method == "PUT" else None)
            assert answer.status_code in {400, 404}, answer.text
    assert not (local.workspace.folder / "x").exists()


def test_a_workspace_file_goes_through_both_forms_of_import(w):
    home = f"/Workspace/Users/{w.current_user.me().user_name}" if hasattr(w, "current_user") else "/Shared"
    w.workspace.mkdirs(f"{home}/lab")
    w.workspace.upload(f"{home}/lab/plain.txt", b"hello", format=ImportFormat.AUTO)
    w.workspace.upload(f"{home}/lab/book.py", b"# Databricks notebook source\nprint(1)\n", format=ImportFormat.AUTO)
    w.workspace.upload(f"{home}/lab/source", b"print(2)", language=Language.PYTHON)
    w.workspace.import_(
        f"{home}/lab/coded", content="cHJpbnQoMyk=", format=ImportFormat.SOURCE, language=Language.PYTHON
    )
    found = {one.path.rsplit("/", 1)[1]: one.object_type for one in w.workspace.list(f"{home}/lab")}
    assert found == {
        "plain.txt": ObjectType.FILE,
        "book": ObjectType.NOTEBOOK,
        "source": ObjectType.NOTEBOOK,
        "coded": ObjectType.NOTEBOOK,
    }
    assert w.workspace.download(f"{home}/lab/plain.txt").read() == b"hello"
    assert w.workspace.export(f"{home}/lab/coded", format=ExportFormat.SOURCE).content == "cHJpbnQoMyk="
    assert w.workspace.get_status(f"{home}/lab/book").language is Language.PYTHON
    with pytest.raises((ResourceAlreadyExists, BadRequest), match="already exists"):
        w.workspace.upload(f"{home}/lab/plain.txt", b"x", format=ImportFormat.AUTO)
    w.workspace.upload(f"{home}/lab/plain.txt", b"anew", format=ImportFormat.AUTO, overwrite=True)
    assert w.workspace.download(f"{home}/lab/plain.txt").read() == b"anew"
    with pytest.raises(NotFound, match="parent folder"):
        w.workspace.upload(f"{home}/none/x.txt", b"x", format=ImportFormat.AUTO)
    with pytest.raises(BadRequest, match="not empty"):
        w.workspace.delete(f"{home}/lab")
    w.workspace.delete(f"{home}/lab", recursive=True)
    with pytest.raises(NotFound):
        w.workspace.get_status(f"{home}/lab")
    with pytest.raises(PermissionDenied):
        w.workspace.delete("/Shared", recursive=True)


def test_dbfs_is_written_in_blocks_read_in_parts_moved_and_deleted(w, tmp_path):
    content = bytes(range(256)) * 10_000
    with w.dbfs.open("/lab/data.bin", write=True) as file:
        file.write(content)
        assert not w.dbfs.exists("/lab/data.bin")
    assert w.dbfs.open("/lab/data.bin", read=True).read() == content
    with pytest.raises((ResourceAlreadyExists, BadRequest)):
        w.dbfs.upload("/lab/data.bin", io.BytesIO(b"x"))
    w.dbfs.upload("/lab/data.bin", io.BytesIO(b"x"), overwrite=True)
    assert [(one.path, one.file_size) for one in w.dbfs.list("/lab")] == [("/lab/data.bin", 1)]
    w.dbfs.move("/lab/data.bin", "/lab/moved.bin")
    w.dbfs.put("/lab/small", contents="aGk=")
    assert w.dbfs.download("/lab/small").read() == b"hi"
    w.dbfs.delete("/lab", recursive=True)
    with pytest.raises(NotFound):
        w.dbfs.get_status("/lab/moved.bin")
    (tmp_path / "from.txt").write_bytes(b"copied")
    w.dbfs.copy(f"file:{tmp_path}/from.txt", "/to.txt")
    w.dbfs.copy("/to.txt", f"{VOLUME}/to.txt")
    assert w.files.download(f"{VOLUME}/to.txt").contents.read() == b"copied"
