"""A folder of Google Drive by the real client, against a stand-in that speaks its protocol."""

import hashlib
import io
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from google.auth.credentials import AnonymousCredentials
from web_server import web_server

from ziggurat.errors import InputError, UnreadableDocument, UnsupportedDocument
from ziggurat.loaders import open_source
from ziggurat.loaders.cloud_drive import open_drive

GOOGLE = "application/vnd.google-apps."


class Drive:
    """The drive/v3 methods that a reader uses: files.get, files.list with pages, files.export, media with ranges."""

    def __init__(self, site):
        self.site = site
        self.files = {}
        self.bodies = {}
        self.exports = {}
        self.errors = {}
        self.page = 2
        self.asked = []
        site.otherwise = self.answer

    def put(self, id_, name, kind="text/plain", body=None, parent="root", **more):
        about = {
            "id": id_,
            "name": name,
            "mimeType": kind,
            "parents": [parent],
            "modifiedTime": "2024-05-06T10:00:00.000Z",
            "trashed": False,
        }
        if body is not None:
            data = body.encode() if isinstance(body, str) else body
            self.bodies[id_] = data
            about |= {"size": str(len(data)), "md5Checksum": hashlib.md5(data, usedforsecurity=False).hexdigest()}
        self.files[id_] = about | more

    def answer(self, handler):
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append((parts.path, query))
        steps = parts.path.removeprefix("/drive/v3/files").strip("/").split("/")
        if not steps[0]:
            return self.json(handler, self.listing(query))
        if steps[0] in self.errors:
            status, reason = self.errors[steps[0]]
            return self.error(handler, status, reason)
        if steps[0] not in self.files:
            return self.error(handler, 404, "notFound")
        if steps[1:] == ["export"]:
            return handler.answer(200, self.exports[steps[0], query["mimeType"]], query["mimeType"])
        if query.get("alt") == "media":
            return self.media(handler, self.bodies[steps[0]])
        return self.json(handler, self.files[steps[0]])

    def listing(self, query):
        parent = re.match(r"'(.+)' in parents and trashed = false", query["q"])[1]
        found = [one for one in self.files.values() if parent in one["parents"] and not one["trashed"]]
        start = int(query.get("pageToken", 0))
        more = {"nextPageToken": str(start + self.page)} if start + self.page < len(found) else {}
        return {"files": found[start : start + self.page], **more}

    def media(self, handler, data):
        first, last = (int(one) for one in re.match(r"bytes=(\d+)-(\d+)", handler.headers["Range"]).groups())
        piece = data[first : last + 1]
        handler.answer(
            206, piece, "application/octet-stream", Content_Range=f"bytes {first}-{first + len(piece) - 1}/{len(data)}"
        )

    def json(self, handler, value):
        handler.answer(200, json.dumps(value).encode(), "application/json; charset=UTF-8")

    def error(self, handler, status, reason):
        body = {"error": {"code": status, "message": "words", "errors": [{"reason": reason, "message": "words"}]}}
        handler.answer(status, json.dumps(body).encode(), "application/json; charset=UTF-8")

    def open(self, address="gdrive://root", **options):
        return open_source(
            address, credentials=AnonymousCredentials(), api_endpoint=self.site.at("/drive/v3/"), **options
        )


@pytest.fixture
def drive():
    with web_server() as site:
        drive = Drive(site)
        drive.put("root", "Library", f"{GOOGLE}folder", parent="nowhere")
        yield drive


def read(source):
    texts, said = {}, {}
    for item in source.items():
        try:
            texts[item.key] = "\n".join(one.text for one in item.read())
        except (UnreadableDocument, UnsupportedDocument) as error:
            assert "\n" not in error.what
            said[item.key] = error.what
    return texts, said


def docx(text):
    import zipfile

    buffer = io.BytesIO()
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    with zipfile.ZipFile(buffer, "w") as archive:
        kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        )
        target = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
        archive.writestr(
            "_rels/.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="r1" Type="{target}" Target="word/document.xml"/></Relationships>',
        )
        archive.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{space}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>',
        )
    return buffer.getvalue()


def test_a_folder_is_listed_page_by_page_with_all_below_it(drive):
    for n in range(5):
        drive.put(f"f{n}", f"{n}.txt", body=f"number {n}")
    drive.put("sub", "Plans", f"{GOOGLE}folder")
    drive.put(
        "deep",
        "Março.docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        docx("Em março"),
        parent="sub",
    )
    source = drive.open()
    assert source.name == "gdrive://root"
    texts, said = read(source)
    assert texts == {f"gdrive://f{n}/{n}.txt": f"number {n}" for n in range(5)} | {
        "gdrive://deep/Plans/Março.docx": "Em março"
    }
    assert said == {}
    assert sum(path == "/drive/v3/files" for path, _ in drive.asked) == 4


def test_stamps_are_checksums_or_for_googles_own_the_time_of_change(drive):
    drive.put("a", "a.txt", body="text")
    drive.put("b", "Plan", f"{GOOGLE}document")
    stamps = {item.key: (item.stamp, item.size) for item in drive.open().items()}
    assert stamps == {
        "gdrive://a/a.txt": (hashlib.md5(b"text", usedforsecurity=False).hexdigest(), 4),
        "gdrive://b/Plan.md": ("2024-05-06T10:00:00.000Z", None),
    }


def test_googles_own_documents_are_exported(drive):
    drive.put("doc", "Plan", f"{GOOGLE}document")
    drive.exports["doc", "text/markdown"] = b"# The plan\n\nto read"
    drive.put("map", "Tour", f"{GOOGLE}map")
    texts, said = read(drive.open())
    assert texts == {"gdrive://doc/Plan.md": "# The plan\n\nto read"}
    assert said == {"gdrive://map/Tour": "Nothing reads Google's map files."}


def test_one_file_is_a_source_too_and_its_key_is_its_address(drive):
    drive.put("one", "one.md", "text/markdown", "# One")
    (item,) = drive.open("gdrive://one").items()
    assert item.key == "gdrive://one/one.md"
    (again,) = drive.open(item.key).items()
    assert next(again.read()).title == "One"


def test_shortcuts_are_followed_once_and_circles_end(drive):
    drive.put("a", "a.txt", body="text")
    drive.put("s1", "Same", f"{GOOGLE}shortcut", shortcutDetails={"targetId": "a", "targetMimeType": "text/plain"})
    drive.put("sub", "Sub", f"{GOOGLE}folder")
    drive.put(
        "s2",
        "Up",
        f"{GOOGLE}shortcut",
        parent="sub",
        shortcutDetails={"targetId": "root", "targetMimeType": f"{GOOGLE}folder"},
    )
    texts, said = read(drive.open())
    assert texts == {"gdrive://a/a.txt": "text"}
    assert said == {}


def test_a_large_file_comes_in_pieces(drive):
    text = "words and more words\n" * 500_000
    drive.put("large", "large.txt", body=text)
    (item,) = drive.open("gdrive://large").items()
    assert next(item.read()).text == text
    assert sum(query.get("alt") == "media" for _, query in drive.asked) == 3


def test_files_are_chosen_by_patterns(drive):
    drive.put("a", "a.txt", body="a")
    drive.put("b", "b.md", body="b")
    drive.put("old", "old", f"{GOOGLE}folder")
    drive.put("c", "c.txt", body="c", parent="old")
    assert [item.key for item in drive.open(include="*.txt", exclude="old/*").items()] == ["gdrive://a/a.txt"]


def test_files_that_cannot_be_read_are_one_line_each(drive):
    drive.put("gone", "gone.txt", body="text")
    drive.put("held", "held.pdf", "application/pdf", b"%PDF")
    drive.put("big", "big.txt", body="x" * 100, size="5000000000")
    drive.put("empty", "empty.txt", body="")
    drive.put("film", "film.mp4", "video/mp4", b"\0\0\0\x18ftypmp42")
    drive.put("doc", "Huge", f"{GOOGLE}document")
    drive.put("good", "good.txt", body="good")
    items = list(drive.open().items())
    drive.errors = {
        "gone": (404, "notFound"),
        "held": (403, "cannotDownloadAbusiveFile"),
        "doc": (403, "exportSizeLimitExceeded"),
    }
    said = {}
    for item in items:
        try:
            assert next(item.read()).text == "good"
        except (UnreadableDocument, UnsupportedDocument) as error:
            said[item.key.split("/")[2]] = error.what
    assert {key: line.split(".")[0][:40] for key, line in said.items()} == {
        "gone": "There is no such file or folder, or it i",
        "held": "Google holds the file for malware or spa",
        "big": "The object has 5,000,000,000 bytes; at m",
        "empty": "The file is empty",
        "film": "Nothing reads ",
        "doc": "The document is too large for Google to ",
    }


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (404, "notFound", "no such file"),
        (403, "insufficientPermissions", "may not read"),
        (401, "authError", "sign-in"),
        (403, "accessNotConfigured", "not switched on"),
    ],
)
def test_a_folder_that_cannot_be_had_is_an_error_of_the_source(drive, status, reason, said):
    drive.errors["root"] = (status, reason)
    with pytest.raises(InputError, match=said) as caught:
        list(drive.open().items())
    assert caught.value.where == "gdrive://root"


def test_a_service_that_is_down_is_one_line(drive):
    with web_server() as gone:
        drive.site = gone
    with pytest.raises(InputError, match="cannot be reached"):
        list(drive.open().items())


def test_a_key_file_that_is_none_is_refused_without_its_words(tmp_path):
    path = tmp_path / "key.json"
    path.write_text('{"private_key": "very-secret"}')
    with pytest.raises(InputError, match="no credentials") as caught:
        open_drive("gdrive://root", service_account_file=str(path))
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["gdrive://", "drive://x", "gdrive:///x"])
def test_what_names_no_folder_is_refused(address):
    with pytest.raises(InputError, match="no address of the form"):
        open_drive(address, credentials=AnonymousCredentials())
