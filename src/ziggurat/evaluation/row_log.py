"""Rows on disk as they are made, so that a run that was stopped goes on where it was.

JSONL: a header that says what the rows are of, then a row a line. Knows nothing of models. Invariant: a
line that was cut short by a killed process is dropped, and its question asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ziggurat.errors import InputError
from ziggurat.evaluation.saved import Row, write_whole


class RowLog:
    """The rows of one run, in a file.

    Args:
        path: The file; made if it is new.
        header: All that decides the rows, in plain values.
        fresh: Begin anew, whatever is there.

    Attributes:
        rows: By variant and the question's number.

    Raises:
        InputError: If the file holds rows of other settings.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.path = path
        self.rows: dict[tuple[str, int], Row] = {}
        told = json.loads(json.dumps(header, ensure_ascii=False))
        lines = [] if fresh or not path.exists() else path.read_text(encoding="utf-8").split("\n")
        whole = lines[:-1]  # what follows the last line break was cut short
        if whole:
            self._read(whole, told)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [json.dumps(told, ensure_ascii=False), *(_line(variant, row) for (variant, _), row in self.rows.items())]
        write_whole(path, "\n".join(kept) + "\n")

    def _read(self, lines: list[str], header: Mapping[str, Any]) -> None:
        where = str(self.path)
        try:
            before = json.loads(lines[0])
            for line in lines[1:]:
                given = json.loads(line)
                row = Row(**given["row"])
                self.rows[given["variant"], row.number] = row
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("The file holds no rows of a run.", where=where, fix="begin anew with --fresh") from error
        if before != header:
            other = sorted(key for key in before.keys() | header.keys() if before.get(key) != header.get(key))
            raise InputError(
                f"The rows there are of another run: {', '.join(other)} differ.",
                where=where,
                fix="give this run another --name, or begin anew with --fresh",
            )

    def add(self, variant: str, row: Row) -> None:
        """Write a row down."""
        self.rows[variant, row.number] = row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(variant, row) + "\n")


def _line(variant: str, row: Row) -> str:
    return json.dumps({"variant": variant, "row": asdict(row)}, ensure_ascii=False)
