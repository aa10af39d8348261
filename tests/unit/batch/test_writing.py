"""Tables written: each format as it is read again, whole or not there at all."""

import datetime as dt
import decimal
import json

import pyarrow as pa
import pytest

from ziggurat.batch import writing
from ziggurat.batch.reading import open_table
from ziggurat.batch.writing import TableWriter
from ziggurat.errors import BatchError

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
TABLE = pa.table(
    {
        "id": pa.array([1, 2, None], pa.int64()),
        "text": pa.array(['a,\t"b"\nc', "", "漢"], pa.string()),
        "one": pa.array([{"x": 1, "tags": ["a"]}, None, {"x": None, "tags": []}]),
        "many": pa.array([[("k", 1.5)], [], None], pa.map_(pa.string(), pa.float64())),
        "items": pa.array([[[("k", b"\1")]], None, []], pa.list_(pa.map_(pa.string(), pa.binary()))),
        "raw": pa.array([b"\0\xff", None, b""], pa.binary()),
        "at": pa.array([NOON, None, NOON], pa.timestamp("us", tz="UTC")),
        "day": pa.array([dt.date(2026, 5, 1)] * 3),
        "score": pa.array([0.5, float("nan"), float("inf")]),
    }
)
SUFFIXES = ["parquet", "csv", "tsv", "jsonl", "arrow", "delta"]


def write(path, table, kind=None):
    kind = kind or {"tsv": "csv"}.get(path.suffix[1:], path.suffix[1:])
    with TableWriter(path, kind, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=2):
            writer.write(batch)
        writer.commit()


def read(path):
    found = open_table(path)
    return pa.Table.from_batches(found.read(found.schema.names), schema=found.schema)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "delta"])
def test_formats_with_types_hold_every_one(tmp_path, kind):
    path = tmp_path / "deeper" / f"out.{kind}"
    write(path, TABLE)
    for name in TABLE.schema.names:
        assert repr(read(path)[name].to_pylist()) == repr(TABLE[name].to_pylist())
    assert [one.name for one in path.parent.iterdir()] == [path.name], "nothing is left beside it"


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_csv_holds_what_has_no_form_in_it_as_json(tmp_path, suffix):
    path = tmp_path / f"out.{suffix}"
    write(path, TABLE)
    found = read(path).to_pylist()
    assert [row["id"] for row in found] == [1, 2, None]
    assert [row["text"] for row in found] == TABLE["text"].to_pylist()
    assert json.loads(found[0]["one"]) == {"x": 1, "tags": ["a"]}
    assert json.loads(found[0]["many"]) == {"k": 1.5}
    assert json.loads(found[0]["items"]) == [{"k": "AQ=="}]
    assert found[0]["raw"] == "AP8="
    assert found[1]["one"] == ""
    assert found[0]["day"] == dt.date(2026, 5, 1)


def test_json_lines_are_json_and_say_maps_as_mappings(tmp_path):
    path = tmp_path / "out.jsonl"
    write(path, TABLE)
    rows = [json.loads(line, parse_constant=lambda word: 1 / 0) for line in path.read_text().splitlines()]
    assert rows[0]["one"] == {"x": 1, "tags": ["a"]}
    assert rows[0]["many"] == {"k": 1.5}
    assert rows[0]["items"] == [{"k": "AQ=="}]
    assert rows[0]["at"] == "2026-05-01T12:00:00+00:00"
    assert [row["score"] for row in rows] == [0.5, None, None]
    assert read(path)["text"].to_pylist() == TABLE["text"].to_pylist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_type_that_a_table_may_have_can_be_carried_over(tmp_path, suffix):
    table = pa.table(
        {
            "category": pa.array(["a", "b", "a"]).dictionary_encode(),
            "nothing": pa.nulls(3),
            "took": pa.array([dt.timedelta(seconds=5)] * 3),
            "price": pa.array([decimal.Decimal("1.50")] * 3),
            "fixed": pa.array([b"a\xff"] * 3, pa.binary(2)),
            "view": pa.array(["x"] * 3, pa.string_view()),
            "raw_view": pa.array([b"\xff"] * 3, pa.binary_view()),
            "large": pa.array(["x"] * 3, pa.large_string()),
            "time": pa.array([dt.time(1, 2)] * 3),
            "half": pa.array([0.5] * 3, pa.float16()),
            "exact": pa.array([1, 2, 3], pa.timestamp("ns")),
        }
    )
    if suffix == "delta":
        table = table.drop_columns(["took", "half", "time"])  # Delta has no such types
    write(tmp_path / f"out.{suffix}", table)
    found = read(tmp_path / f"out.{suffix}")
    assert found.num_rows == 3
    assert found["category"].to_pylist() == ["a", "b", "a"]
    assert set(found.schema.names) >= set(table.schema.names) - {"nothing"}


def test_a_type_that_delta_does_not_have_is_said_and_nothing_is_left(tmp_path):
    table = pa.table({"took": pa.array([dt.timedelta(seconds=5)])})
    with pytest.raises(BatchError, match="Delta table cannot be written"):
        write(tmp_path / "out.delta", table)
    assert not (tmp_path / "out.delta" / "_delta_log").exists()
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".part"] == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows_are_a_table_of_none(tmp_path, suffix):
    write(tmp_path / f"out.{suffix}", TABLE.slice(0, 0).select(["id", "text"]))
    assert (tmp_path / f"out.{suffix}").exists()
    if suffix != "jsonl":  # which says its columns only in its rows
        found = read(tmp_path / f"out.{suffix}")
        assert (found.num_rows, found.schema.names) == (0, ["id", "text"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_writer_that_is_left_early_leaves_nothing_and_what_was_there(tmp_path, suffix):
    path = tmp_path / f"out.{suffix}"
    write(path, TABLE)
    before = read(path)
    kind = {"tsv": "csv"}.get(suffix, suffix)

    def leave_early():
        with TableWriter(path, kind, TABLE.schema) as writer:
            writer.write(TABLE.to_batches()[0])
            writer._flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave_early()
    assert repr(read(path)) == repr(before)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_output_takes_the_place_of_the_one_before(tmp_path, suffix):
    path = tmp_path / f"out.{suffix}"
    write(path, TABLE.select(["id", "text"]))
    write(path, TABLE.select(["text"]).slice(0, 1))
    assert read(path).to_pylist() == [{"text": 'a,\t"b"\nc'}]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_makes_way_for_a_file(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "part-0.parquet").write_bytes(b"old")
    write(path, TABLE.select(["id"]), "parquet")
    assert read(path)["id"].to_pylist() == [1, 2, None]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_refuses_is_told_and_leaves_nothing(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"out.{suffix}"
    kind = {"tsv": "csv"}.get(suffix, suffix)

    class Full:
        def __init__(self, sink):
            self.close = sink.close

        def write(self, table):
            raise OSError(28, "No space left on device")

    made = writing._sink
    monkeypatch.setattr(writing, "_sink", lambda *given: Full(made(*given)))
    with pytest.raises(BatchError, match="No space left") as caught:
        write(path, TABLE, kind)
    assert "finished cell is kept" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BatchError, match="cannot be written"):
        TableWriter(tmp_path / "file" / "out.parquet", "parquet", TABLE.schema)
