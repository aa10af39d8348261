"""Evernote: each note a document."""

import base64

import pytest
from made_files import documents

from ziggurat.errors import UnreadableDocument

HEAD = '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE en-export SYSTEM "http://xml.evernote.com/pub/evernote-export4.dtd">'
NOTE = '<?xml version="1.0"?><!DOCTYPE en-note SYSTEM "http://xml.evernote.com/pub/enml2.dtd"><en-note>{}</en-note>'


def note(content="", extra="", title="A note"):
    return f"<note><title>{title}</title><content><![CDATA[{NOTE.format(content)}]]></content>{extra}</note>"


def export(*notes):
    return f"{HEAD}<en-export>{''.join(notes)}</en-export>"


def resource(name, data):
    return f"<resource><data encoding='base64'>{base64.b64encode(data).decode()}</data><mime>text/plain</mime><resource-attributes><file-name>{name}</file-name></resource-attributes></resource>"


def test_notes_are_documents_with_their_times_tags_and_files():
    extra = (
        "<created>20240131T120000Z</created><updated>20240201T120000Z</updated><tag>work</tag><tag>plans</tag>"
        "<note-attributes><author>Ada</author><source-url>https://x.example</source-url></note-attributes>"
        + resource("a.txt", b"attached")
        + resource("b.png", b"\x89PNG\r\n\x1a\n")
    )
    content = '<div>caf&eacute;&nbsp;x</div><en-todo checked="true"/>done<br/><en-media type="image/png" hash="0"/><ul><li>a</li></ul><en-crypt>zzz</en-crypt>'
    first, attached, second = documents("a.enex", export(note(content, extra), note("<div>two</div>", title="Other")))
    assert first.text == "# A note\n\ncafé x\n\n[x] done\n![image/png]\n\n- a\n\n[encrypted] zzz"
    assert first.metadata == {
        "source": "a.enex#notes/1",
        "title": "A note",
        "created": "2024-01-31T12:00:00+00:00",
        "modified": "2024-02-01T12:00:00+00:00",
        "tags": ["work", "plans"],
        "author": "Ada",
        "address": "https://x.example",
        "unread_attachments": [{"name": "b.png", "reason": "Nothing reads .png files."}],
    }
    assert (attached.source, attached.text) == ("a.enex#notes/1#attachments/a.txt", "attached")
    assert (second.source, dict(second.places[0].at)) == ("a.enex#notes/2", {"note": 2})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (export(), "no notes"),
        (export("<note/>"), "no text in its notes"),
        ("<other/>", "no Evernote export"),
        (export(note("x"))[:-30], "damaged after note"),
        (export(note("x")).replace("?><!DOCTYPE", '?><!DOCTYPE en-export [<!ENTITY a "b">]><!DOCTYPE', 1), "damaged"),
    ],
)
def test_what_is_no_export_says_so(data, says):
    with pytest.raises(UnreadableDocument, match=says):
        documents("a.enex", data)


def test_entities_are_neither_fetched_nor_grown():
    grown = "".join(f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 12))
    head = (
        f'<?xml version="1.0"?><!DOCTYPE en-export [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY a0 "lol">{grown}]>'
    )
    with pytest.raises(UnreadableDocument, match=r"damaged|no text"):
        documents("a.enex", f"{head}<en-export><note><content>&a11;</content></note></en-export>")
    (one,) = documents("a.enex", f"{head}<en-export><note><title>T</title><content>&x;</content></note></en-export>")
    assert one.text == "# T"
