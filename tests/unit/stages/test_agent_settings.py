"""An agent in a chain file: both ways, and what a stranger's file cannot do."""

import sys
from pathlib import Path

import pytest

from ziggurat import MultiChain, VectorIndex
from ziggurat.chain.budget import Budget
from ziggurat.errors import InputError, SpecError, ZigguratError
from ziggurat.stages.agent import Agent
from ziggurat.stages.agents.settings import AgentSettings
from ziggurat.testing import FakeChat
from ziggurat.tools import calculator
from ziggurat.tools.settings import KINDS, ToolSettings


@pytest.fixture
def kb(tmp_path):
    with VectorIndex.from_texts(["one text"], "fake:16", path=tmp_path / "kb"):
        pass
    return tmp_path / "kb"


def test_settings_go_both_ways(kb, tmp_path):
    (tmp_path / "notes").mkdir()
    agent = Agent(
        [
            "calculator",
            {"index_search": {"index": str(kb), "k": 2}},
            {"files": {"root": str(tmp_path / "notes"), "write": True}},
        ],
        "fake:fixed 42",
        kind="react",
        steps=3,
        seconds=9.5,
        budget=Budget(tokens=5000, calls=7),
        allow=["write_file"],
        prefer={"calculator": 2.0},
        repeats=2,
        tool_seconds=5,
        result_characters=900,
        max_tokens=70,
        name="helper",
    )
    settings = agent.settings()
    again = Agent.from_settings(settings)
    assert again.settings() == settings
    assert again.budget == agent.budget
    assert again.limits == agent.limits
    assert [one.name for one in again.toolbox._tools] == [one.name for one in agent.toolbox._tools]


def test_all_settings_survive_and_each_is_described():
    assert all(field.description for field in AgentSettings.model_fields.values())
    assert all(field.description for field in ToolSettings.model_fields.values())
    for field in ToolSettings.model_fields.values():
        chosen = next(one for one in field.annotation.__args__ if one is not type(None))
        assert all(inner.description for inner in chosen.model_fields.values())


def test_a_kind_alone_stands_for_its_defaults():
    read = AgentSettings.model_validate({"tools": ["calculator", {"python": None}, {"web_page": {}}]})
    assert [one.kind for one in read.tools] == ["calculator", "python", "web_page"]


@pytest.mark.parametrize(
    "tools",
    [
        ["calculater"],
        [{"calculator": {}, "python": {}}],
        [{"index_search": {}}],
        [{"mcp": {}}],
        [{"mcp": {"command": ["x"], "url": "http://x"}}],
        [{"sql": {}}],
        [{"web_page": {"allow_private": True}}],
        [{}],
        [7],
    ],
)
def test_what_is_no_tool_is_refused(tools):
    with pytest.raises(ValueError, match=r"\w"):
        AgentSettings.model_validate({"tools": tools})


def test_what_was_given_open_has_no_written_form():
    with pytest.raises(InputError, match="calculator open"):
        Agent([calculator()], "fake:echo").settings()
    with pytest.raises(InputError, match="model"):
        Agent(["calculator"], FakeChat()).settings()


def test_a_chain_file_starts_no_program_when_it_is_read_and_none_unless_allowed(tmp_path, monkeypatch):
    mark = tmp_path / "started"
    command = [sys.executable, "-c", f"open({str(mark)!r}, 'w')"]
    settings = AgentSettings.model_validate({"model": "fake:fixed ok", "tools": [{"mcp": {"command": command}}]})
    monkeypatch.delenv("ZIGGURAT_MCP_COMMANDS", raising=False)
    agent = Agent.from_settings(settings)
    assert agent.settings() == settings
    with pytest.raises(InputError, match="names a command"):
        agent.run("Hello?")
    assert not mark.exists()
    monkeypatch.setenv("ZIGGURAT_MCP_COMMANDS", "allow")
    with pytest.raises(ZigguratError, match="cannot be reached"):
        agent.run("Hello?")
    assert mark.exists()


def test_what_decides_the_answer_is_told(kb):
    def agent(**more):
        return Agent(**{"tools": ["calculator", {"index_search": {"index": kb}}], "model": "fake:echo", **more})

    same = agent().stage_identity
    assert same == agent(name="another", seconds=5).stage_identity
    assert same is not None
    for other in (
        agent(steps=3),
        agent(kind="react"),
        agent(tools=["calculator"]),
        agent(prefer={"calculator": 2.0}),
        agent(prompt="Say {question}."),
        agent(model="fake:fixed x"),
    ):
        assert other.stage_identity != same
    with VectorIndex.open(kb) as index:
        index.add_texts(["another"])
    assert agent().stage_identity != same


@pytest.mark.parametrize(
    "given",
    [
        {"tools": [calculator()]},
        {"tools": ["web_page"]},
        {"tools": [{"files": {"root": Path.cwd()}}]},
        {"kind": "conversational"},
    ],
)
def test_an_answer_that_may_be_another_tomorrow_is_never_taken_from_a_cache(given):
    assert Agent(**{"tools": ["calculator"], "model": "fake:echo", **given}).stage_identity is None


def test_the_kinds_are_those_of_the_table():
    assert KINDS == (
        "calculator",
        "index_search",
        "docstore",
        "web_search",
        "web_page",
        "python",
        "files",
        "sql",
        "mcp",
    )


CHAIN = """
ziggurat: 1
stages:
  helper:
    uses: agent
    model: "fake:fixed Final Answer: forty-two"
    kind: react
    tools:
      - calculator
      - index_search: {index: kb, k: 2}
      - files: {root: notes, write: true}
    allow: [write_file]
    prefer: {calculator: 2.0}
    spend: {tokens: 9000}
"""


def test_an_agent_lives_in_a_chain_file(kb, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "chain.yaml").write_text(CHAIN)
    chain = MultiChain.from_yaml(tmp_path / "chain.yaml")
    written = chain.to_yaml(folder=tmp_path)
    assert MultiChain.from_yaml(written, folder=tmp_path).to_yaml(folder=tmp_path) == written
    assert chain.run(question="What?")["helper"].text == "forty-two"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("- calculator", "- calculater", "calculater"),
        ("root: notes", "root: ../..", "leads out of the folder"),
        ("kind: react", "kind: wizard", "kind"),
        ("tokens: 9000", "tokens: -1", "tokens"),
    ],
)
def test_a_chain_file_that_says_what_cannot_be_is_refused_with_its_line(kb, tmp_path, before, after, said):
    (tmp_path / "notes").mkdir()
    with pytest.raises(SpecError, match=said):
        MultiChain.from_yaml(CHAIN.replace(before, after), folder=tmp_path)
