"""Making questions: which are refused and why, how passages are drawn, and going on."""

import json

import pytest
from langchain_core.documents import Document

from ziggurat.errors import InputError, ModelUnavailable
from ziggurat.evaluation.making import MakeSettings, Pair, drawn, made_fault, make_questions, stands_in
from ziggurat.index import VectorIndex
from ziggurat.testing import FakeChat, FakeEmbeddings

PASSAGE = Document(
    id="a",
    page_content="The Puerto Museum is a museum in Valdivia. It was opened in 1968 by the mayor, Ana María Soto.",
)
BEFORE = [{"question": "Who opened the Puerto Museum in Valdivia?"}]

FAULTS = {
    "": Pair(question="When was the Puerto Museum opened?", answer="1968"),
    "the question or the answer is empty": Pair(question="When was the Puerto Museum opened?", answer="..."),
    "the answer is long": Pair(question="What about the Puerto Museum?", answer="word " * 20),
    "the question is in another language than its passage": Pair(
        question="¿Cuándo fue inaugurado el Museo Puerto?", answer="1968"
    ),
    "the answer does not stand in the passage": Pair(question="When was the Puerto Museum opened?", answer="196"),
    "the question speaks of the passage": Pair(question="Which year does the passage name?", answer="1968"),
    "the question holds its answer": Pair(question="Was the Puerto Museum opened in 1968?", answer="1968"),
    "the question could be of anything": Pair(question="What is the name of the museum?", answer="Puerto"),
    "it was asked before": Pair(question="Who opened the Puerto Museum of Valdivia?", answer="Ana María Soto"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_question_that_would_measure_nothing_is_refused(fault):
    assert made_fault(FAULTS[fault], PASSAGE, BEFORE, None) == fault


def test_an_answer_in_other_order_or_form_is_held_by_the_question_too():
    made = Pair(question="What is Ana Soto's whole name, María included?", answer="Ana María Soto")
    assert made_fault(made, PASSAGE, [], None) == "the question holds its answer"


@pytest.mark.parametrize(
    "question",
    [
        "According to the text, when was it opened?",
        "What does this document say of Valdivia?",
        "根据本文，该博物馆何时开放？",
        "Segundo o texto, quando foi inaugurado o museu?",
        "¿Qué dice el pasaje sobre el museo de Valdivia?",
    ],
)
def test_the_passage_is_not_spoken_of_in_any_language(question):
    language_of_it = Document(id="a", page_content=f"{question} 1968")
    assert (
        made_fault(Pair(question=question, answer="1968"), language_of_it, [], None)
        == "the question speaks of the passage"
    )


def test_a_question_that_another_passage_answers_as_well_is_refused(tmp_path):
    texts = [
        PASSAGE.page_content,
        "Visit Valdivia! The Puerto Museum was opened in 1968.",
        "The Lake Ferry carries bicycles.",
    ]
    with VectorIndex.create(tmp_path / "kb", FakeEmbeddings()) as index:
        index.add_texts(texts, ids=list("abc"))
        twice = Pair(question="When was the Puerto Museum opened?", answer="1968")
        once = Pair(question="Who opened the Puerto Museum?", answer="Ana María Soto")
        assert made_fault(twice, PASSAGE, [], index) == "another passage answers it as well"
        assert made_fault(once, PASSAGE, [], index) == ""


@pytest.mark.parametrize(
    ("answer", "text", "stands"),
    [
        ("1968", "in 1968.", True),
        ("196", "in 1968.", False),
        ("ana  maría", "by Ana\nMaría Soto", True),
        ("瓦尔迪维亚", "位于瓦尔迪维亚市", True),
        ("", "anything", False),
        ("C++", "in C++ and C", True),
    ],
)
def test_an_answer_stands_as_whole_words_whatever_its_case_and_breaks(answer, text, stands):
    assert stands_in(answer, text) is stands


# -- a whole set ----------------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path):
    """Three documents of several chunks each; each chunk tells one year of one mill."""
    with VectorIndex.create(tmp_path / "kb", FakeEmbeddings()) as index:
        for document in range(3):
            folder = tmp_path / "notes"
            folder.mkdir(exist_ok=True)
            parts = [
                f"# Mill {document}{part}\n\n"
                + f"The mill of Hollow{document}{part} was built in {1700 + 10 * document + part}. " * 5
                for part in range(4)
            ]
            (folder / f"{document}.md").write_text("\n\n".join(parts), encoding="utf-8")
        index.add(tmp_path / "notes")
        yield index


def maker(messages):
    import re

    name, year = re.search(r"mill of (Hollow\d+) was built in (\d+)", messages[-1].text).groups()
    return json.dumps({"question": f"In which year did workers finish {name}?", "answer": year})


def test_passages_are_drawn_evenly_over_documents_and_the_same_again(places):
    order = drawn(places, 0)
    documents = [places.get_by_ids([one])[0].metadata["source"] for one in order]
    assert len(set(documents[:3])) == 3
    assert order == drawn(places, 0)
    assert order != drawn(places, 1)
    assert sorted(order) == sorted(drawn(places, 1))


def test_made_questions_name_their_passage_and_wait_for_a_reviewer(places):
    taken = []
    report = make_questions(places, FakeChat(script=maker), settings=MakeSettings(count=3), take=taken.append)
    assert taken == report.rows
    assert len(taken) == 3
    assert len({row["source"] for row in taken}) == 3
    for row in taken:
        (passage,) = places.get_by_ids(row["gold"])
        assert row["answer"] in passage.page_content
        assert row["reviewed"] is False
        assert row["language"] == "en"


def test_a_set_that_was_begun_goes_on_behind_its_last_question(places):
    whole = make_questions(places, FakeChat(script=maker), settings=MakeSettings(count=4))
    model = FakeChat(script=maker)
    rest = make_questions(places, model, settings=MakeSettings(count=4), known=whole.rows[:2])
    assert rest.rows == whole.rows[2:]
    assert len(model.calls) == 2
    assert make_questions(places, model, settings=MakeSettings(count=4), known=whole.rows).rows == []


def test_what_a_model_cannot_do_is_counted_and_passed_over(places):
    model = FakeChat(script=maker, errors={1: TimeoutError("slow")})
    report = make_questions(places, model, settings=MakeSettings(count=1))
    assert report.refused == {"it gave no question in the form asked for": 1}
    assert (len(report.rows), report.asked) == (1, 2)


def test_a_model_that_is_not_there_is_told(places):
    with pytest.raises(ModelUnavailable):
        make_questions(places, FakeChat(script=[ModelUnavailable("no key")]))


def test_an_index_without_a_passage_to_ask_about_is_refused(tmp_path):
    with VectorIndex.create(tmp_path / "kb", FakeEmbeddings()) as index:
        index.add_texts(["Short."])
        with pytest.raises(InputError, match="enough to ask about"):
            make_questions(index, FakeChat(script=maker))
