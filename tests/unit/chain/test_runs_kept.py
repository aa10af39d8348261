"""Runs with a journal or a cache: what is kept, what runs again, and what is said about it."""

import asyncio
import socket
import threading

import pytest

from ziggurat import ChainError, InputError, MultiChain, given, ref, stage, value
from ziggurat.chain.cache import Cache
from ziggurat.chain.composite import Map
from ziggurat.chain.events import Item, StageCached, StageFinished
from ziggurat.chain.journal import CellStatus, Journal, RunStatus
from ziggurat.errors import RunNotFound, ValueNotStorable


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "runs.sqlite3") as opened:
        yield opened


def ran(events):
    return [event.path for event in events if isinstance(event, StageFinished)]


def kept(events):
    return [event.path for event in events if isinstance(event, StageCached)]


class Flaky:
    """A stage that fails as long as it is told to."""

    def __init__(self):
        self.broken = True

    def __call__(self, a):
        if self.broken:
            raise OSError("not now")
        return a + 1


def test_a_failed_run_goes_on_with_what_finished(journal):
    flaky = Flaky()
    multi = MultiChain(a=lambda x: x + 1, b=stage(flaky, store=True), c=lambda b: b * 10)
    multi = multi.using(journal=journal)
    with pytest.raises(ChainError) as caught:
        multi.run(x=1)
    run = caught.value.run
    assert journal.run(run).status is RunStatus.FAILED
    assert {path: cell.status for path, cell in journal.cells(run).items()} == {
        "a": CellStatus.DONE,
        "b": CellStatus.FAILED,
        "c": CellStatus.SKIPPED,
    }
    assert journal.cells(run)["b"].error == "OSError: not now"
    flaky.broken = False
    events = list(multi.resume_events(run[:6]))
    assert events[-1].outputs == {"a": 2, "b": 3, "c": 30}
    assert (kept(events), ran(events)) == (["a"], ["b", "c"])
    assert journal.run(run).status is RunStatus.DONE


def test_items_that_finished_are_kept_item_by_item(journal):
    class Work:
        broken = True

        def __call__(self, x):
            if x == 5 and self.broken:
                raise OSError("not now")
            return x * 2

    work = Work()
    multi = MultiChain(out=Map(work, limit=1)).using(journal=journal)
    with pytest.raises(ChainError) as caught:
        multi.run(x=list(range(10)))
    work.broken = False
    events = list(multi.resume_events(caught.value.run))
    assert events[-1].outputs == {"out": [x * 2 for x in range(10)]}
    assert [event.kept for event in events if isinstance(event, Item)] == [True] * 5 + [False] * 5


def test_a_stage_that_is_no_longer_what_it_was_runs_again(journal):
    before = MultiChain(a=lambda x: x + 1, b=lambda a: a * 10).using(journal=journal, run_id="r")
    before.run(x=1)
    after = MultiChain(a=lambda x: x + 1, b=lambda a: a * 100).using(journal=journal)
    events = list(after.resume_events("r"))
    assert (kept(events), ran(events)) == (["a"], ["b"])
    assert events[-1].outputs == {"a": 2, "b": 200}


def test_a_value_of_any_encodable_type_comes_back_as_it_was(journal):
    from decimal import Decimal
    from uuid import UUID

    from langchain_core.documents import Document
    from langchain_core.messages import AIMessage

    from ziggurat.picture import Picture

    values = [
        (1, {2}, b"x" * 5000),
        {"a": Decimal("1.5"), 2: UUID(int=3)},
        [Document("text", metadata={"line": 3}), AIMessage("hi")],
        Picture(b"\x89PNG" * 4000, "png", 10, 10, "p", "diagram", "s", "<svg/>", {}),
    ]
    multi = MultiChain(a=lambda: values, out=Map(lambda a: a, each="a")).using(journal=journal, run_id="r")
    first = multi.run()
    again = multi.resume("r")
    assert repr(first) == repr(again)
    assert [type(one) for one in again["out"]] == [tuple, dict, list, Picture]


def test_kept_failures_of_a_map_survive(journal):
    def work(x):
        if x == 1:
            raise ValueError("no")
        return x

    multi = MultiChain(out=Map(work, on_error="keep"), n=lambda out: len(out.ok)).using(journal=journal, run_id="r")
    assert multi.run(x=[0, 1, 2])["n"] == 2
    assert multi.resume("r")["out"].failures[1].message == "no"


def test_what_can_never_be_written_down_is_said_before_anything_starts(journal):
    started = []

    def line(x) -> socket.socket:
        started.append(x)

    with pytest.raises(ValueNotStorable, match="stage 'line' returns"):
        MultiChain(line=line).using(journal=journal).run(x=1)
    with pytest.raises(ValueNotStorable, match="input 'x'"):
        MultiChain(a=lambda x: 1).using(journal=journal).run(x=threading.Lock())
    assert not started
    assert journal.runs() == []


def test_an_output_that_cannot_be_written_fails_its_stage_and_the_fix_works(journal):
    with pytest.raises(ChainError, match="'a' cannot be written to the journal"):
        MultiChain(a=lambda x: threading.Lock()).using(journal=journal).run(x=1)
    multi = MultiChain(a=stage(lambda x: open, store=False), b=lambda x: x).using(journal=journal, run_id="r")
    multi.run(x=1)
    assert kept(list(multi.resume_events("r"))) == ["b"]


def test_without_a_journal_there_is_nothing_to_resume():
    with pytest.raises(InputError, match="nothing to resume"):
        MultiChain(a=lambda x: x).resume("r")


def test_an_unknown_run_is_named(journal):
    with pytest.raises(RunNotFound, match="'nope'"):
        MultiChain(a=lambda x: x).using(journal=journal).resume("nope")


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="did you mean 'journal'"):
        MultiChain(a=lambda x: x).using(jurnal="x")


def slow(x):
    return x + 1


def ran_of(multi, **inputs):
    """The stages that ran, instead of coming from the cache."""
    return ran(list(multi.events(**inputs)))


def test_a_cache_is_shared_between_runs_and_chains():
    cache = Cache()
    one = MultiChain(a=slow, b=lambda a: a).using(cache=cache)
    other = MultiChain(first=slow).using(cache=cache)
    otherwise = MultiChain(first=given(slow, x=ref("given_x"))).using(cache=cache)
    assert ran_of(one, x=1) == ["a", "b"]
    assert ran_of(one, x=1) == []
    assert ran_of(one, x=2) == ["a", "b"]
    assert ran_of(other, x=1) == []
    assert ran_of(otherwise, given_x=1) == ["first"], "a stage that is given its input otherwise is another stage"
    assert [event.source for event in one.events(x=1) if isinstance(event, StageCached)] == ["cache", "cache"]
    assert one.run(x=1) == {"a": 2, "b": 2}


def test_the_order_of_a_mapping_is_not_part_of_a_key():
    multi = MultiChain(a=lambda x: len(x)).using(cache=True)  # noqa: PLW0108 (a function with a name for its input)
    assert ran_of(multi, x={"p": 1, "q": {2, 3}}) == ["a"]
    assert ran_of(multi, x={"q": {3, 2}, "p": 1}) == []


def test_data_that_a_function_closes_over_is_part_of_its_key_even_when_it_changes_in_place():
    table = {"factor": 2}
    multi = MultiChain(a=lambda x: x * table["factor"]).using(cache=True)
    assert multi.run(x=3) == multi.run(x=3) == {"a": 6}
    table["factor"] = 5
    assert multi.run(x=3) == {"a": 15}


@pytest.mark.parametrize("policy", [{"cache": False}, {"effect": True}])
def test_what_must_not_be_cached_is_not(policy):
    multi = MultiChain(a=stage(slow, **policy)).using(cache=True)
    assert ran_of(multi, x=1) == ran_of(multi, x=1) == ["a"]


def test_a_fallback_is_not_cached():
    flaky = Flaky()
    multi = MultiChain(b=stage(flaky, fallback=value("none"), cache=True)).using(cache=True)
    assert multi.run(a=1) == {"b": "none"}
    flaky.broken = False
    assert multi.run(a=1) == {"b": 2}


def test_what_cannot_be_told_apart_is_not_cached_unless_asked():
    lock = threading.Lock()

    def guarded(x):
        with lock:
            return x

    plain = MultiChain(a=guarded).using(cache=True)
    assert ran_of(plain, x=1) == ran_of(plain, x=1) == ["a"]
    assert "cannot be told apart" in plain.explain(x=1).stages[0].note
    asked = MultiChain(a=stage(guarded, cache=True)).using(cache=True)
    assert (ran_of(asked, x=1), ran_of(asked, x=1)) == (["a"], [])


def test_a_replay_swaps_a_stage_and_keeps_the_rest(journal):
    multi = MultiChain(
        found=lambda question: [question],
        answer=lambda found: f"short {found[0]}",
        loud=lambda answer: answer.upper(),
        count=given(len_of, things=ref("found")),
    ).using(journal=journal, run_id="r")
    multi.run(question="q")
    replay = multi.replay("r", swap={"answer": lambda found: f"long {found[0]}"})
    assert replay.outputs == {"found": ["q"], "answer": "long q", "loud": "LONG Q", "count": 1}
    assert [(one.path, one.before, one.after) for one in replay.differing] == [
        ("answer", "short q", "long q"),
        ("loud", "SHORT Q", "LONG Q"),
    ]
    assert [one.path for one in replay.changes if not one.ran] == ["found", "count"]
    assert journal.run(replay.run).replay_of == "r"
    assert journal.run("r").status is RunStatus.DONE


def test_a_replay_never_acts_on_the_world(journal):
    acts = []
    multi = MultiChain(
        text=lambda x: f"text {x}", send=stage(lambda text: acts.append(text) or f"sent {text}", effect=True)
    ).using(journal=journal, run_id="r")
    multi.run(x=1)
    replay = multi.replay("r", swap={"text": lambda x: "other"})
    assert acts == ["text 1"]
    assert replay.outputs == {"text": "other", "send": "sent text 1"}


def test_a_stage_to_swap_must_be_there(journal):
    multi = MultiChain(answer=lambda x: x).using(journal=journal, run_id="r")
    multi.run(x=1)
    with pytest.raises(InputError, match="did you mean 'answer'"):
        multi.replay("r", swap={"anser": lambda x: x})


def len_of(things):
    return len(things)


def scaled(x, factor):
    return x * factor


def test_why_says_what_differs_from_the_nearest_earlier_run(journal):
    def chain(run, factor):
        return MultiChain(a=lambda x: x, b=given(scaled, x=ref("a"), factor=value(factor))).using(
            journal=journal, run_id=run
        )

    chain("r1", 2).run(x=1)
    chain("r2", 3).run(x=1)
    chain("r3", 3).run(x=5)
    chain("r4", 3).run(x=5)
    assert chain("r1", 2).why("r1", "b").earlier is None
    why = chain("r2", 3).why("r2", "b")
    assert why.earlier == "r1"
    assert [reason.partition(" changed")[0] for reason in why.reasons] == ["given factor"]
    assert chain("r3", 3).why("r3", "b").reasons == ("the input 'x' has another value",)
    assert "it is what it was in r3" in str(chain("r4", 3).why("r4", "b"))
    with pytest.raises(RunNotFound, match="no stage 'c'"):
        chain("r4", 3).why("r4", "c")


def test_a_chain_with_another_code_says_so(journal):
    MultiChain(a=lambda x: x + 1).using(journal=journal, run_id="r1").run(x=1)
    changed = MultiChain(a=lambda x: x + 2).using(journal=journal, run_id="r2")
    changed.run(x=1)
    assert [reason.partition(" ")[0] for reason in changed.why("r2", "a").reasons] == ["code"]


def test_a_cancelled_run_is_written_down_as_such_and_can_go_on(journal):
    begun = asyncio.Event()

    async def slow(a):
        begun.set()
        await asyncio.sleep(30 if slow.first else 0)
        return a

    slow.first = True
    multi = MultiChain(a=lambda x: x, b=slow).using(journal=journal, run_id="r")

    async def main():
        task = asyncio.create_task(multi.arun(x=1))
        await asyncio.wait_for(begun.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert journal.run("r").status is RunStatus.CANCELLED
    slow.first = False
    assert multi.resume("r") == {"a": 1, "b": 1}


def test_a_finished_runs_usage_and_cost_are_on_record(journal):
    from ziggurat import LLM
    from ziggurat.chain.budget import Budget
    from ziggurat.testing import FakeChat

    multi = MultiChain(a=LLM("{x}", FakeChat(script="one two"))).using(
        journal=journal, run_id="r", budget=Budget(calls=5)
    )
    multi.run(x="hello")
    record = journal.run("r")
    assert (record.usage.calls, record.cost) == (1, "0")
    assert journal.cells("r")["a"].usage.calls == 1


def test_a_chain_in_a_chain_that_is_cached_as_a_whole_can_be_resumed(journal):
    inner = stage(MultiChain(b=lambda a: a * 10), cache=True)
    multi = MultiChain(a=slow_free, inner=inner).using(journal=journal, cache=True, run_id="r")
    first = multi.run(x=1)
    assert multi.using(cache=None).resume("r") == multi.resume("r") == first


def slow_free(x):
    return x + 1


def test_a_stage_whose_output_is_kept_from_now_on_runs_again_on_resume(journal):
    before = MultiChain(a=stage(slow_free, store=False)).using(journal=journal, run_id="r")
    before.run(x=1)
    after = MultiChain(a=slow_free).using(journal=journal)
    assert ran(list(after.resume_events("r"))) == ["a"]
    assert kept(list(after.resume_events("r"))) == ["a"]


async def test_a_finished_item_does_not_wait_for_a_slow_one_to_be_written(journal):
    release, written = asyncio.Event(), []

    async def work(x):
        if x == 1:
            await release.wait()
        return x

    run = asyncio.create_task(MultiChain(out=Map(work, limit=2)).using(journal=journal, run_id="r").arun(x=[0, 1]))
    for _ in range(200):
        await asyncio.sleep(0.01)
        written = [path for path in (journal.cells("r") if journal.runs() else ()) if path == "out[0]"]
        if written:
            break
    assert written == ["out[0]"]
    release.set()
    assert await run == {"out": [0, 1]}
