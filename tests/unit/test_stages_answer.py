"""Answers as values: adding up, marks, places, and what a citation promises."""

import pytest

from ziggurat import Answer, Citation
from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.stages.answer import quote_hash

DOCUMENT = "The mill stands by the river.\nIt was built in 1720.\nNobody lives there now.\n"


def used(model, read, written):
    return Usage((ModelUsage(model, "", read, written, 0, 1),))


def cite(quote, span, *, line=None, document="mill.txt"):
    start = DOCUMENT.index(quote)
    return Citation(document, "c", start, start + len(quote), quote, quote_hash(quote), span, 1.0, line, line)


FIRST = cite("The mill stands by the river.", (0, 29), line=1)
SECOND = cite("It was built in 1720.", (30, 51), line=2)


def test_a_citation_holds_while_the_document_says_it_at_that_place():
    assert FIRST.holds(DOCUMENT)
    assert not FIRST.holds(DOCUMENT.replace("river", "lake"))
    assert not FIRST.holds("\n" + DOCUMENT)
    assert not FIRST.holds("")


@pytest.mark.parametrize(("line", "place"), [(3, "mill.txt:3"), (None, "mill.txt")])
def test_a_place_opens_in_an_editor(line, place):
    assert cite("It was built in 1720.", (0, 1), line=line).place == place


def test_pieces_add_up_whatever_way_they_are_grouped():
    pieces = [
        Answer("The mill stands by the river.", (FIRST,), usage=used("m", 5, 1)),
        Answer(" It was built in 1720.", (SECOND,)),
        Answer(" It is haunted.", unsupported=((52, 66),)),
        Answer("", usage=used("m", 1, 2)),
    ]
    one = ((pieces[0] + pieces[1]) + pieces[2]) + pieces[3]
    other = pieces[0] + (pieces[1] + (pieces[2] + pieces[3]))
    assert one == other
    assert one.text == "The mill stands by the river. It was built in 1720. It is haunted."
    assert one.text[slice(*one.unsupported[0])] == "It is haunted."
    assert one.usage == Usage((ModelUsage("m", "", 6, 3, 0, 2),))
    assert one.found


def test_nothing_but_an_answer_can_be_added():
    with pytest.raises(TypeError):
        Answer("x") + "y"


def test_a_piece_that_found_nothing_makes_a_whole_that_found_nothing():
    assert not (Answer("", found=True) + Answer("no", found=False)).found


def test_as_text_it_has_marks_and_places():
    text = "The mill stands by the river. It was built in 1720. It is haunted."
    answer = Answer(text, (FIRST, SECOND), unsupported=((52, 66),))
    assert str(answer) == (
        "The mill stands by the river. [1] It was built in 1720. [2] It is haunted. [?]\n\n"
        '[1] mill.txt:1 "The mill stands by the river."\n'
        '[2] mill.txt:2 "It was built in 1720."'
    )


def test_one_place_cited_twice_has_one_number_and_one_line():
    again = cite("The mill stands by the river.", (30, 50), line=1)
    answer = Answer("The mill stands by the river. By the river it is.", (FIRST, again))
    assert answer.annotated().count("[1]") == 2
    assert len(answer.references()) == 1


def test_two_places_for_one_sentence_stand_side_by_side():
    answer = Answer("The mill stands by the river.", (FIRST, cite("It was built in 1720.", (0, 29))))
    assert answer.annotated() == "The mill stands by the river. [1][2]"


def test_an_answer_without_evidence_is_only_its_text():
    assert str(Answer("Not in the documents.", found=False)) == "Not in the documents."


def test_a_quote_over_several_lines_is_shown_on_one():
    quote = "The mill stands by the river.\nIt was built in 1720."
    (line,) = Answer("x", (cite(quote, (0, 1), line=1),)).references()
    assert line == '[1] mill.txt:1 "The mill stands by the river. It was built in 1720."'


def test_a_quote_with_half_a_surrogate_still_has_a_hash():
    assert len(quote_hash("\ud800")) == 64
