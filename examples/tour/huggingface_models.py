"""Tour: Hugging Face models, online and offline. The inference client asks a server; the transformers library runs a folder here.

HF_TOKEN=... python examples/tour/huggingface_models.py huggingface:google/flan-t5-xl
python examples/tour/huggingface_models.py transformers:google/flan-t5-large
"""

import sys

from langchain_core.prompts import PromptTemplate

from ziggurat import LLM, chat

THINK = PromptTemplate.from_template("Question: {question}\nAnswer: Let's think step by step.")


def main(spec, question="What is the capital of England?", prompt=THINK):
    """The answer through a prompt, and to the bare question."""
    through, bare = LLM(prompt, spec).run(question), chat(spec).invoke(question).text
    print(through, bare, sep="\n")
    return through, bare


if __name__ == "__main__":
    main(sys.argv[1])
