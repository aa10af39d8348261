"""A rate that many workers share: a permit rests for a window after each use, wherever it was used."""

import pytest

from ziggurat.batch.rates import UNITS, Permit, Rate, RateBook
from ziggurat.errors import InputError

LEASE = 10.0


def tickets(book, now):
    return [(one.worker, one.ticket) for one in book.grant(now)[0]]


@pytest.mark.parametrize("bad", [(0, 60), (1.5, 60), (10, 0), (10, float("inf")), (True, 60)])
def test_a_rate_that_means_nothing_is_refused(bad):
    with pytest.raises(InputError, match="is no rate"):
        Rate(*bad)


def test_no_more_than_the_rate_is_given_at_once_and_the_rest_a_window_after_its_use():
    book = RateBook(Rate(2, 60), LEASE)
    book.ask(1, 0, [UNITS] * 3)
    assert tickets(book, 0.0) == [(1, 0), (1, 1)]
    assert book.grant(1.0) == ([], None), "only words of the worker can help"
    book.used(1, UNITS, 5.0)
    given, due = book.grant(5.0)
    assert given == []
    assert due == pytest.approx(65.0, abs=0.1)
    assert tickets(book, 64.9) == []
    assert tickets(book, due) == [(1, 2)]


def test_a_permit_that_was_not_used_can_be_given_at_once():
    book = RateBook(Rate(1, 60), LEASE)
    book.ask(1, 0, [UNITS, UNITS])
    assert tickets(book, 0.0) == [(1, 0)]
    book.back(1, UNITS)
    assert tickets(book, 0.0) == [(1, 1)]


def test_workers_are_served_in_turn_whoever_asked_for_more():
    book = RateBook(Rate(4, 60), LEASE)
    book.ask(1, 0, [UNITS] * 10)
    book.ask(2, 0, [UNITS] * 2)
    assert tickets(book, 0.0) == [(1, 0), (2, 0), (1, 1), (2, 1)]
    assert book.waiting == 8


def test_calls_that_belong_together_are_given_together_or_not_at_all():
    book = RateBook(Rate(2, 60), LEASE)
    book.ask(1, 0, [2 * UNITS])
    book.ask(2, 0, [2 * UNITS])
    assert tickets(book, 0.0) == [(1, 0)]
    book.back(1, 2 * UNITS)
    assert tickets(book, 0.0) == [(2, 0)]


def test_a_large_wish_at_the_head_is_not_overtaken_for_ever():
    book = RateBook(Rate(2, 60), LEASE)
    book.ask(1, 0, [UNITS, 2 * UNITS])
    book.ask(2, 0, [UNITS] * 3)
    assert tickets(book, 0.0) == [(1, 0), (2, 0)]
    book.back(2, UNITS)
    assert tickets(book, 0.0) == []
    book.back(1, UNITS)
    assert tickets(book, 0.0) == [(1, 1)]


def test_more_than_the_rate_at_once_is_refused_and_nothing_waits():
    book = RateBook(Rate(2, 60), LEASE)
    with pytest.raises(InputError, match="can never pass"):
        book.ask(1, 0, [UNITS, 2 * UNITS + 1])
    assert book.waiting == 0


def test_a_lost_workers_permits_rest_from_the_end_of_its_lease():
    book = RateBook(Rate(1, 60), LEASE)
    book.ask(1, 0, [UNITS])
    book.ask(2, 0, [UNITS])
    assert book.grant(0.0)[0] == [Permit(1, 0)]
    book.lose(1, 20.0)
    assert tickets(book, 20.0 + 60 + LEASE - 0.1) == []
    assert tickets(book, 20.0 + 60 + LEASE + 0.1) == [(2, 0)]


def test_a_worker_that_left_held_nothing_longer_than_a_window_and_waits_no_more():
    book = RateBook(Rate(1, 60), LEASE)
    book.ask(1, 0, [UNITS, UNITS])
    book.ask(2, 0, [UNITS])
    book.grant(0.0)
    book.leave(1, 1.0)
    assert tickets(book, 61.1) == [(2, 0)]
    assert book.waiting == 0


def test_words_about_permits_that_a_worker_does_not_have_change_nothing():
    book = RateBook(Rate(1, 60), LEASE)
    book.back(1, 5 * UNITS)
    book.used(7, 5 * UNITS, 0.0)
    book.ask(1, 0, [UNITS, UNITS])
    assert tickets(book, 1000.0) == [(1, 0)]
