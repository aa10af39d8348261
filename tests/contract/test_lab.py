"""The lab's own code, block by block and in three languages, runs on this package.

Imports of names that never existed, or have moved, are replaced line by line; of the calls only those that
could not work, each with its reason. The OpenAI classes are the real clients, at a local server.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from ziggurat import Answer, MultiChain, RetrievalQA, SimpleChain
from ziggurat.testing import FakeChat, OpenAIServer

LABS = Path(__file__).parents[2].parent / "shared" / "seeds"

IMPORTS = {
    "from langchain.embeddings.openai import OpenAIEmbeddings": "from langchain_openai import OpenAIEmbeddings",
    "from langchain.chains import RetrievalQA": "from ziggurat import RetrievalQA",
    "from langchain.vectorstores.faiss import FAISS": "from ziggurat import VectorIndex as FAISS",
    # that class answered for chat models too when given one's name; today it is another class
    "from langchain.llms import OpenAI": "from langchain_openai import ChatOpenAI as OpenAI",
    "from langchain.chains.question_answering import load_qa_chain": "from ziggurat import load_qa_chain",
    "from langchain.chains import SimpleChain": "from ziggurat import SimpleChain",
    "from langchain.chains import MultiChain": "from ziggurat import MultiChain",
    "import os": "import os",
    "import faiss": "import faiss",
    "import numpy as np": "import numpy as np",
}

CALLS = {
    # the class counts tokens beforehand, and fetches the vocabulary for that from the internet
    "OpenAIEmbeddings()": "OpenAIEmbeddings(check_embedding_ctx_length=False)",
    # a FAISS index holds vectors and no texts, so a store of it alone has nothing to return
    "FAISS(index, embeddings_model)": "FAISS.from_texts(sample_texts, embeddings_model)",
}

MAGIC = "%pip install langchain openai faiss-cpu"


def blocks(name: str) -> list[str]:
    """The Python blocks of a lab, in order."""
    (path,) = LABS.glob(f"{name}_*.txt")
    found = re.findall(r"^([ ]*)```python[ ]*\n(.*?)^\1```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(body) for _, body in found]


def working(code: str) -> str:
    """The block as it can run here."""
    lines = []
    for line in code.splitlines():
        if line == MAGIC:
            continue
        lines.append(IMPORTS[line] if re.match(r"(?:from|import) ", line) else line)
    text = "\n".join(lines)
    for call, replacement in CALLS.items():
        text = text.replace(call, replacement)
    return text


def quote_the_closest_passage(messages) -> str:
    """What a careful model would answer: the passage that shares most words with the question."""
    passages, _, question = messages[-1].text.partition("\n\nQuestion: ")
    asked = set(re.findall(r"\w+", question.lower()))
    numbered = re.findall(r"^\[(\d+)\] (.+)$", passages, re.MULTILINE)
    number, best = max(numbered, key=lambda one: len(asked & set(re.findall(r"\w+", one[1].lower()))))
    return f"{best} [{number}]"


@pytest.fixture
def server(monkeypatch):
    with OpenAIServer(FakeChat(script=quote_the_closest_passage), api_key="your-openai-api-key") as running:
        monkeypatch.setenv("OPENAI_API_KEY", "set by the lab itself")
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        yield running


@pytest.mark.skipif(not LABS.is_dir(), reason="the lab's text is not part of the repository")
@pytest.mark.parametrize("name", ["000", "001", "002"], ids=["Chinese", "English", "Portuguese"])
def test_the_lab_runs_block_by_block(name, server, capsys):
    code = blocks(name)
    assert len(code) == 12
    space: dict[str, object] = {}
    printed = []
    for block in code:
        exec(compile(working(block), f"lab {name}", "exec"), space)  # noqa: S102 (the lab's own code)
        printed.append(capsys.readouterr().out)

    result = space["result"]
    assert isinstance(space["qa_chain"], RetrievalQA)
    assert isinstance(result, Answer)
    assert result.text == space["sample_texts"][0]
    (citation,) = result.citations
    assert citation.holds(space["sample_texts"][0])
    assert any("Azure Databricks is a fast" in text and "\n[1] " in text for text in printed)

    assert space["index"].ntotal == 3
    assert isinstance(space["image_generation_chain"], SimpleChain)
    assert space["image_result"] == "Generated image for prompt: A futuristic city with flying cars"
    assert isinstance(space["multi_chain"], MultiChain)
    output = space["multi_task_output"]
    assert list(output) == ["qa", "image_generation"]
    assert output["qa"].text == space["sample_texts"][1]
    assert output["qa"].citations[0].holds(space["sample_texts"][1])
    assert output["image_generation"] == "Generated image for prompt: A conceptual diagram of LangChain in use"

    asked = [request for request in server.requests if request.path == "/v1/chat/completions"]
    assert [request.body["model"] for request in asked] == ["gpt-4", "gpt-4"]
    assert {request.path for request in server.requests} == {"/v1/embeddings", "/v1/chat/completions"}
    space["vector_store"].close()


@pytest.mark.skipif(not LABS.is_dir(), reason="the lab's text is not part of the repository")
def test_the_code_is_the_same_in_all_languages_and_every_replacement_is_used():
    english = blocks("001")
    assert blocks("000") == english
    assert blocks("002") == english
    lines = "\n".join(english).splitlines()
    assert {line for line in lines if re.match(r"(?:from|import) ", line)} == set(IMPORTS)
    assert all(sum(call in line for line in lines) == 1 for call in CALLS)
