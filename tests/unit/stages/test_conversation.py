"""Conversations: what a model is shown of the past, follow-up questions, citations, users kept apart."""

import asyncio

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from ziggurat import Budget, MultiChain, VectorIndex
from ziggurat.chain.spec import dump_chain, load_chain
from ziggurat.errors import ChainError, InputError
from ziggurat.stages.conversation import Conversation
from ziggurat.testing import FakeChat


def texts(messages):
    return [message.text for message in messages]


def last(model):
    return model.calls[-1].messages


def test_the_model_is_shown_what_was_said(tmp_path):
    model = FakeChat(script=["Lisbon.", "About half a million."])
    talk = Conversation(model=model, history=tmp_path / "c.sqlite")
    assert talk.run("What is the capital of Portugal?").text == "Lisbon."
    assert talk.run("How many people live there?").text == "About half a million."
    assert texts(last(model))[1:] == ["What is the capital of Portugal?", "Lisbon.", "How many people live there?"]
    # another process goes on with it
    again = FakeChat(script="Yes.")
    Conversation(model=again, history=tmp_path / "c.sqlite").run("Is it a port?")
    assert "About half a million." in texts(last(again))


def test_a_follow_up_question_is_put_alone_and_answered_with_citations(index):
    model = FakeChat(
        script={
            "Last question": "What colour are the sails of the boat Halcyon?",
            "Question: How": "The boat is called Halcyon.",
            "Question: What": "Its sails are red.",
        }
    )
    talk = Conversation(index, model)
    first = talk.run("How is the boat called?")
    assert first.citations[0].quote.startswith("The boat is called Halcyon")
    second = talk.run("What colour are her sails?")
    assert "What colour are her sails?" in texts(model.calls[1].messages)[-1]
    assert "Person: How is the boat called?" in texts(model.calls[1].messages)[-1]
    assert "What colour are the sails of the boat Halcyon?" in texts(model.calls[2].messages)[-1]
    assert second.text == "Its sails are red."
    assert second.citations[0].document.endswith("boat.txt")
    assert second.usage.calls == 2
    assert texts(talk.memory.history().messages)[2:] == ["What colour are her sails?", "Its sails are red."]


@pytest.mark.parametrize(
    "rewritten",
    [
        "",
        "The sails are red because dragons painted them for the emperor of Atlantis",
        "x" * 900,
        "那条船的帆是什么颜色？",
    ],
)
def test_a_question_that_was_rewritten_badly_stays_as_it_was_asked(index, rewritten):
    model = FakeChat(script=["The boat is called Halcyon.", rewritten, "Its sails are red."])
    talk = Conversation(index, model)
    talk.run("How is the boat called?")
    talk.run("What colour are the sails?")
    assert texts(last(model))[-1].endswith("Question: What colour are the sails?")


def test_a_stream_adds_up_to_the_answer_and_is_remembered():
    talk = Conversation(model=FakeChat(script="One two three."))
    pieces = list(talk.stream("Count."))
    assert len([piece for piece in pieces if piece.text]) > 1
    assert "".join(piece.text for piece in pieces) == "One two three."
    assert texts(talk.memory.history().messages) == ["Count.", "One two three."]


def test_a_stream_that_is_left_early_stores_nothing():
    talk = Conversation(model=FakeChat(script="One two three."))
    pieces = talk.stream("Count.")
    next(piece for piece in pieces if piece.text)
    pieces.close()
    assert talk.memory.history().messages == []


def test_older_turns_are_summarised_once_and_the_summary_is_shown():
    said = {"What was said since": "Ana plans a trip to Porto in May.", "turn": "Noted. " + "word " * 60}
    model = FakeChat(script=said)
    talk = Conversation(model=model, history_tokens=300)
    for at in range(8):
        talk.run(f"turn {at} " + "more " * 20)
    summaries = [call for call in model.calls if "What was said since" in texts(call.messages)[-1]]
    assert 1 <= len(summaries) <= 4
    assert "Ana plans a trip to Porto in May." in texts(last(model))
    # the next summary is made from the one before, and nothing that was said is lost
    assert all("Ana plans" in texts(call.messages)[-1] for call in summaries[1:])
    kept = talk.memory.history().messages
    assert sum(isinstance(one, HumanMessage | AIMessage) for one in kept) == 16


def test_sessions_and_users_are_kept_apart_also_at_once(tmp_path):
    model = FakeChat(script=lambda messages: f"{len(messages)} messages", delay=0.001)
    talk = Conversation(model=model, history=tmp_path / "c.sqlite")

    async def all_at_once():
        await asyncio.gather(
            *(
                talk.ainvoke({"question": f"I am {user} in {session}", "user": user, "session": session})
                for user in ("ana", "bob")
                for session in ("one", "two", "three")
            )
        )

    asyncio.run(all_at_once())
    for user in ("ana", "bob"):
        for session in ("one", "two", "three"):
            said = texts(talk.memory.history(session, user).messages)
            assert said == [f"I am {user} in {session}", "2 messages"]
    stranger = talk.invoke({"question": "What did Ana say?", "session": "one", "user": "eve"})
    assert stranger.text == "2 messages"
    assert not any("ana" in text for text in texts(last(model)))


@pytest.mark.parametrize("question", ["", "   ", None, 3])
def test_an_empty_question_is_refused_and_not_remembered(question):
    talk = Conversation(model=FakeChat())
    with pytest.raises(InputError, match="says nothing"):
        talk.invoke({"question": question})
    assert talk.memory.history().messages == []


def test_a_model_that_fails_leaves_the_history_as_it_was():
    talk = Conversation(model=FakeChat(script=[RuntimeError("no line"), "Here."]))
    with pytest.raises(RuntimeError):
        talk.run("Hello?")
    assert talk.memory.history().messages == []
    assert talk.run("Hello again?").text == "Here."


def test_a_prompt_that_lacks_the_history_is_refused():
    with pytest.raises(InputError, match="history"):
        Conversation(model=FakeChat(), chat_prompt="{question}")


def test_in_a_chain_it_takes_the_question_and_the_session_and_keeps_to_a_budget(tmp_path):
    chain = MultiChain(talk=Conversation(model=FakeChat(script="Good day.")))
    assert chain.run({"question": "Hello", "session": "s"})["talk"].text == "Good day."
    bounded = MultiChain(talk=Conversation(model=FakeChat(script="Good day."))).using(budget=Budget(tokens=100))
    with pytest.raises(ChainError, match="budget in tokens"):
        bounded.run({"question": "Hello " * 500})


def test_a_chain_file_says_it_both_ways(tmp_path):
    index = VectorIndex.from_texts(["The boat is called Halcyon."], "fake:64", path=tmp_path / "kb")
    talk = Conversation(index, "fake:echo", history=tmp_path / "chats.sqlite", history_tokens=500, k=2)
    text = dump_chain(MultiChain(talk=talk), folder=tmp_path)
    assert "uses: conversation" in text
    assert "chats.sqlite" in text
    assert str(tmp_path) not in text
    again = load_chain(text, folder=tmp_path)
    assert dump_chain(again, folder=tmp_path) == text
    assert again.run({"question": "How is the boat called?"})["talk"].text
    assert len(talk.memory.history().messages) == 2


@pytest.mark.parametrize("given", [{"history": "chats.sqlite"}, {"chat_prompt": "{history} {question}"}])
def test_what_a_file_cannot_hold_is_said(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Conversation was given"):
        Conversation(model="fake:echo", **given).settings()
