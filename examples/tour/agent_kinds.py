"""Tour: agent types. ReAct by description, a document store with Search and Lookup, self-ask with search, conversational.

python examples/tour/agent_kinds.py
"""

import tempfile

from ziggurat import VectorIndex
from ziggurat.stages.agent import Agent
from ziggurat.tools import calculator, docstore, index_search

TEXTS = {
    "Swamp Thing": "Swamp Thing is a 1982 film. It was directed by Wes Craven.",
    "Wes Craven": "Wes Craven was born in Cleveland, Ohio. He died in 2015.",
}


def main(react=None, documents=None, self_ask=None, conversational=None):
    """The answer of each kind; each may be given a model of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        VectorIndex.from_texts(
            list(TEXTS.values()), "fake:64", [{"title": title} for title in TEXTS], path=f"{folder}/kb"
        ) as index,
    ):
        question = "Where was the director of Swamp Thing born?"
        talk = Agent([calculator()], conversational, kind="conversational")
        talk.run("My boat is 12 metres long.")
        found = {
            "react": Agent([calculator()], react, kind="react").run("What is 12 times 11?"),
            "docstore": Agent(docstore(index), documents, kind="docstore").run(question),
            "self_ask": Agent([index_search(index)], self_ask, kind="self_ask").run(question),
            "conversational": talk.run("How long are two of them?"),
        }
    for kind, answer in found.items():
        print(f"# {kind}\n{answer.trace()}\n")
    return found


if __name__ == "__main__":
    main()
