"""Writes ``lab.ipynb`` from ``lab.py``: each ``# %%`` begins a cell, ``# %% [markdown]`` one of text.

The script is the source; the notebook is committed without outputs so that it can be opened as it is.
Run it after a change to the script::

    python examples/notebook.py
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SCRIPT = Path(__file__).with_name("lab.py")
NOTEBOOK = SCRIPT.with_suffix(".ipynb")

_CELL = re.compile(r"^# %%(?P<text> \[markdown\])?$", re.MULTILINE)


def from_script(script: str) -> NotebookNode:
    """The notebook of a script in cells; what stands before the first mark is left out."""
    marks = list(_CELL.finditer(script))
    cells = []
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(script)
        body = script[mark.end() : end].strip("\n")
        if mark["text"]:
            body = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
            cells.append(new_markdown_cell(body, id=f"cell-{number}"))
        else:
            cells.append(new_code_cell(body, id=f"cell-{number}"))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def as_json(notebook: NotebookNode) -> str:
    """The notebook's file."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(as_json(from_script(SCRIPT.read_text(encoding="utf-8"))), encoding="utf-8")
    print(f"wrote {NOTEBOOK}")
