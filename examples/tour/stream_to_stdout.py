"""Tour: streamed answers. Words appear as they are made: by callback as LangChain has it, or in a loop.

python examples/tour/stream_to_stdout.py [MODEL]
"""

import sys

from langchain_core.callbacks import StreamingStdOutCallbackHandler

from ziggurat import LLM, chat


def main(model=None):
    """What was streamed in pieces, by the callback's way and by the loop's."""
    opened = chat(model)
    prompt = "Tell me in one sentence what a ziggurat is."
    told = "".join(chunk.text for chunk in opened.stream(prompt, {"callbacks": [StreamingStdOutCallbackHandler()]}))
    print("\n--")
    pieces = []
    for piece in LLM("Tell me in one sentence what a {thing} is.", opened).stream({"thing": "ziggurat"}):
        print(piece, end="", flush=True)
        pieces.append(piece)
    print()
    return told, pieces


if __name__ == "__main__":
    main(*sys.argv[1:2])
