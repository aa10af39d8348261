"""The reader of the e5 file and the graph made of it, on a small file written here."""

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ziggurat.errors import ModelUnavailable
from ziggurat.models.encoder import e5
from ziggurat.models.encoder.engine import Engine, Limits
from ziggurat.progress import silent

HIDDEN, LAYERS, HEADS, FORWARD, POSITIONS = 64, 2, 4, 128, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁clay", "▁brick", "s", "▁query", ":", "c", "l", "a", "y", "石", "头"]
CHARACTERS = {ord("\t"): " ", ord("＿"): "", ord("Ａ"): "a"}
LAYER = {
    **dict.fromkeys(("q", "k", "v", "ao"), (HIDDEN, HIDDEN)),
    "fi": (FORWARD, HIDDEN),
    "fo": (HIDDEN, FORWARD),
}


def four_bit(generator, rows, columns):
    """Random blocks, as stored and as the floats they stand for."""
    codes = generator.integers(0, 16, (rows, columns // 32, 32), np.uint8)
    scales = generator.uniform(0.005, 0.03, (rows, columns // 32, 1)).astype(np.float16)
    stored = b"".join(
        scale.tobytes() + (block[:16] | block[16:] << 4).tobytes()
        for scale, block in zip(scales.reshape(-1), codes.reshape(-1, 32), strict=True)
    )
    return stored, ((codes.astype(np.float32) - 8) * scales.astype(np.float32)).reshape(rows, columns)


def small_file():
    """The bytes of a whole model file, and its weights as floats by the file's own names."""
    generator = np.random.default_rng(7)
    floats, stored = {}, {}

    def keep(name, values):
        floats[name] = values.astype(np.float32)
        stored[name] = (0, values.size, floats[name].tobytes())

    def keep_four_bit(name, rows, columns):
        data, floats[name] = four_bit(generator, rows, columns)
        stored[name] = (1, rows * columns, data)

    keep_four_bit("emb.word", len(PIECES), HIDDEN)
    keep("emb.pos", generator.normal(0, 0.1, (POSITIONS, HIDDEN)))
    keep("emb.type", generator.normal(0, 0.1, (2, HIDDEN)))
    norms = ["emb.ln"]
    for number in range(LAYERS):
        for part, (rows, columns) in LAYER.items():
            keep_four_bit(f"l{number}.{part}.w", rows, columns)
            keep(f"l{number}.{part}.b", generator.normal(0, 0.1, rows))
        norms += [f"l{number}.aln", f"l{number}.oln"]
    for name in norms:
        keep(f"{name}.w", generator.uniform(0.5, 1.5, HIDDEN))
        keep(f"{name}.b", generator.normal(0, 0.1, HIDDEN))

    blob = "".join(PIECES).encode()
    offsets = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<u4")
    scores = np.linspace(-1, -8, len(PIECES)).astype("<f4")
    table = b"".join(
        struct.pack(f"<IB{len(new)}I", point, len(new), *map(ord, new)) for point, new in CHARACTERS.items()
    )
    head = struct.pack("<4s8ifi", b"E5S1", 1, HIDDEN, LAYERS, HEADS, FORWARD, len(PIECES), POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob)) + offsets.tobytes() + scores.tobytes() + blob
    head += struct.pack("<iI", len(CHARACTERS), len(table)) + table + struct.pack("<i", len(stored))
    directory_size = sum(2 + len(name) + struct.calcsize("<BIQQ") for name in stored)
    at, entries, body = len(head) + directory_size, b"", b""
    for name, (kind, count, data) in stored.items():
        entries += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", kind, count, at, len(data))
        body += data
        at += len(data)
    return head + entries + body, floats, len(head) + directory_size


WHOLE, FLOATS, HEAD_SIZE = small_file()


def expected(ids):
    """The encoder in plain numpy: mean of the last hidden states, (H,)."""

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return centred / spread * FLOATS[f"{name}.w"] + FLOATS[f"{name}.b"]

    def dense(x, name):
        return x @ FLOATS[f"{name}.w"].T + FLOATS[f"{name}.b"]

    x = norm(FLOATS["emb.word"][ids] + FLOATS["emb.pos"][: len(ids)] + FLOATS["emb.type"][0], "emb.ln")
    for number in range(LAYERS):
        parts = (dense(x, f"l{number}.{part}").reshape(len(ids), HEADS, -1).transpose(1, 0, 2) for part in "qkv")
        query, key, value = parts
        scores = np.exp(query @ key.transpose(0, 2, 1) / math.sqrt(HIDDEN // HEADS))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ value
        x = norm(x + dense(mixed.transpose(1, 0, 2).reshape(len(ids), HIDDEN), f"l{number}.ao"), f"l{number}.aln")
        middle = dense(x, f"l{number}.fi")
        middle = 0.5 * middle * (1 + np.vectorize(math.erf)(middle / math.sqrt(2)))
        x = norm(x + dense(middle, f"l{number}.fo"), f"l{number}.oln")
    return x.mean(0)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / e5.FILE).write_bytes(WHOLE)
    return tmp_path


def embed(folder, texts, *, window=14, windows=True):
    engine = Engine(folder, e5, Limits(window=window, windows=windows, group=32))
    with silent("", None) as counter:
        return engine.embed(texts, batch_tokens=64, counter=counter)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("clay bricks", [0, 5, 6, 7, 2]),
        ("clay\t\t ＿brick", [0, 5, 6, 2]),
        ("石头", [0, 4, 14, 15, 2]),
        ("query: Ａ", [0, 8, 9, 4, 12, 2]),
    ],
)
def test_the_graph_computes_what_bert_computes(folder, text, ids):
    pooled = expected(ids)
    assert embed(folder, [text])[0] @ pooled / np.linalg.norm(pooled) > 0.999


def test_a_long_text_is_the_average_of_its_windows_weighted_by_tokens(folder):
    pooled = 3 * expected([0, 5, 6, 7, 2]) + 2 * expected([0, 5, 6, 2])
    found = embed(folder, ["clay bricks clay brick"], window=3)[0]
    assert found @ pooled / np.linalg.norm(pooled) > 0.999


def test_without_windows_only_the_first_is_read(folder):
    pooled = expected([0, 5, 6, 7, 2])
    found = embed(folder, ["clay bricks clay brick"], window=3, windows=False)[0]
    assert found @ pooled / np.linalg.norm(pooled) > 0.999


def test_the_conversion_is_made_once_and_whole(folder):
    first = embed(folder, ["clay"])
    made = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert made == ["openvino-1"]
    stamp = (folder / "openvino-1" / "model.bin").stat().st_mtime_ns
    assert embed(folder, ["clay"]).tobytes() == first.tobytes()
    assert (folder / "openvino-1" / "model.bin").stat().st_mtime_ns == stamp


def test_a_conversion_that_fails_leaves_nothing(tmp_path):
    (tmp_path / e5.FILE).write_bytes(WHOLE.replace(b"l1.fo.w", b"l1.xx.w"))
    with pytest.raises(ModelUnavailable, match=r"no tensor l1\.fo\.w"):
        embed(tmp_path, ["clay"])
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


@given(cut=st.integers(0, len(WHOLE) - 1))
def test_a_file_cut_short_anywhere_is_refused(tmp_path_factory, cut):
    path = tmp_path_factory.getbasetemp() / f"cut-{e5.FILE}"
    path.write_bytes(WHOLE[:cut])
    with pytest.raises(ModelUnavailable, match="is damaged"):
        e5.E5File(path)


@example(at=8, byte=4)
@given(at=st.integers(0, HEAD_SIZE - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_but_never_worse(tmp_path_factory, at, byte):
    path = tmp_path_factory.getbasetemp() / f"changed-{e5.FILE}"
    path.write_bytes(WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :])
    try:
        file = e5.E5File(path)
        file.pieces()
        assert isinstance(file.characters, dict)
        file.matrix("encoder.layer.0.attention.self.query")
        file.vector("embeddings.position_embeddings.weight")
    except ModelUnavailable as error:
        assert "damaged" in str(error)


def test_something_else_is_refused_by_its_first_bytes(tmp_path):
    (tmp_path / e5.FILE).write_bytes(b"GGUF" + bytes(200))
    with pytest.raises(ModelUnavailable, match="does not begin with E5S1"):
        e5.E5File(tmp_path / e5.FILE)


def test_a_spoilt_conversion_is_named_with_what_to_do(folder):
    embed(folder, ["clay"])
    (folder / "openvino-1" / "model.xml").write_text("<net")
    with pytest.raises(ModelUnavailable, match=r"cannot be opened[\s\S]*openvino-1[\s\S]*delete that directory"):
        embed(folder, ["clay"])


def test_what_a_killed_conversion_left_is_cleared_away(folder):
    (folder / "openvino-1.part").mkdir()
    (folder / "openvino-1.part" / "model.xml").write_text("<net")
    embed(folder, ["clay"])
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["openvino-1"]
