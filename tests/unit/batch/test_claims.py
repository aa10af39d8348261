"""Claims of cells: one holder, and whoever waits is answered once, whatever becomes of the holder."""

from ziggurat.batch.claims import Answer, ClaimBook
from ziggurat.batch.coordination import Place

KEY, OTHER = b"k" * 16, b"o" * 16
THERE = Place("one.cells", 7)


class Noted(dict):
    """A table of places."""

    def put(self, key, place):
        self[key] = place


def book_of(**finished):
    return ClaimBook(Noted({key.encode(): place for key, place in finished.items()}))


def test_the_first_to_ask_computes_and_the_others_are_told_where_the_cell_lies():
    book = book_of()
    assert book.claim(KEY, 1, 0) == Answer(1, 0, None, KEY)
    assert book.claim(KEY, 2, 5) is None
    assert book.claim(KEY, 1, 1) is None
    assert book.publish(KEY, 1, THERE) == [Answer(2, 5, THERE, KEY), Answer(1, 1, THERE, KEY)]
    assert book.claim(KEY, 3, 9) == Answer(3, 9, THERE, KEY)
    assert book.held == 0


def test_a_cell_that_was_finished_before_is_nobodys_to_compute():
    assert book_of(done=THERE).claim(b"done", 1, 0) == Answer(1, 0, THERE, b"done")


def test_a_cell_that_was_given_up_goes_to_the_one_that_waited_longest():
    book = book_of()
    book.claim(KEY, 1, 0)
    book.claim(KEY, 2, 0)
    book.claim(KEY, 3, 0)
    assert book.release(KEY, 1) == Answer(2, 0, None, KEY)
    assert book.release(KEY, 2) == Answer(3, 0, None, KEY)
    assert book.release(KEY, 3) is None
    assert book.claim(KEY, 1, 1) == Answer(1, 1, None, KEY)


def test_only_the_holder_can_give_a_cell_up():
    book = book_of()
    book.claim(KEY, 1, 0)
    book.claim(KEY, 2, 0)
    assert book.release(KEY, 2) is None
    assert book.release(KEY, 1) == Answer(2, 0, None, KEY)


def test_what_a_lost_worker_held_goes_on_and_what_it_waited_for_does_not_come_to_it():
    book = book_of()
    book.claim(KEY, 1, 0)
    book.claim(OTHER, 2, 0)
    book.claim(OTHER, 1, 1)
    book.claim(KEY, 1, 2)
    book.claim(KEY, 2, 1)
    assert book.lose(1) == [Answer(2, 1, None, KEY)]
    assert book.publish(OTHER, 2, THERE) == []
    assert book.lose(1) == []
    assert book.lose(2) == []
    assert book.held == 0


def test_a_worker_that_waits_for_itself_is_handed_its_own_claim_on():
    book = book_of()
    book.claim(KEY, 1, 0)
    book.claim(KEY, 1, 1)
    book.claim(KEY, 2, 0)
    assert book.release(KEY, 1) == Answer(1, 1, None, KEY)
    assert book.lose(1) == [Answer(2, 0, None, KEY)]


def test_a_word_from_a_worker_that_lost_its_claim_is_as_good():
    book = book_of()
    book.claim(KEY, 1, 0)
    book.claim(KEY, 2, 0)
    book.lose(1)
    assert book.publish(KEY, 1, THERE) == []
    assert book.release(KEY, 2) is None
    assert book.claim(KEY, 3, 0) == Answer(3, 0, THERE, KEY)
