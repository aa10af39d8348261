"""Answers as they are written: what is streamed when, and question answering as a stage of a chain."""

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from worlds import ORCHARD, PLANTED, WHEN, WINTER, over

from ziggurat import MultiChain, RetrievalQA, given
from ziggurat.chain.events import RunFinished, StageFinished, Token
from ziggurat.testing import FakeChat

# -- streaming ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        f"{PLANTED} Bananas ripen on Mars. The harvest begins in September. [1]",
        f"Bananas ripen on Mars. {PLANTED}",
        "Bananas ripen on Mars.",
        "Not in the documents.",
        f"Answer: {PLANTED} [1] [2]",
    ],
)
def test_streamed_pieces_add_up_to_the_answer(reply):
    chain = RetrievalQA(over(ORCHARD), FakeChat(script=reply))
    pieces = list(chain.stream(WHEN))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert whole == chain.invoke(WHEN)
    assert whole.usage == chain.invoke(WHEN).usage


def test_sentences_come_one_by_one_and_a_guess_is_never_shown_first():
    reply = f"Bananas ripen on Mars. {PLANTED} The harvest begins in September."
    texts = [piece.text for piece in RetrievalQA(over(ORCHARD), FakeChat(script=reply)).stream(WHEN) if piece.text]
    assert texts == ["Bananas ripen on Mars.", f" {PLANTED}", " The harvest begins in September."]
    silent = [piece.text for piece in RetrievalQA(over(ORCHARD), FakeChat(script="Mars is red.")).stream(WINTER)]
    assert silent == ["Not in the documents."]


async def test_a_sentence_is_released_before_the_next_is_written():
    written = []

    class Telling(FakeChat):
        def _stream(self, *args, **kwargs):
            for chunk in super()._stream(*args, **kwargs):
                written.append(chunk.text)
                yield chunk

    chain = RetrievalQA(over(ORCHARD), Telling(script=f"{PLANTED} The harvest begins in September."))
    pieces = chain.astream(WHEN)
    first = await anext(pieces)
    assert first.text == PLANTED
    assert "September." not in "".join(written)
    await pieces.aclose()


def test_usage_told_in_several_pieces_is_one_call():
    class InPieces(FakeChat):
        def _stream(self, *args, **kwargs):
            used = [(7, 0), (0, 5)]
            for text, (asked, said) in zip([PLANTED, ""], used, strict=True):
                usage = {"input_tokens": asked, "output_tokens": said, "total_tokens": asked + said}
                yield ChatGenerationChunk(message=AIMessageChunk(content=text, usage_metadata=usage))
            named = AIMessageChunk(content="", response_metadata={"model_name": "m"}, chunk_position="last")
            yield ChatGenerationChunk(message=named)

    *_, last = RetrievalQA(over(ORCHARD), InPieces()).stream(WHEN)
    usage = last.usage
    assert (usage.input_tokens, usage.output_tokens, usage.calls, usage.models) == (7, 5, 1, ("m",))


# -- in a chain -----------------------------------------------------------------------------------


def test_in_a_chain_it_streams_and_its_answer_feeds_the_next_stage(index):
    multi = MultiChain(
        qa=RetrievalQA(index, FakeChat(script=f"{PLANTED} The harvest begins in September.")),
        loud=given(lambda text: text.upper(), text="{qa.text}"),
    )
    events = list(multi.events(question=WHEN))
    pieces = [event.chunk for event in events if isinstance(event, Token)]
    assert [event.text for event in events if isinstance(event, Token) and event.text] == [
        PLANTED,
        " The harvest begins in September.",
    ]
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert finished.outputs["qa"] == whole
    assert finished.outputs["loud"] == whole.text.upper()
    assert finished.usage.calls == 1
    (qa,) = [event for event in events if isinstance(event, StageFinished) and event.stage == "qa"]
    assert qa.streamed
    total = None
    for piece in multi.stream({"question": WHEN}):
        total = piece if total is None else total + piece
    assert total == finished.outputs


async def test_many_questions_at_once_keep_their_order(index):
    chain = RetrievalQA(index, FakeChat(script={"planted": PLANTED, "boat": "The boat is called Halcyon."}))
    answers = await chain.abatch([WHEN, "What is the boat called?"])
    assert [answer.text for answer in answers] == [PLANTED, "The boat is called Halcyon."]


def test_the_retriever_and_the_model_are_traced_under_it(index):
    class Names(BaseCallbackHandler):
        def __init__(self):
            self.seen = []

        def on_chain_start(self, serialized, inputs, **more):
            self.seen.append(more["name"])

        def on_retriever_start(self, serialized, query, **more):
            self.seen.append("retriever")

        def on_chat_model_start(self, serialized, messages, **more):
            self.seen.append("model")

    names = Names()
    RetrievalQA(index, FakeChat(script=PLANTED), name="library").invoke(WHEN, {"callbacks": [names]})
    assert names.seen == ["library", "retriever", "model"]
