"""Measuring answers: short ones and sentences, gold passages and none, judges, and going on after a stop."""

import json
import re

import pytest
from langchain_core.documents import Document

from ziggurat.errors import InputError, ModelUnavailable
from ziggurat.evaluation.answering import Answerer, Way, fitting, stands
from ziggurat.evaluation.answers import AnswerSettings, evaluate_answers
from ziggurat.evaluation.dataset import Dataset, Question, load_dataset
from ziggurat.evaluation.judge import Judge, Judged, faithfulness
from ziggurat.evaluation.row_log import RowLog
from ziggurat.evaluation.saved import Row
from ziggurat.stages.answer import Answer, Citation, quote_hash
from ziggurat.testing import FakeChat

KNOWS = {"museum opened": "1968", "city is the Puerto": "Valdivia", "North Line": "1911"}


def reader(messages):
    """Answers only what stands in the passages it was given."""
    asked = messages[-1].text
    answer = next(text for pattern, text in KNOWS.items() if re.search(pattern, asked.rpartition("Question: ")[2]))
    return answer if answer in asked.rpartition("Question: ")[0] else "Paris"


@pytest.fixture
def dataset(dataset_path):
    return load_dataset(dataset_path)


def test_short_answers_are_measured_from_gold_from_what_is_found_and_from_nothing(index, dataset):
    settings = AnswerSettings(gold=True, closed_book=True, k=4)
    run = evaluate_answers(index, dataset, FakeChat(script=reader), settings=settings)
    found = {one.name: one.figures() for one in run.variants}
    assert list(found) == ["retrieved passages, short", "gold passages, short", "closed book, short"]
    assert found["gold passages, short"]["exact match"].value == 1.0
    assert found["retrieved passages, short"]["F1"].value == 1.0
    assert found["closed book, short"]["exact match"].value == 0.0
    assert "cites gold" not in found["closed book, short"]
    assert found["gold passages, short"]["cites gold"].value == 1.0
    assert found["gold passages, short"]["quotes hold"].value == 1.0
    (line,) = run.usage
    assert (line["calls"], line["usd"], line["role"]) == (9, 0.0, "answers")
    assert line["input_tokens"] > line["output_tokens"] > 0


def test_a_sentence_is_that_of_the_answer_stage(index):
    dataset = Dataset.of("one", (Question("When was the North Line built?", ("c",), ("1911",)),))
    said = "The North Line was built in 1911. It is painted blue."
    settings = AnswerSettings(styles=("sentence",), k=1, closed_book=True)
    run = evaluate_answers(index, dataset, FakeChat(script=said), settings=settings)
    retrieved, closed = (one.rows[0] for one in run.variants)
    assert retrieved.answer["text"] == said
    assert retrieved.scores["holds answer"] == 1.0
    assert retrieved.scores["exact match"] == 0.0
    assert retrieved.scores["unsupported"] == pytest.approx(len("It is painted blue.") / len(said))
    assert [one["gold"] for one in retrieved.answer["citations"]] == [True]
    assert closed.answer["text"] == said


def test_an_answer_that_is_not_in_the_documents_is_no_answer(index):
    dataset = Dataset.of("one", (Question("Which king ruled Atlantis in 1720?", ("c",), ("in the documents",)),))
    settings = AnswerSettings(styles=("sentence",), k=1)
    run = evaluate_answers(index, dataset, FakeChat(script="Not in the documents."), settings=settings)
    scores = run.variants[0].rows[0].scores
    assert (scores["answered"], scores["holds answer"], scores["F1"]) == (0.0, 0.0, 0.0)
    assert "unsupported" not in scores


def test_a_short_answer_is_asked_for_in_the_language_of_the_question(index, dataset):
    model = FakeChat(script=reader)
    evaluate_answers(index, dataset, model, settings=AnswerSettings(concurrency=1))
    told = [call.messages[0].text.endswith(" Answer in Spanish.") for call in model.calls]
    assert told == [False, False, True]


def test_a_style_is_chosen_by_the_datasets_answers(index):
    long = "because the river rose so high that spring that nobody in the valley could cross it"
    dataset = Dataset.of("long", (Question("Why was the ferry built?", ("d",), (long,)),))
    run = evaluate_answers(index, dataset, FakeChat(script="It carries bicycles."))
    assert [one.name for one in run.variants] == ["retrieved passages, sentence"]


def test_gold_without_any_is_refused_before_a_model_is_asked(index):
    model = FakeChat(script="1911")
    dataset = Dataset.of("none", (Question("When was Troy built?", (), ("1911",)),))
    with pytest.raises(InputError, match="no gold passages to answer from"):
        evaluate_answers(index, dataset, model, settings=AnswerSettings(gold=True))
    assert model.calls == []


# -- when a model fails ---------------------------------------------------------------------------


def test_a_question_that_fails_counts_as_wrong_is_told_and_is_asked_again(index, dataset, tmp_path):
    settings = AnswerSettings(concurrency=1)
    rows = tmp_path / "rows.jsonl"
    broken = FakeChat(script=reader, errors={2: ValueError("out of [ink]")})
    run = evaluate_answers(index, dataset, broken, settings=settings, rows=rows)
    (variant,) = run.variants
    assert variant.figure("exact match").value == pytest.approx(2 / 3)
    assert variant.notes == ["1 of 3 questions failed and count as wrong; the last: ValueError: out of [ink]"]
    again = evaluate_answers(index, dataset, FakeChat(script=reader), settings=settings, rows=rows)
    assert again.variants[0].figure("exact match").value == 1.0
    assert again.usage[0]["calls"] == 3


def test_a_model_that_is_not_there_ends_the_run_and_leaves_what_is_finished(index, dataset, tmp_path):
    settings, rows = AnswerSettings(concurrency=1), tmp_path / "rows.jsonl"
    gone = FakeChat(script=reader, errors={3: ModelUnavailable("The service is down.")})
    with pytest.raises(ModelUnavailable, match="down"):
        evaluate_answers(index, dataset, gone, settings=settings, rows=rows)
    model = FakeChat(script=reader)
    run = evaluate_answers(index, dataset, model, settings=settings, rows=rows)
    assert len(model.calls) == 1
    assert len(run.variants[0].rows) == 3


# -- going on -------------------------------------------------------------------------------------


def test_a_finished_run_is_not_asked_again_unless_it_shall_be(index, dataset, tmp_path):
    rows = tmp_path / "rows.jsonl"
    first = evaluate_answers(index, dataset, FakeChat(script=reader), rows=rows)
    model = FakeChat(script=reader)
    again = evaluate_answers(index, dataset, model, rows=rows)
    assert model.calls == []
    assert again.variants == first.variants
    evaluate_answers(index, dataset, model, rows=rows, fresh=True)
    assert len(model.calls) == 3


def test_a_line_that_was_cut_short_is_asked_again(index, dataset, tmp_path):
    rows = tmp_path / "rows.jsonl"
    evaluate_answers(index, dataset, FakeChat(script=reader), rows=rows)
    rows.write_bytes(rows.read_bytes()[:-20])
    model = FakeChat(script=reader)
    run = evaluate_answers(index, dataset, model, rows=rows)
    assert len(model.calls) == 1
    assert len(run.variants[0].rows) == 3
    assert len(rows.read_text("utf-8").splitlines()) == 4


def test_rows_of_other_settings_or_of_a_changed_index_are_refused(index, dataset, tmp_path):
    rows = tmp_path / "rows.jsonl"
    evaluate_answers(index, dataset, FakeChat(script=reader), rows=rows)
    with pytest.raises(InputError, match="settings differ"):
        evaluate_answers(index, dataset, FakeChat(script=reader), settings=AnswerSettings(k=2), rows=rows)
    index.add_texts(["Something else."])
    with pytest.raises(InputError, match="index differ"):
        evaluate_answers(index, dataset, FakeChat(script=reader), rows=rows)


def test_a_file_that_holds_no_rows_is_refused(tmp_path):
    (tmp_path / "rows.jsonl").write_text("hello\n", encoding="utf-8")
    with pytest.raises(InputError, match="no rows of a run"):
        RowLog(tmp_path / "rows.jsonl", {})


def test_a_log_gives_back_the_rows_it_was_given(tmp_path):
    row = Row(3, "什么时候？", "zh", "", {"F1": 0.5}, gold={"a": None, "b": 2}, answer={"text": "1911\n"})
    RowLog(tmp_path / "rows.jsonl", {"k": (1, 2)}).add("short", row)
    assert RowLog(tmp_path / "rows.jsonl", {"k": [1, 2]}).rows == {("short", 3): row}


# -- judges ---------------------------------------------------------------------------------------


def verdicts(messages):
    statement = re.search("Statement: (.*)", messages[-1].text)[1]
    return json.dumps({"supported": "yes" if "1911" in statement else "no"}) if "blue" not in statement else "perhaps"


async def test_each_sentence_is_judged_by_what_it_cites_and_no_answer_is_unknown():
    passages = [Document(id="a", page_content="Built in 1911."), Document(id="b", page_content="A ferry.")]
    cited = Citation("a", "a", 0, 14, "Built in 1911.", quote_hash("Built in 1911."), (0, 19), 1.0)
    answer = Answer("It is of 1911 then. It is green. It is blue.", (cited,))
    model = FakeChat(script=verdicts)
    judged, usage = await Judge(model).read("When?", answer, passages)
    assert [one.supported for one in judged] == ["yes", "no", "unknown"]
    assert "A ferry." not in model.calls[0].messages[-1].text
    assert "A ferry." in model.calls[1].messages[-1].text
    assert usage.calls == 3
    assert faithfulness(judged) == 0.5


async def test_a_judge_that_raises_is_unknown_and_one_that_is_not_there_is_told():
    answer, passages = Answer("It is of 1911."), [Document(id="a", page_content="Built in 1911.")]
    judged, _ = await Judge(FakeChat(script=[TimeoutError("slow")])).read("When?", answer, passages)
    assert [one.supported for one in judged] == ["unknown"]
    with pytest.raises(ModelUnavailable):
        await Judge(FakeChat(script=[ModelUnavailable("no key")])).read("When?", answer, passages)


def test_faithfulness_of_unknown_verdicts_is_unknown():
    assert faithfulness([Judged("It is.", "unknown")]) is None
    assert faithfulness([]) is None


def test_a_judged_run_tells_how_many_verdicts_it_has(index, dataset):
    run = evaluate_answers(index, dataset, FakeChat(script=reader), judge=FakeChat(script="perhaps"))
    assert run.variants[0].notes == ["3 sentences were judged, 3 of them without a verdict."]
    assert run.variants[0].figure("faithful") is None
    assert [line["role"] for line in run.usage] == ["answers", "judge"]


# -- parts ----------------------------------------------------------------------------------------


def test_passages_fit_a_budget_and_the_first_always_does():
    given = [Document(page_content="x" * 10), Document(page_content="y" * 10), Document(page_content="z")]
    assert [one.page_content for one in fitting(given, 4)] == ["xxxx"]
    assert [len(one.page_content) for one in fitting(given, 20)] == [10, 10]
    assert len(fitting(given, 21)) == 3
    assert fitting([], 5) == []


def test_a_quote_stands_only_at_its_place_and_with_its_hash():
    passage = Document(id="a", page_content="Built in 1911.", metadata={"start_index": 100})
    good = Citation("a", "a", 109, 113, "1911", quote_hash("1911"), (0, 4), 1.0)
    assert stands(good, passage)
    for bad in (
        Citation("a", "a", 108, 112, "1911", quote_hash("1911"), (0, 4), 1.0),
        Citation("a", "a", 109, 113, "1912", quote_hash("1912"), (0, 4), 1.0),
        Citation("a", "a", 109, 113, "1911", quote_hash("1912"), (0, 4), 1.0),
    ):
        assert not stands(bad, passage)


async def test_no_passage_found_is_no_answer_and_asks_nobody(index):
    model = FakeChat(script="1911")

    class Nothing:
        async def ainvoke(self, question):
            return []

    answerer = Answerer(model, Nothing(), None)
    row = await answerer.ask(0, Question("When was Troy built?", (), ("1911",)), Way("retrieved", "short"))
    assert row.scores == {"exact match": 0.0, "F1": 0.0, "answered": 0.0}
    assert model.calls == []
