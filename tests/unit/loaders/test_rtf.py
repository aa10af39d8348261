"""RTF: letters by their code pages, and nothing that is not shown."""

import time

import pytest
from made_files import document, documents

from ziggurat.errors import UnreadableDocument

FONTS = r"{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset128 B;}{\f2\fcharset204 C;}{\f3\fcharset2 Wingdings;}}"


@pytest.mark.parametrize(
    ("rtf", "text"),
    [
        (r"caf\'e9 \ldblquote a\rdblquote\~\emdash b", "café “a” —b"),
        (r"\u26085?\u-10179?\u-8704? \uc2\u26376 ??x \uc0\u26085 y", "日😀 月x 日y"),
        (r"\uc1\u26085\'3fx", "日x"),
        (r"\f1 \'93\'fa\'96\'7b\f2 \'cf\'f0\f0 x", "日本Прx"),
        (r"{\f2 \'cf}\'e9 \f3\'b7\plain z", "Пé •z"),
        (r"a\par b\line c\par\par\par\par d\page e", "a\nb\nc\n\nd\n\ne"),
        (r"a\cell b\cell\row c\cell\cell\row x", "a | b\nc\nx"),
        (r"x{\v hidden}y{\deleted gone}z \{\}\\", "xyz {}\\"),
        (r'{\field{\*\fldinst HYPERLINK "u"}{\fldrslt a link}}{\*\unknown no}{\pict ffd8}{\stylesheet no;}', "a link"),
        (r"word{\footnote the note} more{\*\annotation a remark}", "word (Note: the note) more (Note: a remark)"),
        (r"{\header Top}body{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt boxed}}", "Topbodyboxed"),
        (r"{\upr{ansi}{\*\ud{unicode}}}", "unicode"),
        (r"opt\-ional non\_break \bin4 }{}}after", "optional non-break after"),
        ("a\r\nb", "ab"),
    ],
)  # fmt: skip
def test_what_is_shown_is_read(rtf, text):
    assert document("a.rtf", "{\\rtf1\\ansi\\ansicpg1252\\deff0" + FONTS + rtf + "}").text == text


def test_the_title_is_what_the_file_says():
    one = document("a.rtf", r"{\rtf1{\info{\title Our pl\'e4n}{\author X}}words}")
    assert (one.title, one.text, one.kind) == ("Our plän", "words", "text")


@pytest.mark.parametrize(("page", "text"), [("1250", "ł"), ("932", "日"), ("65001", "é"), ("99999", "Å‚")])
def test_the_code_page_of_the_document_is_honoured(page, text):
    data = {"1250": r"\'b3", "932": r"\'93\'fa", "65001": r"\'c3\'a9", "99999": r"\'c5\'82"}[page]
    assert document("a.rtf", rf"{{\rtf1\ansi\ansicpg{page} {data}}}").text == text


def test_bytes_that_are_no_letters_are_counted():
    one = document("a.rtf", r"{\rtf1\ansi\ansicpg932 a\'93}")
    assert (one.text, one.metadata["replaced_characters"]) == ("a\ufffd", 1)


def test_a_file_that_breaks_off_says_so():
    assert document("a.rtf", r"{\rtf1 {\b words").metadata["cut_off"] is True
    assert "cut_off" not in document("a.rtf", r"{\rtf1 {\b words}}").metadata


def test_a_document_without_words_says_so():
    with pytest.raises(UnreadableDocument, match="no text"):
        documents("a.rtf", r"{\rtf1{\pict 00}}")


@pytest.mark.parametrize(
    "rtf",
    [b'{\\field{\\*\\fldinst{ HYPERLINK "a" ' * 20_000, b"{\\pict " + b"89abcdef" * 500_000 + b"}", b"{}" * 500_000],
)
def test_no_bytes_take_it_long(rtf):
    began = time.perf_counter()
    try:
        documents("a.rtf", b"{\\rtf1 words " + rtf + b"}")
    except UnreadableDocument as error:
        assert "nested too deeply" in error.what
    assert time.perf_counter() - began < 5
