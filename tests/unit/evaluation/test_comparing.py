"""Two runs side by side: differences, and the questions that changed."""

import pytest

from ziggurat.errors import InputError
from ziggurat.evaluation.comparing import compare
from ziggurat.evaluation.saved import Row, Run, Variant


def run(name="one", kind="retrieval", stamp="s", digest="d", **variants):
    made = [
        Variant(named, [Row(at, f"question {at}", "en", "", {"all-gold@8": score}) for at, score in enumerate(scores)])
        for named, scores in variants.items()
    ]
    return Run(kind, name, "2026-01-01", {}, {"stamp": stamp}, {"digest": digest}, made)


def test_variants_of_one_name_are_compared_question_by_question():
    (found,) = compare(run(hybrid=[0, 1, 0, 1]), run("two", hybrid=[1, 1, 1, 0.5]))
    assert (found.before, found.after, found.measure) == ("one: hybrid", "two: hybrid", "all-gold@8")
    assert found.differences["all-gold@8"].value == pytest.approx(0.375)
    assert [(one.question, one.before, one.after) for one in found.better] == [
        ("question 0", 0, 1),
        ("question 2", 0, 1),
    ]
    assert [one.question for one in found.worse] == ["question 3"]
    assert found.notes == []


def test_two_variants_of_one_run_are_compared_by_name():
    both = run(hybrid=[0, 0], multihop=[1, 1])
    (found,) = compare(both, both, "hybrid", "multihop")
    assert found.differences["all-gold@8"].low == 1.0
    assert len(compare(both, both)) == 2


def test_runs_of_one_variant_each_are_compared_whatever_they_are_called():
    (found,) = compare(run(words=[0]), run(hybrid=[1]))
    assert found.after == "one: hybrid"


def test_another_index_or_dataset_is_told_and_only_shared_questions_count():
    (found,) = compare(run(hybrid=[0, 1, 1]), run(stamp="t", digest="e", hybrid=[1, 1]))
    assert found.questions == 2
    assert len(found.notes) == 2


def test_a_question_that_is_asked_twice_is_compared_twice():
    def twice(score):
        rows = [Row(at, "the same", "en", "", {"all-gold@8": score}) for at in range(2)]
        return Run("retrieval", "r", "", {}, {"stamp": "s"}, {"digest": "d"}, [Variant("hybrid", rows)])

    assert compare(twice(0), twice(1))[0].questions == 2


@pytest.mark.parametrize(
    ("after", "asked", "told"),
    [
        (run(kind="answers", hybrid=[1]), {}, "measure different things"),
        (run(words=[1], mmr=[1]), {}, "share no variant"),
        (run(hybrid=[1]), {"of": "telepathy"}, "no variant 'telepathy'"),
    ],
)
def test_what_cannot_be_compared_is_refused(after, asked, told):
    with pytest.raises(InputError, match=told):
        compare(run(hybrid=[1]), after, **asked)


def test_runs_without_a_shared_question_or_measure_are_refused():
    other = run(hybrid=[1])
    other.variants[0].rows[0] = Row(0, "another", "en", "", {"all-gold@8": 1.0})
    with pytest.raises(InputError, match="share no question"):
        compare(run(hybrid=[1]), other)
    deeper = run(hybrid=[1])
    deeper.variants[0].rows[0] = Row(0, "question 0", "en", "", {"all-gold@20": 1.0})
    with pytest.raises(InputError, match="the same k"):
        compare(run(hybrid=[1]), deeper)
