"""What bounds a batch, what was there before it, and effects that may have happened."""

import time
from collections import Counter
from pathlib import Path

import counting
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from counted_batches import CHAIN, errors, failing, table

from ziggurat import LLM, Budget, MultiChain, stage
from ziggurat.batch import Rate, map_table
from ziggurat.batch.ledger import BatchLedger
from ziggurat.batch.report import report
from ziggurat.errors import BatchInProgress, BatchStopped, InputError, TableError
from ziggurat.testing import FakeChat

pytestmark = pytest.mark.usefixtures("calls")


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
    assert (first.usage.calls, first.failed) == (12, 18)
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


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.delta"])
def test_a_table_is_never_its_own_output(tmp_path, calls, name):
    path = tmp_path / name
    map_table(CHAIN, table(3), path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(TableError, match="table itself"):
        map_table(CHAIN, path, path, overwrite=True, outputs={"n": "length"}, error="wrong")
    (tmp_path / "link.parquet").symlink_to(path)
    with pytest.raises(TableError, match="table itself"):
        map_table(CHAIN, str(path), tmp_path / "link.parquet", overwrite=True, outputs={"n": "length"}, error="wrong")
    assert set(before) <= set(tmp_path.rglob("*"))


async def test_a_batch_can_be_run_where_a_loop_runs_already(calls):
    assert map_table(CHAIN, table(5)).table()["length"].to_pylist() == [4] * 5


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
    for outputs in (["length"], ["answer"]):  # in memory, too
        assert map_table(CHAIN, table(5), outputs=outputs, ledger=tmp_path / "cells").computed == 0
    with pytest.raises(TableError, match="other columns than before"):
        map_table(CHAIN, table(5), tmp_path / "a.parquet", outputs=["answer"], ledger=tmp_path / "cells")


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
