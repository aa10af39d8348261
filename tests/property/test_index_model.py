"""Random histories of an index against a plain dict, with snapshots and reopening in between."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ziggurat.index import StructureSplitter, VectorIndex, dense, searcher
from ziggurat.loaders import SourceDocument
from ziggurat.testing import FakeEmbeddings

WORDS = ["tower", "brick", "stair", "moon", "garden", "canal", "月亮", "花园", "garten", "señal"]
SPLITTER = StructureSplitter(size=60, overlap=0)
names = st.sampled_from([f"t{at}" for at in range(12)])
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)


class IndexMachine(RuleBasedStateMachine):
    """An index beside what it should hold."""

    documents = Bundle("documents")

    def __init__(self) -> None:
        super().__init__()
        self.tail, self.flat = dense.LARGEST_TAIL, searcher.FLAT_ROWS
        dense.LARGEST_TAIL, searcher.FLAT_ROWS = 8, 24  # small, so that short histories cross them
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "index"
        self.embedding = FakeEmbeddings(12)
        self.index = VectorIndex.create(self.path, self.embedding, splitter=SPLITTER)
        self.reader = VectorIndex.open(self.path, self.embedding, read_only=True)
        self.texts: dict[str, tuple[str, int]] = {}
        self.sources: dict[str, str] = {}

    @rule(batch=st.lists(st.tuples(names, texts, st.integers(0, 3)), min_size=1, max_size=12))
    def add(self, batch):
        returned = self.index.add_texts(
            [text for _, text, _ in batch], [{"n": n} for _, _, n in batch], ids=[name for name, _, _ in batch]
        )
        assert returned == [name for name, _, _ in batch]
        self.texts.update({name: (text, n) for name, text, n in batch})

    @rule(gone=st.lists(names, max_size=5))
    def delete(self, gone):
        assert self.index.delete(gone)
        for name in gone:
            self.texts.pop(name, None)

    @rule(target=documents, source=st.sampled_from(["a", "b", "c"]), parts=st.lists(texts, min_size=1, max_size=5))
    def put_document(self, source, parts):
        text = "\n\n".join(parts)
        report = self.index.add_source(SourceDocument(source, text))
        assert report.documents == [source]
        self.sources[source] = text
        return source

    @rule(source=consumes(documents))
    def delete_document(self, source):
        self.index.delete([source])
        self.sources.pop(source, None)

    @rule()
    def reopen(self):
        self.index.close()
        self.index = VectorIndex.open(self.path, self.embedding)

    @rule()
    def delete_all(self):
        self.index.delete()
        self.texts.clear()
        self.sources.clear()

    @rule(question=texts, n=st.integers(0, 3))
    def a_filtered_search_finds_exactly_what_passes(self, question, n):
        passing = {name for name, (_, value) in self.texts.items() if value == n}
        for index in (self.index, self.reader):
            found = index.search(question, k=100, mode="dense", filter={"n": n})
            assert {hit.chunk_id for hit in found} == passing

    @rule(word=st.sampled_from(WORDS))
    def a_word_finds_every_text_that_has_it(self, word):
        expected = {name for name, (text, _) in self.texts.items() if word in text.split()}
        found = {hit.chunk_id for hit in self.reader.search(word, k=200, mode="words") if "#" not in hit.chunk_id}
        assert found == expected

    @rule(question=texts)
    def the_dense_order_is_the_order_of_the_cosines(self, question):
        asked = np.array(self.embedding.embed_query(question))
        hits = self.index.search(question, k=30, mode="dense")
        if not hits:
            return
        cosines = np.array(self.embedding.embed_documents([hit.text for hit in hits])) @ asked
        assert np.allclose(cosines, [hit.score for hit in hits], atol=1e-5)
        assert (np.diff(cosines) <= 1e-5).all()

    @invariant()
    def it_holds_what_the_model_holds(self):
        chunks = {
            f"{source}#{at}": text[piece.start : piece.end]
            for source, text in self.sources.items()
            for at, piece in enumerate(SPLITTER.split(text))
        }
        expected = {name: text for name, (text, _) in self.texts.items()} | chunks
        for index in (self.index, self.reader):
            assert len(index) == len(expected)
            assert {document.id: document.page_content for document in index.get_by_ids([*expected, "x"])} == expected
            assert index.document_ids() == sorted(self.sources)

    def teardown(self) -> None:
        health = self.index.verify()
        self.index.close()
        self.reader.close()
        self.folder.cleanup()
        dense.LARGEST_TAIL, searcher.FLAT_ROWS = self.tail, self.flat
        assert health.ok, str(health)


TestIndexAgainstADict = IndexMachine.TestCase
TestIndexAgainstADict.settings = settings(max_examples=40, stateful_step_count=20)
