"""EPUB: chapters in the order of reading."""

import pytest
from made_files import at, document, documents, zipped

from ziggurat.errors import UnreadableDocument

CONTAINER = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'


def book(spine="two one", files=None, **extra):
    items = "".join(
        f'<item id="{name}" href="text/{name}%20.xhtml" media-type="application/xhtml+xml"/>'
        for name in ("one", "two", "gone")
    )
    refs = "".join(f'<itemref idref="{name}"/>' for name in spine.split())
    opf = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The book</dc:title>'
        f'<dc:creator>Ada</dc:creator><dc:creator>Bob</dc:creator><dc:language>en</dc:language></metadata><manifest>{items}<item id="css" href="a.css" media-type="text/css"/></manifest>'
        f"<spine>{refs}</spine></package>"
    )
    chapters = {
        f"OPS/text/{name} .xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body><h1>Chapter {name}</h1><p>words&nbsp;of {name}</p></body></html>'
        for name in ("one", "two")
    }
    return zipped(
        {"META-INF/container.xml": CONTAINER, "OPS/book.opf": opf, **chapters, **(files or {}), **extra},
        first="application/epub+zip",
    )


def test_chapters_come_in_the_order_of_reading_each_with_its_place():
    one = document("a.epub", book())
    assert one.text == "# Chapter two\n\nwords of two\n\n# Chapter one\n\nwords of one"
    assert (at(one, "of two"), at(one, "of one")) == ({"chapter": 1}, {"chapter": 2})
    assert one.metadata == {"source": "a.epub", "title": "The book", "author": "Ada, Bob", "language": "en"}
    assert one.kind == "markdown"


def test_what_is_missing_is_named_and_what_is_no_page_or_comes_again_is_not_read():
    one = document("a.epub", book("one gone css one"))
    assert one.metadata["missing_chapters"] == ["OPS/text/gone .xhtml"]
    assert one.text.count("Chapter one") == 1


def test_a_book_under_rights_management_says_so_and_fonts_may_be_locked():
    def locked(name):
        return {
            "META-INF/encryption.xml": f'<encryption><EncryptedData><CipherData><CipherReference URI="{name}"/></CipherData></EncryptedData></encryption>'
        }

    assert document("a.epub", book(files=locked("OPS/font.otf"))).title == "The book"
    with pytest.raises(UnreadableDocument, match="rights management"):
        documents("a.epub", book(files=locked("OPS/text/one%20.xhtml")))


@pytest.mark.parametrize(
    "files",
    [
        {"META-INF/container.xml": "<container/>"},
        {"META-INF/container.xml": "<"},
        {"OPS/book.opf": "<package"},
        {"OPS/book.opf": "<package/>"},
    ],
)
def test_a_damaged_book_is_one_line(files):
    with pytest.raises(UnreadableDocument, match=r"damaged|no text"):
        documents("a.epub", book(files=files))
