"""Tour: a bot that knows a video. Its transcript is indexed with the moments, and answers link to the second they come from.

python examples/tour/video_bot.py https://www.youtube.com/watch?v=... "What is shown?"
"""

import sys
import tempfile

from ziggurat import VectorIndex
from ziggurat.loaders.document import Place, SourceDocument
from ziggurat.stages.conversation import Conversation

STORED = (
    (0, "Welcome to the workshop. Today we build a small boat from plywood."),
    (74, "First we cut the planks. The saw is a fine Japanese pull saw."),
    (191, "The glue is epoxy and it needs twelve hours to cure."),
    (312, "At the end we paint the boat red, because red is seen from far away."),
)


def stored_transcript():
    """A transcript as `ziggurat.loaders.load("https://www.youtube.com/watch?v=...")` gives it."""
    lines, places, at = [], [], 0
    for second, line in STORED:
        places.append(Place(at, {"seconds": second}))
        lines.append(line)
        at += len(line) + 1
    source = "https://www.youtube.com/watch?v=Dj60HHy-Kqk"
    return SourceDocument(source, "\n".join(lines), metadata={"source": source, "title": "A boat"}, places=places)


def main(video=None, *questions, model=None, embedding=None):
    """The answers, one for each question; a follow-up question may say "it"."""
    with tempfile.TemporaryDirectory() as folder, VectorIndex.create(f"{folder}/kb", embedding) as index:
        index.add_source(stored_transcript()) if video is None else index.add(video)
        talk = Conversation(index, model)
        answers = [
            talk.run(one)
            for one in questions or ("When is the boat painted, and why red?", "And how long does the glue need?")
        ]
    for answer in answers:
        print(answer.text, *(f"  {one.link}" for one in answer.citations), sep="\n")
    return answers


if __name__ == "__main__":
    main(*sys.argv[1:])
