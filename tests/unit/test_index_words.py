"""What is written into FTS5 and how it is asked."""

import sqlite3

import pytest

from ziggurat.index.words import MOST_QUESTION_WORDS, TOKENISER, index_terms, match_expression

TABLE = f"CREATE VIRTUAL TABLE words USING fts5 (terms, content='', tokenize=\"{TOKENISER}\")"


def finds(text: str, question: str) -> bool:
    with sqlite3.connect(":memory:") as connection:
        connection.execute(TABLE)
        connection.execute("INSERT INTO words (rowid, terms) VALUES (1, ?)", (index_terms(text),))
        expression = match_expression(question)
        found = (
            expression is not None
            and connection.execute("SELECT rowid FROM words WHERE words MATCH ?", (expression,)).fetchone()
        )
    connection.close()
    return bool(found)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("The Canal was dug in 1854.", "canal?"),
        ("The Canal was dug in 1854.", "what happened in 1854"),
        ("Él señaló la canción", "cancion"),
        ("cancion", "¿CANCIÓN?"),
        ("Straße und Füße", "fuße"),
        ("苏伊士运河于1869年通航", "运河什么时候通航"),
        ("苏伊士运河于1869年通航", "1869"),
        ("房子里的猫", "猫"),
        ("猫在房子里", "猫"),
        ("猫", "猫"),
        ("東京タワーは赤い", "タワー"),
        ("서울의 탑", "서울"),
        ("हिन्दी में लिखा", "हिन्दी"),
        ("snake_case names", "case"),
        ("C'est l'été", "été"),
        ("great\U0001fae0 news", "great"),
        ("a\u200bzero", "zero"),
    ],
)
def test_a_question_finds_the_text(text, question):
    assert finds(text, question)


@pytest.mark.parametrize(("text", "question"), [("the canal", "tower"), ("运河", "高塔"), ("cat", "猫"), ("x", "?!")])
def test_a_question_without_a_common_word_finds_nothing(text, question):
    assert not finds(text, question)


def test_a_cjk_run_becomes_its_pairs_and_its_last_character():
    assert index_terms("建运河a").split() == ["建运", "运河", "河", "a"]


def test_latin_text_is_handed_to_sqlite_as_it_is():
    text = "Nothing (here) is 'changed'."
    assert index_terms(text) is text


@pytest.mark.parametrize("question", ["", "?!…", "---", '"', "'\"()*^:"])
def test_a_question_without_words_has_no_expression(question):
    assert match_expression(question) is None


def test_a_pasted_page_is_asked_by_its_first_distinct_words():
    expression = match_expression(" ".join(f"w{at % 500}" for at in range(5000)))
    assert expression is not None
    assert expression.count(" OR ") == MOST_QUESTION_WORDS - 1
