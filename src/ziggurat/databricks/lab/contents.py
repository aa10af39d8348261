"""What a lab uploads: its documents, its chain, and how the documents are indexed.

Where a lab declares none, the exercise's own are used: three texts, questions answered from them, a picture.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from ziggurat.databricks.lab.declaration import Lab
from ziggurat.databricks.lab.remote import LARGEST
from ziggurat.errors import InputError

TEXTS = {
    "databricks.txt": "Azure Databricks is a platform for analytics, built on Apache Spark: fast, easy, collaborative.",
    "langchain.txt": "LangChain is a framework that makes it simpler to build applications with language models.",
    "gpt-4.txt": "GPT-4 is a large language model made by OpenAI.",
}
INPUTS = {"question": "What is LangChain?", "prompt": "A conceptual diagram of LangChain in use"}


def contents(lab: Lab) -> dict[str, bytes]:
    """Each file by its name in the lab's folder.

    Raises:
        InputError: If a file is too large to be uploaded.
    """
    found: dict[str, bytes] = {"lab/settings.json": json.dumps({"embeddings": lab.embeddings}).encode()}
    if lab.files.documents is None:
        found |= {f"lab/documents/{name}": text.encode() for name, text in TEXTS.items()}
    else:
        found |= dict(_below(lab.folder / lab.files.documents, "lab/documents"))
    if lab.files.chain is None:
        found["lab/chain/chain.yaml"] = yaml.safe_dump(own_chain(lab), sort_keys=False).encode()
    else:
        chain = lab.folder / lab.files.chain
        found["lab/chain/chain.yaml"] = chain.read_bytes()
        prompts = chain.parent / "prompts"
        if prompts.is_dir():
            found |= dict(_below(prompts, "lab/chain/prompts"))
    for name, raw in found.items():
        if len(raw) > LARGEST:
            raise InputError(f"{name} has {len(raw):,} bytes; a workspace file takes {LARGEST:,}.")
    return found


def inputs(lab: Lab) -> dict[str, Any]:
    """What the chain is asked."""
    return dict(lab.inputs) or (dict(INPUTS) if lab.files.chain is None else {})


def own_chain(lab: Lab) -> dict[str, Any]:
    """The exercise's chain as a chain file: answers, a picture, both as one MultiChain."""
    qa: dict[str, Any] = {"uses": "qa", "index": "kb", "k": 2}
    picture: dict[str, Any] = {"uses": "image"}
    if lab.chat:
        qa["model"] = lab.chat
    if lab.picture:
        picture["model"] = lab.picture
    elif lab.chat:
        picture["chat"] = lab.chat
    return {
        "ziggurat": 1,
        "name": "The lab",
        "inputs": ["question", "prompt"],
        "stages": {"qa": qa, "image_generation": picture},
    }


def _below(place: Path, name: str) -> list[tuple[str, bytes]]:
    files = [place] if place.is_file() else sorted(one for one in place.rglob("*") if one.is_file())
    base = place.parent if place.is_file() else place
    return [(f"{name}/{one.relative_to(base).as_posix()}", one.read_bytes()) for one in files]
