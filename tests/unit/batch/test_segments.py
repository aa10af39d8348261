"""Segments on a disk that refuses: nothing after, everything before."""

import asyncio
import errno
import os

import pytest

from ziggurat.batch import cells, segments
from ziggurat.batch.alone import Alone
from ziggurat.batch.cells import Cells
from ziggurat.batch.coordination import Place
from ziggurat.batch.ledger import BatchLedger
from ziggurat.batch.places import PlaceTable
from ziggurat.batch.records import CellRecord
from ziggurat.batch.segments import FrameKind, SegmentReader, SegmentWriter, frames
from ziggurat.chain.usage import NO_USAGE
from ziggurat.chain.values import encode
from ziggurat.errors import LedgerError

KEY = bytes(range(16))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EIO])
def test_a_disk_that_refuses_ends_the_segment_and_keeps_what_was_before(tmp_path, monkeypatch, number):
    path = tmp_path / "a.cells"
    writer = SegmentWriter(path)
    writer.append(FrameKind.CELL, KEY, b"before")
    writer.flush()

    def half(handle, data):
        if len(data) > 20:
            return whole(handle, bytes(data[:20]))
        raise OSError(number, os.strerror(number))

    whole = os.write
    with monkeypatch.context() as patch:
        patch.setattr(segments.os, "write", half)
        writer.append(FrameKind.CELL, KEY, b"x" * 7)
        with pytest.raises(LedgerError, match=os.strerror(number)) as caught:
            writer.flush()
        assert "make room" in str(caught.value)
        assert str(path) in str(caught.value)
    for act in (writer.flush, writer.check, lambda: writer.append(FrameKind.CELL, KEY, b"after")):
        with pytest.raises(LedgerError, match=os.strerror(number)):
            act()  # though there is room again: what follows a torn frame could not be read
    writer.close()
    assert [one.payload for one in frames(path)] == [b"before"]


def test_a_segment_that_is_there_already_is_not_written_over(tmp_path):
    (tmp_path / "a.cells").write_bytes(b"mine")
    writer = SegmentWriter(tmp_path / "a.cells")
    writer.append(FrameKind.CELL, KEY)
    with pytest.raises(LedgerError, match="exists"):
        writer.flush()
    assert (tmp_path / "a.cells").read_bytes() == b"mine"


def test_large_frames_are_handed_on_before_the_turn_is_over_and_read_whole(tmp_path):
    writer = SegmentWriter(tmp_path / "a.cells")
    large = os.urandom(1 << 20)
    offset = writer.append(FrameKind.CELL, KEY, large)
    assert not writer.has_pending
    reader = SegmentReader(tmp_path)
    assert reader.frame("a.cells", offset).payload == large
    assert reader.frame("a.cells", offset + 1) is None
    assert reader.frame("a.cells", 1 << 30) is None
    reader.close()
    writer.close()


def test_where_only_closed_files_show_a_cell_is_found_whichever_part_it_is_in(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "shows_closed_files_only", lambda folder: True)
    monkeypatch.setattr(segments, "_SYNC_SECONDS", 0.0)  # every flush is the last of a part
    usual = {"found": (), "stages": {}, "coordination": Alone()}
    keys = [bytes([number]) * 16 for number in range(6)]

    async def write():
        one = Cells(tmp_path, "1-here.cells", **usual)
        for number, key in enumerate(keys):
            value = encode("x" * (1 << 19 if number % 2 else 10))  # a large one is handed on as it is added
            one.write(key, key, CellRecord("stage", key, value, NO_USAGE))
        assert [len(one.find(key).output) for key in keys] == [10, 1 << 19] * 3
        one.close()

    asyncio.run(write())
    assert len(list(tmp_path.iterdir())) > 1
    ledger = BatchLedger(tmp_path.parent)
    monkeypatch.setattr(BatchLedger, "cells", tmp_path)
    known = ledger.known()
    assert not known.careful
    reader = SegmentReader(tmp_path)
    for key in keys:
        place = known.places.get(key)
        assert reader.frame(place.segment, place.offset).key == key
    reader.close()


def test_a_segment_that_is_gone_is_said(tmp_path):
    with pytest.raises(LedgerError, match="No such file"):
        SegmentReader(tmp_path).frame("gone.cells", 0)
    with pytest.raises(LedgerError, match="No such file"):
        list(frames(tmp_path / "gone.cells"))


def test_a_reader_keeps_few_files_open_however_many_segments_there_are(tmp_path):
    for number in range(SegmentReader._OPEN + 20):
        writer = SegmentWriter(tmp_path / f"{number}.cells")
        writer.append(FrameKind.CELL, number.to_bytes(16, "big"))
        writer.close()
    reader = SegmentReader(tmp_path)
    for number in range(SegmentReader._OPEN + 20):
        assert reader.frame(f"{number}.cells", 0).key == number.to_bytes(16, "big")
        assert len(reader._files) <= SegmentReader._OPEN
    assert reader.frame("0.cells", 0).key == bytes(16), "one that was closed is opened again"
    reader.close()


def test_a_place_that_cannot_be_named_is_refused():
    with pytest.raises(LedgerError, match="terabyte"):
        PlaceTable().put(KEY, Place("a.cells", 1 << 40))


@pytest.mark.parametrize("bad", [b"", b"no table", bytes(8192), b"ZIGPLC1\0" + b"\xff" * 4096])
def test_a_file_that_is_no_table_of_places_is_refused(tmp_path, bad):
    (tmp_path / "places").write_bytes(bad)
    with pytest.raises(LedgerError, match="damaged"):
        PlaceTable.open(tmp_path / "places")


def test_a_table_of_places_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "places"
    table = PlaceTable()
    table.save(path)
    before = path.read_bytes()
    table.put(KEY, Place("a.cells", 3))
    with monkeypatch.context() as patch:
        patch.setattr(type(path), "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(LedgerError, match="full"):
            table.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
