"""A process that shares the machine's local models: asks what it is told on stdin, a line of JSON each, and answers so."""

import json
import sys
from pathlib import Path

from ziggurat import models
from ziggurat.models.shared import share_local_models


def memory():
    """Kilobytes of this process's own memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


def answer(asked):
    match asked:
        case {"chat": spec, "question": question, **options}:
            return models.chat(spec, **options).invoke(question).text
        case {"vectors": texts}:
            return models.embeddings().embed_array(texts).tobytes().hex()
        case {"memory": True}:
            return memory()
    raise AssertionError(asked)


if __name__ == "__main__":
    if sys.argv[1] != "alone":
        share_local_models(Path(sys.argv[1]), idle_seconds=float(sys.argv[2]))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
