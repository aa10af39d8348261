"""Small worlds that several tests live in: a few texts, an orchard, a retriever that always finds the same."""

from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

TEXTS = ["a canal joins two seas", "a tower has stairs", "bread is baked at night", "运河连接两片海"]

ORCHARD = """# Orchard

The orchard was planted in 1987 by Maria Okafor.
It grows pears and quinces.

The harvest begins in September.
"""
PLANTED = "The orchard was planted in 1987 by Maria Okafor."
WHEN = "When was the orchard planted?"
WINTER = "Which orchard fruits were planted in winter?"  # about the passage, and no sentence of it answers


def over(*texts, **metadata):
    """A retriever that always finds these texts."""
    found = [Document(text, metadata={"source": f"{number}.txt", **metadata}) for number, text in enumerate(texts)]
    return RunnableLambda(lambda question: found)
