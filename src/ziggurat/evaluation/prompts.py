"""The words an evaluation says to a model: short answers, closed book, judging, making questions.

Texts only. The two worked examples of the short answer are made up and stand in no dataset.
"""

from __future__ import annotations

from langchain_core.prompts import ChatPromptTemplate

_SHORT = (
    "You answer questions from passages with the shortest possible answer: a name, a date, a number, yes or no. "
    "Never a sentence.{also}"
)

ALSO = " Answer in {language}."
"""What a short answer is told where the question is not in the language of the prompt."""

_ONE_HOP = """Passages:
Alma Reyes
Alma Reyes (born 1931) is a Chilean architect who designed the Puerto Museum.

Puerto Museum
The Puerto Museum is a museum in Valdivia, opened in 1968.

Question: In which city is the museum that Alma Reyes designed?
Short answer:"""

_COMPARED = """Passages:
North Line
The North Line is a railway in Norway.

Lake Ferry
The Lake Ferry is a ferry in Sweden.

Question: Are the North Line and the Lake Ferry in the same country?
Short answer:"""

SHORT = ChatPromptTemplate.from_messages(
    [
        ("system", _SHORT),
        ("human", _ONE_HOP),
        ("ai", "Valdivia"),
        ("human", _COMPARED),
        ("ai", "no"),
        ("human", "Passages:\n{passages}\n\nQuestion: {question}\nShort answer:"),
    ]
)
"""The shortest answer from passages; variables: also (a further instruction, or nothing), passages, question."""

SHORT_CLOSED_BOOK = ChatPromptTemplate.from_messages(
    [
        ("system", _SHORT.replace(" from passages", "")),
        ("human", "Question: In which country is the city of Valdivia?\nShort answer:"),
        ("ai", "Chile"),
        ("human", "Question: Are Oslo and Stockholm in the same country?\nShort answer:"),
        ("ai", "no"),
        ("human", "Question: {question}\nShort answer:"),
    ]
)
"""The shortest answer from what the model knows; variables: also, question."""

CLOSED_BOOK = ChatPromptTemplate.from_messages(
    [
        ("system", "You answer a question in {language}, in one or two complete sentences."),
        ("human", "{question}"),
    ]
)
"""An answer from what the model knows; variables: language, question."""

JUDGE = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            (
                "You check whether passages support a statement. Answer yes only if the passages say it, or it follows from "
                "them without other knowledge. Answer no if they say otherwise or do not say it."
            ),
        ),
        ("human", "Passages:\n{passages}\n\nQuestion that was asked: {question}\nStatement: {statement}\n\nSupported?"),
    ]
)
"""Whether passages support a sentence of an answer; variables: passages, question, statement."""

MAKE = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            (
                "You write a question for a quiz about a passage, in {language}. It asks for one fact: a name, a date, a "
                "number, a place. Somebody who has not seen the passage must understand what is asked: use full names, and never "
                "speak of the passage, the text or the document. Then give the answer: a few words copied from the passage."
            ),
        ),
        ("human", "Passage:\n{passage}\n\nWrite the question and its short answer, in {language}."),
    ]
)
"""A question and its answer from a passage; variables: language, passage."""
