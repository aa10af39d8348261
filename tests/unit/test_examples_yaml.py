"""The chain files in examples/ and the presets load, check and run, with a test double for the local model."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import ziggurat.presets
from ziggurat import VectorIndex, specs
from ziggurat.chain.spec import dump_chain, load_chain
from ziggurat.cli.main import cli

EXAMPLES = Path(__file__).parents[2] / "examples"
PRESETS = Path(ziggurat.presets.__file__).parent
NAMES = sorted(path.name for folder in (EXAMPLES, PRESETS) for path in folder.glob("*.yaml"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The examples, beside an index, where the local model is a double that repeats."""
    monkeypatch.setitem(specs.DEFAULTS, "chat", "fake:echo")
    made = tmp_path / "examples"
    for given in (EXAMPLES, PRESETS):
        ignored = shutil.ignore_patterns("kb", "tour", "*.py", "*.ipynb", "__pycache__")
        shutil.copytree(given, made, ignore=ignored, dirs_exist_ok=True)
    with VectorIndex.from_texts(["A chain is made of stages."], "fake:16", path=made / "kb"):
        pass
    return made


def run(folder, name, model="fake:echo", **inputs):
    specs.DEFAULTS["chat"] = model  # put back by the fixture
    return load_chain(folder / name).run(inputs)


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_fine_and_can_be_drawn_and_written(folder, name):
    for arguments in (["check", str(folder / name)], ["draw", str(folder / name), "-o", str(folder / "chart.svg")]):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
    chain = load_chain(folder / name)
    text = dump_chain(chain, folder=folder)
    assert dump_chain(load_chain(text, folder=folder), folder=folder) == text


CONCEPT = {
    "title": "A chain at work",
    "subject": "Chain",
    "user": "Reader",
    "inputs": ["Question"],
    "steps": ["Run stages", "Collect outputs"],
    "results": ["Answer"],
}


def test_the_lab_answers_and_illustrates_the_answer(folder):
    text = (folder / "lab.yaml").read_text(encoding="utf-8")
    chat = json.dumps(f"fake:json {json.dumps(CONCEPT)}")
    (folder / "lab.yaml").write_text(
        text.replace("uses: image\n", f"uses: image\n    chat: {chat}\n"), encoding="utf-8"
    )
    found = run(folder, "lab.yaml", "fake:fixed A chain is made of stages.", question="What is a chain made of?")
    assert found["qa"].citations[0].quote == "A chain is made of stages."
    assert found["image_generation"].kind == "diagram"
    assert found["image_generation"].prompt == "A diagram of this: A chain is made of stages."


def test_dinner_goes_from_place_to_dish_to_recipe(folder):
    found = run(folder, "sequential.yaml", place="Lisbon")
    assert found["dish"] in found["recipe"]
    assert found["minutes"].startswith("Give a short recipe for Name one classic")


def test_the_digest_is_of_the_summaries_that_could_be_made(folder):
    found = run(folder, "digest.yaml", documents=["the first", "the second"])
    assert [one.splitlines()[-1] for one in found["summaries"]] == ["the first", "the second"]
    assert "the second" in found["digest"]


@pytest.mark.parametrize(
    ("kind", "name"), [("billing", "billing"), ("technical", "technical"), ("lost cat", "reception")]
)
def test_the_desk_sends_a_question_where_it_belongs(folder, kind, name):
    chain = (folder / "route.yaml").read_text(encoding="utf-8")
    head, _, tail = chain.partition("  kind:\n    uses: llm\n")
    (folder / "route.yaml").write_text(
        f"{head}  kind:\n    uses: llm\n    model: 'fake:fixed {kind}'\n{tail}", encoding="utf-8"
    )
    (found,) = run(folder, "route.yaml", question="Why?").values()
    words = {"billing": "accounting", "technical": "repair", "reception": "reception"}
    assert words[name] in found


def test_the_essay_ends_when_there_is_nothing_to_criticise(folder):
    assert run(folder, "critique.yaml", "fake:fixed fine", topic="bridges")["polish"]["critique"] == "fine"


def test_a_vote_is_taken_on_as_many_samples_as_there_are_attempts(folder):
    voted = run(folder, "vote.yaml", "fake:fixed It is five.\n**0.05**", question="What is left?")["answer"]
    assert (voted.text, voted.of, voted.share) == ("0.05", 5, 1.0)


def test_a_question_in_several_steps_is_planned_looked_up_and_answered_with_evidence(folder):
    plan = json.dumps({"questions": ["What is a chain made of?"]})
    text = (folder / "multihop.yaml").read_text(encoding="utf-8")
    text = text.replace("uses: extract\n", f"uses: extract\n    model: 'fake:json {plan}'\n")
    (folder / "multihop.yaml").write_text(text, encoding="utf-8")
    found = run(folder, "multihop.yaml", "fake:fixed A chain is made of stages.", question="What is a chain made of?")
    assert found["answer"].text == "A chain is made of stages."
    assert found["answer"].citations[0].quote == "A chain is made of stages."


def test_presets_are_listed_shown_and_copied_once(tmp_path):
    listed = CliRunner().invoke(cli, ["presets"]).output
    assert all(name in listed for name in ("sequential", "multihop", "critique", "vote", "route", "illustrate"))
    assert "uses: vote" in CliRunner().invoke(cli, ["presets", "vote"]).output
    target = tmp_path / "mine.yaml"
    assert CliRunner().invoke(cli, ["presets", "vote", "--to", str(target)]).exit_code == 0
    assert load_chain(target).stages
    assert "there already" in str(CliRunner().invoke(cli, ["presets", "vote", "--to", str(target)]).exception)
    assert "did you mean 'vote'" in str(CliRunner().invoke(cli, ["presets", "vot"]).exception)
