"""Files: folders that paths cannot leave, addresses that open once, pages that end."""

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as some
from quick_workspace import plain, quick_workspace

from ziggurat.databricks.local import LocalWorkspace
from ziggurat.databricks.local.call import Refusal
from ziggurat.databricks.local.tree import Tree
from ziggurat.errors import ZigguratError

VOLUME = "/Volumes/main/default/v"


@pytest.fixture(scope="module")
def local():
    with quick_workspace() as found:
        with plain(found) as http:
            body = {"catalog_name": "main", "schema_name": "default", "name": "v", "volume_type": "MANAGED"}
            assert http.post("/api/2.1/unity-catalog/volumes", json=body).status_code == 200
        yield found


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("tree") / "root")


@given(some.text(some.sampled_from("/.a\\\x00~ %"), max_size=20))
def test_whatever_the_path_nothing_outside_is_touched(tree, path):
    try:
        place = tree.place(path)
    except Refusal as refusal:
        assert refusal.status == 400
    else:
        assert os.path.commonpath([place.resolve(), tree.root]) == str(tree.root)


def test_a_link_that_a_job_left_leads_nowhere(tree, tmp_path):
    (tree.root / "out").symlink_to(tmp_path)
    with pytest.raises(Refusal, match="leaves its folder"):
        tree.write("/out/x", b"x")
    assert not (tmp_path / "x").exists()


def test_a_file_where_a_folder_should_be_is_refused(tree):
    tree.write("/file", b"x")
    with pytest.raises(Refusal) as caught:
        tree.make("/file/below")
    assert caught.value.code == "RESOURCE_ALREADY_EXISTS"


def test_a_signed_address_does_one_thing_and_needs_no_token(local):
    with plain(local) as http:
        http.put(f"/api/2.0/fs/files{VOLUME}/a", content=b"content")
        url = http.post("/api/2.0/fs/create-download-url", params={"path": f"{VOLUME}/a"}).json()["url"]
        del http.headers["Authorization"]
        assert http.get(url).content == b"content"
        assert http.put(url, content=b"x").status_code == 403
        assert http.get(url + "x").status_code == 403


def test_an_upload_in_parts_is_there_only_when_it_is_complete_and_right(local):
    target = f"/api/2.0/fs/files{VOLUME}/parts"
    with plain(local) as http:
        begun = http.post(target, params={"action": "initiate-upload"}).json()
        token = begun["multipart_upload"]["session_token"]
        asked = {"path": f"{VOLUME}/parts", "session_token": token, "start_part_number": 1, "count": 2}
        urls = [
            one["url"]
            for one in http.post("/api/2.0/fs/create-upload-part-urls", json=asked).json()["upload_part_urls"]
        ]
        etags = [http.put(url, content=part).headers["etag"] for url, part in zip(urls, (b"one", b"two"), strict=True)]
        assert http.head(target).status_code == 404
        end = {"action": "complete-upload", "session_token": token}
        wrong = {"parts": [{"part_number": 1, "etag": '"no"'}]}
        assert http.post(target, params=end, json=wrong).status_code == 400
        right = {"parts": [{"part_number": number + 1, "etag": etag} for number, etag in enumerate(etags)]}
        assert http.post(target, params=end, json=right).status_code == 200
        assert http.get(target).content == b"onetwo"


def test_an_upload_that_is_ended_leaves_nothing(local):
    target = f"/api/2.0/fs/files{VOLUME}/ended"
    with plain(local) as http:
        begun = http.post(target, params={"action": "initiate-upload"}).json()
        asked = {"path": f"{VOLUME}/ended", "session_token": begun["multipart_upload"]["session_token"]}
        parts = http.post(
            "/api/2.0/fs/create-upload-part-urls", json={**asked, "start_part_number": 1, "count": 1}
        ).json()
        part = parts["upload_part_urls"][0]["url"]
        etag = http.put(part, content=b"one").headers["etag"]
        end = http.post("/api/2.0/fs/create-abort-upload-url", json=asked).json()["abort_upload_url"]["url"]
        assert http.delete(part).status_code == 403  # an address does one thing
        assert http.delete(end).status_code == 204
        complete = {"action": "complete-upload", "session_token": asked["session_token"]}
        told = http.post(target, params=complete, json={"parts": [{"part_number": 1, "etag": etag}]})
        assert told.status_code == 404
        assert http.head(target).status_code == 404


def test_workspace_files_go_through_their_plain_address_too(local):
    with plain(local) as http:
        path = "Shared/plain.bin"
        sent = http.post(
            f"/api/2.0/workspace-files/import-file/{path}", content=b"\x00\x01", params={"overwrite": "true"}
        )
        assert sent.status_code == 200
        assert http.get(f"/api/2.0/workspace-files/{path}").content == b"\x00\x01"
        again = http.post(f"/api/2.0/workspace-files/import-file/{path}", content=b"x")
        assert again.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"


@pytest.mark.parametrize("query", [{"page_size": "x"}, {"page_token": "nonsense"}, {"page_size": "-1"}])
def test_a_page_that_cannot_be_is_refused(local, query):
    with plain(local) as http:
        assert http.get("/api/2.1/clusters/list", params=query).status_code == 400


def test_a_workspace_whose_folder_cannot_be_leaves_no_port_taken(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with pytest.raises(ZigguratError, match="files cannot be kept there"):
        LocalWorkspace(tmp_path / "taken" / "below", port=port).__enter__()
    with LocalWorkspace(tmp_path / "fine", port=port) as local:
        assert local.url.endswith(f":{port}")
