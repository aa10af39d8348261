"""E-mail: headers, the best body, attachments in turn."""

from email.message import EmailMessage

import pytest
from made_files import at, document, documents, pdf, words

from ziggurat.errors import UnreadableDocument

PLAIN = "This is the plan for the week with all of its words."


def mail(body=PLAIN, **headers) -> EmailMessage:
    made = EmailMessage()
    for name, value in (
        {"From": "Ada <ada@x.example>", "To": "Bob <bob@x.example>", "Subject": "Plans"} | headers
    ).items():
        made[name] = value
    if body is not None:
        made.set_content(body)
    return made


def test_headers_are_lines_and_metadata():
    made = mail(Cc="c@x.example, d@x.example", Date="Wed, 31 Jan 2024 12:00:00 +0100", **{"Message-ID": "<1@x>"})
    one = document("a.eml", bytes(made))
    assert one.text == (
        "From: Ada <ada@x.example>\nTo: Bob <bob@x.example>\nCc: c@x.example, d@x.example\n"
        f"Date: Wed, 31 Jan 2024 12:00:00 +0100\nSubject: Plans\n\n{PLAIN}"
    )
    assert (one.title, one.kind) == ("Plans", "text")
    assert one.metadata["date"] == "2024-01-31T12:00:00+01:00"
    assert (one.metadata["from"], one.metadata["message_id"]) == ("Ada <ada@x.example>", "<1@x>")


@pytest.mark.parametrize(
    ("html", "kept", "kind"),
    [
        (f"<p>{PLAIN}</p><p>Bye", [PLAIN], "text"),
        (
            f"<p>{PLAIN} And in this form it says rather more: prices, dates, names and places, all set out.",
            ["prices, dates"],
            "markdown",
        ),
        (
            "<p>Something else entirely, said in other terms about another matter altogether.",
            [PLAIN, "another matter"],
            "markdown",
        ),
    ],
)
def test_of_two_forms_of_a_body_the_one_that_says_it_all_is_kept(html, kept, kind):
    made = mail()
    made.add_alternative(html, subtype="html")
    one = document("a.eml", bytes(made))
    assert all(words in one.text for words in kept)
    assert one.kind == kind
    assert one.text.count(PLAIN) == (0 if kept == ["prices, dates"] else 1) or kind == "markdown"


def test_a_body_that_is_only_a_page_is_markdown():
    made = mail(None)
    made.set_content("<h1>News</h1><ul><li>a</ul><script>x</script>", subtype="html")
    assert document("a.eml", bytes(made)).text.endswith("\n\n# News\n\n- a")


def test_attachments_are_read_in_turn_and_one_that_cannot_be_loses_nothing():
    made = mail()
    made.add_attachment(pdf(words("In the file")), maintype="application", subtype="pdf", filename="a.pdf")
    made.add_attachment(b"\x89PNG\r\n\x1a\n", maintype="image", subtype="png", filename="logo.png")
    made.add_attachment(b"first", maintype="text", subtype="plain", filename="n.txt")
    made.add_attachment(b"second", maintype="text", subtype="plain", filename="n.txt")
    made.add_attachment(b"a,b", maintype="text", subtype="csv")
    made.add_attachment(b"", maintype="text", subtype="plain", filename="../../etc/empty.txt")
    outer, *inner = documents("a.eml", bytes(made))
    assert [(one.source, one.text) for one in inner] == [
        ("a.eml#attachments/a.pdf", "In the file"),
        ("a.eml#attachments/n.txt", "first"),
        ("a.eml#attachments/n (2).txt", "second"),
        ("a.eml#attachments/part-5.csv", "a; b"),
    ]
    assert {one.metadata["part_of"] for one in inner} == {"a.eml"}
    assert outer.metadata["unread_attachments"] == [
        {"name": "logo.png", "reason": "Nothing reads .png files."},
        {"name": "empty.txt", "reason": "The file is empty."},
    ]


def test_a_mail_in_a_mail_is_a_mail_and_depth_is_bounded():
    made = mail("innermost")
    for number in range(6):
        outer = mail(f"level {number}", Subject=f"Fwd/{number}")
        outer.add_attachment(made)
        made = outer
    read = documents("a.eml", bytes(made))
    assert len(read) == 4
    assert read[1].source == "a.eml#attachments/Fwd-4.eml"
    assert read[-1].metadata["unread_attachments"] == [
        {"name": "Fwd-1.eml", "reason": "It stands 4 files deep; 3 are read."}
    ]


def test_a_digest_is_several_messages_each_with_its_place():
    parts = "".join(
        f"--b\nContent-Type: message/rfc822\n\nFrom: {name}@x.example\nSubject: {name}\n\nWords of {name}\n\n"
        for name in ("eve", "frank")
    )
    one = document(
        "a.eml",
        f"From: list@x.example\nSubject: Digest\nMIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n{parts}--b--\n",
    )
    assert (at(one, "Words of eve"), at(one, "Words of frank")) == ({"message": 1}, {"message": 2})
    assert (one.metadata["messages"], one.title) == (2, "Digest")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"Subject: =?iso-8859-1?q?Ni=F1o?= =?utf-8?b?5pyI?=\nFrom: a@b\n\nx", "Subject: Niño月"),
        ("Subject: señor 月\nFrom: a@b\n\nx".encode(), "Subject: señor 月"),
        (b"Subject: =?klingon?q?x?=\nFrom: a@b\n\nx", "Subject: x"),
        (b"Subject: =?utf-8?b?!!!?=\nFrom: a@b\n\nx", "Subject: =?utf-8?b?!!!?="),
        (b"Subject: two\n lines\nFrom: a@b\n\nx", "Subject: two lines"),
        (b"From: a@b\nDate: not a date\n\nx", "Date: not a date"),
        (b"From: a@b\nDate: Fri, 99 Foo 2024 99:99:99\n\nx", "Date: Fri, 99"),
    ],
)
def test_headers_read_as_a_reader_sees_them(raw, words):
    assert words in document("a.eml", raw).text


@pytest.mark.parametrize(
    ("charset", "data", "words"),
    [
        ("iso-8859-8-i", "שלום".encode("iso-8859-8"), "שלום"),
        ('"UTF-8"Content-Transfer-Encoding: 8bit', "señor".encode(), "señor"),
        ("gb2312", "镕".encode("gb18030"), "镕"),
        ("us-ascii", "naïve".encode("cp1252"), "naïve"),
        ("utf-8", "naïve".encode("cp1252") + b" and enough words" * 10, "na\ufffdve"),
        ("nonsense", "señor".encode(), "señor"),
    ],
)
def test_a_bodys_charset_is_honoured_and_survives_what_is_wrong_with_it(charset, data, words):
    raw = (
        b"From: a@b\nSubject: s\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\nContent-Type: text/plain; charset="
        + charset.encode()
        + b"\n\n"
        + data
    )
    assert words in document("a.eml", raw).text


def test_a_mail_saved_in_utf16_is_read():
    assert document("a.eml", "From: a@b\nSubject: Ñandú\n\nwords".encode("utf-16")).title == "Ñandú"


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "empty"), (b" \n\n ", "white space"), (b"just words", "no mail"), (b"Key: value\n\nx", "no mail")],
)
def test_what_is_no_mail_is_refused(data, says):
    with pytest.raises(UnreadableDocument, match=says):
        documents("a.eml", data)


def test_metadata_of_a_mail_to_everybody_stays_small():
    everybody = ", ".join(f"person{number}@x.example" for number in range(1000))
    one = document("a.eml", f"From: a@b\nTo: {everybody}\n\nx".encode())
    assert "person999@" in one.text
    assert len(one.metadata["to"]) <= 2000


def test_thousands_of_encoded_words_take_no_time():
    assert len(document("a.eml", b"From: a@b\nSubject: " + b"=?utf-8?q?=41?= " * 100_000 + b"\n\nx").text) < 200_000
