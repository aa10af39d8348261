"""How a table is fed to a chain: every finding said, all at once; what comes out; the look at the keys."""

from dataclasses import dataclass

import pyarrow as pa
import pytest
from pydantic import BaseModel

from ziggurat import MultiChain
from ziggurat.batch import survey as surveys
from ziggurat.batch.layout import ERROR_TYPE, lay_out
from ziggurat.batch.reading import open_table
from ziggurat.batch.survey import survey
from ziggurat.errors import TableError


@dataclass
class Person:
    name: str
    age: int = 0


class Place(BaseModel):
    city: str


async def answer(question: str, context: str | None = None, limit: int = 3) -> str:
    return question


async def length(answer: str) -> int:
    return len(answer)


def where(answer: str) -> Place:
    return Place(city=answer)


CHAIN = MultiChain(answer=answer, length=length, where=where, name="c")
SCHEMA = pa.schema([("id", pa.int64()), ("question", pa.string()), ("other", pa.list_(pa.string()))])


def test_inputs_are_columns_of_the_same_name_and_outputs_what_the_chain_returns():
    layout = lay_out(CHAIN, SCHEMA, keys=["id"])
    assert [(feed.name, feed.column, feed.required) for feed in layout.feeds] == [("question", "question", True)]
    assert layout.schema == pa.schema(
        [
            *SCHEMA,
            *[(column.name, column.type.arrow) for column in layout.outputs],
            ("error", ERROR_TYPE),
        ]
    )
    assert set(layout.read) == {"id", "question", "other"}


def test_columns_constants_outputs_and_what_is_carried_can_be_chosen():
    layout = lay_out(
        CHAIN,
        SCHEMA.append(pa.field("text", pa.string())),
        inputs={"question": "text"},
        constants={"limit": 5},
        keys=["id"],
        outputs={"city": "where.city", "n": "length"},
        carry=["other"],
        error="wrong",
    )
    assert layout.schema.names == ["id", "other", "city", "n", "wrong"]
    assert [layout.schema.field(name).type for name in ("city", "n")] == [pa.string(), pa.int64()]
    assert layout.read == ("id", "other", "text")
    assert lay_out(CHAIN, SCHEMA, outputs=["where.city"]).schema.names[-2:] == ["where_city", "error"]


def _asked(**given):
    return {"schema": SCHEMA, **given}


FINDINGS = {
    "a missing column": (_asked(schema=pa.schema([("id", pa.int64()), ("qestion", pa.string())])), ["no column 'question'", "did you mean 'qestion'", "answer reads"]),
    "a column named that is not there": (_asked(inputs={"question": "questoin"}), ["no column 'questoin'", "did you mean 'question'"]),
    "an optional input whose named column is not there": (_asked(inputs={"context": "nothing"}), ["no column 'nothing'"]),
    "a wrong type": (_asked(inputs={"question": "id"}), ["'id' holds int64", "'question' takes str", "cast the column"]),
    "an unknown input": (_asked(inputs={"qeustion": "id"}), ["no input 'qeustion'", "did you mean 'question'"]),
    "an unknown constant": (_asked(constants={"limits": 3}), ["no input 'limits'", "did you mean 'limit'"]),
    "an unknown output": (_asked(outputs=["lenght"]), ["no stage 'lenght'", "did you mean 'length'"]),
    "an unknown field": (_asked(outputs=["where.citty"]), ["where.citty", "leads nowhere"]),
    "a path that is none": (_asked(outputs=["where..x"]), ["where..x"]),
    "an unknown key": (_asked(keys=["idd"]), ["no column 'idd'", "did you mean 'id'"]),
    "an unknown column to carry": (_asked(carry=["othr"]), ["no column 'othr'", "did you mean 'other'"]),
    "a clash of names": (_asked(outputs={"question": "answer"}), ["'question' has the name of another column"]),
    "a clash with the errors": (_asked(outputs={"error": "answer"}), ["'error' has the name of another column"]),
    "the errors' name taken": (_asked(error="question"), ["question"]),
    "nothing fed": (_asked(constants={"question": "x"}), ["every row would be the same"]),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "said"), FINDINGS.values(), ids=FINDINGS)
def test_what_does_not_fit_is_said_with_the_name_that_was_meant(asked, said):
    schema = asked.pop("schema") if "schema" in asked else SCHEMA
    with pytest.raises(TableError) as caught:
        lay_out(CHAIN, schema, **asked)
    asked["schema"] = schema
    for one in said:
        assert one in str(caught.value)
    assert "chain 'c', which reads" in str(caught.value)


def test_everything_that_does_not_fit_is_said_at_once():
    with pytest.raises(TableError) as caught:
        lay_out(
            CHAIN, SCHEMA, inputs={"questoin": "id", "question": "id"}, outputs=["lenght"], keys=["idd"], error="other"
        )
    for one in ("no input 'questoin'", "holds int64", "no stage 'lenght'", "no column 'idd'", "'other'"):
        assert one in str(caught.value)


def test_a_struct_is_made_the_record_that_a_stage_declares():
    async def greet(who: Person, place: Place | None = None) -> str:
        return who.name

    chain = MultiChain(greet=greet)
    struct = pa.struct([("name", pa.string()), ("age", pa.int64())])
    layout = lay_out(chain, pa.schema([("who", struct), ("place", pa.struct([("city", pa.string())]))]))
    assert layout.feeds[0].record is Person
    with pytest.raises(TableError, match="takes Person"):
        lay_out(chain, pa.schema([("who", pa.string())]))


# -- keys ------------------------------------------------------------------------------------------


class _Keys:
    def __init__(self, *keys, read=()):
        self.keys, self.read = keys, (*keys, *read)


def look(rows, *keys):
    return survey(open_table(rows), _Keys(*keys))


def test_rows_are_counted_and_keys_that_tell_them_apart_are_fine():
    rows = [{"a": number // 7, "b": number % 7} for number in range(100)]
    assert look(rows, "a", "b") == 100
    assert look([{"a": -1}, {"a": -2}], "a") == 2, "their hashes are equal, and they are not"
    assert look([{"a": -1, "b": "x"}, {"a": -2, "b": "x"}], "a", "b") == 2
    assert look([{"a": [1]}, {"a": [2]}], "a") == 2
    assert survey(open_table(rows), _Keys()) == 100
    assert look(pa.table({"a": pa.array([], pa.int64())}), "a") == 0


@pytest.mark.parametrize(
    ("rows", "keys", "said"),
    [
        ([{"a": 1}, {"a": 2}, {"a": 1}], ["a"], r"1 \(2 times\)"),
        ([{"a": 1, "b": "x"}] * 3 + [{"a": 2, "b": "x"}], ["a", "b"], r"1, x \(3 times\)"),
        ([{"a": -1}, {"a": -2}, {"a": -2}], ["a"], r": -2 \(2 times\)\."),
        ([{"a": n // 2} for n in range(20)], ["a"], "and 5 more"),
        ([{"a": [1]}, {"a": [1]}], ["a"], "2 times"),
        ([{"a": 1}, {"a": None}], ["a"], "'a' is null"),
        ([{"a": 1, "b": 1}, {"a": 1, "b": None}], ["a", "b"], "'b' is null"),
    ],
)
def test_keys_that_are_null_or_there_twice_are_refused(rows, keys, said):
    with pytest.raises(TableError, match=said):
        look(rows, *keys)


def test_the_row_of_a_null_key_is_said():
    rows = pa.table({"a": [*range(20_000), None, 5]})
    with pytest.raises(TableError, match="row 20,001"):
        look(rows, "a")


def test_a_table_too_large_for_one_look_is_looked_at_in_several(monkeypatch):
    monkeypatch.setattr(surveys, "_AT_ONCE", 50)
    assert look([{"a": number} for number in range(1000)], "a") == 1000
    with pytest.raises(TableError, match=r"777 \(2 times\)\."):
        look([{"a": number} for number in (*range(1000), 777)], "a")


def test_times_of_nanoseconds_are_keys_like_others():
    table = pa.table({"at": pa.array([1_000, 2_000], pa.timestamp("ns"))})
    assert look(table, "at") == 2
