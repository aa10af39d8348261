"""Files into text, or one clear line."""

import codecs
import time
from functools import partial
from pathlib import Path

import pytest
from langchain_core.documents.base import Blob

from ziggurat.errors import InputError, UnreadableDocument, UnsupportedDocument
from ziggurat.loaders import PARSERS, SourceDocument, load
from ziggurat.loaders.text import parse_text

SPANISH = (
    "El señor Muñoz llegó a la estación mañana por la tarde, según dijo la niña pequeña. Después comió jamón. " * 4
)


def read(path: Path) -> SourceDocument:
    (document,) = load(path)
    return document


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("Füße, 月".encode(), None),
        (codecs.BOM_UTF8 + "Füße, 月".encode(), None),
        (codecs.BOM_UTF16_LE + "Füße, 月".encode("utf-16-le"), "utf-16"),
        (codecs.BOM_UTF16_BE + "Füße, 月".encode("utf-16-be"), "utf-16"),
        (codecs.BOM_UTF32_LE + "Füße, 月".encode("utf-32-le"), "utf-32"),
        (codecs.BOM_UTF32_BE + "Füße, 月".encode("utf-32-be"), "utf-32"),
    ],
)
def test_a_byte_order_mark_decides_and_utf8_needs_none(tmp_path, data, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    document = read(path)
    assert document.text == "Füße, 月"
    assert document.metadata.get("encoding") == encoding
    assert document.metadata["source"] == document.source == str(path)


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
def test_utf16_without_a_mark_shows_in_its_zeros(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes(SPANISH.encode(encoding))
    document = read(tmp_path / "a.txt")
    assert (document.text, document.metadata["encoding"]) == (SPANISH, encoding)


def test_an_older_encoding_is_named_and_never_guessed(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(SPANISH.encode("cp1252"))
    with pytest.raises(UnreadableDocument, match="not valid UTF-8: byte 5 is 0xf1"):
        read(path)
    (document,) = load(path, parsers={**PARSERS, ".txt": partial(parse_text, encoding="cp1252")})
    assert document.text == SPANISH
    assert document.metadata["encoding"] == "cp1252"
    with pytest.raises(InputError, match="no encoding"):
        list(parse_text(Blob.from_path(path), encoding="klingon"))


def test_broken_utf8_is_refused_with_the_byte(tmp_path):
    data = SPANISH.encode()
    (tmp_path / "a.txt").write_bytes(data[:300] + b"\xff" + data[300:])
    with pytest.raises(UnreadableDocument, match="not valid UTF-8: byte 300 is 0xff"):
        read(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b" \n\t\r\n", "white space"),
        (codecs.BOM_UTF8, "white space"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "PNG picture"),
        (b"\x93NUMPY\x01\x00", "byte 6 is 0x01"),
        (b"a,b\n\x00,c\n", "byte 4 is 0x00"),
        (b"text with a \x00 in it", "byte 12 is 0x00"),
        (b"%PDF-1.4\n\x01\x02", "begins like a PDF"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8", "UTF-16"),
        (codecs.BOM_UTF16_LE + "a\0b".encode("utf-16-le"), "character 1 is the control character 0x00"),
    ],
)
def test_what_is_not_text_is_refused(tmp_path, data, message):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(UnreadableDocument, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_line_ends_become_one_kind(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\r\nb\rc\n")
    assert read(tmp_path / "a.txt").text == "a\nb\nc\n"


def test_the_suffix_decides_in_either_case(tmp_path):
    for name, kind in (("a.MD", "markdown"), ("b.Text", "text"), ("c.rst", "text"), ("d.markdown", "markdown")):
        (tmp_path / name).write_text("# one")
        assert read(tmp_path / name).kind == kind


@pytest.mark.parametrize(("name", "says"), [("a.xyz", ".xyz files"), ("Makefile", "without a suffix")])
def test_a_type_nobody_reads_is_named(tmp_path, name, says):
    (tmp_path / name).write_text("x")
    with pytest.raises(UnsupportedDocument, match=says):
        read(tmp_path / name)


def test_another_loader_is_one_more_row(tmp_path):
    def shout(blob: Blob):
        yield SourceDocument(str(blob.source), blob.as_string().upper(), metadata={"source": str(blob.source)})

    (tmp_path / "a.xyz").write_text("quiet")
    (document,) = load(tmp_path / "a.xyz", parsers={**PARSERS, ".xyz": shout})
    assert document.text == "QUIET"


def test_ten_megabytes_in_one_line_are_read_in_seconds(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"word " * 2_000_000)
    began = time.perf_counter()
    assert len(read(tmp_path / "a.txt").text) == 10_000_000
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(("name", "kind"), [("a.py", "code"), ("a.rs", "code"), ("a.srt", "text"), ("a.txt", "text")])
def test_a_program_is_known_as_one(tmp_path, name, kind):
    path = tmp_path / name
    path.write_text("x = 1\n", encoding="utf-8")
    assert read(path).kind == kind
