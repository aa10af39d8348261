"""Tour: text splitters. By characters, by tokens of the model in use, by headings; each chunk knows where it stands.

python examples/tour/splitters.py
"""

from langchain_text_splitters import RecursiveCharacterTextSplitter

from ziggurat.index import VectorIndex
from ziggurat.loaders.document import SourceDocument

TEXT = (
    """# Stages

A stage is a named step. It reads its inputs by name and gives one output.

## Policy

A stage may be tried again, held to a time limit, and replaced by another when it fails.

# Chains

A chain is made of stages. Each starts when its own inputs are there, and not before. """
    + "It waits for nothing else. " * 20
)


def main():
    """The chunks of one text by LangChain's splitter and by structure, with their places."""
    import tempfile

    document = SourceDocument("guide.md", TEXT, kind="markdown")
    found = {}
    for name, splitter in {
        "recursive": RecursiveCharacterTextSplitter(chunk_size=200, chunk_overlap=20),
        "by structure": None,  # the default: headings, paragraphs, sentences
    }.items():
        with (
            tempfile.TemporaryDirectory() as folder,
            VectorIndex.create(f"{folder}/kb", "fake:32", splitter=splitter) as index,
        ):
            index.add_source(document)
            hits = index.search("stage chain", k=20, mode="words")
            found[name] = sorted((hit.position.start, hit.text) for hit in hits)
        print(f"# {name}")
        for start, text in found[name]:
            print(f"{start:5}  {text[:70]!r}")
    return found


if __name__ == "__main__":
    main()
