"""Where a chain comes from, and what another process needs to make it again."""

from pathlib import Path

import pytest

from ziggurat import LLM, MultiChain
from ziggurat.batch import map_table
from ziggurat.batch.source import ChainSource
from ziggurat.errors import BatchError, InputError, ZigguratError

PIPELINE = """
from ziggurat import MultiChain

async def answer(question: str) -> str:
    return question.upper()

chain = MultiChain(answer=answer, name="piped")
"""


def made():
    return MultiChain(answer=LLM("{question}", model="fake:echo"))


@pytest.fixture
def pipeline(tmp_path):
    path = tmp_path / "pipeline.py"
    path.write_text(PIPELINE)
    return path


def test_a_python_file_is_its_own_source(pipeline):
    source = ChainSource.of(f"{pipeline}:chain")
    assert source.chain.name == "piped"
    with source.files() as (target, files):
        assert (target, files) == ("pipeline.py:chain", [pipeline])


def test_a_chain_made_in_code_travels_as_a_chain_file_if_it_can_be_one(tmp_path):
    source = ChainSource.of(made())
    assert source.target == ""
    with source.files() as (target, files):
        (file,) = files
        assert target == file.name
        again = ChainSource.of(file)
        assert again.chain.run(question="x") == source.chain.run(question="x")
    assert not file.exists()


def test_a_chain_file_brings_its_functions_along(tmp_path):
    path = tmp_path / "chain.yaml"
    path.write_text(made().to_yaml())
    functions = tmp_path / "functions.py"
    functions.write_text("def shout(text: str) -> str:\n    return text.upper()\n")
    with ChainSource.of(path, functions=functions).files() as (target, files):
        assert (target, files) == ("chain.yaml", [path, functions])


def test_a_function_that_makes_it_is_what_travels():
    source = ChainSource.of(made)
    assert source.build is made
    with source.files() as (target, files):
        assert (target, files) == ("", [])
    found = map_table(made, [{"question": "x"}]).table()
    assert found["answer"].to_pylist() == ["x"]


def test_a_chain_that_no_other_process_can_make_is_said():
    source = ChainSource.of(MultiChain(answer=lambda question: question))
    with pytest.raises(BatchError, match="cannot build this chain") as caught, source.files():
        raise AssertionError
    assert "FILE.py:NAME" in str(caught.value)


@pytest.mark.parametrize("bad", [5, None, {"answer": 1}, lambda: 5])
def test_what_is_no_chain_is_said(bad):
    with pytest.raises(InputError):
        ChainSource.of(bad)


def test_a_file_that_is_not_there_is_said(tmp_path):
    for target in (tmp_path / "chain.yaml", f"{tmp_path / 'pipeline.py'}:chain"):
        with pytest.raises(ZigguratError, match=r"chain\.yaml|pipeline\.py"):
            ChainSource.of(target)


def test_the_method_of_a_chain_is_the_same(tmp_path):
    result = made().map_table([{"question": "x"}], tmp_path / "out.jsonl")
    assert result.table()["answer"].to_pylist() == ["x"]
    assert Path(tmp_path / "out.jsonl").is_file()
