"""Whose turn it is at a model that workers share."""

import threading
import time

import pytest

from ziggurat.models.shared.turns import Turns


def nothing():
    """A caller that is still there."""


class Crowd:
    """Calls in threads of their own, which hold their turns until they are let go."""

    def __init__(self, turns):
        self.turns = turns
        self.began, self.threads, self.go_on = [], [], threading.Semaphore(0)
        self.lock, self.running, self.most = threading.Lock(), 0, 0

    def call(self, worker):
        before = self.waiting()
        thread = threading.Thread(target=self._call, args=(worker,))
        self.threads.append(thread)
        thread.start()
        until(lambda: self.waiting() > before or len(self.began) + self.waiting() >= len(self.threads))

    def _call(self, worker):
        with self.turns.turn(worker, nothing):
            with self.lock:
                self.began.append(worker)
                self.running += 1
                self.most = max(self.most, self.running)
            self.go_on.acquire()
            with self.lock:
                self.running -= 1

    def waiting(self):
        return sum(map(len, self.turns._waiting.values()))

    def finish(self):
        for _ in self.threads:
            self.go_on.release()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


def until(true):
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_workers_take_turns_however_many_calls_one_of_them_has():
    crowd = Crowd(Turns(most=1))
    for worker in ["busy"] * 6 + ["late", "later"]:
        crowd.call(worker)
    crowd.finish()
    assert crowd.began == ["busy", "busy", "late", "later", "busy", "busy", "busy", "busy"]
    assert crowd.most == 1


def test_each_worker_has_so_many_calls_at_once_and_all_together_have_no_bound():
    crowd = Crowd(Turns(each=1))
    for worker in ("a", "a", "b", "c", "b"):
        crowd.call(worker)
    assert sorted(crowd.began) == ["a", "b", "c"]
    crowd.finish()
    assert sorted(crowd.began) == ["a", "a", "b", "b", "c"]
    assert crowd.most == 3


def test_a_caller_that_has_gone_takes_no_turn_and_leaves_none_behind():
    class Gone(Exception):
        """It left."""

    def gone():
        raise Gone

    turns = Turns(most=1)
    with turns.turn("a", nothing):
        with pytest.raises(Gone), turns.turn("b", gone, every=0.01):
            pytest.fail("it had a turn")
        assert not turns._waiting
    with pytest.raises(Gone), turns.turn("b", gone):
        pytest.fail("it had a turn")
    with turns.turn("c", nothing):
        assert dict(turns._running) == {"c": 1}
    assert not turns._running


def test_a_call_that_fails_gives_its_turn_on():
    turns = Turns(most=1)
    with pytest.raises(ZeroDivisionError), turns.turn("a", nothing):
        raise ZeroDivisionError
    with turns.turn("b", nothing):
        pass
