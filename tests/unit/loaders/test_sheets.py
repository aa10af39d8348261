"""Excel: every sheet, a line a row."""

import datetime as dt

import openpyxl
import pytest
from made_files import at, changed, document, documents, saved

from ziggurat.errors import UnreadableDocument

S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def book(*sheets, **formats):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for number, rows in enumerate(sheets, 1):
        sheet = made.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(row)
        for cell, shown in formats.items():
            sheet[cell].number_format = shown
    return saved(made)


def test_a_row_is_a_line_that_says_what_its_values_are():
    one = document("a.xlsx", book([["Sales"], [], ["Team", "Won"], ["Blues", 1], ["Leafs", 13]]))
    assert one.text == "Sales\nTeam; Won\nTeam: Blues; Won: 1\nTeam: Leafs; Won: 13"
    assert one.kind == "table"
    assert at(one, "Leafs") == {"sheet": "Sheet 1", "row": 5}


def test_each_of_several_sheets_is_named():
    one = document("a.xlsx", book([["a", "b"], [1, 2]], [], [["c", "d"], [3, 4]]))
    assert one.text == "Sheet: Sheet 1\na; b\na: 1; b: 2\nSheet: Sheet 3\nc; d\nc: 3; d: 4"
    assert (at(one, "Sheet 3"), at(one, "c: 3")) == ({"sheet": "Sheet 3"}, {"sheet": "Sheet 3", "row": 2})
    assert one.metadata["sheets"] == ["Sheet 1", "Sheet 2", "Sheet 3"]


def test_values_come_out_as_the_sheet_shows_them():
    values = [
        dt.date(2024, 1, 31),
        dt.datetime(2024, 1, 31, 14, 30),  # noqa: DTZ001 (a sheet knows no time zones)
        dt.time(8, 5),
        dt.timedelta(hours=30),
        0.345,
        0.1 + 0.2,
        12,
        True,
        1e21,
        "x\ny",
        -3.5,
    ]
    data = book([values], E1="0.0%", F1="#,##0.00")
    assert (
        document("a.xlsx", data).text
        == "2024-01-31; 2024-01-31 14:30:00; 08:05:00; 1 day, 6:00:00; 34.5%; 0.3; 12; TRUE; 1e+21; x y; -3.5"
    )


def test_dates_counted_from_1904_are_the_same_dates():
    made = openpyxl.Workbook()
    made.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    made.active["A1"] = dt.date(2024, 1, 31)
    assert document("a.xlsx", saved(made)).text == "2024-01-31"


def test_a_formula_that_was_never_computed_is_counted_and_no_value_is_made_up():
    one = document("a.xlsx", book([["x", "y"], [1, "=A2*2"]]))
    assert one.text == "x; y\nx: 1"
    assert one.metadata["formulas_without_values"] == 1
    with pytest.raises(UnreadableDocument, match="1 formulas that were never computed"):
        documents("a.xlsx", book([["=1+1"]]))


def test_a_cell_far_out_costs_no_more_than_one_near_by():
    rows = "".join(f'<row r="{row}"><c r="XFD{row}"><v>{row}</v></c></row>' for row in (1, 1048576))
    data = changed(
        book([[1]]), {"xl/worksheets/sheet1.xml": f"<worksheet {S}><sheetData>{rows}</sheetData></worksheet>"}
    )
    one = document("a.xlsx", data)
    assert one.text == "1\n1048576"
    assert at(one, "1048576") == {"sheet": "Sheet 1", "row": 1048576}


def test_rows_and_cells_that_do_not_say_where_they_are_follow_one_another():
    cells = '<row><c t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r><rPh><t>no</t></rPh></is></c><c><v>2</v></c></row><row><c t="e"><v>#N/A</v></c></row>'
    data = changed(
        book([[1]]), {"xl/worksheets/sheet1.xml": f"<worksheet {S}><sheetData>{cells}</sheetData></worksheet>"}
    )
    one = document("a.xlsx", data)
    assert one.text == "ab; 2\n#N/A"
    assert at(one, "#N/A")["row"] == 2


@pytest.mark.parametrize("data", [book([]), book([[None, ""]])])
def test_an_empty_workbook_says_so(data):
    with pytest.raises(UnreadableDocument, match="nothing in its sheets"):
        documents("a.xlsx", data)


@pytest.mark.parametrize("sheet", ["<worksheet", f"<worksheet {S}><sheetData><row>"])
def test_a_sheet_that_breaks_off_is_refused(sheet):
    with pytest.raises(UnreadableDocument, match="breaks off"):
        documents("a.xlsx", changed(book([[1]]), {"xl/worksheets/sheet1.xml": sheet}))
