"""What holds for any texts: batches lose nothing, order is kept, rounding stays within its bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ziggurat.models.encoder.embeddings import LocalEmbeddings
from ziggurat.models.encoder.engine import _Window, batches
from ziggurat.models.encoder.graph import Matrix


@given(lengths=st.lists(st.integers(1, 600)), bound=st.integers(1, 2000))
def test_batches_hold_every_window_once_within_the_bound(lengths, bound):
    windows = [_Window(number, [0] * length) for number, length in enumerate(sorted(lengths))]
    made = list(batches(windows, bound))
    assert [window for batch in made for window in batch] == windows
    for batch in made:
        assert len(batch) * len(batch[-1].ids) <= bound or len(batch) == 1


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 5), groups=st.integers(1, 4), spread=st.floats(1e-3, 1e3))
def test_quantised_weights_are_off_by_half_a_step_at_most(seed, rows, groups, spread):
    weights = np.random.default_rng(seed).normal(0, spread, (rows, groups * 64)).astype(np.float32)
    matrix = Matrix.quantised(weights, group=64)
    restored = ((matrix.codes.astype(np.float32) - matrix.zero) * matrix.scales).reshape(weights.shape)
    steps = np.repeat(matrix.scales[:, :, 0], 64, axis=1)
    assert (np.abs(restored - weights) <= steps * 0.501).all()


def test_a_row_of_zeros_is_quantised_to_zeros():
    matrix = Matrix.quantised(np.zeros((2, 64), np.float32), group=64)
    assert (matrix.codes == matrix.zero).all()


words = st.text(min_size=1, max_size=200).filter(lambda text: bool(text.strip()))


@pytest.mark.model
@settings(max_examples=15)
@given(texts=st.lists(words, min_size=1, max_size=6), chance=st.randoms(use_true_random=False))
def test_any_texts_in_any_order_have_the_vectors_they_have_alone(texts, chance):
    model = LocalEmbeddings()
    order = list(range(len(texts)))
    chance.shuffle(order)
    shuffled = model.embed_array([texts[number] for number in order])
    for row, number in enumerate(order):
        assert shuffled[row] @ model.embed_array([texts[number]])[0] > 0.9995
