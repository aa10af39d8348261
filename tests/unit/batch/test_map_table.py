"""A chain over a table on this machine: columns in, columns out, and what ends a row alone."""

import asyncio
import dataclasses
import datetime as dt
import json

import pandas as pd
import pyarrow as pa
import pytest
from counted_batches import CHAIN, errors, table
from hypothesis import given as given_values
from hypothesis import settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from ziggurat import MultiChain
from ziggurat.batch import map_table
from ziggurat.errors import ChainError

pytestmark = pytest.mark.usefixtures("calls")


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


@settings(max_examples=25)
@given_values(
    st.lists(st.tuples(st.text(st.characters(codec="utf-8"), max_size=8), st.none() | st.integers(-9, 9)), max_size=30),
    st.integers(1, 9),
    st.booleans(),
)
def test_a_batch_says_of_each_row_what_a_run_of_it_alone_says(rows, concurrency, ordered):
    async def double(number: int | None = 1) -> int:
        return (number or 0) * 2

    async def word(question: str, double: int) -> str:
        if double == 6:
            raise ValueError(question)
        await asyncio.sleep(0)
        return question * abs(double)

    chain = MultiChain(double=double, word=word, outputs=["double", "word"])
    columns = pa.table(
        {
            "at": pa.array(range(len(rows))),
            "question": pa.array([question for question, _ in rows], pa.string()),
            "number": pa.array([number for _, number in rows], pa.int64()),
        }
    )
    found = map_table(chain, columns, concurrency=concurrency, ordered=ordered).table().to_pylist()
    assert sorted(row["at"] for row in found) == list(range(len(rows)))
    for row in found:
        question, number = rows[row["at"]]
        try:
            wanted = chain.run(question=question, number=number)["word"]
        except ChainError as error:
            assert (row["error"]["type"], row["error"]["stage"], row["word"]) == ("ValueError", error.stage, None)
        else:
            assert (row["error"], row["word"]) == (None, wanted)


def test_a_bar_says_how_far_it_is(capsys):
    map_table(CHAIN, table(300), progress=True)
    told = capsys.readouterr().err
    assert "300/300" in told
    map_table(CHAIN, table(3), progress=False)
    assert capsys.readouterr().err == ""
