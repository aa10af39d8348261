"""What the leader of a batch and its workers say to each other: msgpack lists in frames with their length.

Both directions are written down here and nowhere else; nothing here touches a socket. Whatever comes in is checked
against the table of what may be said before anybody acts on it, and a frame that says it is longer than allowed is
refused before it is read. No pickle; no message can carry anything but numbers, texts, bytes and lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from ormsgpack import MsgpackDecodeError, packb, unpackb

from ziggurat.batch.coordination import Place, Tally
from ziggurat.chain.budget import Amounts
from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.errors import BatchError
from ziggurat.prices import Price, Prices

LARGEST = 1 << 20
"""Bytes of a frame."""

LARGEST_UNKNOWN = 1 << 12
"""Bytes of a frame from somebody who has not said the token yet."""

MANY = 4096
"""Keys, places or calls in one message; who has more sends several."""

_PREFIX = 4
_LARGEST_NUMBER = 1 << 62
_LARGEST_KEY = 64
_LARGEST_TEXT = 512


class Garbled(BatchError):
    """Bytes came that are none of the batch's messages."""


def frame(*message: Any) -> bytes:
    """A message as it is sent."""
    body = packb(message)
    return len(body).to_bytes(_PREFIX, "big") + body


class Frames:
    """Cuts what comes in into messages.

    Args:
        largest: Bytes a frame may have.
    """

    def __init__(self, largest: int = LARGEST) -> None:
        self.largest = largest
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[list[Any]]:
        """The messages that are whole now.

        Raises:
            Garbled: If a frame is too long, or is no message.
        """
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while len(buffer) - at >= _PREFIX:
                length = int.from_bytes(buffer[at : at + _PREFIX], "big")
                if length > self.largest:
                    raise Garbled(f"A frame of {length:,} bytes is longer than {self.largest:,}.")
                if len(buffer) - at - _PREFIX < length:
                    return
                at += _PREFIX + length
                yield _message(bytes(buffer[at - length : at]))
        finally:
            del buffer[:at]


def _message(body: bytes) -> list[Any]:
    try:
        found = unpackb(body)
    except MsgpackDecodeError as error:
        raise Garbled("A frame is not msgpack.") from error
    if not isinstance(found, list) or not found or not isinstance(found[0], str):
        raise Garbled("A frame is not a message.")
    return found


# -- what may be said -------------------------------------------------------------------------------------------------

Check = Callable[[Any], bool]


def _number(one: Any) -> bool:
    return type(one) is int and 0 <= one < _LARGEST_NUMBER


def _text(one: Any) -> bool:
    return isinstance(one, str) and len(one) <= _LARGEST_TEXT


def _key(one: Any) -> bool:
    return isinstance(one, bytes) and 0 < len(one) <= _LARGEST_KEY


def _dollars(one: Any) -> bool:
    if not isinstance(one, str) or len(one) > _LARGEST_KEY:
        return False
    try:
        made = Decimal(one)
    except InvalidOperation:
        return False
    return made.is_finite() and 0 <= made < _LARGEST_NUMBER


def _many(check: Check) -> Check:
    return lambda one: isinstance(one, list) and len(one) <= MANY and all(map(check, one))


def _fields(*checks: Check) -> Check:
    return lambda one: (
        isinstance(one, list)
        and len(one) == len(checks)
        and all(check(part) for check, part in zip(checks, one, strict=True))
    )


_AMOUNTS = _fields(_dollars, _number, _number)
_USED = _fields(_text, _text, _number, _number, _number, _number)
_TALLY = _fields(_number, _number, _number, _number, _many(_USED), _number)

FROM_WORKER: Mapping[str, Check] = {
    # on either connection, first: the token, which of the two it is, what the worker calls itself, its session or 0
    "hello": _fields(_text, _text, _text, _number),
    # on the connection for the budget: a heartbeat's number, spent so far, done since the last
    "beat": _fields(_number, _AMOUNTS, _TALLY),
    "ask": _fields(_AMOUNTS, _AMOUNTS),  # lacking, spent so far
    "leave": _fields(_AMOUNTS, _TALLY),
    # on the connection for cells: the first ticket of many, and their keys
    "claim": _fields(_number, _many(_key)),
    "publish": _fields(_many(_fields(_key, _text, _number))),
    "release": _fields(_many(_key)),
    "pace": _fields(_number, _many(_number), _number, _number),  # first ticket, units of each; units used; units back
    "bye": _fields(),
}
"""What a worker may say, and the checks of its parts."""


def checked(message: Sequence[Any]) -> tuple[str, list[Any]]:
    """A worker's message as its kind and its parts.

    Raises:
        Garbled: If it is none that a worker may send.
    """
    kind, *parts = message
    check = FROM_WORKER.get(kind)
    if check is None or not check(parts):
        raise Garbled("A message is not one that a worker sends.")
    return kind, parts


# -- values as they are said ------------------------------------------------------------------------------------------


def amounts_out(amounts: Amounts) -> list[Any]:
    """Amounts as they are sent."""
    return [str(amounts.usd), amounts.tokens, amounts.calls]


def amounts_in(parts: Sequence[Any]) -> Amounts:
    """Amounts as they came."""
    return Amounts(Decimal(parts[0]), parts[1], parts[2])


def tally_out(tally: Tally) -> list[Any]:
    """A tally as it is sent."""
    lines = [
        [one.model[:_LARGEST_TEXT], one.provider, one.input_tokens, one.output_tokens, one.cached_tokens, one.calls]
        for one in tally.usage.lines[:MANY]
    ]
    return [tally.rows, tally.failed, tally.computed, tally.kept, lines, tally.left]


def tally_in(parts: Sequence[Any]) -> Tally:
    """A tally as it came."""
    rows, failed, computed, kept, lines, left = parts
    return Tally(rows, failed, computed, kept, Usage(tuple(ModelUsage(*line) for line in lines)), left)


def place_out(place: Place | None) -> list[Any]:
    """A place as it is sent."""
    return [None, 0] if place is None else [place.segment, place.offset]


def place_in(segment: str | None, offset: int) -> Place | None:
    """A place as it came."""
    return None if segment is None else Place(segment, offset)


def prices_out(prices: Prices) -> dict[str, list[str | None]]:
    """Prices of one's own as they are sent."""
    made = {}
    for name, one in prices.own.items():
        price = one if isinstance(one, Price) else Price(**one)
        made[name] = [str(price.input), str(price.output), None if price.cached is None else str(price.cached)]
    return made


def prices_in(parts: Mapping[str, Sequence[str | None]]) -> Prices:
    """Prices as they came."""
    made = {}
    for name, (read, written, cached) in parts.items():
        made[name] = Price(read or 0, written or 0, cached)
    return Prices(made)
