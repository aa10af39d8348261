"""Python in a sandbox: what it can do, and what it can never do."""

import time

import pytest

from ziggurat.errors import InputError
from ziggurat.tools import python_sandbox


@pytest.fixture(scope="module")
def run():
    sandbox = python_sandbox(seconds=1.0, megabytes=32)
    return lambda code: sandbox.invoke({"code": code})


def test_it_returns_what_is_printed_and_the_last_value(run):
    assert run("print('a')\nx = 3\nx * 2") == "a\n6"
    assert run("[n * n for n in range(4)]") == "[0, 1, 4, 9]"
    assert run("import math, re, json\njson.dumps(re.findall('a.', 'abac'))") == '\'["ab", "ac"]\''
    assert run("x = 1") == "(the program printed nothing and has no value)"


def test_nothing_is_kept_between_calls(run):
    run("kept = 1")
    assert "NameError" in run("kept")


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "open('x.txt', 'w').write('x')",
        "import os\nos.listdir('/')",
        "import os\nos.environ['PATH']",
        "import os\nos.system('true')",
        "import socket",
        "import subprocess",
        "import urllib.request",
        "import ctypes",
        "__import__('subprocess')",
        "().__class__.__bases__[0].__subclasses__()",
        "import sys\nsys.modules['os']",
        "import pathlib\npathlib.Path('/etc/passwd').read_text()",
        "eval(\"open('/etc/passwd')\")",
    ],
)
def test_there_is_no_file_no_network_and_no_way_out(run, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run(code)
    assert said.startswith("The program failed: "), said
    assert "\n" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("while True: pass", "time limit"),
        ("import time\ntime.sleep(60)", "limit"),
        ("x = 'a' * 10 ** 10", "MemoryError"),
        ("x = []\nwhile True: x.append('y' * 1000)", "MemoryError|limit"),
        ("def f(n): return f(n + 1)\nf(0)", "RecursionError"),
        ("9 ** 9 ** 9", "limit|MemoryError|OverflowError"),
    ],
)
def test_time_memory_and_depth_are_bounded(run, code, said):
    import re

    began = time.monotonic()
    found = run(code)
    assert time.monotonic() - began < 5
    assert re.search(said, found), found


def test_a_flood_of_output_is_cut(run):
    said = run("for n in range(100): print('y' * 100000)")
    assert len(said) < 4200
    assert said.endswith("left out]")


def test_an_error_tells_what_was_printed_before(run):
    assert (
        run("print('so far')\n1 / 0")
        == "The program failed: ZeroDivisionError: division by zero. It printed: 'so far\\n'."
    )


def test_bounds_that_allow_nothing_are_refused():
    with pytest.raises(InputError):
        python_sandbox(seconds=0)
