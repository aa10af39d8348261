"""What every splitting keeps, whatever the text."""

from hypothesis import given
from hypothesis import strategies as st
from langchain_text_splitters import RecursiveCharacterTextSplitter

from ziggurat.index.splitting import LangChainSplitter, StructureSplitter, weight
from ziggurat.testing import FakeEmbeddings

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
        "| a | b |\n",
        "|---|---|\n",
        "x | y\n",
        "- item\n",
        "12. item. Two sentences.\n",
        "def f():\n",
        "    return 1\n",
        "}\n",
        "...",
    ]
)
texts = st.one_of(st.lists(bits, max_size=60).map("".join), st.text(max_size=300))
splitters = st.builds(StructureSplitter, size=st.integers(40, 200), overlap=st.integers(0, 20))


kinds = st.sampled_from(["text", "markdown", "table", "code"])


class Letters:
    """Counts every letter, mark and space as two tokens, and one more a text: nothing quite adds up."""

    def count_tokens(self, texts):
        return [1 + 2 * len(text) for text in texts]


def check(pieces, text):
    """What holds of all chunks: spans without white space around them, in order, that cover the text."""
    covered = set()
    for piece in pieces:
        chunk = text[piece.start : piece.end]
        assert chunk == chunk.strip() != ""
        covered.update(range(piece.start, piece.end))
    assert [piece.start for piece in pieces] == sorted({piece.start for piece in pieces})
    assert [piece.end for piece in pieces] == sorted({piece.end for piece in pieces})
    assert all(ch.isspace() for at, ch in enumerate(text) if at not in covered)


@given(texts, splitters, kinds)
def test_chunks_are_spans_in_order_cover_the_text_and_fit(text, splitter, kind):
    pieces = splitter.split(text, kind)
    check(pieces, text)
    assert all(weight(text, piece.start, piece.end) <= splitter.size for piece in pieces)


@given(texts, st.integers(16, 60), st.integers(0, 8), kinds, st.sampled_from([FakeEmbeddings(), Letters()]))
def test_the_same_holds_when_tokens_are_counted(text, size, overlap, kind, counter):
    pieces = StructureSplitter(size, overlap, "tokens", counter).split(text, kind)
    check(pieces, text)
    assert all(counter.count_tokens([text[piece.start : piece.end]])[0] <= size for piece in pieces)


rows = st.lists(
    st.text(alphabet="ab. 月", min_size=1, max_size=30).map(lambda row: f"|{row}|"), min_size=1, max_size=40
)


@given(rows, st.integers(70, 120), st.integers(0, 30), st.sampled_from(["table", "markdown"]))
def test_a_row_that_fits_is_never_cut(rows, size, overlap, kind):
    text = "\n".join(rows)
    whole = set(rows)
    for piece in StructureSplitter(size, overlap).split(text, kind):
        assert set(text[piece.start : piece.end].split("\n")) <= whole


@given(st.lists(bits, max_size=60).map("".join), st.integers(20, 80), st.integers(0, 15))
def test_a_langchain_splitters_chunks_are_spans_in_order(text, size, overlap):
    splitter = RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=overlap)
    pieces = LangChainSplitter(splitter).split(text)
    assert [text[piece.start : piece.end] for piece in pieces] == splitter.split_text(text)
    assert [piece.start for piece in pieces] == sorted({piece.start for piece in pieces})
