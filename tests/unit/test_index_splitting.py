"""Chunks and where they stand."""

import itertools
import time

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_text_splitters import (
    CharacterTextSplitter,
    ExperimentalMarkdownSyntaxTextSplitter,
    HTMLHeaderTextSplitter,
    Language,
    LatexTextSplitter,
    MarkdownHeaderTextSplitter,
    MarkdownTextSplitter,
    PythonCodeTextSplitter,
    RecursiveCharacterTextSplitter,
    RecursiveJsonSplitter,
)

from ziggurat.errors import InputError
from ziggurat.index import VectorIndex
from ziggurat.index.splitting import LangChainSplitter, Lines, StructureSplitter, open_splitter, weight
from ziggurat.testing import FakeEmbeddings

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
    assert open_splitter(None, {"name": "structure", "size": 300, "overlap": 20}) == mine
    stranger = open_splitter(RecursiveCharacterTextSplitter())
    with pytest.raises(InputError, match="given again"):
        open_splitter(None, stranger.describe())
    with pytest.raises(InputError, match="not a splitter"):
        open_splitter(3)


def test_lines_count_from_one():
    lines = Lines("ab\ncd\n\nef")
    assert [lines.of(at) for at in (0, 1, 2, 3, 5, 6, 7, 8)] == [1, 1, 1, 2, 2, 3, 4, 4]


TABLE = "| name | price |\n|------|-------|\n" + "".join(f"| fruit no. {at}. | {at}. |\n" for at in range(40))


def test_a_table_too_long_for_one_chunk_is_cut_between_its_rows():
    parts = chunks(
        f"# Fruit\n\nWhat it costs. {'Every day. ' * 12}\n\n{TABLE}\nAfter it.", "markdown", size=200, overlap=0
    )
    assert len(parts) > 5
    rows = [line for part in parts for line in part.split("\n") if "|" in line]
    assert rows == TABLE.splitlines()


def test_a_table_that_fits_is_not_broken():
    table = "\n".join(TABLE.splitlines()[:7])
    parts = chunks(f"{'Before it. ' * 12}\n\n{table}\n\n{'After it. ' * 12}", "markdown", size=220, overlap=0)
    assert any(table in part for part in parts)


def test_a_table_without_bars_at_its_ends_is_one_too():
    lines = ["name | price", "---- | :---:", *(f"fruit no. {at}. | {at} euros. each" for at in range(30))]
    parts = chunks("\n".join(lines), "markdown", size=150, overlap=0)
    assert [line for part in parts for line in part.split("\n")] == lines


def test_rows_of_a_sheet_are_never_cut_but_one_that_is_too_long_alone():
    lines = [f"city: No. {at}. | note: It is far. Very far." for at in range(30)]
    assert [
        line for part in chunks("\n".join(lines), "table", size=150, overlap=0) for line in part.split("\n")
    ] == lines
    parts = chunks("short\n" + "A long cell. " * 30 + "\nshort", "table", size=100, overlap=0)
    assert len(parts) > 3
    assert all(len(part) <= 100 for part in parts)


def test_a_list_item_stays_whole():
    items = [f"- Item {at}. It has two sentences,\n  on two lines." for at in range(12)]
    parts = chunks("\n".join(items), "markdown", size=120, overlap=0)
    assert all(part.startswith("- Item") and part.endswith("two lines.") for part in parts)


def test_code_is_cut_between_its_definitions():
    functions = [f"def f{at}(x):\n    y = x + {at}\n\n    return y" for at in range(20)]
    parts = chunks("import os\n\n\n" + "\n\n\n".join(functions), "code", size=160, overlap=0)
    assert len(parts) > 4
    assert all(part.startswith(("import os", "def ")) and part.endswith("return y") for part in parts)


def test_a_definition_too_long_is_cut_at_its_blank_lines_then_between_lines():
    body = "\n\n".join(f"    a = {at}\n    b = a. c" for at in range(12))
    parts = chunks(f"def f():\n{body}", "code", size=60, overlap=0)
    assert all(part.endswith("b = a. c") for part in parts)
    lines = "\n".join(f"x{at} = [1., 2., 3.]" for at in range(30))
    assert [line for part in chunks(lines, "code", size=60, overlap=0) for line in part.split("\n")] == lines.split(
        "\n"
    )


def test_a_heading_keeps_the_sign_that_is_its_own():
    titles = [piece.headings[-1] for piece in StructureSplitter().split("# C#\na\n# Go ##\nb\n# #\nc", "markdown")]
    assert titles == ["C#", "Go", ""]


@pytest.mark.parametrize(
    "hostile", ["." * 200_000 + "x", "# a" + " " * 200_000 + "b", "a|\n-|-" + " " * 200_000 + "x", "月" * 300_000]
)
@pytest.mark.parametrize("kind", ["text", "markdown", "table", "code"])
def test_hostile_texts_take_no_longer_than_others(hostile, kind):
    began = time.perf_counter()
    StructureSplitter().split(hostile, kind)
    assert time.perf_counter() - began < 5


def test_tokens_are_those_of_the_model_that_counts():
    text = "One two three four. " * 40
    model = FakeEmbeddings()
    splitter = StructureSplitter(size=20, overlap=5, measure="tokens", counter=model)
    parts = [text[piece.start : piece.end] for piece in splitter.split(text)]
    assert parts[0] == "One two three four. " * 3 + "One two three four."
    assert max(model.count_tokens(parts)) == 20
    assert parts[1].startswith("One")


def test_a_langchain_model_that_tells_its_tokens_counts_too():
    class Chat:
        def get_num_tokens(self, text):
            return len(text.split())

    parts = StructureSplitter(16, 0, "tokens", Chat()).split("one two. " * 30)
    assert len(parts) == 4


def test_whoever_does_not_tell_tokens_is_named():
    class Mute(DeterministicFakeEmbedding):
        pass

    with pytest.raises(InputError, match="Mute does not tell how many tokens"):
        StructureSplitter(100, 0, "tokens", Mute(size=4))
    with pytest.raises(InputError, match="Nobody counts"):
        StructureSplitter(100, 0, "tokens").split("text")
    with pytest.raises(InputError, match="no measure"):
        StructureSplitter(100, 0, "words")
    with pytest.raises(InputError, match="too small"):
        StructureSplitter(8, 0, "tokens")


def test_a_model_whose_count_fails_is_found_out_before_anything_is_split():
    class Chat:
        def get_num_tokens(self, text):
            raise ImportError("Could not import transformers python package.")

    with pytest.raises(InputError, match=r"Chat does not tell.*Could not import transformers"):
        StructureSplitter(100, 0, "tokens", Chat())


def test_an_index_counts_by_its_own_model_remembers_it_and_reads_again_after_a_change(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("One two three four. " * 40, encoding="utf-8")
    path = tmp_path / "kb"
    with VectorIndex.create(path, "fake:32", splitter=StructureSplitter(20, 5, "tokens")) as index:
        first = index.sync(tmp_path / "docs").chunks
    with VectorIndex.open(path) as index:
        assert index.sync(tmp_path / "docs").unchanged == 1
        (tmp_path / "docs" / "b.txt").write_text("One two three four. " * 40, encoding="utf-8")
        assert index.sync(tmp_path / "docs").chunks == first > 10
        index.reembed("fake:64")
    with VectorIndex.open(path) as index:
        assert len(index.sync(tmp_path / "docs").changed) == 2
        assert index.sync(tmp_path / "docs").unchanged == 2
    with VectorIndex.open(path, splitter=StructureSplitter(40, 5, "tokens")) as index:
        assert len(index.sync(tmp_path / "docs").changed) == 2


def test_an_index_whose_model_tells_no_tokens_refuses_and_reads_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("text", encoding="utf-8")
    splitter = StructureSplitter(20, 5, "tokens")
    with (
        VectorIndex.create(tmp_path / "kb", DeterministicFakeEmbedding(size=4), splitter=splitter) as index,
        pytest.raises(InputError, match="DeterministicFakeEmbedding does not tell"),
    ):
        index.add_files(tmp_path / "a.txt")


def test_a_counter_that_was_given_must_be_given_again():
    mine = StructureSplitter(20, 5, "tokens", FakeEmbeddings())
    with pytest.raises(InputError, match=r"the counter '.*FakeEmbeddings.*given again"):
        open_splitter(None, mine.describe())


PROSE = """# Towers

The tower of Babel was tall.  It was built
of bricks.

## Pisa

It leans. `x` is code.

- one
- two

Last words.
"""
LATEX = "\\section{One}\nText of one. " * 4 + "\\begin{itemize}\n\\item a\n\\end{itemize}\n"
CODE = "import os\n\n\nclass A:\n    def f(self):\n        return 1\n\n\ndef g():\n    return 2\n" * 3


@pytest.mark.parametrize(
    ("splitter", "text"),
    [
        (RecursiveCharacterTextSplitter(chunk_size=40, chunk_overlap=10), PROSE),
        (CharacterTextSplitter(chunk_size=60, chunk_overlap=0), PROSE + "\n\n\n\nFar below."),
        (CharacterTextSplitter(separator=" ", chunk_size=30, chunk_overlap=10), PROSE),
        (MarkdownTextSplitter(chunk_size=50, chunk_overlap=0), PROSE),
        (MarkdownHeaderTextSplitter([("#", "h1"), ("##", "h2")]), PROSE),
        (MarkdownHeaderTextSplitter([("#", "h1"), ("##", "h2")], strip_headers=False), PROSE),
        (ExperimentalMarkdownSyntaxTextSplitter(), PROSE),
        (PythonCodeTextSplitter(chunk_size=60, chunk_overlap=0), CODE),
        (RecursiveCharacterTextSplitter.from_language(Language.JS, chunk_size=60, chunk_overlap=0), CODE),
        (LatexTextSplitter(chunk_size=50, chunk_overlap=0), LATEX),
        (
            RecursiveCharacterTextSplitter.from_language(Language.HTML, chunk_size=60, chunk_overlap=0),
            "<p>Text.</p>" * 20,
        ),
    ],
    ids=lambda one: type(one).__name__ if not isinstance(one, str) else "",
)
def test_langchains_well_known_splitters_keep_their_positions(splitter, text):
    pieces = open_splitter(splitter).split(text, "text")
    made = [one if isinstance(one, str) else one.page_content for one in splitter.split_text(text)]
    assert len(pieces) > 1
    assert ["".join(text[piece.start : piece.end].split()) for piece in pieces] == [
        "".join(one.split()) for one in made
    ]
    assert [piece.start for piece in pieces] == sorted({piece.start for piece in pieces})


def test_the_headers_that_a_langchain_splitter_tells_are_headings():
    pieces = open_splitter(MarkdownHeaderTextSplitter([("#", "h1"), ("##", "h2")])).split(PROSE, "markdown")
    assert [piece.headings for piece in pieces] == [("Towers",), ("Towers", "Pisa")]


@pytest.mark.parametrize(
    ("splitter", "text", "reason"),
    [
        (
            HTMLHeaderTextSplitter([("h1", "h1")]),
            "<h1>A &amp; B</h1><p>One <b>two</b>.</p>",
            "changes the text|could not split",
        ),
        (RecursiveJsonSplitter(), '{"a": 1}', "could not split"),
    ],
)
def test_langchain_splitters_that_write_another_text_are_refused_with_the_reason(splitter, text, reason):
    with pytest.raises(InputError, match=reason):
        open_splitter(splitter).split(text, "text")


def test_a_repeated_chunk_is_found_behind_the_one_before():
    pieces = open_splitter(RecursiveCharacterTextSplitter(chunk_size=50, chunk_overlap=0)).split("a" * 200, "text")
    assert [(piece.start, piece.end) for piece in pieces] == [(0, 50), (50, 100), (100, 150), (150, 200)]
