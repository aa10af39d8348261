"""A vote compares answers and not the ways to them."""

import pytest

from ziggurat.errors import InputError
from ziggurat.stages.vote import Vote


def test_the_answer_with_most_votes_wins_however_it_is_written():
    samples = ["It halves.\nThe answer is 1,200.", "So:\n**1200**", "I think 7", "Final answer: 1200.0", "答案是：7"]
    voted = Vote().run(samples)
    assert (voted.text, voted.votes, voted.of) == ("1,200.", 3, 5)
    assert voted.counts == (("1200", 3), ("7", 2))
    assert voted.share == 0.6
    assert str(voted).endswith("(3 of 5 agree)")


def test_words_are_compared_without_case_and_marks_and_the_first_of_equals_wins():
    assert Vote().run(["Paris!", "rome", "PARIS", "Rome."]).text == "Paris!"
    assert Vote().run(["b", "a"]).text == "b"


def test_samples_that_say_nothing_do_not_vote():
    assert Vote().run(["", "...", "Yes"]).of == 1


@pytest.mark.parametrize("answers", [[], ["", "-"], "one text", 3])
def test_where_there_is_nothing_to_vote_on_it_says_so(answers):
    with pytest.raises(InputError):
        Vote().invoke({"answers": answers})
