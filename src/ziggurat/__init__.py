"""Ziggurat: multi-stage reasoning over your documents.

The public names, each imported when it is first asked for, so that importing this package imports
neither LangChain nor a model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ziggurat.chain.adapt import given, stage
    from ziggurat.chain.budget import Budget
    from ziggurat.chain.cache import Cache
    from ziggurat.chain.composite import Branch, Items, Map, Repeat
    from ziggurat.chain.journal import Journal
    from ziggurat.chain.multichain import MultiChain
    from ziggurat.chain.stage import Retry, Stage, ref, value
    from ziggurat.errors import BudgetExceeded, ChainError, EffectUncertain, InputError, WiringError, ZigguratError
    from ziggurat.index import VectorIndex
    from ziggurat.models import chat, embeddings, images
    from ziggurat.picture import Picture
    from ziggurat.prices import Price, Prices
    from ziggurat.stages.agent import Agent
    from ziggurat.stages.answer import Answer, Citation
    from ziggurat.stages.conversation import Conversation
    from ziggurat.stages.extract import Extract
    from ziggurat.stages.image import ImageGeneration
    from ziggurat.stages.llm import LLM
    from ziggurat.stages.qa import RetrievalQA, load_qa_chain
    from ziggurat.stages.sql import SQL
    from ziggurat.stages.summarize import Summarize
    from ziggurat.stages.transform import SimpleChain, Transform
    from ziggurat.stages.vote import Vote

_HOMES = {
    "Agent": "ziggurat.stages.agent",
    "Answer": "ziggurat.stages.answer",
    "Branch": "ziggurat.chain.composite",
    "Budget": "ziggurat.chain.budget",
    "BudgetExceeded": "ziggurat.errors",
    "Cache": "ziggurat.chain.cache",
    "ChainError": "ziggurat.errors",
    "Citation": "ziggurat.stages.answer",
    "Conversation": "ziggurat.stages.conversation",
    "EffectUncertain": "ziggurat.errors",
    "Extract": "ziggurat.stages.extract",
    "ImageGeneration": "ziggurat.stages.image",
    "InputError": "ziggurat.errors",
    "Items": "ziggurat.chain.composite",
    "Journal": "ziggurat.chain.journal",
    "LLM": "ziggurat.stages.llm",
    "Map": "ziggurat.chain.composite",
    "MultiChain": "ziggurat.chain.multichain",
    "Picture": "ziggurat.picture",
    "Price": "ziggurat.prices",
    "Prices": "ziggurat.prices",
    "Repeat": "ziggurat.chain.composite",
    "RetrievalQA": "ziggurat.stages.qa",
    "Retry": "ziggurat.chain.stage",
    "SQL": "ziggurat.stages.sql",
    "SimpleChain": "ziggurat.stages.transform",
    "Stage": "ziggurat.chain.stage",
    "Summarize": "ziggurat.stages.summarize",
    "Transform": "ziggurat.stages.transform",
    "VectorIndex": "ziggurat.index",
    "Vote": "ziggurat.stages.vote",
    "WiringError": "ziggurat.errors",
    "ZigguratError": "ziggurat.errors",
    "chat": "ziggurat.models",
    "embeddings": "ziggurat.models",
    "given": "ziggurat.chain.adapt",
    "images": "ziggurat.models",
    "load_qa_chain": "ziggurat.stages.qa",
    "ref": "ziggurat.chain.stage",
    "stage": "ziggurat.chain.adapt",
    "value": "ziggurat.chain.stage",
}

__version__ = "0.1.0"
__all__ = [
    "LLM",
    "SQL",
    "Agent",
    "Answer",
    "Branch",
    "Budget",
    "BudgetExceeded",
    "Cache",
    "ChainError",
    "Citation",
    "Conversation",
    "EffectUncertain",
    "Extract",
    "ImageGeneration",
    "InputError",
    "Items",
    "Journal",
    "Map",
    "MultiChain",
    "Picture",
    "Price",
    "Prices",
    "Repeat",
    "RetrievalQA",
    "Retry",
    "SimpleChain",
    "Stage",
    "Summarize",
    "Transform",
    "VectorIndex",
    "Vote",
    "WiringError",
    "ZigguratError",
    "chat",
    "embeddings",
    "given",
    "images",
    "load_qa_chain",
    "ref",
    "stage",
    "value",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home."""
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'ziggurat' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*__all__, "__version__"])
