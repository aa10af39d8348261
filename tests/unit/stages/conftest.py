"""An index of two files to ask questions of."""

import pytest
from worlds import ORCHARD

from ziggurat import VectorIndex
from ziggurat.testing import FakeEmbeddings


@pytest.fixture
def index(tmp_path):
    """An index of two files."""
    (tmp_path / "orchard.md").write_text(ORCHARD, encoding="utf-8")
    (tmp_path / "boat.txt").write_text("The boat is called Halcyon.\nIts sails are red.\n", encoding="utf-8")
    with VectorIndex.create(tmp_path / "kb", FakeEmbeddings()) as made:
        made.add_files([tmp_path / "orchard.md", tmp_path / "boat.txt"])
        yield made
