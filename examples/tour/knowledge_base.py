"""Tour: a local knowledge base. A folder of texts, embedded into an index, and questions answered from it with sources.

python examples/tour/knowledge_base.py [FOLDER] [QUESTION]
"""

import sys
import tempfile
from pathlib import Path

from ziggurat import RetrievalQA, VectorIndex

REPORT = {
    "report.txt": "Iflytek Report\n\nIn the first quarter the company's revenue was 2.88 billion yuan.\n",
    "more/outlook.txt": "Outlook\n\nThe company expects its revenue to grow in the second half of the year.\n",
    "notes.md": "This is not a text file and the glob leaves it out.\n",
}


def main(folder=None, question="What was the revenue in the first quarter?", model=None, embedding=None):
    """The answer; printed, it shows the file and line of each of its sentences."""
    with tempfile.TemporaryDirectory() as scratch:
        if folder is None:
            folder = Path(scratch, "docs")
            for name, text in REPORT.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        with VectorIndex.create(f"{scratch}/kb", embedding) as index:
            report = index.sync(folder, include="**/*.txt")
            answer = RetrievalQA.from_chain_type(model, chain_type="stuff", retriever=index).run(question)
            print(report)
            print(answer)
    return answer


if __name__ == "__main__":
    main(*sys.argv[1:3])
