"""Shares of a budget: never more than there is, sized by a worker's pace, and written off with a lost worker."""

from decimal import Decimal

import pytest

from ziggurat.batch.leases import LeaseBook, Refused
from ziggurat.chain.budget import NOTHING, Amounts, Budget

CALL = Amounts(calls=1)


def book_of(workers=1, **bounds):
    book = LeaseBook(Budget(**bounds))
    for number in range(1, workers + 1):
        book.join(number)
    return book


def asked(book, worker, times, *, every):
    """The shares of a worker that asks for a call so many times."""
    return [book.ask(worker, CALL, every * turn).calls for turn in range(times)]


def test_a_worker_that_is_soon_back_gets_twice_as_much():
    assert asked(book_of(calls=10**9), 1, 6, every=0.1) == [4, 8, 16, 32, 64, 128]


def test_a_worker_that_comes_late_gets_half_but_never_less_than_it_needs():
    assert asked(book_of(calls=10**9), 1, 5, every=10) == [4, 2, 1, 1, 1]


def test_shares_shrink_with_the_rest_until_it_is_all_given():
    book = book_of(workers=2, calls=20)
    shares = [book.ask(turn % 2 + 1, CALL, turn * 0.01).calls for turn in range(9)]
    assert shares == [4, 4, 3, 2, 1, 1, 1, 1, 1]
    assert book.rest() == (None, None, 2)


def test_a_share_is_at_least_what_is_lacking_however_many_workers_there_are():
    book = book_of(workers=1000, tokens=1000)
    assert book.ask(1, Amounts(tokens=900), 0.0) == Amounts(tokens=900)


@pytest.mark.parametrize(
    ("bounds", "lacking", "refused"),
    [
        ({"calls": 3}, Amounts(calls=4), Refused("calls", 3)),
        ({"tokens": 100}, Amounts(tokens=101), Refused("tokens", 100)),
        ({"usd": "0.5"}, Amounts(usd=Decimal("0.51")), Refused("usd", Decimal("0.5"))),
        ({"calls": 9, "tokens": 100}, Amounts(tokens=101, calls=1), Refused("tokens", 100)),
    ],
)
def test_more_than_the_rest_is_refused_and_nothing_is_given(bounds, lacking, refused):
    book = book_of(**bounds)
    assert book.ask(1, lacking, 0.0) == refused
    assert book.out == NOTHING


def test_only_what_is_lacking_is_given():
    book = book_of(calls=1000, tokens=1000)
    share = book.ask(1, Amounts(tokens=10), 0.0)
    assert (share.calls, share.tokens) == (0, 40)


def test_dollars_are_given_to_the_trillionth_and_never_beyond_the_budget():
    book = book_of(workers=3, usd="0.1")
    share = book.ask(1, Amounts(usd=Decimal("0.01")), 0.0)
    assert share == Amounts(usd=Decimal("0.016666666666"))
    assert book.rest()[0] == Decimal("0.083333333334")


def test_a_worker_that_leaves_gives_back_what_it_did_not_spend():
    book = book_of(calls=100)
    given = book.ask(1, CALL, 0.0).calls
    book.leave(1, Amounts(calls=1))
    assert given > 1
    assert book.rest() == (None, None, 99)
    assert book.spent == Amounts(calls=1)
    assert book.written_off == NOTHING


def test_a_lost_workers_share_counts_as_spent_whole():
    book = book_of(workers=2, calls=100)
    given = book.ask(1, CALL, 0.0).calls
    book.report(1, Amounts(calls=1))
    book.lose(1)
    assert book.rest() == (None, None, 100 - given)
    assert book.spent == Amounts(calls=given)
    assert book.written_off == Amounts(calls=given - 1)
    assert book.workers == 1


def test_a_report_that_is_older_than_the_last_changes_nothing():
    book = book_of(tokens=100)
    book.ask(1, Amounts(tokens=50), 0.0)
    book.report(1, Amounts(tokens=40))
    book.report(1, Amounts(tokens=30))
    assert book.spent == Amounts(tokens=40)


def test_what_a_model_used_beyond_its_share_is_missing_from_the_rest():
    book = book_of(tokens=100)
    book.ask(1, Amounts(tokens=50), 0.0)
    book.report(1, Amounts(tokens=70))
    assert book.rest() == (None, 30, None)
    book.leave(1, Amounts(tokens=120))
    assert book.rest() == (None, 0, None)


def test_without_a_bound_a_worker_gets_what_it_asks_for():
    book = book_of()
    assert book.ask(1, Amounts(tokens=7, calls=1), 0.0) == Amounts(tokens=7, calls=1)
    assert book.rest() == (None, None, None)
