"""Files to a searchable index, beside LangChain's loader, splitter, embeddings and FAISS; and a sync of what is unchanged.

    python benchmarks/ingest.py --peers-python .venv-peers/bin/python [--data ../shared/data] [--rounds 3]

Both sides read the same folder of Markdown files with the same weights (all-MiniLM-L6-v2: torch float32 there, int8
here), split into chunks of 1,000 characters with 120 of overlap, and end with what answers a first question from a
fresh process's disk. They take turns; each side is a process of its own, model loading included and told apart. The
second table is ours alone: 10,000 files synced, then synced again, unchanged. Writes `results/ingest.md`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from embedding import sentence_transformers_folder
from report import RESULTS, machine
from ziggurat import models
from ziggurat.index import VectorIndex
from ziggurat.progress import silent

MODEL = "all-minilm-l6-v2"
QUESTION = "Which team won the final?"
LANGCHAIN = """
import json, sys, time
from langchain_community.document_loaders import DirectoryLoader, TextLoader
from langchain_community.vectorstores import FAISS
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter
folder, weights, target = sys.argv[1:]
began = time.perf_counter()
model = HuggingFaceEmbeddings(model_name=weights, encode_kwargs={"normalize_embeddings": True})
model.embed_query("warm")
loaded = time.perf_counter()
documents = DirectoryLoader(folder, glob="**/*.md", loader_cls=TextLoader).load()
chunks = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=120).split_documents(documents)
store = FAISS.from_documents(chunks, model)
store.save_local(target)
done = time.perf_counter()
found = store.similarity_search("%s", k=4)
print(json.dumps({"load": loaded - began, "seconds": done - loaded, "chunks": len(chunks), "found": len(found)}))
"""


def ours(folder: Path, target: Path) -> dict[str, Any]:
    """Read, split, embed, store words and vectors, and ask."""
    began = time.perf_counter()
    model = models.embeddings(f"local:{MODEL}")
    model.embed_query("warm")
    with VectorIndex.create(target, model) as index:
        loaded = time.perf_counter()
        report = index.sync(folder, progress=silent)
        done = time.perf_counter()
        found = index.search(QUESTION, k=4)
    return {"load": loaded - began, "seconds": done - loaded, "chunks": report.chunks, "found": len(found)}


def written(data: Path, folder: Path) -> int:
    """The files both sides read: XQuAD's English passages, three to a file, and the 2Wiki passages, one to a file."""
    texts = json.loads((data / "xquad" / "en.json").read_text("utf-8"))["passages"]
    files = ["\n\n".join(texts[at : at + 3]) for at in range(0, len(texts), 3)]
    wiki = json.loads((data / "multihop-2wiki" / "corpus_780.json").read_text("utf-8"))
    files += [f"# {one['title']}\n\n{one['text']}" for one in wiki]
    for number, text in enumerate(files):
        (folder / f"{number:04}.md").write_text(text, "utf-8")
    return len(files)


def unchanged(count: int, folder: Path) -> dict[str, float]:
    """A folder of many small files, synced twice; embeddings are fake, for none should be asked for the second time."""
    for number in range(count):
        path = folder / "many" / f"{number % 100:02}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# File {number}\n\nThe text of file {number}.\n", "utf-8")
    with VectorIndex.create(folder / "many-index", "fake:64") as index:
        began = time.perf_counter()
        index.sync(folder / "many", progress=silent)
        first = time.perf_counter() - began
    again = []
    for _ in range(3):
        with VectorIndex.open(folder / "many-index") as index:
            began = time.perf_counter()
            report = index.sync(folder / "many", progress=silent)
            again.append(time.perf_counter() - began)
        if report.unchanged != count or report.embedded:
            sys.exit("an unchanged folder was read again")
    return {"first": first, "again": statistics.median(again)}


def main() -> None:
    """Measure both, in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(ours(Path(given.side[0]), Path(given.side[1]))))
        return
    if not (given.data / "xquad").is_dir():
        sys.exit(f"there is no XQuAD below {given.data}")
    work = Path(tempfile.mkdtemp(prefix="ziggurat-ingest-"))
    try:
        (work / "files").mkdir()
        count = written(given.data, work / "files")
        weights = sentence_transformers_folder(work)
        there = [str(given.peers_python), "-c", LANGCHAIN % QUESTION, str(work / "files"), str(weights)]
        here = [sys.executable, __file__, "--peers-python", "-", "--side", str(work / "files")]
        sides: dict[str, list[dict[str, Any]]] = {"LangChain": [], "ziggurat": []}
        for number in range(given.rounds):
            for name, command in (("LangChain", there), ("ziggurat", here)):
                target = str(work / f"{name}-{number}")
                ended = subprocess.run([*command, target], capture_output=True, text=True, check=False)
                if ended.returncode:
                    sys.exit(ended.stderr[-2000:])
                sides[name].append(json.loads(ended.stdout.strip().rpartition("\n")[2]))
        many = unchanged(given.files, work)
    finally:
        shutil.rmtree(work)
    seconds = {name: statistics.median(one["seconds"] for one in runs) for name, runs in sides.items()}
    lines = [
        f"# {count} files to a searchable index, the same weights ({MODEL})",
        "",
        "| who | files to searchable | chunks | beside ours | loading the model, beforehand |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, runs in sides.items():
        load = statistics.median(one["load"] for one in runs)
        ratio = seconds[name] / seconds["ziggurat"]
        lines.append(f"| {name} | {seconds[name]:.1f} s | {runs[0]['chunks']} | {ratio:.1f}x | {load:.1f} s |")
    lines += [
        "",
        f"## {given.files:,} small files, fake embeddings",
        "",
        "| what | figure |",
        "| --- | --- |",
        f"| the first sync | {many['first']:.2f} s |",
        f"| a sync of the unchanged folder; nothing read or embedded | {many['again']:.2f} s |",
        "",
        machine(),
        "",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest.md").write_text("\n".join(lines), "utf-8")
    (RESULTS / "ingest.json").write_text(json.dumps({"sides": sides, "unchanged": many}, indent=2) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
