"""Archives from strangers: nothing is unpacked that its directory already gives away."""

import struct
import zipfile

import docx
import pytest
from made_files import changed, documents, saved, zipped

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders import archive
from ziggurat.loaders.archive import Archive, check_archive

DOCUMENT = saved(docx.Document())


def test_a_bomb_is_told_by_its_directory_and_not_unpacked(monkeypatch):
    data = changed(DOCUMENT, {"word/media/x.bin": bytes(80 << 20)})
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(UnreadableDocument, match="times its size"):
        documents("a.docx", data)


def test_a_directory_that_lies_about_sizes_gets_no_more_than_it_says():
    data = bytearray(zipped({"a.xml": b"x" * 100_000}))
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    with pytest.raises(UnreadableDocument, match="cannot be unpacked"):
        Archive(bytes(data), "a").read("a.xml")


def test_a_part_that_is_too_large_to_read_at_once_is_refused():
    with pytest.raises(UnreadableDocument, match=r"word/styles\.xml in it unpacks to"):
        check_archive(changed(DOCUMENT, {"word/styles.xml": b"x" * 300_000}), "a", limit=200_000)
    one = Archive(zipped({"a": "12345"}), "a")
    assert one.read("a", limit=5) == b"12345"
    with pytest.raises(UnreadableDocument, match="at most"):
        one.read("a", limit=4)


def test_too_many_files_are_refused(monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    with pytest.raises(UnreadableDocument, match="4 files in it"):
        Archive(zipped(dict.fromkeys("abcd", "x")), "a")


def test_a_directory_too_long_to_list_is_refused_before_it_is(monkeypatch):
    monkeypatch.setattr(archive, "_MAX_DIRECTORY", 50)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("listed"))
    data = b"PK\x03\x04" + bytes(100) + b"PK\x05\x06" + bytes(8) + struct.pack("<II", 5000, 0) + bytes(2)
    with pytest.raises(UnreadableDocument, match="too long"):
        Archive(data, "a")


def test_what_is_locked_damaged_or_missing_is_said():
    data = bytearray(zipped({"a.xml": "words words words"}))
    locked = bytearray(data)
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(UnreadableDocument, match="password"):
        Archive(bytes(locked), "a")
    broken = bytearray(data)
    broken[36:44] = b"\xff" * 8
    with pytest.raises(UnreadableDocument, match="cannot be unpacked"):
        Archive(bytes(broken), "a").read("a.xml")
    with pytest.raises(UnreadableDocument, match="b is missing"):
        Archive(bytes(data), "a").read("b")
    with pytest.raises(UnreadableDocument, match="cut off"):
        Archive(bytes(data[:-10]), "a")


@pytest.mark.parametrize("name", ["word/document.xml", "word/styles.xml", "docProps/core.xml", "docProps/app.xml"])
def test_no_part_of_a_document_may_grow_by_entities(name):
    grown = "".join(f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a0 "lol">{grown}]><d>&a11;</d>'
    with pytest.raises(UnreadableDocument):
        documents("a.docx", changed(DOCUMENT, {name: bomb}))
