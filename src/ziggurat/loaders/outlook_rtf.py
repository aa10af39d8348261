"""Outlook's compressed RTF, unpacked.

A form of LZ77 over a ring of 4,096 bytes that begins filled with words common in RTF; after the
published format [MS-OXRTFCP].
"""

from __future__ import annotations

from ziggurat.errors import UnreadableDocument

_RING = 4096
_FILLING = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbol"
    b"ArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_HEADER = 16
_PACKED, _PLAIN = b"LZFu", b"MELA"
_MOST = 64 << 20


def decompressed(data: bytes, where: str) -> bytes:
    """RTF from its compressed form.

    Args:
        data: The compressed text.
        where: The message's name, for messages of ours.

    Raises:
        UnreadableDocument: If it is no such form.
    """
    kind, size = data[8:12], int.from_bytes(data[4:8], "little")
    if len(data) < _HEADER or kind not in (_PACKED, _PLAIN) or size > _MOST:
        raise UnreadableDocument("The message's body is damaged: its compressed text is none.", where=where)
    if kind == _PLAIN:
        return data[_HEADER : _HEADER + size]
    ring = bytearray(_FILLING.ljust(_RING, b"\0"))
    write, out, at = len(_FILLING), bytearray(), _HEADER
    while at < len(data) and len(out) < size:
        control = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data):
                break
            if not control >> bit & 1:
                run = bytearray(data[at : at + 1])
                at += 1
            else:
                token = int.from_bytes(data[at : at + 2], "big")
                at += 2
                offset, length = token >> 4, (token & 0xF) + 2
                if offset == write:
                    return bytes(out)
                run = bytearray()
                for step in range(length):
                    run.append(ring[(offset + step) % _RING])
                    ring[(write + step) % _RING] = run[-1]
            for byte in run:
                ring[write] = byte
                write = (write + 1) % _RING
            out += run
    return bytes(out)
