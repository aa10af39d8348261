"""Runs over random graphs that fail, are killed and go on: the end is that of a fresh run, and effects happen once."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ziggurat import ChainError, MultiChain, ref, value
from ziggurat import given as bound
from ziggurat import stage as with_policy
from ziggurat.chain.composite import Map
from ziggurat.chain.journal import CellStatus, Journal
from ziggurat.chain.run.context import content_key
from ziggurat.chain.stage import Call, CallKind, Param, Stage
from ziggurat.errors import RunNotFound


class Killed(BaseException):
    """The process dies here."""


class Dying(Journal):
    """A journal whose process is killed at one of its writes: before it, or right after."""

    def __init__(self, where, *, at, after):
        super().__init__(where)
        self.at, self.after, self.writes = at, after, 0

    def record(self, *args, **kwargs):
        self._do(super().record, *args, **kwargs)

    def record_many(self, *args, **kwargs):
        self._do(super().record_many, *args, **kwargs)

    def end(self, *args, **kwargs):
        if self.writes <= self.at:
            super().end(*args, **kwargs)

    def _do(self, write, *args, **kwargs):
        dies = self.writes == self.at
        self.writes += 1
        if self.writes > self.at + 1 or (dies and not self.after):
            raise Killed
        write(*args, **kwargs)
        if dies:
            raise Killed


class World:
    """What stages do to it, and which of them cannot now; no part of what a stage is."""

    def __init__(self, failing=()):
        self.log, self.failing = [], failing

    def act(self, number):
        if number in self.failing:
            raise OSError(number)
        self.log.append(number)


@st.composite
def graphs(draw, largest=7):
    """Parents of each stage, and which stages act on the world or go through items."""
    count = draw(st.integers(1, largest))
    parents = [
        sorted(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else [] for number in range(count)
    ]
    kinds = draw(st.lists(st.sampled_from(["plain", "effect", "map", "nested"]), min_size=count, max_size=count))
    return parents, kinds


def chain_of(graph, world):
    """A chain of the graph; every stage acts on the world."""
    parents, kinds = graph

    def work(number):
        names = [f"s{one}" for one in parents[number]]

        async def call(**inputs):
            world.act(number)
            return number + 1 + sum(map(total, inputs.values()))

        return Stage(Call(CallKind.ASYNC, call), tuple(Param(name) for name in (*names, "seed")))

    def stage_of(number):
        stage = work(number)
        match kinds[number]:
            case "effect":
                return with_policy(stage, effect=True)
            case "map":

                async def item(x, base):
                    return x + base

                return MultiChain(base=stage, out=bound(Map(item, each="x"), x=value([0, 1, 2]), base=ref("base")))
            case "nested":
                return MultiChain(inside=stage, after=bound(lambda x: x, x=ref("inside")))
            case _:
                return stage

    return MultiChain(**{f"s{number}": stage_of(number) for number in range(len(parents))}, name="random")


def total(found):
    """One number for whatever a stage gives."""
    if isinstance(found, dict):
        return sum(map(total, found.values()))
    return sum(map(total, found)) if isinstance(found, list) else found


@settings(max_examples=60)
@given(graphs(), st.sets(st.integers(0, 6), max_size=3))
def test_a_failed_run_that_goes_on_equals_a_fresh_one_and_repeats_nothing(graph, failing):
    fresh, world = World(), World(failing)
    expected = chain_of(graph, fresh).run(seed=1)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "runs") as journal:
        chain = chain_of(graph, world).using(journal=journal, run_id="r", on_effect="repeat")
        try:
            outputs = chain.run(seed=1)
        except ChainError as error:
            assert all(expected[name] == found for name, found in error.outputs.items())
            world.failing = ()
            outputs = chain.resume("r")
    assert outputs == expected
    assert sorted(world.log) == sorted(fresh.log), "a stage that finished ran again, or one did not run"


@settings(max_examples=80)
@given(graphs(), st.integers(0, 20), st.booleans())
def test_a_run_killed_at_any_write_goes_on_to_the_same_end_with_every_effect_once(graph, at, after):
    parents, kinds = graph
    fresh, world = World(), World()
    expected = chain_of(graph, fresh).run(seed=1)
    known = {f"s{number}": expected[f"s{number}"] for number in range(len(parents))}
    with tempfile.TemporaryDirectory() as folder:
        with Dying(Path(folder) / "runs", at=at, after=after) as journal:
            try:
                outputs = chain_of(graph, world).using(journal=journal, run_id="r").run(seed=1)
            except Killed:
                outputs = None
        with Journal(Path(folder) / "runs") as journal:
            if outputs is None:
                happened = set(world.log)
                decide = lambda path: value(known[path]) if int(path[1:]) in happened else "repeat"  # noqa: E731 (one line)
                outputs = chain_of(graph, world).using(journal=journal, on_effect=decide).resume("r")
            cells = journal.cells("r")
    assert outputs == expected
    assert all(cell.status is CellStatus.DONE for cell in cells.values())
    effects = [number for number, kind in enumerate(kinds) if kind == "effect"]
    assert [world.log.count(number) for number in effects] == [1] * len(effects)


@given(st.dictionaries(st.text(max_size=5), st.binary(min_size=16, max_size=16), max_size=6), st.randoms())
def test_a_content_key_does_not_depend_on_the_order_of_inputs(inputs, chance):
    shuffled = list(inputs.items())
    chance.shuffle(shuffled)
    assert content_key(b"i" * 16, inputs) == content_key(b"i" * 16, dict(shuffled))
    assert content_key(b"j" * 16, inputs) != content_key(b"i" * 16, inputs)


def test_a_run_that_died_before_it_was_begun_is_not_there(tmp_path):
    with Journal(tmp_path / "runs") as journal, pytest.raises(RunNotFound):
        chain_of(([[]], ["plain"]), World()).using(journal=journal).resume("r")
