"""A chain over a table on this machine: what comes out, what is kept, what is computed again, what ends a row alone."""

import asyncio
import dataclasses
import datetime as dt
import json
import time
from collections import Counter
from pathlib import Path

import counting
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from ziggurat import LLM, Budget, Map, MultiChain, Retry, given, ref, stage
from ziggurat.batch import Rate, map_table
from ziggurat.batch.ledger import BatchLedger
from ziggurat.batch.report import report
from ziggurat.errors import BatchInProgress, BatchStopped, InputError, TableError
from ziggurat.testing import FakeChat


def table(rows, of=None):
    return pa.table({"id": list(range(rows)), "question": [f"q{number % (of or rows)}" for number in range(rows)]})


def errors(found):
    return [row["error"] and row["error"]["type"] for row in found.to_pylist()]


async def answer(question: str) -> str:
    counting.called(question)
    await asyncio.sleep(0)
    return f"a {question}"


async def length(answer: str) -> int:
    counting.called("length")
    return len(answer)


CHAIN = MultiChain(answer=answer, length=length, name="c", outputs=["length"])


def failing(questions):
    """The chain, which now fails for some."""
    counting.FAILING.update(questions)
    return CHAIN


@pytest.fixture(autouse=True)
def calls():
    counting.CALLS.clear()
    counting.FAILING.clear()
    yield counting.CALLS
    counting.FAILING.clear()


# -- what comes out --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.jsonl", "out.arrow", "out.delta", "out", None])
def test_columns_in_columns_out_in_any_format(tmp_path, calls, name):
    result = map_table(CHAIN, table(500), tmp_path / name if name else None, keys=["id"], outputs=["length"])
    assert (result.rows, result.failed, result.computed, result.kept) == (500, 0, 1000, 0)
    found = result.table()
    assert [(row["id"], row["question"], row["length"]) for row in found.to_pylist()] == [
        (number, f"q{number}", len(f"a q{number}")) for number in range(500)
    ]
    assert set(map(str, found.column("error").to_pylist())) <= {"None", ""}
    assert result.out == (tmp_path / name if name else None)


def test_as_finished_has_the_same_rows(calls):
    found = map_table(CHAIN, table(1000), ordered=False, keys=["id"]).table()
    assert sorted(found["id"].to_pylist()) == list(range(1000))


def test_a_data_frame_with_times_as_pandas_has_them_is_fed_and_carried(tmp_path):
    async def year(at: dt.datetime) -> int:
        assert type(at) is dt.datetime
        return at.year

    frame = pd.DataFrame({"at": pd.to_datetime(["2020-01-01 00:00:00.000000000", "2021-05-05 01:02:03.000000004"])})
    found = map_table(MultiChain(year=year), frame, tmp_path / "out.parquet").table()
    assert found["year"].to_pylist() == [2020, 2021]
    assert found.schema.field("at").type == pa.timestamp("ns")
    keyed = map_table(MultiChain(year=year), frame, tmp_path / "keyed.parquet", keys=["at"]).table()
    assert keyed["year"].to_pylist() == [2020, 2021]


@dataclasses.dataclass
class Person:
    name: str
    age: int = 0


class Verdict(BaseModel):
    good: bool
    why: str = ""


def test_structs_become_records_and_records_structs():
    async def judge(who: Person, best: Person | None = None) -> Verdict:
        return Verdict(good=who.age > 5, why=best.name if best else who.name)

    rows = [
        {"who": {"name": "a", "age": 9}, "best": None},
        {"who": {"name": "b", "age": 1}, "best": {"name": "z", "age": 3}},
        {"who": {"name": None, "age": 1}, "best": None},
    ]
    found = map_table(MultiChain(judge=judge), rows, outputs=["judge", "judge.good"]).table()
    assert found["judge"].to_pylist() == [{"good": True, "why": "a"}, {"good": False, "why": "z"}, None]
    assert found["judge_good"].to_pylist() == [True, False, None]
    assert errors(found) == [None, None, "InputError"]
    assert "who" in found["error"][2].as_py()["message"]


def test_messages_documents_and_what_is_not_declared_are_text(calls):
    async def said(question: str) -> AIMessage:
        return AIMessage(f"said {question}")

    async def documents(question: str) -> list[Document]:
        return [Document(question, metadata={"page": 1})]

    async def loose(question: str):
        return {"b": [question]}

    chain = MultiChain(said=said, documents=documents, loose=loose)
    (row,) = map_table(chain, table(1), outputs=["said", "documents", "loose"]).table().to_pylist()
    assert row["said"] == "said q0"
    assert row["documents"][0]["page_content"] == "q0"
    assert json.loads(row["loose"]) == {"b": ["q0"]}


def test_a_null_is_a_row_s_error_where_a_value_is_needed_and_a_default_where_it_is_not():
    async def echo(question: str, many: int = 7, maybe: str | None = "given") -> str:
        return f"{question} {many} {maybe}"

    rows = pa.table(
        {
            "question": ["a", None, "c"],
            "many": pa.array([None, 1, 2], pa.int64()),
            "maybe": pa.array([None, None, "m"], pa.string()),
        }
    )
    found = map_table(MultiChain(echo=echo), rows).table()
    assert found["echo"].to_pylist() == ["a 7 None", None, "c 2 m"]
    assert errors(found) == [None, "InputError", None]
    assert "'question' is null" in found["error"][1].as_py()["message"]


def test_constants_are_the_same_for_every_row():
    async def echo(question: str, style: str, where: Person) -> str:
        return f"{question} {style} {where.name}"

    chain = MultiChain(echo=echo)
    found = map_table(chain, table(3), constants={"style": "plain", "where": Person("n")}).table()
    assert found["echo"].to_pylist() == [f"q{number} plain n" for number in range(3)]


def test_a_value_of_another_type_than_declared_is_the_error_of_its_row_alone(tmp_path):
    async def number(question: str) -> int:
        return {"q1": "one", "q3": 2.5, "q4": 2**80}.get(question, 5)

    async def text(question: str) -> str:
        return b"bytes" if question == "q2" else "text"

    chain = MultiChain(number=number, text=text)
    result = map_table(chain, table(6), tmp_path / "out.parquet", outputs=["number", "text"])
    found = result.table()
    assert errors(found) == [None, "OutputMismatch", "OutputMismatch", "OutputMismatch", "OutputMismatch", None]
    assert found["number"].to_pylist() == [5, None, 5, None, None, 5]
    assert found["text"].to_pylist() == ["text", "text", None, "text", "text", "text"]
    assert result.failed == 4
    assert "'number' is int64, and number is a str" in found["error"][1].as_py()["message"]
    assert found["error"][2].as_py()["stage"] == "text"


def test_huge_cells_go_through_and_are_kept(tmp_path):
    async def double(question: str) -> str:
        return question * 2

    rows = [{"question": "x" * 10_000_000}, {"question": "y"}]
    first = map_table(MultiChain(double=double), rows, tmp_path / "out.parquet")
    assert [len(one) for one in first.table()["double"].to_pylist()] == [20_000_000, 2]
    again = map_table(MultiChain(double=double), rows, tmp_path / "out.parquet")
    assert (again.computed, again.kept) == (0, 2)
    assert [len(one) for one in again.table()["double"].to_pylist()] == [20_000_000, 2]


def test_no_rows_are_an_output_of_none(tmp_path, calls):
    result = map_table(CHAIN, table(0), tmp_path / "out.parquet")
    assert (result.rows, result.table().num_rows) == (0, 0)
    assert result.table().schema.names == ["id", "question", "length", "error"]


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


# -- bounds ----------------------------------------------------------------------------------------


def _asking():
    def reply(messages):
        counting.called("calls")
        return f"re {messages[-1].content}"

    return MultiChain(answer=LLM("{question}", model=FakeChat(script=reply)))


def test_beyond_the_budget_rows_have_an_error_and_a_larger_one_does_the_rest(tmp_path):
    out = tmp_path / "out.parquet"
    chain = _asking()
    first = map_table(chain, table(30), out, keys=["id"], budget=Budget(calls=12), concurrency=4)
    assert counting.CALLS["calls"] == 12
    assert Counter(errors(first.table())) == {None: 12, "BudgetExceeded": 18}
    assert first.usage.calls == 12
    assert sum(one.rows for one in report(out).failures.values()) == 18
    second = map_table(chain, table(30), out, keys=["id"], budget={"calls": 100})
    assert counting.CALLS["calls"] == 30
    assert (second.computed, second.kept, second.failed) == (18, 12, 0)
    assert set(errors(second.table())) == {None}
    assert report(out).failed == 0


def test_too_many_failures_stop_the_batch_and_what_finished_is_kept(tmp_path, calls):
    out = tmp_path / "out.parquet"
    fails = {f"q{number}" for number in range(50, 200)}
    with pytest.raises(BatchStopped, match="stop after 5"):
        map_table(failing(fails), table(200), out, stop_after=5, concurrency=4)
    assert not out.exists()
    assert sum(many for one, many in calls.items() if one != "length") < 65
    assert BatchLedger.beside(out).manifest().runs[-1].status == "failed"
    counting.FAILING.clear()
    assert map_table(CHAIN, table(200), out, stop_after=5).failed == 0
    assert calls["q0"] == 1


def test_failures_below_the_bound_do_not_stop_it(calls):
    assert map_table(failing({"q1", "q2"}), table(50), stop_after=3).failed == 2


def test_a_rate_spreads_the_calls():
    sent = []

    def reply(messages):
        sent.append(time.monotonic())
        return "yes"

    map_table(
        MultiChain(answer=LLM("{question}", model=FakeChat(script=reply))), table(9), rate=Rate(3, 0.2), concurrency=9
    )
    assert len(sent) == 9
    assert max(sent) - min(sent) >= 0.35, "nine calls take more than two windows of three each"


@pytest.mark.parametrize("bad", [{"concurrency": 0}, {"stop_after": 0}, {"partitions": -1}, {"on_effect": "maybe"}, {"budget": {"calls": 0}}])  # fmt: skip
def test_bounds_that_allow_nothing_are_refused(tmp_path, calls, bad):
    with pytest.raises(InputError):
        map_table(CHAIN, table(1), tmp_path / "out.parquet", **bad)
    assert list(tmp_path.iterdir()) == []


# -- what was there before -------------------------------------------------------------------------


def test_an_output_with_other_columns_is_refused_and_replaced_if_asked_with_the_cells_kept(tmp_path, calls):
    out = tmp_path / "out.parquet"
    map_table(CHAIN, table(10), out, outputs=["length"])
    before = out.read_bytes()
    with pytest.raises(TableError, match="answer is new; length is gone") as caught:
        map_table(CHAIN, table(10), out, outputs=["answer"])
    assert "--overwrite" in str(caught.value)
    assert out.read_bytes() == before
    result = map_table(CHAIN, table(10), out, outputs=["answer"], overwrite=True)
    assert result.computed == 0
    assert result.table().schema.names == ["id", "question", "answer", "error"]


def test_a_column_of_another_type_is_said(tmp_path):
    out = tmp_path / "out.parquet"

    async def number(question: str) -> int:
        return 1

    async def text(question: str) -> str:
        return "1"

    map_table(MultiChain(a=number), table(2), out)
    with pytest.raises(TableError, match="a was int64 and is string"):
        map_table(MultiChain(a=text), table(2), out)


def test_what_is_no_batch_s_is_not_written_over(tmp_path, calls):
    out = tmp_path / "out.parquet"
    pq.write_table(table(1), out)
    with pytest.raises(TableError, match="it is no batch's"):
        map_table(CHAIN, table(2), out)
    assert pq.read_table(out) == table(1)
    assert map_table(CHAIN, table(2), out, overwrite=True).table().num_rows == 2


def test_a_batch_that_is_held_is_not_run(tmp_path, calls):
    out = tmp_path / "out.parquet"
    with BatchLedger.beside(out).held(), pytest.raises(BatchInProgress, match="Another process"):
        map_table(CHAIN, table(2), out)
    assert not calls


def test_several_outputs_may_share_their_cells(tmp_path, calls):
    map_table(CHAIN, table(5), tmp_path / "a.parquet", ledger=tmp_path / "cells")
    result = map_table(CHAIN, table(5), tmp_path / "b.jsonl", outputs=["answer"], ledger=tmp_path / "cells")
    assert result.computed == 0
    assert result.table()["answer"].to_pylist() == [f"a q{number}" for number in range(5)]


@pytest.mark.parametrize("keys", [["id"], []])
def test_bad_tables_are_refused_before_any_row(tmp_path, calls, keys):
    bad = pa.table({"id": [1, 1], "question": ["a", "b"]})
    if not keys:
        bad = bad.rename_columns(["id", "qestion"])
    with pytest.raises(TableError):
        map_table(CHAIN, bad, tmp_path / "out.parquet", keys=keys)
    assert not calls
    assert not (tmp_path / "out.parquet").exists()


# -- effects ---------------------------------------------------------------------------------------


def _uncertain(tmp_path):
    """A ledger as a process leaves it that was killed while rows acted on the world."""

    @stage(effect=True)
    async def act(question: str) -> str:
        if counting.called(question) == 1 and question == "q1":
            raise ConnectionError("the line went dead after sending")
        return f"did {question}"

    chain = MultiChain(act=act)
    first = map_table(chain, table(3), tmp_path / "out.parquet", keys=["id"])
    assert first.failed == 1
    return chain


@pytest.mark.parametrize(
    ("on_effect", "wanted", "times"),
    [("ask", (None, "EffectUncertain"), 1), ("repeat", ("did q1", None), 2), ("skip", (None, None), 1)],
)
def test_who_runs_the_batch_decides_about_an_effect_that_may_have_happened(tmp_path, on_effect, wanted, times):
    chain = _uncertain(tmp_path)
    found = map_table(chain, table(3), tmp_path / "out.parquet", keys=["id"], on_effect=on_effect).table()
    assert (found["act"][1].as_py(), errors(found)[1]) == wanted
    assert {"q0": 1, "q1": times, "q2": 1} == counting.CALLS
    assert found["act"][0].as_py() == "did q0"


def test_the_folder_of_the_ledger_is_named_after_the_output(tmp_path, calls):
    map_table(CHAIN, table(1), tmp_path / "out.parquet")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.parquet", "out.parquet.ledger"]
    assert Path(tmp_path / "out.parquet.ledger" / "batch.json").is_file()
