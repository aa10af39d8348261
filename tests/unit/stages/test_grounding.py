"""Where a value stands in a text, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.stages.grounding import Ground


@pytest.mark.parametrize(
    ("text", "value", "there"),
    [
        ("The Boat is called  Halcyon.", "boat is called halcyon", "Boat is called  Halcyon"),
        ("Preis: 1.234,50 EUR", 1234.5, "1.234,50"),
        ("Price: 1,234.50 EUR", 1234.5, "1,234.50"),
        ("发行价格：３１.３９元", "31.39", "３１.３９"),
        ("注册资本：125620 万元", 125620, "125620"),
        ("on 3 May 2024", "2024-05-03", "3 May 2024"),
        ("em 3 de maio de 2024.", "2024-05-03", "3 de maio de 2024"),
        ("成立于1999年11月20日。", "1999-11-20", "1999年11月20日"),
        ("Monday, March 1, 2021", "2021-03-01", "March 1, 2021"),
        ("Amount: −5", -5, "−5"),
        ("“It’s here”", "it's here", "It’s here"),
    ],
)
def test_it_is_found_where_it_stands(text, value, there):
    start, end = Ground(text).find(value)
    assert text[start:end] == there


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("in 1987", "198"),
        ("in 1987", 87),
        ("a cathedral", "cat"),
        ("nothing", True),
        ("nothing", None),
        ("nothing", ""),
        ("on 3 May 2024", "2024-05-04"),
        ("on 3 May 2024", "2024-99-99"),
    ],
)
def test_what_does_not_stand_there_is_not_found(text, value):
    assert Ground(text).find(value) is None


@given(st.text(max_size=60), st.text(min_size=1, max_size=12), st.text(max_size=60))
def test_offsets_are_of_the_text_as_it_was_given(before, value, after):
    text = f"{before} {value} {after}"
    found = Ground(text).find(value)
    if found is not None:
        start, end = found
        assert 0 <= start < end <= len(text)
