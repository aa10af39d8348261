"""A small index about made-up places, and a dataset that fits it."""

import json

import pytest

from ziggurat.index import VectorIndex
from ziggurat.testing import FakeEmbeddings

PASSAGES = {
    "Puerto Museum": "The Puerto Museum is a museum in Valdivia. It was opened in 1968.",
    "Alma Reyes": "Alma Reyes is an architect from Chile. She designed the Puerto Museum.",
    "North Line": "The North Line is a railway in Norway. It was built in 1911.",
    "Lake Ferry": "The Lake Ferry is a ferry in Sweden. It carries bicycles.",
}
ROWS = [
    {
        "question": "In which city is the Puerto Museum?",
        "gold": ["Puerto Museum"],
        "answer": "Valdivia",
        "group": "one",
    },
    {
        "question": "When was the museum opened that Alma Reyes designed?",
        "gold": ["Alma Reyes", "Puerto Museum"],
        "answer": ["1968", "in 1968"],
        "group": "two",
    },
    {"question": "¿Cuándo fue construida la North Line?", "gold": "North Line", "answer": "1911", "group": "one"},
]


@pytest.fixture
def index(tmp_path):
    with VectorIndex.create(tmp_path / "kb", FakeEmbeddings()) as made:
        texts = [f"{title}\n{text}" for title, text in PASSAGES.items()]
        made.add_texts(texts, [{"title": title, "source": f"wiki/{title}.md"} for title in PASSAGES], ids=list("abcd"))
        yield made


@pytest.fixture
def dataset_path(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path
