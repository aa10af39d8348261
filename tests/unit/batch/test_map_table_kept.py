"""What a batch keeps: computed once for all rows and all runs, and again only where something changed."""

import asyncio
from collections import Counter

import counting
import pytest
from counted_batches import CHAIN, errors, failing, table

from ziggurat import LLM, Map, MultiChain, Retry, given, ref, stage
from ziggurat.batch import map_table
from ziggurat.batch.report import report

pytestmark = pytest.mark.usefixtures("calls")


# -- what is kept ----------------------------------------------------------------------------------


def test_a_second_run_computes_nothing_and_says_the_same(tmp_path, calls):
    out = tmp_path / "out.parquet"
    first = map_table(CHAIN, table(300), out, keys=["id"]).table()
    before = Counter(calls)
    again = map_table(CHAIN, table(300), out, keys=["id"])
    assert (again.computed, again.kept) == (0, 600)
    assert again.table() == first
    assert calls == before


def test_only_what_failed_is_computed_again_and_the_report_forgets_it(tmp_path, calls):
    out = tmp_path / "out.parquet"
    first = map_table(failing({"q3", "q7"}), table(20), out, keys=["id"])
    assert (first.rows, first.failed) == (20, 2)
    found = first.table().to_pylist()
    assert found[3]["error"] == {"stage": "answer", "type": "ValueError", "message": "not q3"}
    assert found[3]["length"] is None
    assert report(out).failed == 2
    assert report(out).failures["answer", "ValueError"].examples == ["3", "7"]
    before = Counter(calls)
    counting.FAILING.clear()
    again = map_table(CHAIN, table(20), out, keys=["id"])
    assert (again.failed, again.table()["error"].null_count) == (0, 20)
    assert calls - before == {"q3": 1, "q7": 1, "length": 2}
    assert report(out).failed == 0


def test_only_what_changed_is_computed_again(tmp_path):
    out = tmp_path / "out.parquet"

    async def asked(question: str) -> str:
        counting.called("first")
        return question.upper()

    def chain(words):
        return MultiChain(asked=asked, answer=LLM(f"{words} {{asked}}", model="fake:echo"), outputs=["answer"])

    assert map_table(chain("Say"), table(10), out).usage.calls == 10
    again = map_table(chain("Write"), table(10), out)
    assert (again.usage.calls, again.kept) == (10, 10)
    assert again.table()["answer"].to_pylist() == [f"Write Q{number}" for number in range(10)]
    assert counting.CALLS["first"] == 10, "what did not change is kept"
    back = map_table(chain("Say"), table(10), out)
    assert back.computed == 0
    assert back.table()["answer"].to_pylist() == [f"Say Q{number}" for number in range(10)]


def test_new_rows_are_computed_and_old_ones_kept(tmp_path, calls):
    out = tmp_path / "out.parquet"
    map_table(CHAIN, table(10), out, keys=["id"])
    result = map_table(CHAIN, table(15), out, keys=["id"])
    assert (result.rows, result.computed, result.kept) == (15, 10, 20)


def test_kept_only_makes_the_output_of_what_there_is(tmp_path, calls):
    out = tmp_path / "out.parquet"
    map_table(CHAIN, table(10), out, keys=["id"])
    before = Counter(calls)
    found = map_table(CHAIN, table(12), out, keys=["id"], kept_only=True).table()
    assert calls == before
    assert errors(found) == [None] * 10 + ["NotComputed"] * 2


# -- computed once ---------------------------------------------------------------------------------


def test_identical_rows_are_computed_once_even_at_the_same_time(tmp_path, calls):
    result = map_table(CHAIN, table(400, of=7), tmp_path / "out.parquet", keys=["id"], concurrency=64)
    assert {one: many for one, many in calls.items() if one != "length"} == {f"q{number}": 1 for number in range(7)}
    assert (result.computed, result.kept) == (14, 786)
    assert result.table()["length"].to_pylist() == [4] * 400


def test_identical_rows_one_of_which_fails_each_try_once():
    async def answer(question: str) -> str:
        times = counting.called(question)
        await asyncio.sleep(0)
        if times < 3:
            raise ConnectionError("not yet")
        return "yes"

    result = map_table(MultiChain(answer=answer), table(10, of=1), keys=["id"])
    assert (counting.CALLS["q0"], result.failed) == (3, 2)


@pytest.mark.parametrize("policy", [{"cache": False}, {"effect": True}])
def test_what_may_not_be_shared_is_done_for_each_row_and_kept_for_it(tmp_path, policy):
    @stage(**policy)
    async def act(question: str) -> str:
        return f"{question} {counting.called(question)}"

    chain = MultiChain(act=act)
    first = map_table(chain, table(20, of=2), tmp_path / "out.parquet", keys=["id"])
    assert counting.CALLS == {"q0": 10, "q1": 10}
    again = map_table(chain, table(20, of=2), tmp_path / "out.parquet", keys=["id"])
    assert counting.CALLS == {"q0": 10, "q1": 10}
    assert again.computed == 0
    assert again.table() == first.table()


def test_stages_that_cannot_be_told_apart_are_not_shared_between_rows(tmp_path):
    class Opaque:
        def __init__(self):
            self.lock = asyncio.Lock()

        async def __call__(self, question: str) -> str:
            counting.called(question)
            return question

    chain = MultiChain(act=Opaque())
    map_table(chain, table(10, of=1), tmp_path / "out.parquet", keys=["id"])
    assert counting.CALLS["q0"] == 10


def test_without_keys_a_row_is_what_the_chain_reads(tmp_path):
    @stage(effect=True)
    async def act(question: str) -> str:
        counting.called(question)
        return question

    map_table(MultiChain(act=act), table(10, of=2), tmp_path / "out.parquet")
    assert counting.CALLS == {"q0": 1, "q1": 1}


def test_a_fallback_stands_for_its_row_alone_and_is_kept(tmp_path):
    async def other(question: str) -> str:
        return "fallback"

    @stage(fallback=other, retry=Retry(attempts=1))
    async def answer(question: str) -> str:
        if counting.called(question) == 1:
            raise ConnectionError("once")
        return "real"

    chain = MultiChain(answer=answer)
    first = map_table(chain, table(4, of=1), tmp_path / "out.parquet", keys=["id"], concurrency=1)
    assert first.table()["answer"].to_pylist() == ["fallback", "real", "real", "real"]
    again = map_table(chain, table(4, of=1), tmp_path / "out.parquet", keys=["id"])
    assert again.computed == 0
    assert again.table() == first.table()
    assert counting.CALLS["q0"] == 2


def test_what_is_not_to_be_stored_is_made_again_each_time(tmp_path):
    @stage(store=False)
    async def handle(question: str) -> str:
        counting.called("handle")
        return question

    async def use(handle: str) -> str:
        counting.called("use")
        return handle.upper()

    chain = MultiChain(handle=handle, use=use)
    first = map_table(chain, table(5), tmp_path / "out.parquet")
    assert first.table()["use"].to_pylist() == [f"Q{number}" for number in range(5)]
    again = map_table(chain, table(5), tmp_path / "out.parquet")
    assert again.table() == first.table()
    assert counting.CALLS["use"] == 5
    assert counting.CALLS["handle"] == 10


def test_maps_and_chains_inside_chains_have_cells_of_their_own(tmp_path):
    def words(question: str) -> list[dict]:
        return [{"word": f"{question}-{number}"} for number in range(3)]

    async def shout(word: str) -> str:
        if counting.called(word) == 1 and word == "q2-1":
            raise ValueError(word)
        return word.upper()

    async def count(loud: str) -> int:
        counting.called("count")
        return len(loud)

    inner = MultiChain(loud=shout, count=count)
    chain = MultiChain(words=words, said=given(Map(given(inner, word=ref("row.word")), each="row"), row=ref("words")))
    out = tmp_path / "out.jsonl"
    first = map_table(chain, table(4), out, outputs=["said"], keys=["id"])
    assert first.failed == 1
    before = Counter(counting.CALLS)
    again = map_table(chain, table(4), out, outputs=["said"], keys=["id"])
    assert again.failed == 0
    assert {word for word in counting.CALLS - before if word != "count"} <= {"q2-1", "q2-2"}, (
        "the one that failed, and one that was given up for it"
    )
    assert set(report(out).stages) >= {"words", "said[]/loud", "said[]/count"}
