"""Whatever a question contains, it is a question and not FTS5 syntax."""

import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ziggurat.index.words import TOKENISER, index_terms, match_expression


@pytest.fixture(scope="module")
def connection():
    with sqlite3.connect(":memory:") as database:
        database.execute(f"CREATE VIRTUAL TABLE words USING fts5 (terms, content='', tokenize=\"{TOKENISER}\")")
        database.execute("INSERT INTO words (rowid, terms) VALUES (1, 'near and or not terms')")
        yield database
    database.close()


@given(st.text(max_size=60))
@example('AND OR NOT NEAR("a" b, 3) {terms}: ^x + y*')
@example('"; DROP TABLE words; --')
@example("terms : rank")
def test_no_question_raises(connection, question):
    expression = match_expression(question)
    if expression is not None:
        connection.execute("SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY rank", (expression,)).fetchall()


assigned = st.characters(codec="utf-8", exclude_categories=("Cn", "Co", "Cs"), min_codepoint=32, max_codepoint=0x2FFF)


@given(st.text(assigned, min_size=1, max_size=30))
def test_a_text_with_a_word_is_found_by_itself(text):
    expression = match_expression(text)
    if expression is None or not any(ch.isalnum() and ord(ch) < 0x3000 for ch in text):
        return
    with sqlite3.connect(":memory:") as database:
        database.execute(f"CREATE VIRTUAL TABLE words USING fts5 (terms, content='', tokenize=\"{TOKENISER}\")")
        database.execute("INSERT INTO words (rowid, terms) VALUES (1, ?)", (index_terms(text),))
        indexed = database.execute("SELECT count(*) FROM words_docsize WHERE sz <> x'00'").fetchone()[0]
        found = database.execute("SELECT rowid FROM words WHERE words MATCH ?", (expression,)).fetchall()
    database.close()
    # A mark alone is folded away as a diacritic: then nothing was indexed.
    assert found == [(1,)] or not indexed
