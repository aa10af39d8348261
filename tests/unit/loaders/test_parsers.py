"""One way in: what a file is, what it may cost, and what becomes of one that cannot be read."""

import logging
import threading
import warnings

import openpyxl
import pytest
from langchain_core.documents.base import Blob
from made_files import document, documents, ole, pdf, saved, words, zipped

from ziggurat.errors import MissingDependency, UnreadableDocument, UnsupportedDocument
from ziggurat.loaders import PARSERS, SourceDocument, parse
from ziggurat.loaders.bundle import Bundle
from ziggurat.loaders.hush import hushed
from ziggurat.loaders.parsers import MAX_DEPTH, SUFFIXES, suffix_of

PDF = pdf(words("Hello there"))
BOOK = saved(openpyxl.Workbook())
LOCKED = ole({"EncryptedPackage": b"x" * 100, "EncryptionInfo": b"y"})
HTML = "<!doctype html><html><title>T</title><p>Hello</p></html>"


@pytest.mark.parametrize(
    ("name", "data", "read_as"),
    [
        ("a.docx", PDF, ".pdf"),
        ("a.txt", PDF, ".pdf"),
        ("a", PDF, ".pdf"),
        ("a.doc", b"{\\rtf1 Hello}", ".rtf"),
        ("a.txt", b"{\\rtf1 Hello}", ".rtf"),
        ("a.eml", HTML, ".html"),
        ("a.xlsx", HTML, ".html"),
        ("a.pdf", b"\xef\xbb\xbf" + HTML.encode(), ".html"),
        ("a.mht", HTML, ".html"),
    ],
)
def test_what_is_unmistakable_is_read_as_what_it_is_and_says_so(name, data, read_as):
    one = document(name, data)
    assert one.metadata["read_as"] == read_as
    assert "Hello" in one.text


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.txt", HTML), ("a.md", "<html>\nquoted"), ("a.htm", HTML), ("a.py", "<html"), ("a.pdf", b"junk\n" + PDF)],
)
def test_what_is_as_its_name_says_is_not_second_guessed(name, data):
    assert "read_as" not in document(name, data).metadata


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.docx", b"\x89PNG\r\n\x1a\n\0\0", "is a PNG picture, not what .docx says"),
        ("a.txt", b"\xff\xd8\xff\xe0", "is a JPEG picture"),
        ("a.csv", b"SQLite format 3\0", "is a SQLite database"),
        ("a.docx", zipped({"x": "y"}), "is a zip archive"),
        ("a.docx", ole({"WordDocument": b"x"}), "of the old kind"),
        ("a.docx", LOCKED, "protected with a password"),
        ("a.xlsx", LOCKED, "protected with a password"),
        ("a.xlsx", BOOK[: len(BOOK) // 2], "list of what is in it is missing"),
        ("a.pptx", b"plain words", "does not begin like .pptx"),
        ("a.pdf", b"plain words", "does not begin like .pdf"),
        ("a.pdf", b"", "empty"),
        ("a.epub", b"", "empty"),
    ],
)
def test_what_is_not_what_its_name_says_is_refused_in_one_line(name, data, says):
    with pytest.raises(UnreadableDocument, match=says) as caught:
        documents(name, data)
    assert caught.value.where == name
    assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.xyz", b"x"), ("a.doc", ole({"WordDocument": b"x"})), ("a", b"x"), ("a.zip", zipped({"x": "y"}))],
)
def test_a_type_that_nothing_reads_is_named(name, data):
    with pytest.raises(UnsupportedDocument, match="Nothing reads") as caught:
        documents(name, data)
    assert ".docx" in (caught.value.fix or "")


def test_a_file_over_the_limit_is_not_read(tmp_path):
    (tmp_path / "a.txt").write_text("x" * 11)
    for blob in (Blob.from_path(tmp_path / "a.txt"), Blob.from_data("x" * 11, path="a.txt")):
        with pytest.raises(UnreadableDocument, match="11 bytes; at most 10"):
            list(parse(blob, max_bytes=10))
        assert [one.text for one in parse(blob, max_bytes=11)] == ["x" * 11]


def test_a_file_that_is_gone_or_forbidden_is_one_line(tmp_path):
    for path, says in ((tmp_path / "gone.txt", "No such file"), (tmp_path, "Nothing reads|Is a directory")):
        with pytest.raises((UnreadableDocument, UnsupportedDocument), match=says):
            list(parse(Blob.from_path(path)))


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("long enough")

    class Larger:
        st_size = 100

    monkeypatch.setattr("ziggurat.loaders.parsers.os.fstat", lambda _: Larger)
    with pytest.raises(UnreadableDocument, match="changed while it was read"):
        list(parse(Blob.from_path(path)))


@pytest.mark.parametrize(
    "error", [ValueError("broken\nbytes" * 100), KeyError(), RecursionError(), AssertionError("x"), OSError("disk")]
)
def test_whatever_a_parser_throws_becomes_one_line(error):
    def throws(blob: Blob):
        yield SourceDocument("a", "b")
        raise error

    with pytest.raises(UnreadableDocument) as caught:
        documents("a.txt", "x", parsers={".txt": throws})
    assert "\n" not in caught.value.what
    assert len(caught.value.what) < 300
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [MemoryError(), MissingDependency("The package 'x' is not installed."), KeyboardInterrupt()]
)
def test_what_is_no_fault_of_the_file_is_passed_on(error):
    def throws(blob: Blob):
        raise error
        yield

    with pytest.raises(type(error)):
        documents("a.txt", "x", parsers={".txt": throws})


def test_no_warning_and_no_log_of_a_reader_leaks(caplog):
    def warns(blob: Blob):
        warnings.warn("old style", DeprecationWarning, stacklevel=1)
        logging.getLogger("olefile").warning("strange bytes")
        yield SourceDocument("a", "b")

    warns.__globals__["__name__"], name = "ziggurat.loaders.made_up", warns.__globals__["__name__"]
    try:
        documents("a.txt", "x", parsers={".txt": warns})
    finally:
        warns.__globals__["__name__"] = name
    assert not caplog.records
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard again", UserWarning, stacklevel=1)


def test_readers_in_several_threads_leave_the_warnings_as_they_were():
    before = list(warnings.filters)
    inside, leave = threading.Barrier(3), threading.Event()

    def first():
        with hushed():
            inside.wait()
            leave.wait()

    def second():
        with hushed():
            inside.wait()

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    inside.wait()
    threads[1].join()
    leave.set()
    threads[0].join()
    assert list(warnings.filters) == before


@pytest.mark.parametrize(
    ("where", "mime_type", "suffix"),
    [
        ("a.PDF", None, ".pdf"),
        ("https://example.org/page", "text/html; charset=utf-8", ".html"),
        ("https://example.org/a.pdf?x=1.html#top", None, ".pdf"),
        ("https://example.org/a.md", "text/html", ".html"),
        ("https://example.org/a.md", "text/plain", ".md"),
        ("folder/a.md", "text/html", ".md"),
        ("folder/a", "application/pdf", ".pdf"),
        ("folder/v1.2", "application/octet-stream", ".2"),
    ],
)
def test_the_type_is_the_names_suffix_and_of_an_address_its_media_type(where, mime_type, suffix):
    assert suffix_of(Blob.from_data(b"x", path=where, mime_type=mime_type)) == suffix


def test_every_media_type_has_a_parser():
    assert set(SUFFIXES.values()) <= set(PARSERS)


def bundle(blob: Blob):
    one = SourceDocument(str(blob.source), "outer", metadata={"source": str(blob.source)})
    parts = [
        Blob.from_data(data, path=f"{blob.source}#attachments/{name}")
        for name, data in (("a.txt", "inner"), ("b.txt", ""), ("c.box", "x"))
    ]
    yield Bundle(one, parts)


def test_files_inside_are_read_in_turn_and_one_that_fails_loses_nothing():
    read = documents("m.box", "x", parsers={".box": bundle, ".txt": PARSERS[".txt"]})
    sources = [one.source for one in read]
    assert sources[:3] == ["m.box", "m.box#attachments/a.txt", "m.box#attachments/c.box"]
    assert read[0].metadata["unread_attachments"] == [{"name": "b.txt", "reason": "The file is empty."}]
    assert read[1].metadata["part_of"] == "m.box"


def test_how_deep_files_may_stand_inside_one_another_is_bounded():
    read = documents("m.box", "x", parsers={".box": bundle, ".txt": PARSERS[".txt"]})
    assert max(one.source.count("#") for one in read) == MAX_DEPTH - 1
    reasons = [entry["reason"] for one in read for entry in one.metadata.get("unread_attachments", ())]
    assert any("files deep" in reason for reason in reasons)
