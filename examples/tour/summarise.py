"""Tour: splitting and summarising long texts. In one go, part by part, refined, or by the parts that answer a question.

python examples/tour/summarise.py [FILE]
"""

import sys

from langchain_core.documents import Document
from langchain_text_splitters import RecursiveCharacterTextSplitter

from ziggurat.loaders import load
from ziggurat.stages.summarize import Summarize

TEXT = """The harbour of Whitby was deepened in 1841. Four hundred men worked on it for three years.

The lighthouse at the end of the pier was lit in 1844. Its keeper was Hannah Reed, who kept it for forty years.

In 1902 a storm broke the pier in two places. The town rebuilt it with granite from Cornwall.

Today the harbour shelters ninety boats. Most of them are sailing boats, and the largest is the Halcyon.
"""


def main(file=None, model=None, question="Who kept the lighthouse?"):
    """A summary by each strategy, with pointers to the passages that its sentences come from."""
    whole = [Document(TEXT, metadata={"source": "harbour.txt"})]
    if file is not None:
        whole = [Document(one.text, metadata={"source": one.source}) for one in load(file)]
    splitter = RecursiveCharacterTextSplitter(chunk_size=500 if file else 120, chunk_overlap=0, add_start_index=True)
    parts = splitter.split_documents(whole)
    found = {}
    for strategy in ("stuff", "map_reduce", "refine", "map_rerank"):
        asked = question if strategy == "map_rerank" else None
        found[strategy] = Summarize(model, strategy=strategy, question=asked, sentences=3).run(parts)
        print(f"# {strategy}\n{found[strategy]}\n")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:2])
