"""What an Excel file holds, cell by cell as it is stored: sheets, their rows, texts and formats.

Sheets are read as a stream and rows as the cells that are there, so neither a long sheet nor a cell in
the last column fills the memory: the usual way to read a row makes sixteen thousand cells of such a
one. Which number is a date, and which, is the openpyxl package's knowledge.
"""

from __future__ import annotations

import datetime as dt
import io
import posixpath
from collections.abc import Iterator
from typing import Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.archive import MAX_PART, MAX_TOTAL, Archive
from ziggurat.loaders.marks import one_line
from ziggurat.loaders.rows import Cells
from ziggurat.loaders.xml import attribute, local, parse_xml
from ziggurat.optional import require

_GENERAL = ""


class Workbook:
    """An Excel file, opened.

    Args:
        archive: The file.
        where: Its name, for messages.

    Attributes:
        sheets: The names of its sheets and where each is in the archive, in order.
        never_computed: Formulas met so far that have no value.
    """

    def __init__(self, archive: Archive, where: str) -> None:
        self._archive = archive
        self._where = where
        self._dates = require("openpyxl.utils.datetime", for_="reading Excel files", extra="documents")
        self._styles = require("openpyxl.styles.numbers", for_="reading Excel files", extra="documents")
        self.never_computed = 0
        book = parse_xml(archive.read("xl/workbook.xml"), where)
        targets = self._targets("xl/workbook.xml")
        self.sheets = [
            (element.get("name", ""), targets.get(attribute(element, "id") or "", ""))
            for element in book.iter()
            if local(element) == "sheet"
        ]
        self._epoch = self._dates.MAC_EPOCH if _since_1904(book) else self._dates.WINDOWS_EPOCH
        self._texts = self._shared()
        self._formats = self._cell_formats()

    def _targets(self, name: str) -> dict[str, str]:
        """What a part relates to: the names of other parts, by id."""
        folder, base = posixpath.split(name)
        relations = f"{folder}/_rels/{base}.rels"
        if relations not in self._archive:
            raise UnreadableDocument(f"The file is damaged: {relations} is missing in it.", where=self._where)
        return {
            element.get("Id", ""): posixpath.normpath(posixpath.join("/" + folder, element.get("Target", ""))).lstrip(
                "/"
            )
            for element in parse_xml(self._archive.read(relations), self._where)
            if element.get("TargetMode") != "External"
        }

    def _shared(self) -> list[str]:
        if "xl/sharedStrings.xml" not in self._archive:
            return []
        texts = []
        for element in self._elements("xl/sharedStrings.xml", "si"):
            texts.append(_words(element))
            element.clear()
        return texts

    def _cell_formats(self) -> list[str]:
        """The number format of each style a cell may have."""
        if "xl/styles.xml" not in self._archive:
            return []
        root = parse_xml(self._archive.read("xl/styles.xml"), self._where)
        own = {one.get("numFmtId"): one.get("formatCode", "") for one in root.iter() if local(one) == "numFmt"}
        styles = next((one for one in root if local(one) == "cellXfs"), ())
        return [self._format(one.get("numFmtId"), own) for one in styles]

    def _format(self, number: str | None, own: dict[str | None, str]) -> str:
        if number in own:
            return own[number]
        known: dict[int, str] = self._styles.BUILTIN_FORMATS
        return known.get(int(number), _GENERAL) if number and number.isdecimal() else _GENERAL

    def rows(self, name: str) -> Iterator[tuple[int, Cells]]:
        """The rows of a sheet that have anything in them, with their numbers.

        Args:
            name: Where the sheet is in the archive.
        """
        if name not in self._archive:
            return  # a chart has a sheet of its own that is none
        number = 0
        for row in self._elements(name, "row"):
            number = _index(row.get("r"), number + 1)
            cells: Cells = {}
            column = -1
            for cell in row:
                column = _column(cell.get("r"), column + 1)
                said = one_line(self._said(cell))
                if said:
                    cells[column] = said
            row.clear()
            while row.getprevious() is not None:
                del row.getparent()[0]
            if cells:
                yield number, dict(sorted(cells.items()))

    def _elements(self, name: str, called: str) -> Iterator[Any]:
        etree = require("lxml.etree", for_="reading Excel files", extra="documents")
        data = self._archive.read(name, MAX_TOTAL if called == "row" else MAX_PART * 2)
        try:
            for _, element in etree.iterparse(
                io.BytesIO(data), events=("end",), tag=f"{{*}}{called}", resolve_entities=False, no_network=True
            ):
                yield element
        except etree.XMLSyntaxError as error:
            raise UnreadableDocument(
                f"The file is damaged: {name} in it breaks off or is not well-formed.", where=self._where
            ) from error

    def _said(self, cell: Any) -> str:
        kind = cell.get("t", "n")
        value: str | None = None
        formula = False
        for part in cell:
            match local(part):
                case "v":
                    value = part.text
                case "is":
                    return _words(part)
                case "f":
                    formula = True
        if value is None:
            self.never_computed += formula
            return ""
        match kind:
            case "s":
                return self._texts[int(value)] if value.isdecimal() and int(value) < len(self._texts) else ""
            case "b":
                return "TRUE" if value == "1" else "FALSE"
            case "n":
                return self._number(value, cell.get("s"))
            case "d":
                return value.removesuffix("T00:00:00")
        return value

    def _number(self, value: str, style: str | None) -> str:
        shown = (
            self._formats[int(style)] if style and style.isdecimal() and int(style) < len(self._formats) else _GENERAL
        )
        try:
            number = float(value)
            if self._styles.is_date_format(shown):
                return _time(
                    self._dates.from_excel(number, self._epoch, timedelta=self._styles.is_timedelta_format(shown))
                )
        except (ValueError, OverflowError, TypeError):
            return value
        if "%" in shown:
            return f"{number * 100:.10g}%"
        return value if value.lstrip("-").isdecimal() else f"{number:.15g}"


def _time(value: Any) -> str:
    if isinstance(value, dt.datetime):
        moment: dt.datetime = (value + dt.timedelta(microseconds=500_000)).replace(microsecond=0)
        return moment.date().isoformat() if moment.time() == dt.time() else moment.isoformat(" ")
    if isinstance(value, dt.time):
        return value.replace(microsecond=0).isoformat()
    return str(value)


def _words(element: Any) -> str:
    """The text of a string, all its runs; how it is pronounced is left out."""
    pieces = []
    for part in element:
        name = local(part)
        if name == "t":
            pieces.append(part.text or "")
        elif name == "r":
            pieces.extend(run.text or "" for run in part if local(run) == "t")
    return "".join(pieces)


def _since_1904(book: Any) -> bool:
    return any(element.get("date1904") in ("1", "true") for element in book.iter() if local(element) == "workbookPr")


def _index(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else default  # noqa: PLR2004 (longer than any sheet)


def _column(reference: str | None, default: int) -> int:
    """The column of a cell's name, from 0: ``C7`` is in column 2."""
    letters = (reference or "").rstrip("0123456789")
    if not letters.isascii() or not letters.isalpha() or len(letters) > 3:  # noqa: PLR2004 (XFD is the last)
        return default
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1
