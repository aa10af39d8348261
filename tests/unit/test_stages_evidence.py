"""What counts as support, in words and in Chinese characters."""

import pytest

from ziggurat.stages.evidence import asked_about, bars_for, coverage, find_support, sentences


@pytest.mark.parametrize(
    ("question", "sentence", "quoted"),
    [
        ("What is Kubernetes?", "Azure Databricks is a platform.", False),
        ("What is Azure Databricks?", "Azure Databricks is a platform.", True),
        ("How much does Azure Databricks cost?", "Azure Databricks is a platform.", False),
        ("When was the orchard planted?", "The orchard was planted in 1987.", True),
        ("果园是什么时候种植的？", "果园由玛丽亚于1987年种植。", True),
        ("果园的主人是谁？", "船的帆是红色的。", False),
    ],
)
def test_a_sentence_is_quoted_only_where_it_speaks_of_what_is_asked(question, sentence, quoted):
    assert (asked_about(question, sentence) >= bars_for(question).quoted) is quoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("Mr. Smith paid 3.5 dollars. He left.", ["Mr. Smith paid 3.5 dollars.", "He left."]),
        ("A line\nwrapped by hand. Next.", ["A line\nwrapped by hand.", "Next."]),
        ("Title\n\nText.\n- one\n- two", ["Title", "Text.", "- one", "- two"]),
        ("你好。”世界！", ["你好。”", "世界！"]),
        ("", []),
    ],
)
def test_sentences_end_at_marks_blank_lines_and_items(text, expected):
    assert [text[start:end] for start, end in sentences(text)] == expected


def test_the_shorter_of_two_equal_places_is_the_evidence():
    text = "Cats sleep. Dogs bark."
    support = find_support("Dogs bark.", text)
    assert text[support.start : support.end] == "Dogs bark."


def test_a_claim_without_content_is_supported_by_nothing():
    assert find_support("It is.", "It is.").share == 0.0
    assert coverage("", ["text"]) == 0.0


def test_a_wrong_number_refutes_whatever_else_agrees():
    assert find_support("The bridge opened in 1932.", "The bridge opened in 1931.").share == 0.0
