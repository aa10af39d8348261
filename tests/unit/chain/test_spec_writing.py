"""Writing a chain as a file: how it reads, and what no file can hold. That it reads back is a property test."""

import datetime as dt
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from ziggurat import LLM, ImageGeneration, MultiChain, RetrievalQA, Retry, VectorIndex, given, ref, stage, value
from ziggurat.chain.composite import Branch, Map, Repeat
from ziggurat.chain.spec import chain_schema, dump_chain, load_chain
from ziggurat.errors import SpecError
from ziggurat.testing import FakeChat

ROOT = Path(__file__).parents[3]


def double(number):
    return number * 2


def improve(draft):
    return {"draft": draft, "ok": True}


class Home(Exception):
    """No file can name it."""


def refused(chain, **more):
    with pytest.raises(SpecError) as caught:
        dump_chain(chain, **more)
    return caught.value.findings


@pytest.fixture
def index(tmp_path):
    with VectorIndex.from_texts(["The mill was built in 1720."], "fake:16", path=tmp_path / "kb") as made:
        yield made


def test_a_file_is_short_and_says_only_what_is_not_default(index, tmp_path):
    chain = MultiChain(
        qa=stage(RetrievalQA(index, "fake:echo", k=3), retry=2, timeout=30),
        picture=given(ImageGeneration(chat="fake:echo"), prompt="Illustrate: {qa.text}"),
        words=LLM("Say:\n\n  {question}\n", "fake:echo", temperature=0.5),
        outputs=["picture", "words", "qa"],
        name="The lab",
    )
    assert (
        dump_chain(chain, folder=tmp_path)
        == """\
ziggurat: 1
name: The lab
inputs: [question]
outputs: [picture, words, qa]

stages:
  qa:
    uses: qa
    k: 3
    index: kb
    model: fake:echo
    retry: 2
    timeout: 30

  picture:
    uses: image
    chat: fake:echo
    given:
      prompt: 'Illustrate: {qa.text}'

  words:
    uses: llm
    prompt: |
      Say:

        {question}
    model: fake:echo
    temperature: 0.5
"""
    )


def test_what_wraps_a_stage_stands_beside_it_or_around_it():
    chain = MultiChain(
        beside=given(
            Map(Repeat(improve, until="output.ok", carry={"draft": "output.draft"}), limit=2), draft=ref("texts")
        ),
        around=stage(Map(stage(double, retry=2), on_error="keep"), timeout=5),
        choice=Branch("kind == 'a'", double),
        switch=Branch.on("kind", {"a": double, 2: double}, otherwise=double),
    )
    assert yaml.safe_load(dump_chain(chain, stages={"double": double, "improve": improve}))["stages"] == {
        "beside": {
            "uses": "improve",
            "until": "output.ok",
            "carry": {"draft": "$output.draft"},
            "each": {"draft": "$texts"},
            "at_once": 2,
        },
        "around": {"stage": {"uses": "double", "retry": 2}, "each": "number", "on_error": "keep", "timeout": 5},
        "choice": {"uses": "double", "when": "kind == 'a'"},
        "switch": {
            "switch": "kind",
            "cases": {"a": {"uses": "double"}, 2: {"uses": "double"}},
            "otherwise": {"uses": "double"},
        },
    }


def test_settings_survive_with_their_index(index, tmp_path):
    qa = RetrievalQA(index, "fake:echo", k=2, passage_characters=99, max_tokens=7, name="ask")
    picture = ImageGeneration(chat="fake:echo", retriever=index, size=(400, 320), plan="graph")
    paid = ImageGeneration("fake:images")
    text = dump_chain(MultiChain(qa=qa, picture=picture, paid=paid), folder=tmp_path)
    (tmp_path / "chain.yaml").write_text(text, encoding="utf-8")
    again = load_chain(tmp_path / "chain.yaml").stages
    for name, one in (("qa", qa), ("picture", picture), ("paid", paid)):
        assert again[name].call.target.settings() == one.settings()
    assert again["qa"].call.target.run("When was the mill built?").text == "The mill was built in 1720."


def test_a_message_that_is_no_template_keeps_its_braces():
    prompt = ChatPromptTemplate.from_messages([("system", "json"), AIMessage('{"a": 1}'), ("human", "{x}")])
    one = LLM(prompt, "fake:echo")
    again = load_chain(dump_chain(MultiChain(a=one))).stages["a"].call.target
    assert again.prompt.invoke({"x": "y"}) == prompt.invoke({"x": "y"})


@pytest.mark.parametrize(
    ("thing", "finding"),
    [
        (double, "stages.a: double is not a registered stage: give it a name in stages="),
        (RunnableLambda(lambda x: x), "stages.a: RunnableLambda is not a registered stage: give it a name in stages="),
        (LLM("{x}", FakeChat()), "stages.a: LLM was given its model as an open FakeChat (name the model by its spec)"),
        (LLM("{x}", "fake:echo", delay=0.1), "stages.a: its options delay are not written into files (set them in the environment)"),
        (LLM(ChatPromptTemplate.from_template("{{x}}", template_format="mustache"), "fake:echo"), "stages.a: its prompt holds a HumanMessagePromptTemplate that has no written form"),
        (LLM(ChatPromptTemplate.from_template("{x} {y}").partial(y=lambda: "z"), "fake:echo"), "stages.a: its prompt is a ChatPromptTemplate with more in it than texts and variables"),
        (RetrievalQA(RunnableLambda(lambda question: []), "fake:echo"), "stages.a: RetrievalQA was given its retriever as an open RunnableLambda (a file can name a VectorIndex, by its folder)"),
        (given(LLM("{x}", "fake:echo"), x=value(dt.date(2020, 1, 1))), "stages.a.given.x: a date has no written form (give it as text, number, list or mapping)"),
        (given(LLM("{x}", "fake:echo"), x=value((1, 2))), "stages.a.given.x: a tuple has no written form (give it as text, number, list or mapping)"),
        (given(LLM("{x}", "fake:echo"), x=value({(1,): 2})), "stages.a.given.x: a key of type tuple has no written form"),
        (stage(LLM("{x}", "fake:echo"), retry=Retry(on=(Home,))), "stages.a: retry names Home, and a file can only name Python's own exceptions"),
        (stage(LLM("{x}", "fake:echo"), fallback=double), "stages.a.fallback: double is not a registered stage: give it a name in stages="),
        (Branch.on("x", {(1, 2): LLM("{x}", "fake:echo"), 3: LLM("{x}", "fake:echo")}), "stages.a.cases: the case 'x == (1, 2)' has no written form"),
        (MultiChain(b=Map(double)), "stages.a.stages.b: double is not a registered stage: give it a name in stages="),
    ],
)  # fmt: skip
def test_what_no_file_can_hold_is_named_with_its_stage(thing, finding):
    assert finding in refused(MultiChain(a=thing))


def test_an_index_elsewhere_is_refused(index, tmp_path):
    chain = MultiChain(a=RetrievalQA(index, "fake:echo"))
    (tmp_path / "other").mkdir()
    assert "outside of the folder" in refused(chain, folder=tmp_path / "other")[0]
    assert "written for no folder" in refused(chain)[0]
    searched = RetrievalQA(index.as_retriever(search_kwargs={"fetch_k": 9}), "fake:echo")
    assert "fetch_k, which files do not have" in refused(MultiChain(a=searched), folder=tmp_path)[0]


def test_everything_that_cannot_be_written_is_said_at_once():
    assert len(refused(MultiChain(a=double, b=given(double, number=value(set())), c=LLM("{a}", FakeChat())))) == 4


# -- the schema -----------------------------------------------------------------------------------

SCHEMA = json.loads((ROOT / "docs" / "chain.schema.json").read_text(encoding="utf-8"))
VALID = jsonschema.Draft202012Validator(SCHEMA)
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
DINNER = yaml.safe_load((ROOT / "src" / "ziggurat" / "presets" / "sequential.yaml").read_text(encoding="utf-8"))


def test_the_published_schema_is_the_live_one():
    assert chain_schema() == SCHEMA, "ziggurat check --schema > docs/chain.schema.json"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_validates_and_says_where_the_schema_is(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../docs/chain.schema.json\n")
    assert list(VALID.iter_errors(yaml.safe_load(text))) == []


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("outpust",), ["dish"]),
        (("ziggurat",), 2),
        (("stages", "dish", "promt"), "x"),
        (("stages", "dish", "uses"), "lm"),
        (("stages", "dish", "model"), "gpt"),
        (("stages", "dish", "temperature"), "hot"),
        (("stages", "dish", "retry"), {"attemts": 2}),
        (("stages", "dish", "at_once"), 2),
        (("stages", "dish", "stage"), {"uses": "llm"}),
        (("stages", "dish", "fallback"), {"uses": "llm", "promt": "x"}),
        (("stages", "minutes", "prompt"), [{"sytem": "x"}]),
        (("stages", "minutes", "prompt"), [{"system": "x", "human": "y"}]),
        (("stages", "a b"), {"uses": "llm"}),
        (("stages",), {}),
    ],
)
def test_a_slip_does_not_validate(place, wrong):
    data = json.loads(json.dumps(DINNER))
    inside = data
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = wrong
    assert list(VALID.iter_errors(data))


def test_what_is_written_validates(index, tmp_path):
    chain = MultiChain(
        qa=stage(RetrievalQA(index, "fake:echo"), fallback=LLM("{question}", "fake:echo"), retry=Retry(on=(OSError,))),
        nested=Repeat(MultiChain(b=double), until="b", carry={"number": "b"}),
        mapped=given(Map(stage(double, fallback=value({"a": 1})), each="number"), number=[1, 2]),
        choice=Branch.on("kind", {"x": double, "y": Map(double)}),
    )
    data = yaml.safe_load(dump_chain(chain, stages={"double": double}, folder=tmp_path))
    assert list(VALID.iter_errors(data)) == []
