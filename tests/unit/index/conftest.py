"""An index to look at from the outside, empty and filled."""

import pytest
from worlds import TEXTS

from ziggurat.index import VectorIndex
from ziggurat.testing import FakeEmbeddings


@pytest.fixture
def index(tmp_path):
    with VectorIndex.create(tmp_path / "index", FakeEmbeddings()) as made:
        yield made


@pytest.fixture
def filled(index):
    index.add_texts(TEXTS, [{"n": at, "even": at % 2 == 0} for at in range(4)], ids=list("abcd"))
    return index
