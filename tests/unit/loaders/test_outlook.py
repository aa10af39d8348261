"""Outlook's messages: headers, bodies of three kinds, attachments."""

import pytest
from made_files import document, documents, ole, outlook

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.outlook_rtf import decompressed

# The two examples of [MS-OXRTFCP], section 3.
PACKED = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)
RING = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")

SUBJECT, BODY, HTML, RTF, TO, SENDER, SENDER_ADDRESS = (
    "0037001F",
    "1000001F",
    "10130102",
    "10090102",
    "0E04001F",
    "0C1A001F",
    "0C1F001F",
)
NAME, DATA, METHOD = "3707001F", "37010102", "37050003"


def test_headers_body_and_attachments():
    message = {SUBJECT: "Plans", BODY: "Words\r\nmore", TO: "Bob; Eve", SENDER: "Ada", SENDER_ADDRESS: "ada@x.example"}
    files = [
        {NAME: "a.txt", DATA: b"attached", METHOD: 1},
        {NAME: "b.png", DATA: b"\x89PNG\r\n\x1a\n", METHOD: 1},
        {NAME: "linked.txt", METHOD: 2},
    ]
    outer, inner = documents("a.msg", outlook(message, files))
    assert outer.text == 'From: "Ada" <ada@x.example>\nTo: Bob; Eve\nSubject: Plans\n\nWords\nmore'
    assert (outer.title, outer.kind, inner.source, inner.text) == (
        "Plans",
        "text",
        "a.msg#attachments/a.txt",
        "attached",
    )
    assert [one["name"] for one in outer.metadata["unread_attachments"]] == ["linked.txt", "b.png"]


def test_a_body_that_is_only_a_page_or_only_rtf_is_read():
    page = '<meta charset="windows-1251"><h1>План</h1><p>слова'.encode("cp1251")
    one = document("a.msg", outlook({SUBJECT: "s", HTML: page}))
    assert (one.kind, one.text) == ("markdown", "Subject: s\n\n# План\n\nслова")
    assert document("a.msg", outlook({SUBJECT: "s", RTF: PACKED})).text == "Subject: s\n\nhello world"


def test_compressed_rtf_is_unpacked_as_its_specification_shows():
    assert decompressed(PACKED, "a") == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert decompressed(RING, "a") == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert decompressed(b"\x0e\0\0\0\x02\0\0\0MELA\0\0\0\0hi", "a") == b"hi"
    for data in (b"", b"x" * 20, PACKED[:8] + b"ABCD" + PACKED[12:]):
        with pytest.raises(UnreadableDocument, match="damaged"):
            decompressed(data, "a")


@pytest.mark.parametrize("data", [ole({"__properties_version1.0": b""}), outlook({})[:1000]])
def test_a_damaged_message_is_one_line(data):
    with pytest.raises(UnreadableDocument) as caught:
        documents("a.msg", data)
    assert "\n" not in caught.value.what
