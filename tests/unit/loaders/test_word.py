"""Word: what a page shows, in its order."""

import docx
import pytest
from docx.enum.text import WD_BREAK
from docx.oxml import parse_xml
from made_files import W, at, changed, document, documents, saved

from ziggurat.errors import UnreadableDocument

PAGES = '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"><Pages>{}</Pages></Properties>'


def body(xml: str) -> bytes:
    return changed(
        saved(docx.Document()), {"word/document.xml": f"<w:document {W}><w:body>{xml}</w:body></w:document>"}
    )


def said(xml: str) -> str:
    return document("a.docx", body(xml)).text


def test_headings_lists_and_paragraphs_come_out_as_markdown():
    made = docx.Document()
    made.add_heading("The plan", 0)
    made.add_heading("First part", 1)
    made.add_paragraph("Some words.")
    for words, style in (
        ("one", "List Bullet"),
        ("two", "List Bullet"),
        ("inner", "List Bullet 2"),
        ("a", "List Number"),
        ("b", "List Number"),
    ):
        made.add_paragraph(words, style=style)
    made.add_heading("Deep", 3)
    one = document("a.docx", saved(made))
    assert one.text == "# The plan\n\n# First part\n\nSome words.\n\n- one\n- two\n- inner\n1. a\n2. b\n\n### Deep"
    assert (one.kind, one.title) == ("markdown", "The plan")


def test_tables_keep_their_columns_where_cells_are_merged():
    made = docx.Document()
    table = made.add_table(3, 3)
    for row, words in enumerate((("a", "b", "c"), ("d", "e|f", "g"), ("h", "i", "j"))):
        for column, word in enumerate(words):
            table.cell(row, column).text = word
    table.cell(0, 1).merge(table.cell(0, 2)).text = "wide"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "high"
    made.add_paragraph("after")
    assert document("a.docx", saved(made)).text == (
        "| a | wide |  |\n| --- | --- | --- |\n| high | e\\|f | g |\n|  | i | j |\n\nafter"
    )


def test_a_table_in_a_cell_is_its_words():
    made = docx.Document()
    table = made.add_table(1, 2)
    table.cell(0, 0).text = "outer"
    inner = table.cell(0, 1).add_table(1, 2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "x", "y"
    assert document("a.docx", saved(made)).text.startswith("| outer | x, y; |")


def test_headers_and_footers_stand_once_at_either_end():
    made = docx.Document()
    made.sections[0].header.paragraphs[0].text = "Company"
    made.sections[0].footer.paragraphs[0].text = "Confidential"
    made.add_paragraph("Words")
    made.add_section()
    assert document("a.docx", saved(made)).text == "Company\n\nWords\n\nConfidential"


def test_comments_say_who_wrote_them():
    made = docx.Document()
    made.add_comment(made.add_paragraph("Words").runs, text="really?", author="Ada")
    assert document("a.docx", saved(made)).text == "Words\n\nComment by Ada: really?"


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<w:p><w:r><w:t>a</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t>b</w:t></w:r></w:ins></w:p>", "ab"),
        ("<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:t>shown</w:t></w:r></w:p>", "shown"),
        ("<w:p><w:hyperlink><w:r><w:t>a link</w:t></w:r></w:hyperlink><w:r><w:tab/><w:t>x</w:t><w:br/><w:t>y</w:t></w:r></w:p>", "a link\tx\ny"),
        ("<w:sdt><w:sdtContent><w:p><w:r><w:t>in a control</w:t></w:r></w:p></w:sdtContent></w:sdt>", "in a control"),
        ("<w:p><w:r><w:t>1</w:t><w:noBreakHyphen/><w:t>2</w:t></w:r></w:p>", "1-2"),
        ('<w:p><w:r><w:sym w:font="Wingdings" w:char="F0FC"/><w:sym w:char="03B1"/><w:t>x</w:t></w:r></w:p>', "αx"),
        ("<w:p><w:r><w:ruby><w:rt><w:r><w:t>kan</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby></w:r></w:p>", "漢"),
        ("<w:p><w:r><w:instrText>PAGE</w:instrText><w:t>7</w:t></w:r></w:p>", "7"),
        ('<w:p><w:pPr><w:outlineLvl w:val="1"/></w:pPr><w:r><w:t>By level</w:t></w:r></w:p>', "## By level"),
    ],
)  # fmt: skip
def test_what_is_shown_is_read_and_what_is_not_is_not(xml, text):
    assert said(xml) == text


def test_a_text_box_is_read_once():
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    xml = f"<w:p><w:r><w:t>beside</w:t><mc:AlternateContent {mc}><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    assert said(xml) == "beside\n\nboxed"


def numbered(*levels: int, list_id: int = 7) -> str:
    return "".join(
        f'<w:p><w:pPr><w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{list_id}"/></w:numPr></w:pPr><w:r><w:t>x</w:t></w:r></w:p>'
        for level in levels
    )


def test_numbers_are_those_that_word_shows():
    kinds = [("decimal", "%1."), ("lowerLetter", "%1.%2)"), ("upperRoman", "(%3)")]
    levels = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for at, (kind, text) in enumerate(kinds)
    )
    numbering = f'<w:numbering {W}><w:abstractNum w:abstractNumId="3">{levels}</w:abstractNum><w:num w:numId="7"><w:abstractNumId w:val="3"/></w:num></w:numbering>'
    data = changed(body(numbered(0, 1, 1, 2, 2, 0, 1)), {"word/numbering.xml": numbering})
    assert document("a.docx", data).text == "1. x\n  1.a) x\n  1.b) x\n    (I) x\n    (II) x\n2. x\n  2.a) x"


def paged(breaks: int, told: int) -> bytes:
    made = docx.Document()
    for number in range(breaks + 1):
        run = made.add_paragraph().add_run()
        if number:
            run._r.append(parse_xml(f"<w:lastRenderedPageBreak {W}/>"))
        run.add_text(f"page number {number + 1}")
        run.add_break(WD_BREAK.PAGE)
    return changed(saved(made), {"docProps/app.xml": PAGES.format(told)})


def test_pages_are_told_where_the_files_own_count_agrees():
    one = document("a.docx", paged(2, 3))
    assert one.text == "page number 1\n\npage number 2\n\npage number 3"
    assert [at(one, f"number {page}") for page in (1, 2, 3)] == [{"page": 1}, {"page": 2}, {"page": 3}]
    assert one.metadata["pages"] == 3


@pytest.mark.parametrize(("breaks", "told"), [(1, 3), (0, 1), (4, 1)])
def test_no_page_is_better_than_a_wrong_one(breaks, told):
    one = document("a.docx", paged(breaks, told))
    assert not one.places
    assert "pages" not in one.metadata


def test_what_it_says_of_itself_is_metadata():
    made = docx.Document()
    made.add_paragraph("x")
    made.core_properties.title, made.core_properties.author = "Our plan", "Ada"
    one = document("a.docx", saved(made))
    assert (one.title, one.metadata["author"]) == ("Our plan", "Ada")
    assert one.metadata["created"].startswith("2013-")


def test_templates_and_documents_with_macros_are_read():
    made = docx.Document()
    made.add_paragraph("Words")
    data = saved(made)
    plain = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    for kind in (
        b"application/vnd.ms-word.document.macroEnabled.main+xml",
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
    ):
        import io
        import zipfile

        types = zipfile.ZipFile(io.BytesIO(data)).read("[Content_Types].xml").replace(plain, kind)
        assert document("a.docm", changed(data, {"[Content_Types].xml": types})).text == "Words"


def test_an_empty_document_says_so():
    with pytest.raises(UnreadableDocument, match="no text"):
        documents("a.docx", saved(docx.Document()))


@pytest.mark.parametrize("xml", ["<w:p>", "<w:sdt>" * 3000, "<w:p/>" * 10 + "&x;"])
def test_broken_xml_is_one_line(xml):
    with pytest.raises(UnreadableDocument, match="damaged: its XML"):
        documents("a.docx", body(xml))
