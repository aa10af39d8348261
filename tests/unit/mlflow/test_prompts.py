import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.mlflow.prompts import _doubled, _single


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Hello {name}.", "Hello {{name}}."),
        ('Write {{"a": {b}}}.', 'Write {"a": {{b}}}.'),
        ('Write {{"a": "{b}"}}.', 'Write {"a": "{{b}}"}.'),
        ("{{ {a} }}", "{ {{a}} }"),
        ("{a}{b}", "{{a}}{{b}}"),
        ("{{{{a}}}}", None),
        ("{{{a}}}", "{{{a}}}"),
        ("{{% if a %}}", None),
        ("{a:>3}", None),
        ("{{{{ a.b }}}}", None),
        ("{{}}", "{}"),
        ("中文{问}", None),
    ],
)
def test_braces_are_doubled_where_mlflow_reads_them_back_the_same(ours, theirs):
    assert _doubled(ours) == theirs


@given(
    st.lists(st.sampled_from(["{{", "}}", "{a}", "{b_1}", "x", " ", "\n", '"', "{{a", "a}}"]), max_size=8).map("".join)
)
def test_what_is_said_in_mlflows_form_reads_back_as_it_was(text):
    said = _doubled(text)
    assert said is None or _single(said) == text
