"""Properties of evidence: spans lie where they say, what is copied is supported, and pieces do not matter."""

import asyncio
import itertools

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ziggurat.stages.answer import Answer
from ziggurat.stages.checking import Checker, Passage
from ziggurat.stages.evidence import content, coverage, find_support, sentences

WORDS = st.sampled_from(
    "orchard river Maria Okafor planted 1987 3.5 harvest pears September naïve déjà co-op it's the of in "
    "果园 收获 九月开始 ação não coração 10,000 U.S. Dr. e.g.".split()
)
SENTENCE = st.builds(
    lambda words, end: " ".join(words) + end, st.lists(WORDS, min_size=2, max_size=9), st.sampled_from(".!?。")
)
PARAGRAPH = st.lists(SENTENCE, min_size=1, max_size=6).flatmap(
    lambda parts: st.lists(st.sampled_from([" ", "\n", "\n\n", "  "]), min_size=len(parts), max_size=len(parts)).map(
        lambda gaps: "".join(part + gap for part, gap in zip(parts, gaps, strict=True))
    )
)
ANY_TEXT = st.text(max_size=200) | PARAGRAPH


CLOSING = "\"'”’)]」』）"


@given(ANY_TEXT)
@example('One. Two.\n三。四！\n"Five." (Six.) Seven')
def test_sentences_cover_all_but_space_and_closing_marks_once_and_in_order(text):
    at = 0
    for start, end in [*sentences(text), (len(text), len(text))]:
        assert at <= start <= end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert all(char.isspace() or char in CLOSING for char in text[at:start])
        at = end


@given(ANY_TEXT, ANY_TEXT)
def test_support_lies_inside_the_text_and_its_share_is_a_share(claim, text):
    support = find_support(claim, text)
    assert 0.0 <= support.share <= 1.0 + 1e-9
    assert 0 <= support.start <= support.end <= len(text)
    if support.share:
        assert text[support.start : support.end].strip()
    else:
        assert support.start == support.end == 0


@given(PARAGRAPH, st.data())
def test_a_sentence_copied_from_a_passage_is_wholly_supported(text, data):
    start, end = data.draw(st.sampled_from(list(sentences(text))))
    claim = text[start:end]
    assume(content(claim))
    support = find_support(claim, text)
    assert support.share == 1.0
    assert content(claim).keys() <= content(text[support.start : support.end]).keys()
    assert abs(coverage(claim, [text]) - 1.0) < 1e-9


@given(PARAGRAPH, st.integers(0, 10**6))
def test_a_number_that_stands_nowhere_refutes(text, number):
    assume(str(number) not in content(text))
    start, end = next(sentences(text))
    assert find_support(f"{text[start:end]} {number} pears", text).share == 0.0


@given(ANY_TEXT)
def test_weights_are_positive_and_words_without_content_have_none(text):
    assert all(weight > 0 for weight in content(text).values())
    assert not content("the of and in to")


def released(reply, cuts, passage):
    """The whole answer, when the reply comes in pieces cut at these places."""

    async def read():
        checker = Checker("When was the orchard planted?", [Passage(passage, "d", "c", 0, 1)], None)
        places = sorted({0, len(reply), *(cut % (len(reply) + 1) for cut in cuts)})
        pieces = []
        for start, end in itertools.pairwise(places):
            pieces += await checker.read(reply[start:end])
        return [*pieces, *await checker.end()]

    whole = Answer("")
    for piece in asyncio.run(read()):
        whole += piece
    return whole


ORCHARD = "The orchard was planted in 1987 by Maria Okafor.\nIt grows pears. The harvest begins in September."
REPLY = st.lists(
    st.sampled_from(
        [
            "The orchard was planted in 1987 by Maria Okafor.",
            "The orchard's harvest begins in September [1].",
            "Bananas ripen on Mars, says Dr. Who.",
            "It was planted in 1999.",
            "Answer: the orchard was planted in 1987.",
            "A fee of 3.5 is due.",
        ]
    ),
    min_size=1,
    max_size=4,
).map(" ".join)


@settings(max_examples=60)
@given(REPLY, st.lists(st.integers(0, 400), max_size=12))
def test_how_an_answer_is_cut_into_pieces_changes_nothing(reply, cuts):
    assert released(reply, cuts, ORCHARD) == released(reply, [], ORCHARD)


@settings(max_examples=60)
@given(REPLY)
def test_spans_of_an_answer_are_its_sentences_and_its_citations_hold(reply):
    answer = released(reply, range(0, len(reply), 3), ORCHARD)
    spans = sorted([*answer.unsupported, *(citation.answer_span for citation in answer.citations)])
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    assert "".join(answer.text[slice(*span)] for span in spans).replace(" ", "") == answer.text.replace(" ", "")
    assert all(citation.holds(ORCHARD) for citation in answer.citations)
    assert "[1]" not in answer.text
