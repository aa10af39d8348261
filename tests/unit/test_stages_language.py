"""The language of a question, and which words of a text carry its content."""

import pytest

from ziggurat.stages.evidence import asked_about, content, find_support, sentences, stem
from ziggurat.stages.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is Azure Databricks?", "en"),
        ("Tell me about LangChain.", "en"),
        ("LangChain", "en"),
        ("", "en"),
        ("什么是 LangChain？", "zh"),
        ("Azure Databricks 是什么？", "zh"),
        ("The word 你好 is a greeting in Chinese.", "en"),
        ("O que é o Azure Databricks?", "pt"),
        ("Quem descobriu o Brasil e em que ano?", "pt"),
        ("¿Qué es Azure Databricks?", "es"),
        ("¿Dónde está el río más largo?", "es"),
    ],
)
def test_a_question_is_in_the_language_it_is_written_in(text, language):
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Who met Mr. J. Smith. They left.", ["Dr. Who met Mr. J. Smith.", "They left."]),
        ("It costs 3.5 euros. Not 4.", ["It costs 3.5 euros.", "Not 4."]),
        ("第一句。第二句！第三句？", ["第一句。", "第二句！", "第三句？"]),
        ("A heading\n\nA text", ["A heading", "A text"]),
        ('He said "yes." She left.', ['He said "yes."', "She left."]),
        ("", []),
        ("  \n ", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, expected):
    assert [text[start:end] for start, end in sentences(text)] == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("develops", "developed"),
        ("Orchards", "orchard"),
        ("ação", "acao"),
        ("company's", "company"),
        ("CITIES", "cities"),
    ],
)
def test_forms_of_a_word_meet(one, other):
    assert stem(one) == stem(other)


def test_names_and_numbers_weigh_double_and_function_words_nothing():
    assert content("the mill that Okafor built in 1,720") == {"mill": 1.0, "okafor"[:6]: 2.0, "built": 1.0, "1720": 2.0}


@pytest.mark.parametrize(
    ("claim", "share"),
    [
        ("The mill was built in 1720.", 1.0),
        ("The mill was built in 1721.", 0.0),
        ("The bridge was painted.", 0.0),
        ("The mill burns.", 0.5),
    ],
)
def test_the_share_of_a_claim_that_a_text_covers(claim, share):
    assert find_support(claim, "The river is wide. The mill was built in 1720.").share == share


def test_of_places_that_cover_as_much_the_shorter_is_cited():
    text = "The mill was built in 1720. The mill was, as the records of the parish tell us, built in 1720."
    found = find_support("The mill was built in 1720.", text)
    assert text[found.start : found.end] == "The mill was built in 1720."


def test_a_sentence_that_shares_only_a_name_is_not_what_was_asked():
    assert asked_about("What does Okafor earn?", "Maria Okafor is a painter.") == 0.0
    assert asked_about("What did Okafor paint?", "Maria Okafor did paint the mill.") == 1.0
