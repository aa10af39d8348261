"""Tables of places and segments, held against what a dictionary and a list would hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ziggurat.batch.coordination import Place
from ziggurat.batch.places import PlaceTable
from ziggurat.batch.segments import FrameKind, SegmentReader, SegmentWriter, frames
from ziggurat.errors import LedgerError

KEYS = st.binary(min_size=16, max_size=16)
PLACES = st.builds(
    Place, st.sampled_from([f"segment-{number}.cells" for number in range(5)]), st.integers(0, 2**40 - 1)
)
FRAMES = st.lists(st.tuples(st.sampled_from(list(FrameKind)), KEYS, st.binary(max_size=200)), max_size=12)


def first_eight(found):
    """A table tells keys apart by eight bytes; zero is one."""
    return {int.from_bytes(key[:8], "little") or 1: place for key, place in found.items()}


@given(st.dictionaries(KEYS, PLACES, max_size=80), st.lists(KEYS, max_size=10))
def test_a_table_gives_back_what_was_put_and_nothing_else(entries, others):
    table = PlaceTable()
    for key, place in entries.items():
        table.put(key, place)
    wanted = first_eight(entries)
    assert len(table) == len(wanted)
    for key in (*entries, *others):
        assert table.get(key) == wanted.get(int.from_bytes(key[:8], "little") or 1)


@given(st.lists(st.tuples(st.integers(1, 9), PLACES), max_size=60))
def test_the_last_word_on_a_key_counts(puts):
    table, wanted = PlaceTable(), {}
    for number, place in puts:
        key = number.to_bytes(16, "little")
        table.put(key, place)
        wanted[key] = place
    wanted = first_eight(wanted)
    assert {key: table.get(key.to_bytes(8, "little") + bytes(8)) for key in wanted} == wanted
    assert len(table) == len(wanted)


@settings(max_examples=15)
@given(st.integers(600, 4000), st.integers(0, 2**64 - 1), st.integers(0, 12))
def test_a_table_that_grows_and_is_written_and_opened_says_the_same(tmp_path_factory, many, start, crowded):
    """Also where keys crowd: their low bits, which say where they lie, are made alike."""
    keys = [((start + number << crowded) % 2**64).to_bytes(8, "little") + bytes(8) for number in range(many)]
    wanted = first_eight({key: Place("one.cells", offset) for offset, key in enumerate(keys)})
    table = PlaceTable()
    for offset, key in enumerate(keys[: many // 2]):
        table.put(key, Place("one.cells", offset))
    table.extend(((key, many // 2 + offset) for offset, key in enumerate(keys[many // 2 :])), "one.cells")
    path = tmp_path_factory.mktemp("places") / "places"
    table.save(path)
    opened = PlaceTable.open(path)
    for one in (table, opened):
        assert len(one) == len(wanted)
        assert all(one.get(tag.to_bytes(8, "little") + bytes(8)) == place for tag, place in wanted.items())
        assert one.get((start + many << crowded).to_bytes(16, "little")[:8] + bytes(8)) in (None, *wanted.values())


@settings(max_examples=40)
@given(st.integers(0, 120), st.integers(0, 255))
def test_a_table_of_which_bytes_are_missing_is_refused(tmp_path_factory, many, missing):
    table = PlaceTable()
    for number in range(many):
        table.put(number.to_bytes(8, "big") + bytes(8), Place("one.cells", number))
    path = tmp_path_factory.mktemp("places") / "places"
    table.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 1 - missing * len(whole) // 300])
    with pytest.raises(LedgerError, match="damaged"):
        PlaceTable.open(path)


@settings(max_examples=40)
@given(FRAMES)
def test_a_segment_is_read_as_it_was_written_in_order_and_one_by_one(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("cells")
    writer = SegmentWriter(folder / "a.cells")
    offsets = []
    for number, (kind, key, payload) in enumerate(written):
        offsets.append(writer.append(kind, key, payload))
        if number % 3 == 0:
            writer.flush()
    writer.close()
    if not written:
        assert not (folder / "a.cells").exists(), "a segment without frames leaves no file"
        return
    read = list(frames(folder / "a.cells"))
    assert [(one.kind, one.key, one.payload) for one in read[:-1]] == written
    assert read[-1].kind is FrameKind.CLOSED
    assert [one.offset for one in read[:-1]] == offsets
    reader = SegmentReader(folder)
    assert [reader.frame("a.cells", offset) for offset in offsets] == read[:-1]
    reader.close()


@settings(max_examples=12)
@given(FRAMES.filter(bool))
def test_a_segment_torn_at_any_byte_is_read_up_to_the_tear(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("cells")
    path = folder / "a.cells"
    writer = SegmentWriter(path)
    ends = []
    for kind, key, payload in written:
        writer.append(kind, key, payload)
        writer.flush()
        ends.append(path.stat().st_size)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        found = [(one.kind, one.key, one.payload) for one in frames(path)]
        assert found == written[: sum(end <= size for end in ends)]


@settings(max_examples=30)
@given(FRAMES.filter(bool), st.data())
def test_a_damaged_byte_never_becomes_a_frame(tmp_path_factory, written, data):
    folder = tmp_path_factory.mktemp("cells")
    path = folder / "a.cells"
    writer = SegmentWriter(path)
    offsets = [writer.append(kind, key, payload) for kind, key, payload in written]
    writer.flush()
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    intact = sum(offset <= at for offset in offsets) - 1
    assert [(one.kind, one.key, one.payload) for one in frames(path)] == written[:intact]
    reader = SegmentReader(folder)
    assert reader.frame("a.cells", offsets[intact]) is None
    assert all(reader.frame("a.cells", offset) is not None for offset in offsets[:intact])
    reader.close()
