"""OpenDocument: texts, sheets and slides."""

import pytest
from made_files import at, document, documents, zipped

from ziggurat.errors import UnreadableDocument

SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table", "draw", "presentation", "meta")
)
META = f'<office:document-meta {SPACES} xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta><dc:title>Our plan</dc:title><dc:creator>Ada</dc:creator></office:meta></office:document-meta>'


def opened(kind, body, **files):
    content = f"<office:document-content {SPACES}><office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    return zipped({"content.xml": content, **files}, first=f"application/vnd.oasis.opendocument.{kind}")


def said(body):
    return document("a.odt", opened("text", body)).text


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ('<text:h text:outline-level="2">Two</text:h><text:p>a <text:span>b</text:span>\n c<text:s text:c="2"/>d<text:tab/>e<text:line-break/>f</text:p>', "## Two\n\na b c  d\te\nf"),
        ("<text:list><text:list-item><text:p>a</text:p><text:list><text:list-item><text:p>b</text:p></text:list-item></text:list></text:list-item></text:list>", "- a\n  - b"),
        ("<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table-header-rows><table:table-row><table:table-cell><text:p>1</text:p></table:table-cell><table:table-cell/></table:table-row></table:table>", "| a | b |\n| --- | --- |\n| 1 |  |"),
        ("<text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:p>kept</text:p>", "kept"),
        ("<text:p>word<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>the note</text:p></text:note-body></text:note> on</text:p>", "word (the note) on"),
        ("<text:p>x<draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box></draw:frame></text:p>", "x\n\nboxed"),
        ("<text:section><text:p>inside</text:p></text:section>", "inside"),
    ],
)  # fmt: skip
def test_a_text_comes_out_as_markdown(xml, text):
    assert said(xml) == text


def test_what_it_says_of_itself_is_metadata():
    one = document("a.odt", opened("text", "<text:p>x</text:p>", **{"meta.xml": META}))
    assert (one.title, one.metadata["author"], one.kind) == ("Our plan", "Ada", "markdown")
    assert document("a.odt", opened("text", "<text:h>First</text:h>")).title == "First"


def cell(text, extra=""):
    return f"<table:table-cell {extra}><text:p>{text}</text:p></table:table-cell>"


def test_a_sheet_is_a_line_a_row_and_repeats_are_counted():
    date = "office:value-type='date' office:date-value='2024-01-31'"
    number = "office:value-type='float' office:value='1234.5'"
    rows = (
        f"<table:table-row>{cell('When')}{cell('Much')}</table:table-row>"
        f'<table:table-row table:number-rows-repeated="1000000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
        f"<table:table-row>{cell('31. Jan', date)}"
        f"{cell('1.234,5', number)}</table:table-row>"
    )
    one = document("a.ods", opened("spreadsheet", f'<table:table table:name="S">{rows}</table:table>'))
    assert one.text == "When; Much\nWhen: 2024-01-31; Much: 1234.5"
    assert (one.kind, at(one, "2024")) == ("table", {"sheet": "S", "row": 1_000_002})


def test_slides_have_their_numbers():
    pages = "".join(
        f"<draw:page><draw:frame><draw:text-box><text:p>{word}</text:p></draw:text-box></draw:frame></draw:page>"
        for word in ("one", "two")
    )
    one = document("a.odp", opened("presentation", pages))
    assert (one.text, at(one, "two")) == ("one\n\ntwo", {"slide": 2})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (opened("text", "<text:p>x</text:p>", **{"META-INF/manifest.xml": "<encryption-data/>"}), "password"),
        (opened("text", ""), "no text"),
        (zipped({"content.xml": "<x/>"}, first="application/vnd.oasis.opendocument.text"), "no body"),
        (zipped({}, first="application/vnd.oasis.opendocument.text"), "content.xml is missing"),
    ],
)
def test_what_cannot_be_read_says_why(data, says):
    with pytest.raises(UnreadableDocument, match=says):
        documents("a.odt", data)
