"""Tables of every kind opened and read; what is no table, and what is broken, said before anything begins."""

import gzip
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ziggurat.batch.reading import format_of, open_table
from ziggurat.batch.survey import survey
from ziggurat.errors import TableError

ROWS = [{"id": 1, "question": 'a, "b"\nc'}, {"id": 2, "question": ""}, {"id": 3, "question": "ç 漢"}]


def read(table, *columns):
    found = open_table(table)
    return pa.Table.from_batches(found.read(columns or found.schema.names)).to_pylist()


def _csv(path, text, **options):
    path.write_text(text, **options)
    return path


def test_parquet_csv_tsv_json_lines_arrow_and_delta_are_read_and_more_than_once(tmp_path):
    import deltalake

    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(table, tmp_path / "noname")
    (tmp_path / "a.csv").write_text('id,question\n1,"a, ""b""\nc"\n2,""\n3,ç 漢\n')
    (tmp_path / "a.TSV").write_text('id\tquestion\n1\t"a, ""b""\nc"\n2\t\n3\tç 漢\n')
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as sink:
        sink.write_table(table)
    deltalake.write_deltalake(str(tmp_path / "a.delta"), table)
    deltalake.write_deltalake(str(tmp_path / "plain"), table)
    (tmp_path / "parts").mkdir()
    pq.write_table(table.slice(0, 2), tmp_path / "parts" / "0.parquet")
    pq.write_table(table.slice(2), tmp_path / "parts" / "1.parquet")
    (tmp_path / "parts" / "_SUCCESS").touch()
    names = {
        "a.parquet": "parquet", "noname": "parquet", "a.csv": "csv", "a.TSV": "csv", "a.jsonl": "jsonl",
        "a.arrow": "arrow", "a.delta": "delta", "plain": "delta", "parts": "parquet",
    }  # fmt: skip
    for name, kind in names.items():
        found = open_table(tmp_path / name)
        assert found.format == kind, name
        for _ in range(2):
            assert pa.Table.from_batches(found.read(["id", "question"])).to_pylist() == ROWS, name
        assert read(str(tmp_path / name), "question") == [{"question": row["question"]} for row in ROWS]
        assert found.rows == (None if kind in ("csv", "jsonl") else 3)
    assert read(f"delta:{tmp_path / 'a.delta'}") == ROWS


def test_what_is_in_memory_is_a_table(tmp_path):
    frame = pd.DataFrame(ROWS)
    for table in (pa.Table.from_pylist(ROWS), frame, ROWS, tuple(ROWS), (row for row in ROWS)):
        assert read(table) == ROWS
    assert open_table(frame).format is None


def test_a_data_frame_comes_without_an_index_that_has_no_name_and_with_one_that_has():
    frame = pd.DataFrame(ROWS)
    assert read(frame[frame.id > 1]) == ROWS[1:]
    assert sorted(read(frame.set_index("id"))[0]) == ["id", "question"]


def test_mappings_may_lack_names_that_others_have():
    assert read([{"a": 1}, {"b": "x", "a": None}]) == [{"a": 1, "b": None}, {"a": None, "b": "x"}]


def test_cells_of_csv_may_be_empty_quoted_and_of_several_lines(tmp_path):
    path = _csv(tmp_path / "a.csv", 'id,n,text,none\n1,,"",\n2,5,"say ""hi"",\n\nthere",\n')
    assert read(path) == [
        {"id": 1, "n": None, "text": "", "none": None},
        {"id": 2, "n": 5, "text": 'say "hi",\n\nthere', "none": None},
    ]


def test_nested_json_is_structs_and_lists(tmp_path):
    rows = [{"who": {"name": "a", "ages": [1, 2]}}, {"who": {"name": "b", "ages": []}}, {"who": None}]
    path = tmp_path / "a.ndjson"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert read(path) == rows


NO_TABLES = {
    "there is none": ("gone.parquet", None, "no table"),
    "a name that says nothing": ("a.xlsx", b"", "does not say its format"),
    "a misspelt suffix": ("a.parqet", b"", r"\.parquet"),
    "no Parquet": ("a.parquet", b"text", "cannot be read as parquet"),
    "an empty file": ("a.parquet", b"", "cannot be read as parquet"),
    "empty CSV": ("a.csv", b"", "cannot be read as csv"),
    "no JSON": ("a.jsonl", b"{oh\n", "cannot be read as jsonl"),
    "empty JSON lines": ("a.jsonl", b"", "cannot be read as jsonl"),
    "no Arrow": ("a.arrow", b"ARROW1\0\0", "cannot be read as arrow"),
    "one name twice": ("a.csv", b"a,b,a\n1,2,3\n", "columns named a"),
    "packed": ("a.csv.gz", gzip.compress(b"a\n1\n"), "does not say its format"),
}


@pytest.mark.parametrize(("name", "content", "said"), NO_TABLES.values(), ids=NO_TABLES)
def test_what_is_no_table_is_said(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=said) as caught:
        survey(open_table(tmp_path / name), _Layout(("a",)))
    assert name in str(caught.value)


class _Layout:
    def __init__(self, read, keys=()):
        self.read, self.keys = read, keys


def test_the_nearest_name_is_suggested(tmp_path):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "questions.parquet")
    with pytest.raises(TableError, match=r"did you mean 'questions\.parquet'"):
        open_table(tmp_path / "question.parquet")


@pytest.mark.parametrize("bad", [5, None, 3.5, ["a", "b"], [{"a": 1}, "b"], {"a": [1]}, object()])
def test_what_is_no_table_at_all_is_said(bad):
    with pytest.raises(TableError, match="is no table"):
        open_table(bad)


def test_rows_that_do_not_go_together_are_no_table():
    with pytest.raises(TableError, match="no table"):
        open_table([{"a": 1}, {"a": "x"}])
    with pytest.raises(TableError, match="same name: a"):
        open_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]))


def test_a_folder_of_several_formats_or_of_none_says_nothing(tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "b.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(TableError, match="does not say its format"):
        open_table(tmp_path)


def test_a_delta_table_that_is_damaged_is_said(tmp_path):
    (tmp_path / "_delta_log").mkdir()
    with pytest.raises(TableError, match="Delta table cannot be read"):
        open_table(tmp_path)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("a.csv", "%d,%s\n", "no number,x\n"), ("a.csv", "%d,%s\n", "1,x,more\n"), ("a.jsonl", '{"id": %d, "q": "%s"}\n', '{"id": \n')],
)  # fmt: skip
@pytest.mark.parametrize("keys", [(), ("id",)])
def test_a_bad_row_far_down_is_found_by_the_survey_before_any_row_runs(tmp_path, name, good, bad, keys):
    head = "id,q\n" if name.endswith("csv") else ""
    (tmp_path / name).write_text(head + "".join(good % (number, "x" * 1000) for number in range(9000)) + bad)
    with pytest.raises(TableError, match="cannot be read"):
        survey(open_table(tmp_path / name), _Layout(("id", "q"), keys))


def test_a_file_that_breaks_off_is_a_table_error_and_not_the_library_s(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [str(n) for n in range(50_000)]}), path, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[100:2000] = b"\xff" * 1900
    path.write_bytes(content)
    with pytest.raises(TableError, match="cannot be read") as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_cell_of_ten_million_characters_is_read(tmp_path, name):
    huge = "x" * 10_000_000
    rows = [{"id": 1, "q": "short"}, {"id": 2, "q": huge}, {"id": 3, "q": "short"}]
    if name == "a.csv":
        (tmp_path / name).write_text("id,q\n" + "".join(f'{row["id"]},"{row["q"]}"\n' for row in rows))
    else:
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(tmp_path / name) == rows


def test_formats_of_outputs_are_told_by_their_names(tmp_path):
    assert format_of(tmp_path / "folder", what="output") == "parquet"
    assert format_of("delta:/somewhere/else", what="output") == "parquet"
    assert [format_of(f"o{suffix}", what="output") for suffix in (".parquet", ".csv", ".tsv", ".jsonl", ".arrow", ".delta")] == ["parquet", "csv", "csv", "jsonl", "arrow", "delta"]  # fmt: skip
    with pytest.raises(TableError, match="output does not say its format"):
        format_of("answers.xlsx", what="output")
