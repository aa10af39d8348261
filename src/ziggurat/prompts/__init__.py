"""Prompts as files: with a version, in several languages, shown, replaced and shared.

The words our stages say to a model are YAML files in ``texts/``; a person's own stand in a folder of
the same form (`PromptFolder`), or in LangChain's hub. Every prompt becomes a LangChain
`ChatPromptTemplate`. Knows nothing of models and stages.
"""

from __future__ import annotations

from ziggurat.prompts.file import FewShot, PromptFile, PromptTurn, read_prompt
from ziggurat.prompts.folder import PromptFolder, StoredPrompt
from ziggurat.prompts.shipped import shipped, shipped_names

__all__ = [
    "FewShot",
    "PromptFile",
    "PromptFolder",
    "PromptTurn",
    "StoredPrompt",
    "read_prompt",
    "shipped",
    "shipped_names",
]
