"""Notebooks: texts, code and what it put out, cell by cell."""

import json

import pytest
from made_files import at, document, documents

from ziggurat.errors import UnreadableDocument


def notebook(*cells, **metadata):
    return json.dumps({"cells": list(cells), "metadata": metadata, "nbformat": 4})


def code(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def test_cells_have_numbers_code_has_fences_and_outputs_are_text():
    one = document(
        "a.ipynb",
        notebook(
            {"cell_type": "markdown", "source": ["# The study\n", "words"]},
            code("1 + 1", {"output_type": "execute_result", "data": {"text/plain": ["2"]}}),
            code("fail()", {"output_type": "error", "traceback": ["\x1b[31mNameError\x1b[0m: fail"]}),
            code(
                "print()",
                {"output_type": "stream", "text": ["a\n", "b\n"]},
                {"output_type": "display_data", "data": {"image/png": "xx"}},
            ),
            code(
                "t",
                {
                    "output_type": "execute_result",
                    "data": {"text/html": "<table><tr><th>x<th>y<tr><td>1<td>2</table>", "text/plain": "no"},
                },
            ),
            {"cell_type": "raw", "source": "raw words"},
            language_info={"name": "python"},
        ),
    )
    assert one.text == (
        "# The study\nwords\n\n```python\n1 + 1\n```\n\n```\n2\n```\n\n```python\nfail()\n```\n\n```\nNameError: fail\n```\n\n"
        "```python\nprint()\n```\n\n```\na\nb\n```\n\n![image/png]\n\n```python\nt\n```\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n\nraw words"
    )
    assert (at(one, "NameError"), at(one, "raw words")) == ({"cell": 3}, {"cell": 6})
    assert one.metadata == {"source": "a.ipynb", "title": "The study", "language": "python", "cells": 6}


def test_notebooks_of_the_older_form_are_read():
    old = {
        "nbformat": 3,
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 2, "source": "Old"},
                    {"cell_type": "code", "input": "x", "outputs": [{"output_type": "pyout", "text": "7"}]},
                ]
            }
        ],
    }
    one = document("a.ipynb", json.dumps(old))
    assert (one.text, one.title) == ("## Old\n\n```\nx\n```\n\n```\n7\n```", "Old")


def test_a_very_long_output_is_shortened_and_says_so():
    text = document("a.ipynb", notebook(code("x", {"output_type": "stream", "text": "y" * 30_000}))).text
    assert "(10,000 more characters of output)" in text
    assert len(text) < 21_000


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("{", "not JSON"),
        ("[]", "no cells"),
        ('{"a": 1}', "no cells"),
        (notebook(), "no text"),
        (notebook("odd", code([])), "no text"),
    ],
)
def test_what_is_no_notebook_says_so(data, says):
    with pytest.raises(UnreadableDocument, match=says):
        documents("a.ipynb", data)
