"""Question answering: what is released, what it cites, what is refused, and what it costs."""

import re

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from worlds import ORCHARD, PLANTED, WHEN, WINTER, over

from ziggurat import Answer, InputError, RetrievalQA, VectorIndex, load_qa_chain
from ziggurat.testing import FakeChat, FakeEmbeddings


def answered(reply, question=WHEN, texts=(ORCHARD,), **options):
    """What becomes of a model's reply."""
    return RetrievalQA(over(*texts), FakeChat(script=reply), **options).run(question)


def test_citations_hold_and_name_the_line(index, tmp_path):
    answer = RetrievalQA(index, FakeChat(script=f"{PLANTED} The harvest begins in September.")).run(WHEN)
    assert answer.text == f"{PLANTED} The harvest begins in September."
    document = (tmp_path / "orchard.md").read_text(encoding="utf-8")
    assert [citation.line for citation in answer.citations] == [3, 6]
    assert [citation.last_line for citation in answer.citations] == [3, 6]
    for citation in answer.citations:
        assert citation.holds(document)
        assert citation.document.endswith("orchard.md")
        assert citation.quote == document[citation.start : citation.end]
        assert answer.text[slice(*citation.answer_span)] == citation.quote


def test_the_passages_and_the_question_are_what_the_model_is_asked(index):
    model = FakeChat(script=PLANTED)
    RetrievalQA(index, model).run(WHEN)
    (call,) = model.calls
    assert call.messages[-1].text.endswith(f"\n\nQuestion: {WHEN}")
    assert PLANTED in call.messages[-1].text
    assert "Not in the documents." in call.messages[0].text
    assert call.options["max_tokens"] == 200


def test_k_bounds_the_passages(tmp_path):
    with VectorIndex.from_texts([f"Fact {number} about pears." for number in range(9)], FakeEmbeddings()) as index:
        model = FakeChat(script="Not in the documents.")
        RetrievalQA(index, model, k=2).run("What about pears?")
        assert re.findall(r"^\[(\d)\]", model.calls[0].messages[-1].text, re.MULTILINE) == ["1", "2"]


def test_an_unsupported_sentence_after_a_supported_one_is_marked():
    answer = answered(f"{PLANTED} Bananas ripen on Mars.")
    assert answer.found
    assert [answer.text[slice(*span)] for span in answer.unsupported] == ["Bananas ripen on Mars."]
    assert answer.annotated() == f"{PLANTED} [1] Bananas ripen on Mars. [?]"


def test_an_unsupported_opening_is_released_marked_once_something_holds():
    answer = answered(f"Bananas ripen on Mars. {PLANTED}")
    assert [answer.text[slice(*span)] for span in answer.unsupported] == ["Bananas ripen on Mars."]
    assert len(answer.citations) == 1
    assert answer.citations[0].answer_span == (23, 71)


@pytest.mark.parametrize(
    "reply",
    ["Bananas ripen on Mars.", "Planted it was by the Romans, in Gaul, long ago.", "", "   \n", "[1]", "?!"],
)
def test_an_answer_nothing_supports_is_not_in_the_documents(reply):
    answer = answered(reply, WINTER)
    assert answer == Answer("Not in the documents.", found=False)


@pytest.mark.parametrize(
    ("question", "refusal", "said"),
    [
        ("Who sings?", "Not in the documents.", "Not in the documents."),
        ("Who sings?", "The passages do not mention that.", "Not in the documents."),
        ("Who sings?", "This is not stated in the text.", "Not in the documents."),
        ("谁在唱歌？", "文档中没有相关内容。", "文档中没有相关内容。"),
        ("谁在唱歌？", "文中没有提到这一点。", "文档中没有相关内容。"),
        ("Quem canta no pomar?", "Não está nos documentos.", "Não está nos documentos."),
        ("¿Quién canta en el huerto?", "No está en los documentos.", "No está en los documentos."),
    ],
)
def test_a_refusal_is_an_answer_in_the_questions_language(question, refusal, said):
    answer = answered(refusal, question)
    assert (answer.text, answer.found, answer.citations) == (said, False, ())


def test_what_follows_a_refusal_is_not_believed():
    assert not answered(f"The passages do not say. {PLANTED}", "Who sings in the choir?").found


def test_what_comes_before_a_refusal_stays():
    answer = answered(f"{PLANTED} The passages do not mention its size.")
    assert answer.text == PLANTED
    assert answer.found


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ("The orchard was planted in 1987 by Maria Okafor.", True),
        ("The orchard was planted in 1988 by Maria Okafor.", False),
        ("Maria Okafor planted the orchard.", True),
        ("In 1987 Maria Okafor planted 40 orchards.", False),
    ],
)
def test_a_number_the_passage_does_not_hold_refutes(claim, holds):
    assert answered(claim, WINTER).found is holds


@pytest.mark.parametrize(
    ("reply", "found"), [("1987", True), ("In 1987.", True), ("1988", False), ("Maria Okafor", True), ("Pavel", False)]
)
def test_a_short_answer_is_checked_together_with_its_question(reply, found):
    assert answered(reply, WINTER).found is found


def test_the_marks_a_model_copies_are_taken_out():
    answer = answered(f"Answer: {PLANTED[:-1]} [1]. The harvest begins in September [1, 2].")
    assert answer.text == f"{PLANTED} The harvest begins in September."


def test_passages_about_something_else_support_nothing():
    texts = ["The lighthouse was repaired in 1987."]
    answer = answered("The lighthouse was repaired in 1987.", "Who composed the opera Nabucco?", texts)
    assert not answer.found


def test_the_better_of_two_passages_is_cited():
    texts = ["Maria Okafor planted trees.", PLANTED]
    (citation,) = answered(PLANTED, texts=texts).citations
    assert (citation.document, citation.line) == ("1.txt", None)


# -- where the model found nothing ----------------------------------------------------------------


@pytest.mark.parametrize("reply", ["Not in the documents.", "Bananas ripen on Mars.", "1988", ""])
def test_a_sentence_that_holds_the_questions_words_is_quoted_where_the_model_found_nothing(reply):
    model = FakeChat(script=[reply])
    answer = RetrievalQA(over("The boat is red.", ORCHARD), model).run("When does the orchard's harvest begin?")
    assert answer.text == "The harvest begins in September."
    (citation,) = answer.citations
    assert citation.document == "1.txt"
    assert citation.holds(ORCHARD)
    assert answer.text[slice(*citation.answer_span)] == citation.quote
    assert answer.found
    assert answer.usage.calls == len(model.calls) == 1


def test_a_quote_over_two_lines_is_one_line_of_answer_and_still_holds():
    text = "The orchard was planted\nby Maria Okafor in 1987."
    answer = answered("Not in the documents.", "Who planted the orchard?", [text])
    assert answer.text == "The orchard was planted by Maria Okafor in 1987."
    assert answer.citations[0].quote == text
    assert answer.citations[0].holds(text)


@pytest.mark.parametrize("question", ["What does Maria Okafor earn?", WINTER, "Who sings in the choir?"])
def test_a_sentence_that_shares_only_names_or_little_is_not_quoted(question):
    assert not answered("Not in the documents.", question).found


# -- what it is given -----------------------------------------------------------------------------


def test_an_empty_index_finds_nothing_and_asks_no_model(tmp_path):
    model = FakeChat(script=[])
    with VectorIndex.create(tmp_path / "kb", FakeEmbeddings()) as index:
        assert RetrievalQA(index, model).run(WHEN) == Answer("Not in the documents.", found=False)
    assert not model.calls


@pytest.mark.parametrize("question", ["", "   ", "?!", 7, "the of and"])
def test_a_question_without_words_is_refused_before_anything_is_called(question):
    asked = []
    chain = RetrievalQA(RunnableLambda(asked.append), FakeChat(script=[]))
    with pytest.raises(InputError, match="is not a question"):
        chain.run(question)
    assert not asked


@pytest.mark.parametrize(
    ("given_inputs", "words"),
    [
        ({"qestion": "x"}, "takes no 'qestion' .did you mean 'question'"),
        ({}, "needs question"),
        ({"question": "x", "k": 3}, "takes no 'k'"),
    ],
)
def test_inputs_are_checked_by_name(given_inputs, words):
    with pytest.raises(InputError, match=words):
        RetrievalQA(over(ORCHARD), FakeChat()).invoke(given_inputs)


def test_a_thing_that_cannot_retrieve_is_refused():
    with pytest.raises(InputError, match="str cannot retrieve"):
        RetrievalQA("notes/", FakeChat())


def test_a_langchain_store_and_its_retriever_serve_as_well():
    store = InMemoryVectorStore.from_texts([PLANTED, "The boat is red."], FakeEmbeddings(), [{"source": "a"}, {}])
    for retriever in (store, store.as_retriever(search_kwargs={"k": 1})):
        (citation,) = RetrievalQA(retriever, FakeChat(script=PLANTED)).run(WHEN).citations
        assert citation.document == "a"
        assert citation.holds(PLANTED)


def test_a_document_without_metadata_is_cited_by_its_id():
    retriever = RunnableLambda(lambda question: [Document(PLANTED, id="row-7")])
    (citation,) = RetrievalQA(retriever, FakeChat(script=PLANTED)).run(WHEN).citations
    assert (citation.document, citation.chunk, citation.line) == ("row-7", "row-7", None)


def test_passages_are_cut_to_what_the_model_may_be_given():
    model = FakeChat(script=PLANTED)
    chain = RetrievalQA(over(PLANTED + " Pears." * 100, "never given"), model, passage_characters=60)
    assert chain.run(WHEN).citations[0].quote == PLANTED
    asked = model.calls[0].messages[-1].text
    assert "never given" not in asked
    assert len(asked) < 150


def test_a_prompt_of_ones_own_is_used():
    model = FakeChat(script=PLANTED)
    prompt = ChatPromptTemplate.from_template("{language} {not_found} {passages} | {question}")
    RetrievalQA(over(ORCHARD), model, prompt=prompt).run(WHEN)
    assert model.calls[0].messages[0].text.startswith("English Not in the documents. [1] # Orchard")


def test_the_older_forms_make_the_same():
    model = FakeChat(script=PLANTED)
    expected = RetrievalQA(over(ORCHARD), model).run(WHEN)
    assert load_qa_chain(model, over(ORCHARD)).run(WHEN) == expected
    old = RetrievalQA.from_chain_type(model, chain_type="stuff", retriever=over(ORCHARD), return_source_documents=True)
    assert old.invoke({"question": WHEN}) == expected
    with pytest.raises(InputError, match="map_reduce"):
        RetrievalQA.from_chain_type(model, chain_type="map_reduce", retriever=over(ORCHARD))


# -- other languages ------------------------------------------------------------------------------


class Meanings(Embeddings):
    """Vectors by meaning, where the test says what means the same."""

    def __init__(self, **meanings):
        self.meanings = meanings

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        for number, words in enumerate(self.meanings.values()):
            if any(word in text for word in words):
                return [1.0 if at == number else 0.05 for at in range(len(self.meanings) + 1)]
        return [0.0] * len(self.meanings) + [1.0]


MEANINGS = {"planted": ("planted in 1987", "种植", "plantado"), "boat": ("boat", "船", "barco")}


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("果园是什么时候种植的？", "果园是在1987年种植的。"),
        ("Quando foi plantado o pomar?", "O pomar foi plantado em 1987."),
    ],
)
def test_an_answer_in_another_language_is_supported_by_meaning(question, reply):
    store = InMemoryVectorStore.from_texts([ORCHARD], Meanings(**MEANINGS), [{"source": "orchard.md"}])
    answer = RetrievalQA(store, FakeChat(script=reply)).run(question)
    assert answer.found
    (citation,) = answer.citations
    assert citation.quote == PLANTED
    assert citation.holds(ORCHARD)
    told = "Answer in Chinese" if "果" in question else "em português"
    chat = FakeChat(script=reply)
    RetrievalQA(store, chat).run(question)
    assert told in chat.calls[0].messages[0].text


def test_without_embeddings_another_language_supports_nothing():
    answer = answered("果园是在1987年种植的。", "果园是什么时候种植的？")
    assert answer == Answer("文档中没有相关内容。", found=False)


def test_a_different_meaning_in_another_language_supports_nothing():
    store = InMemoryVectorStore.from_texts([ORCHARD], Meanings(**MEANINGS))
    assert not RetrievalQA(store, FakeChat(script="船是红色的。")).run("船是什么颜色的？").found


def test_chinese_passages_answer_chinese_questions():
    text = "果园由玛丽亚于1987年种植。\n收获从九月开始。\n"
    answer = answered("果园由玛丽亚于1987年种植。收获从九月开始。", "果园由谁于1987年种植？", [text])
    assert [citation.quote for citation in answer.citations] == ["果园由玛丽亚于1987年种植。", "收获从九月开始。"]
    assert answer.unsupported == ()
