"""Comma and tab separated values, and how rows become lines."""

import pytest
from made_files import at, document, documents

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.rows import cells, described
from ziggurat.loaders.tables import delimiter_of


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("a,b\nc,d\n", ","),
        ("a;b\nc;d\n", ";"),
        ("a\tb\nc\td\n", "\t"),
        ("a|b\nc|d\n", "|"),
        ("1,5;2,5\n3,5;4,5\n", ";"),
        ('"a;b",c\n"d",e\n', ","),
        ("one, two\nthree\nfour\nfive, six\nseven\n", "\x1f"),
        ("word\nanother\n", "\x1f"),
        ("a,b,c\nd,e,f\ng,h\n,i,j\nk,l,m\n", ","),
    ],
)
def test_what_parts_the_cells_is_told_by_the_rows(text, mark):
    assert delimiter_of(text) == mark


def test_a_quoted_line_end_is_within_its_row():
    one = document("a.csv", 'Name,Note\nAda,"first\nsecond, ""third"""\nBob,x\n')
    assert one.text == 'Name; Note\nName: Ada; Note: first second, "third"\nName: Bob; Note: x'
    assert at(one, "Bob") == {"row": 3}
    assert one.metadata["rows"] == 3


def test_a_table_of_tabs_keeps_empty_cells_in_their_columns():
    assert document("a.tsv", "a\tb\tc\n1\t\t3\n").text == "a; b; c\na: 1; c: 3"
    assert document("a.tab", "👨‍🔧 x\ty\n").text == "👨‍🔧 x; y"


def test_excels_own_first_line_tells_what_parts_the_cells_and_is_no_row():
    one = document("a.csv", "sep=|\na,x|b\n1,5|2\n")
    assert one.text == "a,x; b\na,x: 1,5; b: 2"
    assert at(one, "1,5") == {"row": 3}


def test_quotation_marks_that_do_not_match_are_read_as_they_stand():
    one = document("a.csv", 'size,what\n12",pipe\n3",bolt\n"4,nut\n')
    assert one.text.splitlines()[-1] == 'size: "4; what: nut'
    assert "do not match" in one.metadata["quotation_marks"]


def test_a_field_without_end_is_refused():
    with pytest.raises(UnreadableDocument, match="field larger"):
        documents("a.csv", '"' + "x,\n" * 100_000)


def test_an_older_encoding_is_refused_as_for_text():
    with pytest.raises(UnreadableDocument, match="not valid UTF-8"):
        documents("a.csv", "señor,niña\n".encode("cp1252"))
    assert document("a.csv", "señor,niña\n".encode("utf-16")).metadata["encoding"] == "utf-16"


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([], []),
        ([["only"]], ["only"]),
        ([["1", "2"], ["3", "4"]], ["1; 2", "3; 4"]),
        ([["a", "b"]], ["a; b"]),
        ([["a", "a"], ["1", "2"]], ["a; a", "1; 2"]),
        ([["Title"], ["a", "b"], ["1", "2"]], ["Title", "a; b", "a: 1; b: 2"]),
        ([["Name:", "b"], ["1", "2"]], ["Name:; b", "Name: 1; b: 2"]),
        ([["a", "b"], ["1", "2", "3"]], ["a; b", "a: 1; b: 2; 3"]),
        (
            [["a", "b"], ["1", "2"], ["Part two"], ["a", "b"], ["3", "4"]],
            ["a; b", "a: 1; b: 2", "Part two", "a; b", "a: 3; b: 4"],
        ),
        (
            [["What", "Sold", "Results", ""], ["", "", "Right", "Time"], ["x", "5", "6", "7"]],
            ["What; Sold; Results", "Right; Time", "What: x; Sold: 5; Results Right: 6; Results Time: 7"],
        ),
        ([["x", "y"], ["", "z"], ["1", "2"]], ["x; y", "y: z", "x: 1; y: 2"]),
        ([["2024-01-01", "word"], ["2024-01-02", "other"]], ["2024-01-01; word", "2024-01-02; other"]),
    ],
)
def test_a_line_says_what_its_values_are_where_there_is_a_header(rows, lines):
    assert [line for _, line in described(enumerate(map(cells, rows), 1))] == lines
