"""The words our stages say to a model, in one place, by language.

Texts only. Every prompt is a LangChain prompt, so it can be printed, replaced and versioned.
"""

from __future__ import annotations

from langchain_core.prompts import ChatPromptTemplate

from ziggurat.stages.language import Language

NOT_FOUND: dict[Language, str] = {
    "en": "Not in the documents.",
    "zh": "文档中没有相关内容。",
    "pt": "Não está nos documentos.",
    "es": "No está en los documentos.",
}
"""What an answer says when the documents do not hold one."""

ANSWER_LANGUAGE: dict[Language, str] = {"en": "English", "zh": "Chinese", "pt": "Portuguese", "es": "Spanish"}

QA = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            (
                "You answer a question from numbered passages and from nothing else. Answer in {language}, in one or two "
                "complete sentences that name what the question asks about and keep the words of the passages. "
                "If the passages do not hold the answer, reply exactly: {not_found}"
            ),
        ),
        ("human", "Passages:\n{passages}\n\nQuestion: {question}"),
    ]
)
"""Question answering over passages; variables: language, not_found, passages, question."""
