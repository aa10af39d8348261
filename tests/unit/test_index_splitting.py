"""Chunks and where they stand."""

import itertools
import time

import pytest
from langchain_text_splitters import RecursiveCharacterTextSplitter

from ziggurat.errors import InputError
from ziggurat.index.splitting import LangChainSplitter, Lines, StructureSplitter, open_splitter, weight

MARKDOWN = """# Towers

## Babel

Built of bricks. It was tall.

```python
# not a heading
print("tower")
```

## Pisa

### Lean

It leans.

# Canals #

Dug by hand.
"""


def chunks(text, kind="text", **sizes):
    return [text[piece.start : piece.end] for piece in StructureSplitter(**sizes).split(text, kind)]


def test_a_short_text_stays_whole():
    text = "One sentence. Another one.\n\nA second paragraph." * 10
    assert chunks(text) == [text]


def test_markdown_is_split_at_headings_and_tells_their_path():
    pieces = StructureSplitter().split(MARKDOWN, "markdown")
    found = [(piece.headings, MARKDOWN[piece.start : piece.end].splitlines()[0]) for piece in pieces]
    assert found == [
        (("Towers", "Babel"), "# Towers"),
        (("Towers", "Pisa", "Lean"), "## Pisa"),
        (("Canals",), "# Canals #"),
    ]


def test_hash_signs_mean_nothing_in_plain_text():
    assert len(StructureSplitter().split(MARKDOWN, "text")) == 1


def test_a_code_fence_that_fits_is_not_broken():
    code = "```\n" + "".join(f"line {at}. still code.\n" for at in range(8)) + "```"
    text = f"# T\n\n{'Before it. ' * 12}\n\n{code}\n\n{'After it. ' * 12}"
    assert any(code in chunk for chunk in chunks(text, "markdown", size=260, overlap=0))


def test_an_unclosed_fence_reaches_to_the_end():
    text = "# A\n\n```\n# not a heading\n" + "x\n" * 20
    assert [piece.headings for piece in StructureSplitter().split(text, "markdown")] == [("A",)]


def test_neighbours_share_whole_sentences():
    sentences = [f"Sentence number {at} is here." for at in range(60)]
    parts = chunks(" ".join(sentences), size=200, overlap=60)
    assert len(parts) > 5
    for before, after in itertools.pairwise(parts):
        shared = after[: after.index(".") + 1]
        assert shared in sentences
        assert shared in before


def test_chinese_is_split_after_its_own_full_stops():
    text = "".join(f"这是第{at}句话，说的是高塔。" for at in range(60))
    parts = chunks(text, size=200, overlap=0)
    assert len(parts) > 3
    assert all(part.endswith("。") for part in parts)
    assert all(weight(part, 0, len(part)) <= 200 for part in parts)


def test_a_paragraph_break_is_preferred_to_a_full_chunk():
    first = "First paragraph. " * 8
    second = "Second paragraph. " * 8
    assert chunks(f"{first}\n\n{second}", size=200, overlap=0)[0] == first.strip()


def test_ten_megabytes_in_one_line_are_split_in_seconds():
    text = "word " * 2_000_000 + "w" * 100_000
    began = time.perf_counter()
    pieces = StructureSplitter().split(text)
    assert time.perf_counter() - began < 20
    assert max(piece.end - piece.start for piece in pieces) <= 1000
    assert pieces[-1].end == len(text)


@pytest.mark.parametrize("text", ["", "   \n\n\t "])
def test_a_blank_text_has_no_chunks(text):
    assert chunks(text) == chunks(text, "markdown") == []


@pytest.mark.parametrize(("size", "overlap"), [(10, 0), (100, 60), (100, -1)])
def test_sizes_that_make_no_sense_are_refused(size, overlap):
    with pytest.raises(InputError):
        StructureSplitter(size=size, overlap=overlap)


def test_a_langchain_splitters_chunks_get_their_positions():
    text = "alpha beta gamma. " * 30
    splitter = open_splitter(RecursiveCharacterTextSplitter(chunk_size=50, chunk_overlap=10))
    pieces = splitter.split(text, "text")
    assert len(pieces) > 10
    assert [text[p.start : p.end] for p in pieces] == RecursiveCharacterTextSplitter(
        chunk_size=50, chunk_overlap=10
    ).split_text(text)
    assert [p.start for p in pieces] == sorted({p.start for p in pieces})


def test_a_splitter_that_rewrites_the_text_is_refused():
    class Shouting:
        def split_text(self, text: str) -> list[str]:
            return [text.upper()]

    with pytest.raises(InputError, match="changes the text"):
        LangChainSplitter(Shouting()).split("quiet")


def test_the_manifest_brings_our_splitter_back_and_asks_for_a_strangers():
    mine = StructureSplitter(size=300, overlap=20)
    assert open_splitter(None, mine.describe()) == mine
    stranger = open_splitter(RecursiveCharacterTextSplitter())
    with pytest.raises(InputError, match="given again"):
        open_splitter(None, stranger.describe())
    with pytest.raises(InputError, match="not a splitter"):
        open_splitter(3)


def test_lines_count_from_one():
    lines = Lines("ab\ncd\n\nef")
    assert [lines.of(at) for at in (0, 1, 2, 3, 5, 6, 7, 8)] == [1, 1, 1, 2, 2, 3, 4, 4]
