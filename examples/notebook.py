"""Writes each notebook here from its script: ``# %%`` begins a cell, ``# %% [markdown]`` one of text.

The scripts are the source; the notebooks are committed without outputs so that they can be opened as they are.
Run it after a change to a script::

    python examples/notebook.py
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SCRIPTS = [Path(__file__).with_name(name) for name in ("lab.py", "databricks_endpoints.py")]

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
    for script in SCRIPTS:
        notebook = script.with_suffix(".ipynb")
        notebook.write_text(as_json(from_script(script.read_text(encoding="utf-8"))), encoding="utf-8")
        print(f"wrote {notebook}")
