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

MULTI_QUERY = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            (
                "You help to search a collection of documents. Write {queries} other ways to ask the question, each with "
                "different words for the same thing, in {language}. One a line, nothing else."
            ),
        ),
        ("human", "{question}"),
    ]
)
"""Other wordings of a question, one a line; variables: queries, language, question."""

HYPOTHETICAL_DOCUMENT = ChatPromptTemplate.from_messages(
    [
        ("system", "Write a short passage, in {language}, as it could stand in a document that answers the question."),
        ("human", "{question}"),
    ]
)
"""A passage to search with; variables: language, question."""

NEXT_QUERY = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            (
                "You look for the passages that answer a question, step by step. From the passages found so far, say what "
                "to search for next: a name or a short question that one of them leads to, on one line, in {language}. "
                "If they already hold the answer, reply exactly: {enough}"
            ),
        ),
        ("human", "Question: {question}\n\nPassages:\n{passages}\n\nSearched for so far:\n{asked}"),
    ]
)
"""What a multi-hop search looks for next; variables: language, enough, question, passages, asked."""
