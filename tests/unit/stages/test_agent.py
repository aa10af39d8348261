"""Agents: five kinds on one runtime, what they answer, and what they tell of the way."""

import asyncio

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool

from ziggurat import MultiChain, stage
from ziggurat.chain.journal import Journal
from ziggurat.errors import InputError
from ziggurat.memory import ProcessHistory
from ziggurat.stages.agent import Agent
from ziggurat.stages.agents.answer import AgentAnswer, AgentStep
from ziggurat.testing import FakeChat, tool_call
from ziggurat.tools import as_tool, calculator, describe, docstore, index_search
from ziggurat.tools.docstore import StoredPage

QUESTION = "What is 6 times 7?"
CALL = tool_call("calculator", expression="6*7")
REACT = "Thought: I must multiply\nAction: calculator\nAction Input: 6*7"


def calculating():
    return FakeChat(script=[CALL, "It is 42."])


class Pages:
    def __init__(self, **pages):
        self.pages = pages

    async def find(self, topic):
        text = self.pages.get(topic)
        return (StoredPage(topic, text), []) if text else (None, sorted(self.pages))


def test_a_model_that_calls_tools_gets_their_results_and_answers():
    model = calculating()
    answer = Agent([calculator()], model).run(QUESTION)
    assert str(answer) == "It is 42."
    assert answer.stopped == "answered"
    assert answer.steps == (AgentStep("calculator", {"expression": "6*7"}, "42"),)
    assert [one.text for one in model.calls[1].messages if one.type == "tool"] == ["42"]
    assert answer.usage.calls == 2
    assert answer.usage.models == ("fake:script",)


def test_a_trace_can_be_read_in_a_terminal():
    answer = Agent(["calculator"], FakeChat(script=[REACT, "Thought: done\nFinal Answer: 42"]), kind="react").run(
        QUESTION
    )
    lines = answer.trace().splitlines()
    assert lines[:2] == ["   I must multiply", ' 1 calculator(expression="6*7")']
    assert lines[2].startswith("   → 42  (")
    assert lines[3] == "=> 42"
    assert lines[4].startswith("   1 step, 2 model calls, ")
    assert max(map(len, lines)) < 200


@pytest.mark.parametrize("kind", ["tools", "react"])
def test_pieces_of_a_stream_add_up_to_the_answer_and_tell_each_step(kind):
    said = REACT if kind == "react" else AIMessage("Let me see.", tool_calls=CALL.tool_calls)
    final = "Thought: known\nFinal Answer: It is 42." if kind == "react" else "It is 42."
    pieces = list(Agent([calculator()], FakeChat(script=[said, final]), kind=kind).stream(QUESTION))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert whole == Agent([calculator()], FakeChat(script=[said, final]), kind=kind).run(QUESTION)
    assert whole.text == "It is 42."
    assert whole.steps[0].thought == ("I must multiply" if kind == "react" else "Let me see.")
    at = next(number for number, piece in enumerate(pieces) if piece.steps)
    assert [piece.text for piece in pieces[at + 1 :] if piece.text] == ["It", " is", " 42."]


def test_pieces_add_up_in_whatever_order_they_are_joined():
    a, b, c = AgentAnswer("let me"), AgentAnswer("", (AgentStep("t"),), anew=True), AgentAnswer("done")
    assert (a + b) + c == a + (b + c) == AgentAnswer("done", (AgentStep("t"),))


def test_react_tells_the_tools_in_text_and_stops_before_the_observation():
    model = FakeChat(script=[REACT + "\nObservation: 41, I guess", "Thought: known\nFinal Answer: 42"])
    answer = Agent([calculator()], model, kind="react").run(QUESTION)
    assert answer.text == "42"
    first, second = model.calls
    assert "calculator(expression: string)" in first.messages[0].text
    assert "tools" not in first.options
    assert [one.type for one in second.messages] == ["system", "human", "ai", "human"]
    assert second.messages[-2].text == REACT  # the invented observation never came in
    assert second.messages[-1].text == "Observation: 42"


def test_a_docstore_agent_searches_looks_up_and_finishes():
    model = FakeChat(
        script=[
            "Thought: search\nAction: Search[Halcyon]",
            "Thought: sails\nAction: Lookup[sails]",
            "Thought: known\nAction: Finish[Red]",
        ]
    )
    pages = Pages(Halcyon="Halcyon is a boat. Its sails are red. It is old.")
    answer = Agent(docstore(pages), model, kind="docstore").run("What colour are the sails of the Halcyon?")
    assert answer.text == "Red"
    assert [(one.tool, one.arguments) for one in answer.steps] == [
        ("Search", {"topic": "Halcyon"}),
        ("Lookup", {"term": "sails"}),
    ]
    assert answer.steps[1].result == "(Result 1 of 1) Its sails are red."


async def test_two_questions_at_once_do_not_share_the_page_that_is_open():
    tools = docstore(Pages(One="One is first.", Two="Two is second."))

    def asking(name):
        script = [f"Action: Search[{name}]", "Action: Lookup[is]", "Action: Finish[done]"]
        return Agent(tools, FakeChat(script=script, delay=0.005), kind="docstore").ainvoke(f"What is {name}?")

    one, two = await asyncio.gather(asking("One"), asking("Two"))
    assert "One is first." in one.steps[1].result
    assert "Two is second." in two.steps[1].result


def test_self_ask_puts_follow_up_questions_to_its_one_tool(index):
    model = FakeChat(
        script=[
            "Yes.\nFollow up: Who planted the orchard?",
            "Follow up: When was the orchard planted?\nIntermediate answer: in 1066",
            "So the final answer is: Maria Okafor, in 1987",
        ]
    )
    answer = Agent([index_search(index, k=1)], model, kind="self_ask").run("Who planted the orchard, and when?")
    assert answer.text == "Maria Okafor, in 1987"
    assert [one.arguments["question"] for one in answer.steps] == [
        "Who planted the orchard?",
        "When was the orchard planted?",
    ]
    assert "1987 by Maria Okafor" in answer.steps[0].result
    told = model.calls[1].messages
    assert [one.type for one in told] == ["system", "human", "ai", "human"]
    assert told[-1].text.startswith("Intermediate answer: [1]")


def test_a_conversational_agent_remembers_and_keeps_sessions_apart():
    history = {}

    def of(session):
        return history.setdefault(session, ProcessHistory())

    model = FakeChat(script=["Hello Ana.", "You are Ana.", "I do not know."])
    agent = Agent(["calculator"], model, kind="conversational", history=of)
    agent.run(question="I am Ana.", session="a")
    agent.run(question="Who am I?", session="a")
    agent.run(question="Who am I?", session="b")
    assert [one.text for one in model.calls[1].messages[1:]] == ["I am Ana.", "Hello Ana.", "Who am I?"]
    assert [one.text for one in model.calls[2].messages[1:]] == ["Who am I?"]
    assert [type(one) for one in history["a"].messages] == [HumanMessage, AIMessage] * 2


def test_what_has_no_answer_is_not_remembered():
    history = ProcessHistory()
    agent = Agent(["calculator"], FakeChat(script=[""]), kind="conversational", history=history)
    assert agent.run(QUESTION).stopped == "empty"
    assert history.messages == []


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What is 6 times 7?", "with the help of tools"),
        ("6乘7等于多少？", "借助工具"),
        ("Quanto é 6 vezes 7?", "com a ajuda"),
    ],
)
def test_the_prompt_is_in_the_language_of_the_question(question, words):
    model = FakeChat(script="42")
    Agent([calculator()], model).run(question)
    assert isinstance(model.calls[0].messages[0], SystemMessage)
    assert words in model.calls[0].messages[0].text


def test_a_prompt_can_be_replaced_and_must_hold_the_question():
    model = FakeChat(script="42")
    Agent([calculator()], model, prompt="Be terse. {question}").run(QUESTION)
    assert [one.text for one in model.calls[0].messages] == [f"Be terse. {QUESTION}"]
    with pytest.raises(InputError, match="question"):
        Agent([calculator()], model, prompt="Be terse.")


def test_preferred_tools_come_first_and_say_so():
    @tool
    def guess(expression: str) -> str:
        """Guesses a number."""
        return "41"

    model = FakeChat(script="42")
    Agent([guess, calculator()], model, prefer={"calculator": 2.0, "guess": 0.5}).run(QUESTION)
    told = [one["function"] for one in model.calls[0].options["tools"]]
    assert [one["name"] for one in told] == ["calculator", "guess"]
    assert told[0]["description"].endswith("Prefer this tool wherever it fits.")
    assert told[1]["description"].endswith("Use this tool only where no other fits.")


def test_a_description_can_be_replaced():
    model = FakeChat(script="42")
    Agent([describe(calculator(), "Counts sheep.")], model).run(QUESTION)
    assert model.calls[0].options["tools"][0]["function"]["description"] == "Counts sheep."


def test_a_chain_is_a_tool_and_its_models_are_counted():
    inner = FakeChat(script="forty-two")
    from ziggurat import LLM

    chain = MultiChain(words=LLM("Spell {number}", inner))
    speller = as_tool(chain, name="spell", description="Spells a number.")
    answer = Agent([speller], FakeChat(script=[tool_call("spell", number="42"), "Done."])).run("Spell 42")
    assert answer.steps[0].result == '{"words": "forty-two"}'
    assert answer.usage.calls == 3


def test_an_agent_is_a_tool_of_another_and_only_the_outer_one_is_heard():
    inner = Agent([calculator()], calculating())
    asked = as_tool(inner, name="reckoner", description="Answers questions about numbers.")
    outer = Agent([asked], FakeChat(script=[tool_call("reckoner", question=QUESTION), "The answer is forty-two."]))
    pieces = list(outer.stream("Six times seven?"))
    assert "".join(piece.text for piece in pieces) == "The answer is forty-two."
    (step,) = [step for piece in pieces for step in piece.steps]
    assert (step.tool, step.result) == ("reckoner", "It is 42.")
    assert pieces[-1].usage.calls == 4


def test_an_agent_without_tools_just_answers():
    assert Agent([], FakeChat(script="Hello."), kind="conversational").run("Hi!").text == "Hello."


def test_a_model_that_calls_no_tools_is_an_agent_in_text_only():
    model = FakeListChatModel(responses=[REACT, "Final Answer: 42"])
    with pytest.raises(InputError, match="react"):
        Agent([calculator()], model)
    assert Agent([calculator()], model, kind="react").run(QUESTION).text == "42"


def test_a_trace_holds_nothing_that_a_terminal_would_obey():
    step = AgentStep("web_page", {}, "\x1b[2J\x1b[1;31mowned\x07", thought="\x9b2J")
    assert not any(one in AgentAnswer("ok", (step,)).trace() for one in ("\x1b", "\x07", "\x9b"))


def test_an_agent_is_a_stage_whose_answer_a_journal_keeps(tmp_path):
    model = calculating()
    ran = []

    def after(agent: AgentAnswer) -> str:
        ran.append(agent)
        if len(ran) == 1:
            raise OSError("the disk is full")
        return f"{agent.text} ({len(agent.steps)} step)"

    chain = MultiChain(agent=Agent([calculator()], model), after=after).using(
        journal=Journal(tmp_path / "j.db"), run_id="r"
    )
    with pytest.raises(Exception, match="disk"):
        chain.run(question=QUESTION)
    assert chain.resume("r")["after"] == "It is 42. (1 step)"
    assert len(model.calls) == 2  # the agent was not asked again
    assert ran[0] == ran[1]


def test_a_chain_streams_the_text_of_an_agent():
    chain = MultiChain(agent=Agent([calculator()], calculating()))
    pieces = [piece["agent"] for piece in chain.stream({"question": QUESTION})]
    assert len(pieces) > 3
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert whole.text == "It is 42."


async def test_whoever_traces_sees_the_models_and_the_tools_of_an_agent():
    class Seen(AsyncCallbackHandler):
        def __init__(self):
            self.names = []

        async def on_chat_model_start(self, serialized, messages, **told):
            self.names.append("model")

        async def on_tool_start(self, serialized, text, **told):
            self.names.append(serialized["name"])

    seen = Seen()
    await Agent([calculator()], calculating()).ainvoke(QUESTION, {"callbacks": [seen]})
    assert seen.names == ["model", "calculator", "model"]


@pytest.mark.parametrize("question", ["", "  ", None, 7])
def test_an_empty_question_is_refused_before_a_model_is_asked(question):
    model = FakeChat(script="x")
    with pytest.raises(InputError):
        Agent([calculator()], model).run(question=question)
    assert model.calls == []


@pytest.mark.model
def test_the_default_model_uses_the_calculator():
    answer = Agent(["calculator"], seconds=240).run("What is 1234 * 5678?")
    assert answer.steps[0].tool == "calculator"
    assert answer.steps[0].result == "7006652"
    assert "7006652" in answer.text.replace(",", "")
    assert answer.usage.total_tokens > 0


def test_in_a_chain_an_agent_that_may_act_is_an_effect_and_one_that_may_not_is_none():
    write = [calculator()]
    chain = MultiChain(
        idle=Agent(write, FakeChat(script="no")),
        allowed=Agent(write, FakeChat(script="no"), allow=["calculator"]),
        asked=stage(Agent(write, FakeChat(script="no"), approve=lambda *_: True), timeout=9),
        waived=stage(Agent(write, FakeChat(script="no"), allow=["calculator"]), effect=False),
    )
    assert {name: one.policy.effect for name, one in chain.stages.items()} == {
        "idle": False,
        "allowed": True,
        "asked": True,
        "waived": False,
    }
