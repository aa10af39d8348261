"""Whatever the bytes: documents that can be stored, or one line that says why not."""

import csv
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from made_files import SUFFIXES, documents

from ziggurat.errors import DocumentError
from ziggurat.loaders.marks import one_line
from ziggurat.loaders.rows import cells, described

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
HEADS = st.sampled_from(
    [b"", b"%PDF-1.4\n", b"PK\x03\x04", b"{\\rtf1 ", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"<html>", b"<en-export>", b"From: a\n\n", b'{"cells": [', b"\xff\xfe"]
)  # fmt: skip
PIECES = st.sampled_from(
    [b"{", b"}", b"\\'", b"\\u1", b"\\bin99 ", b"<table><tr><td>", b"</td>", b"<p>", b"<!--", b"&#0;", b'"', b",", b";", b"\n", b"\0", b"\xff",
     b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b"=?utf-8?b?=", b"<note><content>", b"[", b"1e999", b"obj<<>>stream", b"word "]
)  # fmt: skip


@settings(max_examples=400)
@given(st.sampled_from(SUFFIXES), HEADS, st.lists(st.one_of(PIECES, st.binary(max_size=40)), max_size=12))
def test_any_bytes_under_any_suffix_are_read_or_refused_in_one_line(suffix, head, pieces):
    try:
        found = documents(f"a{suffix}", head + b"".join(pieces))
    except DocumentError as error:
        assert "\n" not in error.what
        assert error.what.endswith((".", "!"))
        return
    assert found
    for one in found:
        one.text.encode()
        json.dumps(dict(one.metadata)).encode()
        assert one.text.strip()
        assert "\r" not in one.text
        assert all(place.start < len(one.text) for place in one.places)


@given(st.lists(st.lists(WORDS, min_size=2, max_size=5), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_what_a_table_of_values_holds_is_in_its_lines(rows, mark):
    made = io.StringIO()
    csv.writer(made, delimiter=mark, quoting=csv.QUOTE_ALL).writerows(rows)
    from langchain_core.documents.base import Blob

    from ziggurat.loaders.tables import parse_csv

    expected = [line for _, line in described((number, cells(row)) for number, row in enumerate(rows, 1))]
    try:
        (one,) = parse_csv(Blob.from_data(made.getvalue(), path="a.csv"), delimiter=mark)
    except DocumentError:
        assert not any(one_line(cell) for row in rows for cell in row)
        return
    assert one.text == "\n".join(expected)
    for row in rows:
        assert all(one_line(cell) in one.text for cell in row)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def leaves(value):
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    elif value is not None:
        yield value


@given(JSON)
def test_every_value_of_a_json_file_is_in_its_text(value):
    said = [str(one).lower() if isinstance(one, bool) else one_line(str(one)) for one in leaves(value)]
    data = json.dumps(value)
    try:
        (one,) = documents("a.json", data)
    except DocumentError:
        assert not any(word.isprintable() and word for word in said)
        return
    for word in said:
        if word.isprintable():
            assert word in one.text
