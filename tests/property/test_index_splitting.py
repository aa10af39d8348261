"""What every splitting keeps, whatever the text."""

from hypothesis import given
from hypothesis import strategies as st

from ziggurat.index.splitting import StructureSplitter, weight

bits = st.sampled_from(
    [
        "word ",
        "Ends here. ",
        "\n",
        "\n\n",
        "# Title\n",
        "## Sub\n",
        "```\n",
        "~~~~\n",
        "月亮很圆。",
        "x" * 70,
        "\t",
        "¿Qué? ",
        "\u2028",
        "😀",
    ]
)
texts = st.one_of(st.lists(bits, max_size=60).map("".join), st.text(max_size=300))
splitters = st.builds(StructureSplitter, size=st.integers(40, 200), overlap=st.integers(0, 20))


@given(texts, splitters, st.sampled_from(["text", "markdown"]))
def test_chunks_are_spans_in_order_cover_the_text_and_fit(text, splitter, kind):
    pieces = splitter.split(text, kind)
    covered = set()
    for piece in pieces:
        chunk = text[piece.start : piece.end]
        assert chunk == chunk.strip() != ""
        assert weight(text, piece.start, piece.end) <= splitter.size
        covered.update(range(piece.start, piece.end))
    assert [piece.start for piece in pieces] == sorted({piece.start for piece in pieces})
    assert [piece.end for piece in pieces] == sorted({piece.end for piece in pieces})
    assert all(ch.isspace() for at, ch in enumerate(text) if at not in covered)
