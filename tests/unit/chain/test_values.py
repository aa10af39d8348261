"""What is encoded comes back with its type and value, or is refused with its place; reading runs nothing."""

import asyncio
import dataclasses
import io
import math
import os
import re
import subprocess
import sys
import textwrap
import threading
import types
import typing
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import ormsgpack
import pytest
import stored_types as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.prompt_values import ChatPromptValue

from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.chain.values import Opaque, canonical, decode, digest, encode, why_not
from ziggurat.errors import ValueNotReadable, ValueNotStorable
from ziggurat.picture import Picture
from ziggurat.stages.answer import Answer, Citation

BERLIN = ZoneInfo("Europe/Berlin")
PICTURE = Picture(b"\x89PNG" * 3000, "png", 4, 5, "a tower", "diagram", "fake:a", svg="<svg/>", provenance={"a": "b"})
ANSWER = Answer(
    "It was planted in 1987.",
    (Citation("notes.md", "c1", 0, 9, "planted", "ab" * 32, (0, 23), 0.5, 3, 4),),
    unsupported=((1, 2),),
    usage=Usage((ModelUsage("gpt", "openai", 3, 4, 1, 1),)),
)

VALUES = [
    None,
    True,
    0,
    -(2**63),
    2**64 - 1,
    2**64,
    -(2**63) - 1,
    10**400,
    0.0,
    math.inf,
    -math.inf,
    "",
    "运河",
    "a lone \ud800 surrogate",
    b"",
    b"\x00\xff",
    bytearray(b"ab"),
    [],
    [1, [2, [3]]],
    (),
    (1, (2, [3, (4,)])),
    {1, "a", (2, 3)},
    frozenset({b"x"}),
    {},
    {"b": 1, "a": {"z": (1,)}},
    {1: "a", (2, 3): [4], None: 5, b"k": 6, 1.5: 7, "s": 8},
    {"\udc80": 1, "x": 2**70},
    [2**70, "\ud800", None],
    1 + 2j,
    Decimal("1.10"),
    Decimal("-Infinity"),
    Fraction(10**30, 7),
    UUID(int=7),
    date(2024, 2, 29),
    datetime(2024, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 (a time without a zone is a value too)
    datetime(2024, 1, 2, tzinfo=UTC),
    datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
    datetime(2024, 1, 2, tzinfo=timezone(timedelta(0), "mine")),
    time(1, 2, 3, 4, fold=1),
    time(1, tzinfo=UTC),
    timedelta(days=-1, microseconds=1),
    UTC,
    BERLIN,
    Path("a/b"),
    PurePosixPath("/x"),
    PureWindowsPath("C:\\y"),
    range(1, 2**70, 3),
    ...,
    OrderedDict([("b", 1), ("a", 2)]),
    Counter("abca"),
    defaultdict(list, {"a": [1]}),
    defaultdict(None, {1: 2}),
    deque([1, 2], maxlen=3),
    st.Colour.RED,
    st.Colour.BLUE,
    st.Level.LOW,
    st.Word.YES,
    st.Right.READ | st.Right.WRITE,
    st.Right(0),
    st.Point(1, (2,)),
    st.Plain(1, [st.Plain(2)]),
    st.Frozen("a", st.Frozen("b"), b"z" * 5000),
    st.Doubling(3, 4),
    st.Box([1]),
    st.Person(name="Ana"),
    st.Open(a=2, more=[1, (2,)]),
    st.Names(["x"]),
    st.Headers(a=1),
    st.Tag("t"),
    PICTURE,
    ANSWER,
    Document("text", metadata={"source": "a.md", "n": 1}, id="7"),
    AIMessage(
        "hi",
        tool_calls=[{"name": "look", "args": {"x": 1}, "id": "c"}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    ),
    [HumanMessage([{"type": "text", "text": "hello"}]), ToolMessage("done", tool_call_id="c", artifact=(1, 2))],
    ChatPromptValue(messages=[HumanMessage("a")]),
]


def named(value):
    """A test's name for a value: the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def same(one, other):
    """Equal, and of one type all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return len(one) == len(other) and all(
            same(a, b) and same(one[a], other[b]) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, list | tuple | deque):
        return len(one) == len(other) and all(map(same, one, other))
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    return one == other


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}-{value!r:.20}")
def test_a_value_comes_back_as_it_was(value):
    for blobs in (None, {}):
        stored = encode(value, blobs=blobs)
        assert type(stored) is bytes
        assert same(decode(stored, blob=(blobs or {}).__getitem__), value)
    assert digest(value) == digest(decode(encode(value)))
    assert len(digest(value)) == 16


def test_not_a_number_comes_back():
    assert math.isnan(decode(encode(math.nan)))
    assert decode(encode(Decimal("sNaN"))).is_snan()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.zeros((0, 3), np.int8),
        np.array(5),
        np.array(["a", "运"]),
        np.array(["2024-01-01"], "datetime64[D]"),
        np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", ">f8")]),
        np.asfortranarray(np.arange(6).reshape(2, 3))[:, ::2],
        np.array([True, False]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_an_array_comes_back_with_its_type_and_shape_and_can_be_written_to(array):
    again = decode(encode(array))
    assert type(again) is np.ndarray
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert np.array_equal(again, array)
    assert again.flags.writeable


@pytest.mark.parametrize(
    "scalar", [np.float64(1.5), np.int8(-3), np.bool_(1), np.str_("x"), np.datetime64("2024-01-01")]
)
def test_an_arrays_scalar_keeps_its_type(scalar):
    again = decode(encode(scalar))
    assert type(again) is type(scalar)
    assert again == scalar
    assert again.dtype == scalar.dtype


def test_state_beside_the_fields_is_kept_and_computed_properties_are_not():
    value = st.Doubling(3, 4)
    value.secret_state = {"a": 1}
    assert value.slow == 13
    again = decode(encode(value))
    assert (again.number, again.doubled, again._beside, again.secret_state) == (12, 24, "kept", {"a": 1})
    assert "slow" not in vars(again)
    assert again.slow == 13


def test_a_model_is_not_validated_again_and_keeps_what_was_set():
    again = decode(encode(st.Person(name="Ana")))
    assert again.name == "Ana!"
    assert again.model_fields_set == {"name"}
    opened = st.Open(more=1)
    opened._seen = 9
    again = decode(encode(opened))
    assert again._seen == 9
    assert again.model_extra == {"more": 1}


def test_a_subclass_of_a_container_is_written_as_it_is_and_not_as_it_shows_itself():
    value = st.Noted(1, 2, note="n")
    again = decode(encode(value))
    assert type(again) is st.Noted
    assert (list.copy(again), again.note) == ([1, 2], "n")


def test_large_bytes_go_aside_once_by_their_content():
    large, small = os.urandom(4096), b"s" * 4095
    blobs = {}
    stored = encode([large, {"a": (large, st.Frozen("x", data=large))}, small], blobs=blobs)
    assert list(blobs.values()) == [large]
    assert len(stored) < 4400
    assert decode(stored, blob=blobs.__getitem__) == [large, {"a": (large, st.Frozen("x", data=large))}, small]
    array_blobs = {}
    array = np.arange(5000.0)
    assert np.array_equal(decode(encode(array, blobs=array_blobs), blob=array_blobs.__getitem__), array)
    assert len(array_blobs) == 1


def test_a_reference_that_nobody_can_follow_is_said():
    stored = encode(b"x" * 5000, blobs={})
    with pytest.raises(ValueNotReadable, match="large bytes"):
        decode(stored)
    with pytest.raises(ValueNotReadable):
        decode(stored, blob={}.__getitem__)
    assert decode(stored, lenient=True).type_name == "bytes"


# -- digests ----------------------------------------------------------------------------------------------------------


def test_a_digest_does_not_depend_on_the_order_of_mappings_and_sets():
    first = {"a": {1: "x", 2: "y"}, "b": {"s", "t", "u"}, "c": st.Frozen("n", {"k": 1, "l": 2})}
    second = {"c": st.Frozen("n", {"l": 2, "k": 1}), "b": {"u", "t", "s"}, "a": {2: "y", 1: "x"}}
    assert canonical(first) == canonical(second)
    assert digest([1, 2]) != digest([2, 1])
    assert digest(OrderedDict(a=1, b=2)) != digest(OrderedDict(b=2, a=1))


def test_digests_of_sets_do_not_depend_on_the_process():
    code = (
        "from ziggurat.chain.values import digest; print(digest({'a': set('abcdefgh'), 'f': frozenset('xyz')}).hex())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(seen) == 1


def test_values_that_differ_have_digests_that_differ():
    values = [*VALUES, 1, 1.0, -0.0, "1", b"1", [1], [None], [True], {"a": None}, {"a": 1}, set(), frozenset(), "None"]
    different = []
    for value in values:
        if not any(same(value, one) and math.copysign(1, value or 1) == math.copysign(1, one or 1)
                   if type(value) is float and type(one) is float else same(value, one) for one in different):  # fmt: skip
            different.append(value)
    assert len({digest(value) for value in different}) == len(different)


def test_a_digest_takes_large_bytes_by_their_content():
    assert digest(PICTURE) == digest(dataclasses.replace(PICTURE, data=bytes(bytearray(PICTURE.data))))
    assert digest(PICTURE) != digest(dataclasses.replace(PICTURE, data=PICTURE.data + b"."))
    assert len(canonical(b"x" * 100_000)) < 100


# -- refusals ---------------------------------------------------------------------------------------------------------


def local_class():
    @dataclasses.dataclass
    class Local:
        a: int = 1

    return Local


def a_cycle():
    cycle = []
    cycle.append(cycle)
    return cycle


def deep(levels):
    value = ()
    for _ in range(levels):
        value = (value,)
    return value


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (print, "", "a function"),
        ({"a": [1, lambda: 1]}, "['a'][1]", "a function"),
        (st.Frozen("x", inner=(1, threading.Lock())), ".inner[1]", "a lock"),
        ([(i for i in "a")], "[0]", "generator"),
        ({"f": io.StringIO()}, "['f']", "open file"),
        (st.Bag(), "", "plain class"),
        ([st.Mapped(a=1)], "[0]", "plain class"),
        (st.Key(key="hush"), ".key", "a secret"),
        (local_class()(), "", "inside a function"),
        (ValueError("x"), "", "an exception"),
        (st.Failing("x"), "", "an exception"),
        (np.array([object()]), "", "array of Python objects"),
        (defaultdict(lambda: 1), "", "made by a function"),
        (memoryview(b"a"), "", "a view into memory"),
        (int, "", "a class"),
        (asyncio, "", "a module"),
        (st.Person, "", "a class"),
        ([object()], "[0]", "plain class"),
    ],
    ids=named,
)
def test_what_cannot_be_stored_is_refused_with_its_place_and_type(value, path, reason):
    for work in (encode, canonical):
        with pytest.raises(ValueNotStorable, match=reason) as caught:
            work(value)
        assert caught.value.path == path
        assert isinstance(caught.value, TypeError)
        assert caught.value.fix
        assert caught.value.type_name in str(caught.value)
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize("value", [a_cycle(), deep(5000), {"a": a_cycle()}], ids=["cycle", "deep", "inside"])
def test_what_has_no_end_is_refused(value):
    with pytest.raises(ValueNotStorable, match="refers to itself"):
        encode(value)


@pytest.mark.parametrize("zone", [type("Odd", (type(UTC).__mro__[1],), {"utcoffset": lambda *_: timedelta(0)})()])
def test_a_time_zone_without_a_name_is_refused(zone):
    with pytest.raises(ValueNotStorable, match="time zone"):
        encode(datetime(2024, 1, 1, tzinfo=zone))


# -- reading what is damaged, unknown or hostile ----------------------------------------------------------------------


def test_damaged_bytes_are_refused_and_nothing_else_happens():
    stored = encode([PICTURE, ANSWER, VALUES[20:40], np.arange(5)])
    for at in range(0, len(stored), 7):
        torn = stored[:at]
        with pytest.raises(ValueNotReadable):
            decode(torn)
    for at in range(0, min(len(stored), 4000), 3):
        try:
            decode(stored[:at] + bytes([stored[at] ^ 0xFF]) + stored[at + 1 :])
        except ValueNotReadable as error:
            assert str(error)


def ext(tag, payload):
    return ormsgpack.packb(ormsgpack.Ext(tag, ormsgpack.packb(payload)))


DATACLASS, MODEL, ENUM, NAMED, SUBCLASS = 27, 28, 25, 26, 29


@pytest.mark.parametrize("tag", [DATACLASS, MODEL, ENUM, NAMED, SUBCLASS])
@pytest.mark.parametrize(
    "name",
    ["os:system", "builtins:eval", "subprocess:Popen", "antigravity:Thing", "this:Thing", "nowhere.at.all:X", ":", "",
     "ziggurat.chain.values.codec:decode", "builtins:object", "..:X", "threading:Thread"],
)  # fmt: skip
def test_bytes_that_name_something_else_than_data_make_nothing(tag, name):
    payload = {
        DATACLASS: [name, {"a": 1}],
        MODEL: [name, {"a": 1}, [], None, None],
        ENUM: [name, "A"],
        NAMED: [name, 1],
        SUBCLASS: [name, [1], {}],
    }[tag]
    before = set(sys.modules)
    with pytest.raises(ValueNotReadable, match="does not know"):
        decode(ext(tag, payload))
    opaque = decode(ext(tag, payload), lenient=True)
    assert isinstance(opaque, Opaque)
    assert opaque.type_name == name
    assert not {"antigravity", "this"} & (set(sys.modules) - before)


def test_reading_imports_nothing_that_the_bytes_name(tmp_path, monkeypatch):
    (tmp_path / "trap_module.py").write_text("import sys\nsys.trapped = True\n")
    (tmp_path / "trap_package").mkdir()
    (tmp_path / "trap_package" / "__init__.py").write_text("def __getattr__(name):\n    raise SystemExit(name)\n")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("trap_package")
    for name in ("trap_module:X", "trap_package:X", "trap_package:X.Y"):
        with pytest.raises(ValueNotReadable):
            decode(ext(DATACLASS, [name, {}]))
    assert not hasattr(sys, "trapped")


def test_our_own_types_are_found_in_a_process_that_has_not_loaded_them():
    stored = encode([ANSWER, Document("d"), AIMessage("m")]).hex()
    code = f"""
import sys
from ziggurat.chain.values import decode
found = decode(bytes.fromhex({stored!r}))
print([type(one).__name__ for one in found])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['Answer', 'Document', 'AIMessage']"


def test_a_scripts_types_are_found_when_the_script_is_imported_and_the_other_way_round(tmp_path):
    (tmp_path / "chores.py").write_text(
        textwrap.dedent("""
        import sys
        from dataclasses import dataclass
        from ziggurat.chain.values import decode, encode

        @dataclass
        class Chore:
            what: str

        if __name__ == "__main__":
            if sys.argv[1:]:
                print(decode(bytes.fromhex(sys.argv[1])) == Chore("dishes"))
            else:
                print(encode(Chore("dishes")).hex())
        """)
    )

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    stored = run("chores.py")
    assert (
        run("-c", f"import chores; print(chores.decode(bytes.fromhex('{stored}')) == chores.Chore('dishes'))") == "True"
    )
    imported = run("-c", "import chores; print(chores.encode(chores.Chore('dishes')).hex())")
    assert imported == stored
    assert run("chores.py", imported) == "True"
    assert run("-m", "chores", imported) == "True"


def test_a_class_that_gained_a_field_gets_its_default_and_one_that_lost_one_says_so(monkeypatch):
    stored = encode(st.Grown(1))
    gained = dataclasses.make_dataclass(
        "Grown", [("old", int), ("new", int, 5), ("more", list, dataclasses.field(default_factory=list))]
    )
    monkeypatch.setattr(st, "Grown", gained)
    again = decode(stored)
    assert (again.old, again.new, again.more) == (1, 5, [])
    needs = dataclasses.make_dataclass("Grown", [("old", int), ("new", int)])
    monkeypatch.setattr(st, "Grown", needs)
    with pytest.raises(ValueNotReadable, match="'new'"):
        decode(stored)
    lost = dataclasses.make_dataclass("Grown", [("other", int, 1)])
    monkeypatch.setattr(st, "Grown", lost)
    with pytest.raises(ValueNotReadable, match="no field 'old'"):
        decode(stored)
    assert decode(stored, lenient=True).fields == {"old": 1}


def test_a_viewer_sees_what_it_does_not_know_as_fields():
    found = decode(ext(DATACLASS, ["gone.away:Report", {"title": "x", "n": 3}]), lenient=True)
    assert found == Opaque("gone.away:Report", {"title": "x", "n": 3})
    assert hash(found) == hash(found)


def test_hostile_nesting_is_refused():
    data = ormsgpack.packb(None)
    for _ in range(3000):
        data = ormsgpack.packb(ormsgpack.Ext(5, data))
    with pytest.raises(ValueNotReadable):
        decode(data)
    with pytest.raises(ValueNotReadable):
        decode(b"\x91" * 100_000 + b"\xc0")


# -- before there is a value ------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Holder:
    lock: threading.Lock


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (Iterator[str], "an iterator"),
        (AsyncIterator[str], "an iterator"),
        (typing.Generator[int, None, None], "a generator|an iterator"),
        (Callable[[int], int], "a function"),
        (typing.Callable, "a function"),
        (types.FunctionType, "a function"),
        (io.TextIOWrapper, "open file"),
        (typing.IO[str], "open file"),
        (list[threading.Thread], r"a thread.*in list\[threading\.Thread\]"),
        (dict[str, Iterator[int]], "an iterator"),
        (st.Bag, "a Bag: .*plain class"),
        (Holder, r"a lock.*Holder\.lock"),
        (st.Key, r"secret.*Key\.key"),
        (type, "a class"),
        (local_class(), "inside a function"),
        (Iterator[int] | threading.Thread, "an iterator"),
        (typing.Awaitable[int], "awaited"),
    ],
    ids=named,
)
def test_a_type_whose_values_could_never_be_stored_is_told_before(declared, reason):
    found = why_not(declared)
    assert found is not None
    assert re.search(reason, found)


class Base:
    """Some class below it can be stored."""


@dataclasses.dataclass
class Below(Base):
    a: int = 1


@pytest.mark.parametrize(
    "declared",
    [typing.Any, None, object, str, int, list, list[str], dict[str, typing.Any], tuple[int, ...], str | None, Mapping, Base,
     threading.Thread | None, str | Iterator[str], typing.Literal["a"], typing.TypeVar("T"), st.Plain, st.Person,
     st.Colour, st.Point, st.Box[int], Answer, Picture, Document, AIMessage, np.ndarray, Path, datetime, "a string",
     typing.Annotated[int, "x"], typing.Sequence[str], typing.Iterable[str], typing.Hashable, typing.SupportsInt],
    ids=named,
)  # fmt: skip
def test_a_type_that_may_have_storable_values_is_not_refused(declared):
    assert why_not(declared) is None
