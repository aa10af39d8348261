"""PowerPoint: slide by slide."""

import pptx
import pytest
from made_files import at, document, documents, saved
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ziggurat.errors import UnreadableDocument

BOX = (Inches(1), Inches(1), Inches(3), Inches(1))


def titled(deck, title, body=""):
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = title
    slide.placeholders[1].text = body
    return slide


def test_titles_points_and_notes_with_the_number_of_their_slide():
    deck = pptx.Presentation()
    slide = titled(deck, "Plans", "first\nsecond")
    slide.placeholders[1].text_frame.paragraphs[1].level = 1
    slide.notes_slide.notes_text_frame.text = "say this slowly"
    titled(deck, "Results", "good")
    one = document("a.pptx", saved(deck))
    assert one.text == "# Plans\n\n- first\n  - second\n\nNotes: say this slowly\n\n# Results\n\n- good"
    assert (one.kind, one.title, one.metadata["slides"]) == ("markdown", "Plans", 2)
    assert (at(one, "slowly"), at(one, "good")) == ({"slide": 1}, {"slide": 2})


def test_tables_groups_charts_and_pictures_said_in_words():
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    table = slide.shapes.add_table(2, 2, *BOX).table
    for row, words in enumerate((("a", "b"), ("c", "d"))):
        for column, word in enumerate(words):
            table.cell(row, column).text = word
    outer = slide.shapes.add_group_shape()
    outer.shapes.add_group_shape().shapes.add_textbox(*BOX).text_frame.text = "inside groups"
    data = CategoryChartData()
    data.categories = ["East", "West"]
    data.add_series("Sales", (1.5, None))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *BOX, data)
    text = document("a.pptx", saved(deck)).text
    assert "| a | b |\n| --- | --- |\n| c | d |" in text
    assert "inside groups" in text
    assert "|  | East | West |\n| --- | --- | --- |\n| Sales | 1.5 |  |" in text


def test_merged_cells_keep_the_columns():
    deck = pptx.Presentation()
    table = deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_table(2, 3, *BOX).table
    table.cell(0, 0).merge(table.cell(0, 1))
    for row, column, word in ((0, 0, "wide"), (0, 2, "c"), (1, 0, "d"), (1, 1, "e"), (1, 2, "f")):
        table.cell(row, column).text = word
    assert document("a.pptx", saved(deck)).text == "| wide |  | c |\n| --- | --- | --- |\n| d | e | f |"


def test_a_presentation_without_words_says_so():
    deck = pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[6])
    with pytest.raises(UnreadableDocument, match="no text"):
        documents("a.pptx", saved(deck))
