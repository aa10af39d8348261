"""A table of texts as a source: each row of Parquet files is an item, with the other columns as its metadata.

Listing reads one column; a row's text is read when it is asked for, a row group at a time. Knows nothing of
indexes. Invariant: a row keeps its key as long as its id and its file keep theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.source import Item
from ziggurat.optional import require
from ziggurat.suggest import did_you_mean

_SCALARS = (str, int, float, bool, list, dict, type(None))


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    stamp: str
    ends: tuple[int, ...]
    """The row behind the last one of each row group."""


@dataclass
class PassageTable:
    """The rows of a Parquet file, or of all Parquet files of a folder.

    Args:
        path: The file or folder.
        text: The column with the texts.
        id: The column that tells rows apart, the same from one version of the table to the next; without one
            rows are told apart by their place.
        metadata: The columns kept beside the text; None keeps all.
    """

    path: str
    text: str = "text"
    id: str | None = None
    metadata: Sequence[str] | None = None
    _group: tuple[str, int, list[dict[str, Any]]] | None = field(default=None, init=False, repr=False)

    @property
    def name(self) -> str:
        """Its absolute path."""
        return os.path.normpath(Path(self.path).absolute())

    def items(self) -> Iterator[Item]:
        """One for each row, in the order of files and rows.

        Raises:
            InputError: If there is no such table, a column is not in it, or an id comes twice.
        """
        for file in self._files():
            for number, key in enumerate(self._keys(file)):
                yield Item(key, partial(self._read, file, number, key), file.stamp)

    def named(self, keys: Iterable[str]) -> Iterator[Item]:
        """The items of these keys, which were listed before."""
        wanted = list(keys)
        files = {file.path: file for file in self._files()}
        rows: dict[str, dict[str, int]] = {}
        for key in wanted:
            path = key.rpartition("#")[0] if self.id is None else _path_of(key, files)
            if path not in rows:
                rows[path] = {one: number for number, one in enumerate(self._keys(files[path]))}
            yield Item(key, partial(self._read, files[path], rows[path].get(key, -1), key), files[path].stamp)

    def _files(self) -> list[_File]:
        parquet = require("pyarrow.parquet", for_="tables of texts", extra="tables")
        root = Path(self.name)
        paths = sorted(root.rglob("*.parquet")) if root.is_dir() else [root]
        if not paths or not root.exists():
            raise InputError("There is no Parquet file there.", where=str(root))
        found = []
        for path in paths:
            try:
                told = parquet.ParquetFile(path)
            except (OSError, ValueError) as error:
                raise InputError(f"This is no Parquet file: {error}.", where=str(path)) from error
            with told:
                names = told.schema_arrow.names
                for column in (self.text, *([self.id] if self.id else []), *(self.metadata or [])):
                    if column not in names:
                        raise InputError(
                            f"There is no column {column!r}{did_you_mean(column, names)}.",
                            where=str(path),
                            fix=f"its columns: {', '.join(names)}",
                        )
                ends, row = [], 0
                for group in range(told.metadata.num_row_groups):
                    row += told.metadata.row_group(group).num_rows
                    ends.append(row)
            about = path.stat()
            found.append(_File(str(path), f"{about.st_size}:{about.st_mtime_ns}", tuple(ends)))
        return found

    def _keys(self, file: _File) -> list[str]:
        rows = file.ends[-1] if file.ends else 0
        if self.id is None:
            return [f"{file.path}#{number}" for number in range(rows)]
        parquet = require("pyarrow.parquet", for_="tables of texts", extra="tables")
        ids = parquet.read_table(file.path, columns=[self.id], partitioning=None).column(0).to_pylist()
        keys = [f"{file.path}#{one}" for one in ids]
        if len(set(keys)) != len(keys):
            raise InputError(f"An id of the column {self.id!r} comes more than once.", where=file.path)
        return keys

    def _read(self, file: _File, number: int, key: str) -> Iterator[SourceDocument]:
        if number < 0:
            raise UnreadableDocument("The row is gone.", where=key)
        group = next(at for at, end in enumerate(file.ends) if number < end)
        row = self._rows(file, group)[number - (file.ends[group - 1] if group else 0)]
        text = row.get(self.text)
        if not isinstance(text, str):
            raise UnreadableDocument(f"The column {self.text!r} holds no text here.", where=key)
        kept = row.keys() - {self.text} if self.metadata is None else self.metadata
        about: Mapping[str, Any] = {name: _json(row[name]) for name in sorted(kept)}
        yield SourceDocument(source=key, text=text, metadata={**about, "source": key})

    def _rows(self, file: _File, group: int) -> list[dict[str, Any]]:
        if self._group is None or self._group[:2] != (file.path, group):
            parquet = require("pyarrow.parquet", for_="tables of texts", extra="tables")
            with parquet.ParquetFile(file.path) as table:
                columns = None if self.metadata is None else [self.text, *self.metadata]
                self._group = (file.path, group, table.read_row_group(group, columns=columns).to_pylist())
        return self._group[2]


def _path_of(key: str, files: Iterable[str]) -> str:
    """The file a key is of; an id may hold any character."""
    return next(path for path in files if key.startswith(f"{path}#"))


def _json(value: Any) -> Any:
    return value if isinstance(value, _SCALARS) else str(value)
