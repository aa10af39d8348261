"""The installed command, as a shell runs it: outputs, exit codes, pipes, and speed of the front page."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ZIGGURAT = Path(sys.executable).with_name("ziggurat")


def ziggurat(*arguments, cwd, **environment):
    return subprocess.run(
        [ZIGGURAT, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=900,
        env={**os.environ, **environment},
    )


def test_a_folder_is_indexed_and_asked_from_end_to_end(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "mill.md").write_text("# Mill\n\nThe mill was built in 1720.\n", encoding="utf-8")
    made = ziggurat("index", "notes", "--to", "kb", "--embeddings", "fake:64", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert "kb holds 1 documents, 1 chunks" in made.stdout
    asked = ziggurat(
        "ask", "kb", "When was the mill built?", "--model", "fake:fixed The mill was built in 1720.", cwd=tmp_path
    )
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout == 'The mill was built in 1720. [1]\n  [1] notes/mill.md:3 "The mill was built in 1720."\n'


def test_a_chain_of_a_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "helpers.py").write_text("def shout(text):\n    return text.upper()\n", encoding="utf-8")
    (tmp_path / "pipe.py").write_text("from helpers import shout\n", encoding="utf-8")
    done = ziggurat("run", str(tmp_path / "pipe.py") + ":shout", "text=hé", "--json", cwd=tmp_path.parent)
    assert (done.returncode, done.stdout) == (0, '{\n  "shout": "HÉ"\n}\n')


def test_an_error_is_a_line_on_stderr_and_exit_code_one(tmp_path):
    done = ziggurat("ask", "nowhere", "Why?", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: There is no index")
    assert not list(tmp_path.iterdir())


def test_a_slip_is_exit_code_two(tmp_path):
    done = ziggurat("modles", cwd=tmp_path)
    assert done.returncode == 2
    assert "Did you mean 'models'?" in done.stderr


def test_colours_stay_out_of_a_pipe(tmp_path):
    (tmp_path / "pipe.py").write_text("def shout(text):\n    return text.upper()\n", encoding="utf-8")
    done = ziggurat("run", "pipe.py:shout", "text=x", cwd=tmp_path)
    assert "\x1b" not in done.stdout + done.stderr


def test_a_terminal_that_is_not_utf8_gets_an_answer_all_the_same(tmp_path):
    (tmp_path / "pipe.py").write_text("def shout(text):\n    return text.upper()\n", encoding="utf-8")
    done = ziggurat(
        "run", "pipe.py:shout", "text=x", cwd=tmp_path, PYTHONUTF8="0", LC_ALL="C", PYTHONIOENCODING="ascii:strict"
    )
    assert (done.returncode, done.stdout) == (0, "\nshout\nX\n"), done.stderr


def test_help_comes_at_once(tmp_path):
    best = min(_seconds(lambda: ziggurat("--help", cwd=tmp_path)) for _ in range(3))
    bare = min(_seconds(lambda: subprocess.run([sys.executable, "-c", "import click"], check=True)) for _ in range(3))
    assert best < 3 * bare + 0.1


def _seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@pytest.mark.model
@pytest.mark.slow
def test_the_demo_runs_on_this_machine_with_no_key(tmp_path):
    done = ziggurat("demo", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert "azure-databricks.txt:1" in out
    assert "Not in the documents." in out
    assert "langchain.txt:1" in out
    for name in ("flying-cars", "langchain-in-use"):
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "Done in" in out
