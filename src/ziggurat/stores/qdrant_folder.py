"""A look into a folder of Qdrant's local mode before its client opens it.

The client keeps each point as a pickle and loads them all on opening, and a pickle can name any function
to be called. So every point is read here first by a reader that makes points and nothing else.
Invariant: a folder that names anything but points is refused, and nothing that it names is looked up.
"""

from __future__ import annotations

import io
import pickle
import sqlite3
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ziggurat.errors import IndexCorrupt, IndexFault

_MODULE = "qdrant_client.http.models.models"
_POINTS = {"PointStruct", "SparseVector"}


def check_folder(folder: Path) -> None:
    """Refuse a folder whose points are more than points.

    Args:
        folder: What the client is given as its path; it may be missing or empty.

    Raises:
        IndexFault: If a point names a class or function that is none of a point's.
        IndexCorrupt: If a point cannot be read.
    """
    for file in sorted(folder.glob("collection/*/storage.sqlite")):
        try:
            with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as database:
                for (point,) in database.execute("SELECT point FROM points"):
                    _OnlyPoints(io.BytesIO(point)).load()
        except IndexFault:
            raise
        except Exception as error:
            raise IndexCorrupt(
                f"A point of Qdrant cannot be read: {type(error).__name__}.",
                where=str(file),
                fix="restore a copy, or make the collection again",
            ) from error


class _OnlyPoints(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name != _MODULE or global_name not in _POINTS:
            raise IndexFault(
                f"A point of Qdrant asks to run {module_name}.{global_name}; a point has no need of it.",
                fix="do not open this folder: whoever wrote it may mean harm",
            )
        return getattr(import_module(_MODULE), global_name)
