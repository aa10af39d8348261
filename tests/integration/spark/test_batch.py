"""A chain over a table on real Spark, classic and Connect: the same results as on one machine, whatever is killed."""

import os
import signal
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batch_chains import calls_of, counted, expected, questions, wait_for
from langchain_core.documents import Document
from spark_clusters import executors_of

from ziggurat import VectorIndex
from ziggurat.batch import map_table
from ziggurat.batch.report import report
from ziggurat.errors import BatchError, BatchStopped, ClusterError, TableError
from ziggurat.testing import Fault, OpenAIServer

LAB = """\
ziggurat: 1
name: Lab
stages:
  qa: {uses: qa, index: kb, model: "fake:echo", k: 2}
  image_generation: {uses: image, model: "fake:picture"}
"""


@pytest.fixture
def lab(tmp_path):
    with VectorIndex.create(tmp_path / "kb", "fake:32") as index:
        index.add_documents(
            [Document(f"Fact {number}: the stone number {number} weighs {number} tons.") for number in range(50)]
        )
    (tmp_path / "lab.yaml").write_text(LAB)
    rows = range(2000)
    table = pa.table(
        {
            "id": list(rows),
            "question": [f"What does the stone number {row % 50} weigh, asked {row // 50}?" for row in rows],
            "prompt": [f"stone {row % 20}" for row in rows],
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=200)
    return tmp_path


def test_the_lab_over_two_thousand_rows_is_the_same_here_and_on_executors_byte_for_byte(lab, cluster):
    here = map_table(lab / "lab.yaml", lab / "rows.parquet", lab / "here.parquet", keys=["id"])
    there = map_table(lab / "lab.yaml", lab / "rows.parquet", lab / "there.parquet", keys=["id"], spark=cluster.session)

    assert [error for error in there.table()["error"].to_pylist() if error][:2] == []
    assert (there.rows, there.failed) == (2000, 0)
    assert there.computed + there.kept == here.computed + here.kept == 4000
    assert here.computed == 2020  # 2,000 questions, 20 different pictures: identical cells once
    assert 2020 <= there.computed <= 2040  # what takes no two milliseconds is made again rather than asked for
    assert there.table().schema.equals(here.table().schema)
    assert there.table().equals(here.table())
    assert all(row["image_generation"]["data"] for row in there.table().slice(0, 5).to_pylist())


def test_an_executor_that_is_killed_costs_the_cells_in_flight_and_no_row(tmp_path, classic):
    chain, table = counted(tmp_path, 0.05), questions(tmp_path, 800)
    before = set(executors_of())

    def kill():
        wait_for(lambda: len(calls_of(tmp_path)) > 150)
        os.kill(min(before & set(executors_of())), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = map_table(chain, table, tmp_path / "out.parquet", keys=["id"], spark=classic.session, concurrency=16)
    killer.join()

    assert result.table().to_pylist() == expected(800)
    calls = calls_of(tmp_path)
    assert len(calls) == 800
    assert calls.total() <= 800 + 16  # those that were in flight on the executor, once more
    again = map_table(chain, table, tmp_path / "out.parquet", keys=["id"], spark=classic.session)
    assert (again.computed, again.kept) == (0, 1600)
    assert calls_of(tmp_path) == calls


def test_identical_cells_are_computed_once_on_all_executors_together(tmp_path, cluster):
    chain, table = counted(tmp_path, 0.05), questions(tmp_path, 400, of=40)

    result = map_table(chain, table, tmp_path / "out.parquet", keys=["id"], spark=cluster.session, concurrency=16)

    assert (result.rows, result.failed) == (400, 0)
    assert calls_of(tmp_path) == {f"question {number}": 1 for number in range(40)}


POISON = """
import os
from ziggurat import MultiChain

async def answer(question: str) -> str:
    if question == "question 7":
        os._exit(3)  # as a bug in native code would
    return question

chain = MultiChain(answer=answer)
"""


def test_a_row_that_kills_its_worker_is_given_up_and_takes_nothing_with_it(tmp_path, classic):
    (tmp_path / "poison.py").write_text(POISON)
    table = questions(tmp_path, 60)

    result = map_table(f"{tmp_path}/poison.py:chain", table, tmp_path / "out.parquet", keys=["id"], spark=classic.session, concurrency=4)  # fmt: skip

    rows = {row["id"]: row for row in result.table().to_pylist()}
    assert len(rows) == 60
    assert result.failed == 1
    assert rows.pop(7)["error"]["type"] == "WorkerDied"
    assert all(row["answer"] == row["question"] for row in rows.values())
    assert list(report(tmp_path / "out.parquet").failures) == [("", "WorkerDied")]


MODEL = """
from ziggurat import LLM, MultiChain
from ziggurat.models import chat

model = chat("openai:gpt-4.1-mini", base_url={url!r}, api_key="made-up", max_retries=0)
chain = MultiChain(answer=LLM("Answer: {{question}}", model=model))
"""


@pytest.mark.parametrize("killing", [False, True], ids=["quiet", "killed"])
def test_a_budget_of_calls_holds_over_two_executors_of_which_one_is_killed(tmp_path, classic, killing):
    budget = 150
    before = set(executors_of())
    with OpenAIServer() as server:
        server.fail(*[Fault(hang=0.05)] * 2 * budget)
        (tmp_path / "model.py").write_text(MODEL.format(url=server.base_url))

        def kill():
            wait_for(lambda: len(server.requests) > budget // 3)
            os.kill(min(before & set(executors_of())), signal.SIGKILL)

        killer = threading.Thread(target=kill if killing else bool)
        killer.start()
        result = map_table(
            f"{tmp_path}/model.py:chain", questions(tmp_path, 400), tmp_path / "out.parquet", keys=["id"],
            spark=classic.session, concurrency=8, budget={"calls": budget},
        )  # fmt: skip
        killer.join()
        asked = [request.body["messages"][-1]["content"] for request in server.requests]

    assert len(asked) <= budget
    errors = [row["error"]["type"] for row in result.table().to_pylist() if row["error"]]
    assert (result.rows, set(errors)) == (400, {"BudgetExceeded"})
    assert 400 - len(errors) <= len(set(asked))
    assert 400 - len(errors) >= (budget - 4 if not killing else budget // 2)  # what a lost worker had is not lent again


FAILING = """
from ziggurat import MultiChain

async def answer(question: str) -> str:
    raise ValueError(f"no answer to {question}")

chain = MultiChain(answer=answer)
"""


def test_it_stops_after_as_many_failed_rows_as_are_allowed_on_all_executors_together(tmp_path, classic):
    (tmp_path / "failing.py").write_text(FAILING)

    with pytest.raises(BatchStopped, match="it was to stop after 20"):
        map_table(
            f"{tmp_path}/failing.py:chain", questions(tmp_path, 2000), tmp_path / "out.parquet", keys=["id"],
            spark=classic.session, stop_after=20, concurrency=4,
        )  # fmt: skip

    assert not (tmp_path / "out.parquet").exists()
    assert 20 <= report(tmp_path / "out.parquet").failed < 2000


def test_what_does_not_fit_is_said_before_any_row_and_what_a_worker_raises_is_told(tmp_path, cluster):
    chain, table = counted(tmp_path), questions(tmp_path, 20)
    twice = cluster.session.createDataFrame([(1, "a"), (1, "b")], "id long, question string")

    with pytest.raises(TableError, match="no column 'qestion'"):
        map_table(chain, table, tmp_path / "a.parquet", inputs={"question": "qestion"}, spark=cluster.session)
    with pytest.raises(TableError, match=r"do not tell the rows apart: 1 \(2 times\)"):
        map_table(chain, twice, tmp_path / "b.parquet", keys=["id"], spark=cluster.session)
    (tmp_path / "broken.py").write_text((tmp_path / "counted.py").read_text() + "\nimport os\nif 'SPARK_PYTHON' in os.environ or os.getppid() != " + str(os.getppid()) + ":\n    raise RuntimeError('only here')\n")  # fmt: skip
    with pytest.raises(ClusterError, match="RuntimeError: only here"):
        map_table(f"{tmp_path}/broken.py:chain", table, tmp_path / "c.parquet", spark=cluster.session)

    assert not calls_of(tmp_path)


def test_a_chain_that_was_made_in_code_is_built_by_a_function_on_every_worker(tmp_path, cluster):
    def build():
        from ziggurat import MultiChain

        async def loud(question: str) -> str:
            return question.upper()

        return MultiChain(loud=loud)

    result = map_table(build, [{"question": "a"}, {"question": "b"}], spark=cluster.session)

    assert [row["loud"] for row in result.table().to_pylist()] == ["A", "B"]
    with pytest.raises(BatchError, match="Other processes cannot build this chain"):
        map_table(build(), [{"question": "a"}], spark=cluster.session)


def test_a_stream_is_run_a_micro_batch_at_a_time_and_no_row_twice(tmp_path, classic):
    from ziggurat.batch import stream_table

    chain, source = counted(tmp_path, 0.01), tmp_path / "source"
    source.mkdir()
    session = classic.session
    told = []

    def run():
        stream = session.readStream.schema("id long, question string").parquet(str(source))
        query = stream_table(
            chain, stream, tmp_path / "answers", checkpoint=tmp_path / "checkpoint", keys=["id"],
            trigger={"availableNow": True}, told=told.append,
        )  # fmt: skip
        query.awaitTermination()

    for part in range(2):
        rows = range(part * 20, part * 20 + 30)  # ten rows of the second part were in the first
        pq.write_table(
            pa.table({"id": list(rows), "question": [f"question {row}" for row in rows]}), source / f"{part}.parquet"
        )
        with classic.speaking():  # a Connect session may be open in this process, too
            run()

    assert calls_of(tmp_path) == {f"question {number}": 1 for number in range(50)}
    assert [one.rows for one in told] == [30, 30]
    found = pq.read_table(tmp_path / "answers", columns=["id", "answer"]).to_pylist()
    assert sorted(row["id"] for row in found) == sorted([*range(30), *range(20, 50)])
