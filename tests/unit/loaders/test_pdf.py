"""PDF: pages, tables, forms, scans, and files that are damaged or closed."""

import threading

import pytest
from made_files import at, document, documents, pdf, words

from ziggurat.errors import UnreadableDocument

IMAGE = "q 100 0 0 100 50 50 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q\n"


def ruled(columns, rows):
    lines = [f"{x} {rows[0]} m {x} {rows[-1]} l S" for x in columns] + [
        f"{columns[0]} {y} m {columns[-1]} {y} l S" for y in rows
    ]
    return "\n".join(lines) + "\n"


def put(x, y, text):
    return f"BT /F1 12 Tf {x} {y} Td ({text}) Tj ET\n"


def test_each_page_has_its_place_and_its_lines():
    one = document(
        "a.pdf",
        pdf(
            words("First page", "second line"),
            words("Another page"),
            info="/Title (Our report) /Author (Ada) /CreationDate (D:20240131120000Z)",
        ),
    )
    assert one.text == "First page\nsecond line\n\nAnother page"
    assert (one.kind, at(one, "second"), at(one, "Another")) == ("text", {"page": 1}, {"page": 2})
    assert one.metadata == {
        "source": "a.pdf",
        "title": "Our report",
        "author": "Ada",
        "created": "2024-01-31T12:00:00",
        "pages": 2,
    }


@pytest.mark.parametrize("title", ["Microsoft Word - x.doc", "Untitled", "report.indd"])
def test_a_title_that_a_program_made_up_is_none(title):
    assert document("a.pdf", pdf(words("x"), info=f"/Title ({title})")).title is None


def test_a_table_with_lines_is_written_row_by_row_where_it_stands():
    page = words("Before") + ruled([50, 150, 250], [300, 270, 240]) + words("After", y=200)
    # Drawn column by column, as some programs do.
    page += put(55, 280, "Name") + put(55, 250, "Blue") + put(155, 280, "Price") + put(155, 250, "12")
    one = document("a.pdf", pdf(page))
    assert "Name | Price\nBlue | 12" in one.text
    assert one.text.startswith("Before\n")


def test_lines_that_lay_out_a_page_make_no_table():
    long = [" ".join(["many words"] * 6)] * 20
    one = document("a.pdf", pdf(ruled([20, 200, 390], [390, 200, 10]) + words(*long, x=30, y=380)))
    assert "|" not in one.text
    assert one.text.count("\n") == 19


def test_pages_without_text_are_named_and_empty_ones_are_not():
    one = document("a.pdf", pdf(words("Words"), IMAGE, "", IMAGE, words("More")))
    assert one.metadata["pages_without_text"] == [2, 4]
    assert at(one, "More") == {"page": 5}


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ([IMAGE], "It is a scan: its page is a picture"),
        ([IMAGE, IMAGE], "its pages are pictures"),
        ([""], "nothing on its pages"),
    ],
)
def test_a_file_wholly_without_text_says_why(pages, says):
    with pytest.raises(UnreadableDocument, match=says):
        documents("a.pdf", pdf(*pages))


def test_what_lies_outside_the_page_is_not_shown():
    assert document("a.pdf", pdf(words("Inside") + words("Outside", x=500))).text == "Inside"


def test_a_file_with_a_password_says_so():
    closed = "<< /Filter /Standard /V 1 /R 2 /P -4 /O (" + "o" * 32 + ") /U (" + "u" * 32 + ") >>"
    data = pdf(words("x"), trailer="/Encrypt 7 0 R /ID [(ab) (ab)]", extra=(closed,))
    with pytest.raises(UnreadableDocument, match="protected with a password"):
        documents("a.pdf", data)


@pytest.mark.parametrize("data", [b"%PDF-1.4\n", b"%PDF-1.4\n" + b"\xff" * 5000])
def test_a_damaged_file_says_so(data):
    with pytest.raises(UnreadableDocument, match="damaged"):
        documents("a.pdf", data)


def test_what_is_filled_into_a_form_is_read():
    shown = words("Ada Lovelace", x=0, y=5)
    extra = (
        f"<< /Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << /Font << /F1 3 0 R >> >> /Length {len(shown)} >>\nstream\n{shown}\nendstream",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Ada Lovelace) /Rect [50 200 250 220] /F 4 /AP << /N 7 0 R >> >>",
    )
    data = pdf(words("Name:"), extra=extra)
    data = data.replace(b"/Pages 2 0 R >>", b"/Pages 2 0 R /AcroForm << /Fields [8 0 R] >> >>").replace(
        b"/Type /Page /", b"/Type /Page /Annots [8 0 R] /"
    )
    assert document("a.pdf", data).text == "Name:\nAda Lovelace"


def test_a_file_attached_is_read_in_turn():
    text = "attached words"
    extra = (
        f"<< /Type /EmbeddedFile /Length {len(text)} >>\nstream\n{text}\nendstream",
        "<< /Type /Filespec /F (note.txt) /UF (note.txt) /EF << /F 7 0 R >> >>",
    )
    data = pdf(words("Outer"), extra=extra).replace(
        b"/Pages 2 0 R >>", b"/Pages 2 0 R /Names << /EmbeddedFiles << /Names [(note.txt) 8 0 R] >> >> >>"
    )
    outer, inner = documents("a.pdf", data)
    assert (outer.text, inner.text, inner.source) == ("Outer", text, "a.pdf#attachments/note.txt")


def test_a_word_parted_at_a_line_end_is_whole_again():
    one = document(
        "a.pdf", pdf(words("we read infor-", "mation about dual-", "encoder models;", "the encoder is dual"))
    )
    assert "information about dual-encoder models" in " ".join(one.text.split())


def test_a_letter_that_the_font_does_not_tell_is_marked_and_counted():
    one = document("a.pdf", pdf(words("minus \\003 0.9 and more words")))
    assert one.text == "minus \ufffd 0.9 and more words"
    assert one.metadata["unknown_characters"] == 1


def test_several_threads_read_at_the_same_time():
    data, found = pdf(*[words(f"Page {number}") for number in range(30)]), []

    def work():
        found.extend(documents("a.pdf", data))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({one.text for one in found}) == 1
