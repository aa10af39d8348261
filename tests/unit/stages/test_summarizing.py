"""What a summary is made of: bounds on calls, what is read, and which sentences hold."""

import asyncio

import pytest
from book import book
from hypothesis import assume, given
from hypothesis import strategies as st
from langchain_core.documents import Document

from ziggurat.errors import InputError
from ziggurat.stages.passages import Passage
from ziggurat.stages.summarizing.asking import several
from ziggurat.stages.summarizing.choosing import central, grouped, parts
from ziggurat.stages.summarizing.claims import claims, first, said, supported, thinned
from ziggurat.stages.summarizing.planning import Plan
from ziggurat.stages.summarizing.reading import Reader, weight


def passage(text, start=0):
    return Passage(text, "a.md", f"a.md#{start}", start, None)


# -- bounds ---------------------------------------------------------------------------------------


@given(st.integers(700, 200_000), st.integers(1, 50), st.integers(2, 500))
def test_parts_and_folds_together_keep_to_the_bound(context, sentences, max_calls):
    assume(context - 60 * max(sentences, 3) >= 600)
    plan = Plan(context, sentences, max_calls)
    try:
        count = plan.parts(tree=True)
    except InputError:
        return
    assert count >= 1
    assert count + plan.folds(count) <= max_calls
    assert plan.part + plan.answer < context
    assert 2 * plan.folded <= plan.room


def test_without_a_bound_everything_is_read():
    assert Plan(4096, 6, None).parts(tree=True) is None
    assert Plan(4096, 6, 9).parts(tree=False) == 9


# -- what is read ---------------------------------------------------------------------------------


@given(st.lists(st.text("ab \n.", min_size=1, max_size=60), max_size=30), st.integers(1, 40))
def test_groups_hold_every_passage_once_in_order_and_fit(texts, room):
    passages = [passage(text, at) for at, text in enumerate(texts)]
    groups = list(grouped(passages, room))
    assert [one for group in groups for one in group] == passages
    assert all(len(group) == 1 or sum(weight(one.text) for one in group) <= room for group in groups)


@pytest.mark.parametrize("at_most", [1, 5, 13])
def test_what_is_chosen_fits_is_in_order_and_comes_from_every_stretch(at_most):
    made = book(120_000)
    reader = Reader(made.text)
    read = list(parts(reader, 800, at_most))
    assert len(read) == at_most
    assert all(sum(weight(one.text) for one in part) <= 800 for part in read)
    starts = [one.start for part in read for one in part]
    assert starts == sorted(starts)
    stretch = len(made.text) / at_most
    assert all(number * stretch - 2000 < one.start < (number + 1) * stretch + 2000 for number, part in enumerate(read) for one in part)  # fmt: skip
    assert read == list(parts(reader, 800, at_most))


def test_passages_of_what_is_asked_go_first():
    made = book(120_000)
    read = list(parts(Reader(made.text), 800, 20, "When was each lighthouse built?"))
    text = "\n".join(one.text for part in read for one in part)
    assert all(fact in " ".join(text.split()) for fact in made.facts)


def test_the_central_sentence_says_what_the_others_are_about():
    text = "Rye grows by the mill of Osk. The mill of Osk grinds rye all year. The mill of Osk sells rye. A dog sleeps on it."
    ((one, start, end),) = central([passage(text)])
    assert "mill of Osk" in one.text[start:end]


# -- what holds -----------------------------------------------------------------------------------

MILL = passage("The mill at Osk was built in 1720. It grinds rye for three villages. Its wheel is made of oak.", 100)


@pytest.mark.parametrize(
    ("sentence", "quote"),
    [
        ("The mill at Osk was built in 1720.", "The mill at Osk was built in 1720."),
        ("The mill grinds rye for villages.", "The mill at Osk was built in 1720. It grinds rye for three villages."),
        ("The mill at Osk was built in 1721.", None),
        ("The wheel is made of steel.", None),
        ("It grinds oak.", None),  # its words are there, in two sentences
        ("Bears eat honey at night in the forest.", None),
    ],
)
def test_a_sentence_holds_where_its_words_and_numbers_stand(sentence, quote):
    claim = supported(sentence, [MILL])
    assert (claim and claim.citations[0].quote) == quote
    if claim:
        place = claim.citations[0]
        assert place.start == 100 + MILL.text.index(quote)


def test_places_far_apart_support_a_sentence_together():
    other = passage("The bakery at Quill was opened in 1803 by two sisters.", 900)
    sentence = "The mill at Osk was built in 1720 and the bakery at Quill was opened in 1803."
    claim = supported(sentence, [MILL, other])
    assert [one.start for one in claim.citations] == [900, 100] or [one.start for one in claim.citations] == [100, 900]
    assert supported(sentence, [MILL]) is None


def test_a_rewritten_note_points_at_the_text_itself():
    notes = claims("The mill at Osk was built in 1720.\nIts wheel is made of oak.", [MILL])
    (again,) = claims("The mill at Osk, built in 1720.", (), notes)
    assert again.citations[0].quote == "The mill at Osk was built in 1720."
    assert claims("In 1720 seven nuns began to build the mill for poor people of the valley.", (), notes) == []


@pytest.mark.parametrize(
    ("written", "sentences"),
    [
        ("Summary: The mill is old. It grinds rye [1].", ["The mill is old.", "It grinds rye."]),
        ("Here are the facts:\n1. **The mill** is old.\n- It grinds rye.", ["The mill is old.", "It grinds rye."]),
        ("摘要：磨坊建于1720年。它磨黑麦。", ["磨坊建于1720年。", "它磨黑麦。"]),
        ("The text says that the mill is old.", ["the mill is old."]),
        (" \n...\n", []),
    ],
)
def test_the_sentences_of_what_a_model_wrote(written, sentences):
    assert list(said(written)) == sentences


def test_claims_are_left_out_evenly():
    notes = [supported("The mill at Osk was built in 1720.", [MILL])] * 10
    assert len(thinned(notes, 3 * (weight(notes[0].text) + 1))) == 3
    assert len(thinned(notes, 0)) == 1
    assert len(first(notes, 4)) == 4


# -- several at a time ----------------------------------------------------------------------------


async def test_results_come_in_order_and_items_are_taken_as_they_are_needed():
    taken = []

    def items():
        for number in range(9):
            taken.append(number)
            yield number

    async def work(number):
        await asyncio.sleep(0.001 * (9 - number))
        assert len(taken) <= number + 3
        return number

    assert [one async for one in several(items(), work, 3)] == list(range(9))


async def test_a_failure_ends_what_is_under_way():
    ended = []

    async def work(number):
        try:
            await asyncio.sleep(0.01 if number == 0 else 60)
        except asyncio.CancelledError:
            ended.append(number)
            raise
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        async for _ in several(range(3), work, 3):
            pass
    assert ended == [1, 2]


def test_a_chunk_that_does_not_say_its_line_has_none():
    whole = Document("One fact stands here.\nAnother stands there.", metadata={"source": "a.txt"})
    chunk = Document("Another stands there.", metadata={"source": "a.txt", "start_index": 22})
    told = Document("Another stands there.", metadata={"source": "a.txt", "start_index": 22, "first_line": 2})
    assert [one.line for given in (whole, chunk, told) for one in Reader([given])] == [1, None, 2]
