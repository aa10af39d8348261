"""Frames and messages: cut right wherever the bytes are cut, and refused before anybody acts on them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ormsgpack import packb

from ziggurat.batch import wire
from ziggurat.batch.coordination import Place, Tally
from ziggurat.chain.budget import Amounts
from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.prices import Price, Prices

ZERO = ["0", 0, 0]
NOTHING_DONE = [0, 0, 0, 0, [], 0]


@given(
    st.lists(st.lists(st.one_of(st.integers(0, 2**60), st.binary(max_size=40), st.text(max_size=20))), max_size=8),
    st.data(),
)
def test_frames_are_the_same_wherever_the_bytes_are_cut(messages, data):
    stream = b"".join(wire.frame("kind", *message) for message in messages)
    frames, found = wire.Frames(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += frames.feed(stream[:cut])
        stream = stream[cut:]
    assert found == [["kind", *message] for message in messages]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        (1001).to_bytes(4, "big"),
        b"\0\0\0\1\xc1",
        b"\0\0\0\0",
        b"\0\0\0\1\x80",
        b"\0\0\0\1\x90",
        b"\0\0\0\2" + packb([1]),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(wire.Garbled):
        list(wire.Frames(largest=1000).feed(data))


def test_a_long_frame_is_refused_before_it_is_there():
    frames = wire.Frames(largest=10)
    assert list(frames.feed(b"\0\0")) == []
    with pytest.raises(wire.Garbled, match="longer than 10"):
        list(frames.feed(b"\0\x0b"))


@pytest.mark.parametrize(
    "message",
    [
        ["hello", "t", "purse", "w", 0],
        ["beat", 3, ["0.25", 10, 1], [1, 0, 1, 0, [["m", "p", 1, 2, 0, 1]], 2]],
        ["ask", ["0", 0, 1], ZERO],
        ["leave", ZERO, NOTHING_DONE],
        ["claim", 0, [b"k" * 16]],
        ["publish", [[b"k" * 16, "a.cells", 12]]],
        ["release", [b"k"]],
        ["pace", 0, [1000, 2000], 0, 0],
        ["bye"],
    ],
)
def test_what_a_worker_may_say_passes(message):
    assert wire.checked(message) == (message[0], message[1:])


@pytest.mark.parametrize(
    "message",
    [
        ["goodbye"],
        ["bye", 1],
        ["hello", "t", "purse", "w"],
        ["hello", "t", "purse", "w" * 1000, 0],
        ["beat", -1, ZERO, NOTHING_DONE],
        ["beat", True, ZERO, NOTHING_DONE],
        ["beat", 1, ["-1", 0, 0], NOTHING_DONE],
        ["beat", 1, ["NaN", 0, 0], NOTHING_DONE],
        ["beat", 1, ["1e999999999", 0, 0], NOTHING_DONE],
        ["beat", 1, ZERO, [0, 0, 0, 0, [["m"]], 0]],
        ["beat", 1, [0.5, 0, 0], NOTHING_DONE],
        ["ask", ["0", 0, 2**63], ZERO],
        ["claim", 0, ["text"]],
        ["claim", 0, [b""]],
        ["claim", 0, [b"k" * 65]],
        ["claim", 0, [b"k"] * (wire.MANY + 1)],
        ["claim", 0, {"k": 1}],
        ["publish", [[b"k", "a", 1.5]]],
        ["pace", 0, [-1], 0, 0],
    ],
)
def test_what_a_worker_may_not_say_is_refused(message):
    with pytest.raises(wire.Garbled):
        wire.checked(message)


def test_values_come_back_as_they_were():
    amounts = Amounts(Decimal("0.000000000001"), 5, 2)
    tally = Tally(3, 1, 2, 4, Usage((ModelUsage("m", "openai", 10, 5, 2, 1),)))
    prices = Prices({"m": Price(input="0.1", output=2, cached=0), "n": {"input": 1, "output": 1}})
    assert wire.amounts_in(wire.amounts_out(amounts)) == amounts
    assert wire.tally_in(wire.tally_out(tally)) == tally
    assert wire.place_in(*wire.place_out(Place("s", 4))) == Place("s", 4)
    assert wire.place_in(*wire.place_out(None)) is None
    assert wire.prices_in(wire.prices_out(prices)).own == {"m": Price("0.1", 2, 0), "n": Price(1, 1)}
