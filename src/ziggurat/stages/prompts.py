"""Words that several stages share beside their prompts, by language.

The prompts themselves are files (`ziggurat.prompts`).
"""

from __future__ import annotations

from ziggurat.stages.language import Language

NOT_FOUND: dict[Language, str] = {
    "en": "Not in the documents.",
    "zh": "文档中没有相关内容。",
    "pt": "Não está nos documentos.",
    "es": "No está en los documentos.",
}
"""What an answer says when the documents do not hold one."""

ANSWER_LANGUAGE: dict[Language, str] = {"en": "English", "zh": "Chinese", "pt": "Portuguese", "es": "Spanish"}
"""What a language is called in a prompt that names it: an English one, for languages it is not written in."""
