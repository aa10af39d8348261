"""Saved web pages: the page and its frames."""

import pytest
from made_files import document, documents

from ziggurat.errors import UnreadableDocument

SAVED = """From: <Saved by Blink>
Snapshot-Content-Location: https://x.example/page
Subject: =?utf-8?Q?Saved=20page?=
MIME-Version: 1.0
Content-Type: multipart/related; type="text/html"; boundary="b"

--b
Content-Type: text/html; charset=shift_jis
Content-Transfer-Encoding: base64
Content-Location: https://x.example/page

{page}
--b
Content-Type: image/png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--b
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable

<p>In a frame =3D x</p>
--b--
"""


def test_the_page_and_its_frames_are_read_by_their_own_encodings():
    import base64

    page = base64.b64encode("<title>日本</title><h1>見出し</h1><p>本文".encode("cp932")).decode()
    one = document("a.mht", SAVED.format(page=page))
    assert one.text == "# 見出し\n\n本文\n\nIn a frame = x"
    assert (one.title, one.kind, one.metadata["address"]) == ("日本", "markdown", "https://x.example/page")
    untitled = base64.b64encode(b"<p>x").decode()
    assert document("a.mhtml", SAVED.format(page=untitled)).title == "Saved page"


@pytest.mark.parametrize(
    ("data", "says"), [("words", "no saved web page"), ("MIME-Version: 1.0\nContent-Type: image/png\n\nx", "no text")]
)
def test_what_is_no_saved_page_is_refused(data, says):
    with pytest.raises(UnreadableDocument, match=says):
        documents("a.mht", data)
