"""Tour: questions with a memory. What was said is shown to the model again; a file keeps it for the next visit.

python examples/tour/memory.py
"""

import tempfile
from pathlib import Path

from langchain_core.messages import AIMessage

from ziggurat.stages.conversation import Conversation


def main(model=None):
    """Two answers; the second needs what was said before, and is asked after the conversation was opened again."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "chats.sqlite")
        talk = Conversation(model=model, history=file)
        talk.memory.history().add_messages([AIMessage("Hello!")])
        first = talk.run("What is the capital of China?")
        again = Conversation(model=model, history=file)
        second = again.run("And how many people live there?")
        for message in again.memory.history().messages:
            print(f"{message.type:>6}: {message.text}")
    return first, second


if __name__ == "__main__":
    main()
