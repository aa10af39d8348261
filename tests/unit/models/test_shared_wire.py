"""What processes say to the model server they share: whole messages, vectors bit for bit, errors as they were."""

import inspect
import socket
import struct

import numpy as np
import pytest

from ziggurat import errors
from ziggurat.errors import ContextLengthError, InputError, ModelError, ZigguratError
from ziggurat.models.shared.wire import HELLO_BYTES, Connection, ConnectionLost, packed, raised, told


@pytest.fixture
def ends():
    here, there = socket.socketpair()
    made = Connection(here), Connection(there)
    yield made
    for one in made:
        one.close()


def test_a_message_arrives_as_it_was_sent(ends):
    here, there = ends
    message = {
        "method": "chat",
        "body": {"texts": ["水", ""], "many": list(range(50)), "none": None, "data": b"\0\xff"},
    }
    here.send(message)
    assert not there.quiet()
    assert there.receive() == message
    assert there.quiet()


def test_the_end_of_the_other_side_is_no_message(ends):
    here, there = ends
    here.close()
    assert not there.quiet()
    with pytest.raises(ConnectionLost):
        there.receive()
    with pytest.raises(ConnectionLost):
        there.send({})


@pytest.mark.parametrize(
    "said", [b"\0\0\0\x05abc", b"\xff\xff\xff\xff", b"\0\0\0\x01\xc1", b"\0\0\0\x01\x05", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_message_ends_the_connection(said):
    here, there = socket.socketpair()
    with here:
        here.sendall(said)
        here.shutdown(socket.SHUT_WR)
        connection = Connection(there)
        with pytest.raises(ConnectionLost):
            connection.receive(HELLO_BYTES)
        connection.close()


def test_a_first_frame_is_not_read_when_it_is_longer_than_a_greeting():
    here, there = socket.socketpair()
    with here:
        here.sendall(struct.pack(">I", HELLO_BYTES + 1))
        connection = Connection(there)
        with pytest.raises(ConnectionLost, match="4097"):
            connection.receive(HELLO_BYTES)
        connection.close()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32])
def test_vectors_arrive_bit_for_bit(kind, ends):
    from ziggurat.models.shared.wire import unpacked

    here, there = ends
    array = np.random.default_rng(1).normal(size=(7, 5)).astype(kind)[:, ::2]
    here.send(packed(array))
    again = unpacked(there.receive())
    assert again.dtype == array.dtype
    assert again.tobytes() == array.tobytes()
    again[0] = 0  # it is its own


KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ZigguratError)]
MORE = {"prompt_tokens": 9, "context_tokens": 4, "bound": "calls", "item": 3, "found": 2, "known": 1, "path": ".a"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, ModelError | InputError)])
def test_an_error_of_a_model_is_raised_as_it_was(kind, ends):
    here, there = ends
    more = {name: MORE[name] for name in inspect.signature(kind).parameters if name in MORE}
    error = kind("It does not fit.", where="here", fix="shorten it", **more)
    here.send(told(error))
    again = raised(there.receive())
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_the_numbers_of_a_refused_prompt_arrive_too():
    again = raised(told(ContextLengthError("Long.", prompt_tokens=9, context_tokens=4)))
    assert isinstance(again, ContextLengthError)
    assert (again.prompt_tokens, again.context_tokens) == (9, 4)


def test_an_error_that_is_not_ours_is_a_model_error_with_its_text():
    again = raised(told(MemoryError("no room")))
    assert type(again) is ModelError
    assert "MemoryError: no room" in str(again)
