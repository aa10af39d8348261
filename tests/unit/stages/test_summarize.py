"""`Summarize`: four ways, pointers that hold, a bound on calls that is kept, and what it refuses."""

import re

import pytest
from book import book
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate

from ziggurat import MultiChain
from ziggurat.chain.spec import dump_chain, load_chain
from ziggurat.errors import ChainError, InputError, ModelError, SpecError, UnreadableDocument
from ziggurat.loaders import Place, SourceDocument
from ziggurat.stages.summarize import Summarize
from ziggurat.stages.summary import Summary
from ziggurat.testing import FakeChat

ORCHARD = (
    "# Orchard\n\nThe orchard at Brell was planted in 1987. It has forty pear trees and a well.\n\n"
    "Every autumn the school picks the pears. The juice is sold at the market in Osk.\n"
)
FACT = re.compile(r"The lighthouse at \w+ was built in \d+\.")


def finder(messages):
    """A model that notes the facts, and else the first sentence it reads."""
    text = messages[-1].text
    found = FACT.findall(text)
    if found:
        return "Here are the facts:\n" + "\n".join(f"{number}. {one}" for number, one in enumerate(found, 1))
    first = re.search(r"[A-Z][^.\n:]+\.", text.partition("\n")[2])
    return first.group() if first else "Nothing of note."


def holds(summary, *texts):
    return all(any(one.holds(text) for text in texts) for point in summary.points for one in point.citations)


# -- all at once ----------------------------------------------------------------------------------


def test_a_short_text_is_read_at_once_and_every_sentence_points_at_its_place():
    model = FakeChat(script="The orchard at Brell was planted in 1987. The school picks the pears every autumn [2].")
    summary = Summarize(model).run(Document(ORCHARD, metadata={"source": "orchard.md"}))
    assert summary.text == "The orchard at Brell was planted in 1987. The school picks the pears every autumn."
    assert summary.strategy == "stuff"
    assert len(model.calls) == 1
    assert [point.citations[0].place for point in summary.points] == ["orchard.md:3", "orchard.md:5"]
    assert summary.points[1].citations[0].quote == "Every autumn the school picks the pears."
    assert [summary.text[point.start : point.end] for point in summary.points] == [one.text for one in summary.points]
    assert holds(summary, ORCHARD)
    assert (summary.share, summary.characters_read) == (1.0, summary.characters)
    assert summary.usage.calls == 1
    assert str(summary).splitlines()[2].startswith('[1] orchard.md:3 "The orchard at Brell')
    assert "Read 1 of 1 passages (100% of the text), stuff." in str(summary)


def test_what_the_text_does_not_say_is_left_out():
    model = FakeChat(
        script="The orchard at Brell was planted in 1989.\nIt has forty pear trees.\nBears eat honey at night."
    )
    assert Summarize(model).run(ORCHARD).text == "It has forty pear trees."


def test_a_model_that_says_nothing_that_holds_is_replaced_by_sentences_of_the_text():
    summary = Summarize(FakeChat(script="Bears eat honey at night."), sentences=2).run(ORCHARD)
    assert len(summary.points) == 2
    assert all(point.quoted and point.text in ORCHARD.replace("\n", " ") for point in summary.points)
    assert holds(summary, ORCHARD)


def test_a_chinese_text_is_summarised_in_chinese():
    text = "布雷尔的果园种于1987年。果园里有四十棵梨树和一口井。每年秋天，学校的孩子们来摘梨。"
    model = FakeChat(script="果园种于1987年。每年秋天学校的孩子们来摘梨。")
    summary = Summarize(model).run(text)
    assert summary.text == "果园种于1987年。每年秋天学校的孩子们来摘梨。"
    assert "你用中文概括" in model.calls[0].messages[0].text
    assert holds(summary, text)


def test_a_page_is_named_where_the_document_has_pages():
    document = SourceDocument(
        "a.pdf", ORCHARD, places=(Place(0, {"page": 1}), Place(ORCHARD.index("Every"), {"page": 2}))
    )
    summary = Summarize(FakeChat(script="Every autumn the school picks the pears.")).run([document])
    assert summary.points[0].citations[0].place == "a.pdf, page 2"


def test_a_chunk_points_into_its_own_document():
    start = ORCHARD.index("Every")
    chunk = Document(ORCHARD[start:], metadata={"source": "o.md", "start_index": start, "first_line": 5})
    summary = Summarize(FakeChat(script="Every autumn the school picks the pears.")).run(chunk)
    assert summary.points[0].citations[0].place == "o.md:5"
    assert holds(summary, ORCHARD)


def test_pieces_of_a_stream_add_up_to_the_summary():
    stage = Summarize(FakeChat(script="The orchard at Brell was planted in 1987. It has forty pear trees and a well."))
    pieces = list(stage.stream(ORCHARD))
    assert len(pieces) == 3
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert whole == stage.run(ORCHARD)
    assert whole.usage == stage.run(ORCHARD).usage


def test_a_path_is_loaded(tmp_path):
    (tmp_path / "orchard.md").write_text(ORCHARD, encoding="utf-8")
    summary = Summarize(FakeChat(script="It has forty pear trees and a well.")).run(tmp_path / "orchard.md")
    assert summary.points[0].citations[0].place.endswith("orchard.md:3")


# -- in parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["auto", "map_reduce", "refine"])
def test_a_long_text_is_read_whole_and_its_facts_come_through(strategy):
    made = book(80_000)
    summary = Summarize(
        FakeChat(script=finder), strategy=strategy, sentences=20, max_calls=None, context_tokens=4096
    ).run(made.text)
    assert [point.text for point in summary.points if not point.quoted and FACT.match(point.text)] == list(made.facts)
    assert all(point.citations[0].quote == point.text for point in summary.points if FACT.match(point.text))
    assert holds(summary, made.text)
    assert summary.share == 1.0


def test_a_book_of_three_megabytes_is_read_whole_and_twenty_facts_are_checked():
    made = book(3_000_000)
    model = FakeChat(script=finder)
    summary = Summarize(model, sentences=20, max_calls=None, context_tokens=4096).run(made.text)
    facts = {point.text: point for point in summary.points if point.text in made.facts}
    assert set(facts) == set(made.facts)
    for fact, point in facts.items():
        (citation,) = point.citations
        assert made.text[citation.start : citation.end] == fact
    assert summary.characters_read == summary.characters
    assert max(len(call.messages[-1].text) for call in model.calls) < 3 * 4096


@pytest.mark.parametrize("max_calls", [2, 3, 11, 40])
@pytest.mark.parametrize("sentences", [1, 6, 20])
def test_a_bound_on_calls_is_kept_and_what_was_read_is_said(max_calls, sentences):
    made = book(150_000)
    model = FakeChat(script=finder)
    stage = Summarize(model, sentences=sentences, max_calls=max_calls, context_tokens=4096)
    summary = stage.run(made.text)
    assert len(model.calls) <= max_calls
    read = sum(len(call.messages[-1].text) for call in model.calls)
    assert 0 < summary.characters_read <= read
    assert summary.share < 1.0 or max_calls == 40
    assert summary.coverage().startswith(f"Read {summary.passages_read} of {summary.passages} passages")
    assert summary == stage.run(made.text)  # the same is chosen every time
    assert holds(summary, made.text)
    assert len(summary.points) <= sentences


def test_what_is_read_comes_from_all_over_the_text_and_from_what_a_question_asks():
    made = book(1_000_000)
    model = FakeChat(script=finder)
    question = "When was each lighthouse built?"
    summary = Summarize(model, question=question, sentences=20, max_calls=45, context_tokens=4096).run(made.text)
    assert summary.share < 0.4
    assert {point.text for point in summary.points} == set(made.facts)
    assert question in model.calls[0].messages[0].text
    starts = sorted(point.citations[0].start for point in summary.points)
    assert starts[0] < 0.1 * len(made.text) < 0.9 * len(made.text) < starts[-1]


def test_parts_are_read_several_at_a_time_and_no_more():
    import threading

    running, most, lock = 0, 0, threading.Lock()

    class Busy(FakeChat):
        def _generate(self, *args, **kwargs):
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            try:
                return super()._generate(*args, **kwargs)
            finally:
                with lock:
                    running -= 1

    Summarize(Busy(script=finder, delay=0.002), concurrency=3, context_tokens=1024, max_calls=None).run(
        book(40_000).text
    )
    assert most == 3


def test_the_part_that_answers_best_is_the_answer():
    made = book(60_000)

    def rate(messages):
        text = messages[-1].text
        found = re.search(r"The lighthouse at Sarn was built in \d+\.", text)
        return f"Answer: {found.group()}\nScore: 95" if found else "Answer: The lighthouse is old.\nScore: 99"

    stage = Summarize(FakeChat(script=rate), strategy="map_rerank", context_tokens=1024)
    summary = stage.run(documents=made.text, question="When was the lighthouse at Sarn built?")
    assert summary.text in made.facts
    assert "Sarn" in summary.text
    assert summary.strategy == "map_rerank"
    assert holds(summary, made.text)


def test_where_no_part_answers_that_is_said():
    stage = Summarize(FakeChat(script="Answer: I cannot say.\nScore: 0"), strategy="map_rerank", context_tokens=1024)
    summary = stage.run(documents=ORCHARD, question="Who owns the mill?")
    assert (summary.text, summary.points) == ("Not in the documents.", ())


def test_progress_counts_every_part():
    told = []

    class Counting:
        def __init__(self, label, total, unit="items"):
            self.label, self.total, self.done = label, total, 0
            told.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def advance(self, amount=1):
            self.done += amount

    Summarize(FakeChat(script=finder), max_calls=9, context_tokens=2048, progress=Counting).run(book(100_000).text)
    assert told[0].label == "reading"
    assert all(one.done == one.total for one in told)


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["", "  \n ", [], [Document(" ")], b"bytes", 7, {"text": "x"}, [7], None])
def test_nothing_to_summarise_is_said_before_a_model_is_asked(given):
    model = FakeChat()
    with pytest.raises(InputError):
        Summarize(model).run(documents=given)
    assert model.calls == []


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises((InputError, UnreadableDocument)):
        Summarize(FakeChat()).run(tmp_path / "none.txt")


@pytest.mark.parametrize("strategy", ["stuff", "map_reduce", "refine"])
def test_a_model_that_writes_nothing_is_an_error(strategy):
    with pytest.raises(ModelError, match="wrote nothing"):
        Summarize(FakeChat(script="  "), strategy=strategy).run(ORCHARD)


def test_a_text_too_long_for_one_call_is_refused_where_one_call_was_asked_for():
    model = FakeChat()
    with pytest.raises(InputError, match="do not fit"):
        Summarize(model, strategy="stuff", context_tokens=2048).run(book(20_000).text)
    assert model.calls == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strategy": "map_reduse"}, "did you mean 'map_reduce'"),
        ({"sentences": 0}, "1 or more"),
        ({"max_calls": 0}, "1 or more"),
        ({"context_tokens": 600, "sentences": 20}, "does not fit a context"),
        ({"prompts": {"mapp": "{text}"}}, "no prompt 'mapp'"),
        ({"prompts": {"map": "no text"}}, "{text} must be in it"),
        ({"prompts": {"map": "{text} {mood}"}}, "nobody gives {mood}"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_made(options, said):
    with pytest.raises(InputError, match=re.escape(said)):
        Summarize(FakeChat(), **options)


def test_one_call_is_not_enough_for_a_tree():
    with pytest.raises(InputError, match="not enough"):
        Summarize(FakeChat(script=finder), max_calls=1, context_tokens=2048).run(book(50_000).text)


def test_the_best_part_answers_a_question_and_nothing_else():
    with pytest.raises(InputError, match="question"):
        Summarize(FakeChat(), strategy="map_rerank").run(documents=ORCHARD, question=" ")


# -- as a stage -----------------------------------------------------------------------------------


def test_settings_survive_a_chain_file(tmp_path):
    prompt = ChatPromptTemplate.from_messages([("system", "{tone}"), ("human", "{text}")]).partial(tone="short")
    stage = Summarize(
        "fake:fixed It has forty pear trees and a well.",
        strategy="refine", question="What grows?", sentences=3, max_calls=None, concurrency=2, context_tokens=2000,
        prompts={"map": "Notes of {text}", "stuff": prompt}, name="short",
    )  # fmt: skip
    text = dump_chain(MultiChain(summary=stage))
    again = load_chain(text).stages["summary"].call.target
    assert again.settings() == stage.settings()
    assert again.stage_identity == stage.stage_identity
    assert again.stage_identity != Summarize("fake:echo").stage_identity
    assert load_chain(text).run(documents=ORCHARD)["summary"].text == "It has forty pear trees and a well."
    with pytest.raises(SpecError, match="sentences: this should be less than or equal to 50"):
        load_chain("ziggurat: 1\nstages:\n  a: {uses: summarize, sentences: 100, model: 'fake:echo'}\n")


def test_in_a_chain_a_budget_holds_and_the_bound_on_calls_is_known_before():
    made = book(100_000)
    stage = Summarize(FakeChat(script=finder), max_calls=7, context_tokens=2048)
    chain = MultiChain(summary=stage)
    (bound,) = stage.stage_bounds({"documents": made.text})
    assert bound.calls == 7
    assert isinstance(chain.run(documents=made.text)["summary"], Summary)
    with pytest.raises(ChainError, match="budget"):
        chain.using(budget={"calls": 2}).run(documents=made.text)


def test_a_finished_summary_is_taken_from_the_cache(tmp_path):
    chain = MultiChain(summary=Summarize("fake:fixed It has forty pear trees and a well.")).using(
        cache=tmp_path / "cache.sqlite3"
    )
    first = chain.run(documents=ORCHARD)["summary"]
    assert chain.run(documents=ORCHARD)["summary"] == first
    assert first.points[0].citations[0].holds(ORCHARD)


def test_what_answers_the_question_in_its_own_words_is_not_lost_by_a_model_that_overlooks_it():
    towns = ["Varn", "Osk", "Brell", "Quill"]
    facts = [f"The lighthouse at {town} was built in {1700 + at}." for at, town in enumerate(towns)]
    filler = "The weather in the valley changed twice that week. " * 60
    text = "\n\n".join(f"{filler}\n\n{fact}" for fact in facts)
    model = FakeChat(script="The weather in the valley changed twice that week.")
    asked = Summarize(model, strategy="map_reduce", question="When was each lighthouse built?", context_tokens=2048)
    summary = asked.run(text)
    for fact in facts:
        point = next(one for one in summary.points if one.text == fact)
        assert [text[one.start : one.end] for one in point.citations] == [fact]
    # without a question nothing is put beside what the model made of it
    plain = Summarize(model, strategy="map_reduce", context_tokens=2048).run(text)
    assert "lighthouse" not in plain.text
