"""Tour: calling OpenAI. A model is named by its spec; the same line calls any provider, or none at all.

python examples/tour/call_a_model.py
OPENAI_API_KEY=... python examples/tour/call_a_model.py openai:gpt-4.1
"""

import sys

from ziggurat import chat


def main(model=None, question="What is to be said for and against artificial intelligence? Answer in two sentences."):
    """What the model says."""
    answer = chat(model).invoke(question, max_tokens=120)
    print(answer.text)
    return answer


if __name__ == "__main__":
    main(*sys.argv[1:2])
