"""What a stage is: the same for the same, different for the different, across processes."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from ziggurat import MultiChain, given, ref, stage, value
from ziggurat.chain.composite import Branch, Map, Repeat
from ziggurat.chain.identity import Identities

SCALE = 3


def scaled(x):
    return x * SCALE


def helper(x):
    return x + 1


def helped(x):
    return helper(x)


def identity(thing):
    chain = MultiChain(a=thing)
    return Identities().of_chain(chain.program)["a"]


def made(factor):
    return lambda x: x * factor


def prompt(text):
    return ChatPromptTemplate.from_template(text) | StrOutputParser()


SAME = [
    (lambda: made(2), lambda: made(2)),
    (lambda: prompt("Say {x}"), lambda: prompt("Say {x}")),
    (lambda: functools.partial(scaled, x=1), lambda: functools.partial(scaled, x=1)),
    (lambda: Map(made(2)), lambda: Map(made(2), limit=3)),
    (lambda: MultiChain(b=made(2)), lambda: MultiChain(b=made(2))),
    (lambda: stage(made(2), retry=3, timeout=5), lambda: made(2)),
    (lambda: lambda x: x in {"a", "b"}, lambda: lambda x: x in {"b", "a"}),
]

DIFFERENT = [
    (lambda: made(2), lambda: made(3)),
    (lambda: lambda x: x + 1, lambda: lambda x: x + 2),
    (lambda: lambda x: x.lower(), lambda: lambda x: x.upper()),
    (lambda: lambda x, y=1: x + y, lambda: lambda x, y=2: x + y),
    (lambda: prompt("Say {x}"), lambda: prompt("Tell {x}")),
    (lambda: functools.partial(scaled, x=1), lambda: functools.partial(scaled, x=2)),
    (lambda: given(made(2), x=ref("x.a")), lambda: given(made(2), x=ref("x.b"))),
    (lambda: given(made(2), x="{x}!"), lambda: given(made(2), x="{x}?")),
    (lambda: stage(made(2), fallback=value(1)), lambda: stage(made(2), fallback=value(2))),
    (lambda: Map(made(2)), lambda: Map(made(2), on_error="keep")),
    (lambda: Map(made(2)), lambda: Map(made(3))),
    (lambda: MultiChain(b=made(2)), lambda: MultiChain(b=made(3))),
    (lambda: MultiChain(b=made(2)), lambda: MultiChain(c=made(2))),
    (lambda: Branch("x", made(2)), lambda: Branch("not x", made(2))),
    (lambda: Repeat(made(2), until="output == 8"), lambda: Repeat(made(2), until="output == 16")),
    (lambda: RunnableLambda(made(2)), lambda: RunnableLambda(made(3))),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_does_the_same_is_the_same(one, other):
    assert identity(one()).digest == identity(other()).digest


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_does_something_else_is_something_else(one, other):
    assert identity(one()).digest != identity(other()).digest


@pytest.mark.parametrize(("function", "name", "other"), [(scaled, "SCALE", 4), (helped, "helper", lambda x: x + 2)])
def test_what_a_function_names_in_its_module_is_part_of_it_even_when_it_changes_later(
    monkeypatch, function, name, other
):
    chain = MultiChain(a=function)
    before = Identities().of_chain(chain.program)["a"].digest
    assert Identities().of_chain(chain.program)["a"].digest == before
    monkeypatch.setitem(globals(), name, other)
    assert Identities().of_chain(chain.program)["a"].digest != before


def test_what_cannot_be_looked_into_is_named():
    class Live:
        pass

    live = Live()
    found = identity(lambda x: live)
    assert re.search("closes over of type .*Live", found.opaque[0])
    assert identity(made(2)).opaque == ()


def test_an_identity_is_the_same_in_another_process():
    code = "import sys, test_identity as t; print([t.identity(m()).digest.hex() for pair in t.SAME + t.DIFFERENT for m in pair])"
    here = str([identity(make()).digest.hex() for pair in SAME + DIFFERENT for make in pair])
    folder = str(Path(__file__).parent)
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": folder, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(told.stdout.strip()) == len(here)
        assert told.stdout.strip() == here
