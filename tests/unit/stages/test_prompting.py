"""Prompts of stages: in the language of the question, replaced in every form, and written back."""

import pytest
from langchain_core.prompts import ChatPromptTemplate, FewShotChatMessagePromptTemplate, PromptTemplate

from ziggurat import LLM, MultiChain, RetrievalQA
from ziggurat.chain.spec import dump_chain, load_chain
from ziggurat.errors import InputError, SpecError
from ziggurat.prompts import PromptFile, PromptFolder
from ziggurat.prompts.shipped import original
from ziggurat.stages.prompting import StagePrompt
from ziggurat.testing import FakeChat

MINE = {
    "name": "mine",
    "variables": {"passages": "p", "question": "q", "tone": "How."},
    "partial": {"tone": "briefly"},
    "prompts": {
        "en": [{"human": "{passages} {question} {tone}"}],
        "zh": [{"human": "{passages} {question} 简短"}],
    },
}


@pytest.fixture
def folder(tmp_path):
    own = PromptFolder(tmp_path / "prompts")
    own.push(PromptFile.model_validate(MINE))
    return own


def said(prompt, language="en"):
    return prompt.filled(language, passages="P", question="Q", language="English", not_found="no").to_string()


def test_a_stage_speaks_the_language_of_the_question():
    prompt = StagePrompt("qa")
    assert "Trechos:" in said(prompt, "pt")
    assert "Answer in English" in said(prompt, "es")
    assert "用中文" in StagePrompt("multi_query").filled("zh", question="Q", queries=3, language="Chinese").to_string()


def test_a_language_that_another_one_serves_better_can_be_asked_for(tmp_path):
    assert "Passages:" in said(StagePrompt("qa"), "zh")
    own = PromptFolder(tmp_path)
    own.push(original("qa"))
    assert "段落：" in said(StagePrompt("qa", own.stored("qa", language="zh")), "zh")


@pytest.mark.parametrize(
    "given",
    [
        "{passages} {question} briefly",
        ChatPromptTemplate.from_template("{passages} {question} {tone}").partial(tone="briefly"),
        PromptTemplate.from_template("{passages} {question} {tone}", partial_variables={"tone": "briefly"}),
        PromptFile.model_validate(MINE),
    ],
)
def test_a_replacement_in_any_form_says_the_same(given):
    assert said(StagePrompt("qa", given)).removeprefix("Human: ") == "P Q briefly"


def test_a_prompt_of_a_folder_keeps_its_languages_unless_one_is_named(folder):
    assert said(StagePrompt("qa", folder.stored("mine")), "zh") == "Human: P Q 简短"
    assert said(StagePrompt("qa", folder.stored("mine", language="en")), "zh") == "Human: P Q briefly"
    assert said(StagePrompt("qa", folder.stored("mine", partial={"tone": "at length"}))) == "Human: P Q at length"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("{question}", "{passages} must be in it"),
        ("{passages} {question} {mood}", "nobody gives {mood}"),
        (ChatPromptTemplate.from_template("{passages} {question}").partial(question="?"), "{question} must be in it"),
        ("{passages} {question", "cannot be read"),
        (PromptFile.model_validate(MINE | {"partial": {}}), "nobody gives {tone}"),
    ],
)
def test_a_missing_or_an_extra_variable_is_said_before_anything_runs(given, wrong):
    model = FakeChat()
    with pytest.raises(InputError, match=wrong):
        RetrievalQA(None, model, prompt=given)
    assert model.calls == []


def test_identities_tell_replacements_from_one_another(folder):
    told = [
        StagePrompt("qa").identity,
        StagePrompt("multi_query").identity,
        StagePrompt("qa", "{passages} {question}").identity,
        StagePrompt("qa", folder.stored("mine")).identity,
        StagePrompt("qa", folder.stored("mine", language="zh")).identity,
        StagePrompt("qa", folder.stored("mine", partial={"tone": "x"})).identity,
    ]
    assert all(one is not None for one in told)
    assert len({repr(one) for one in told}) == len(told)
    assert (
        StagePrompt("qa", folder.stored("mine")).identity == StagePrompt("qa", PromptFile.model_validate(MINE)).identity
    )


# -- in a chain file ------------------------------------------------------------------------------

QA = "{{uses: qa, model: 'fake:echo', prompt: {prompt}}}"
FEW = (
    "[{examples: {turns: [{human: '{q}'}, {ai: '{a}'}], values: [{q: 1+1, a: '2'}]}}, {human: '{passages} {question}'}]"
)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("'{passages}|{question}'", "Human: P|Q"),
        ("[{system: be brief}, {human: '{passages} {question}'}]", "System: be brief\nHuman: P Q"),
        (FEW, "Human: 1+1\nAI: 2\nHuman: P Q"),
        ("{text: '{passages} {question} {tone}', partial: {tone: now}}", "Human: P Q now"),
        ("{turns: [{system: '{tone}'}, {human: '{passages} {question}'}], partial: {tone: now}}", "System: now\nHuman: P Q"),
        ("{name: mine, folder: prompts}", "Human: P Q briefly"),
        ("{name: mine, version: 1, folder: prompts, language: zh, partial: {tone: x}}", "Human: P Q 简短"),
    ],
)  # fmt: skip
def test_every_form_is_read_and_written_back(folder, prompt, expected):
    text = f"ziggurat: 1\nstages:\n  qa: {{uses: qa, model: 'fake:echo', prompt: {prompt}}}\n"
    here = folder.path.parent
    chain = load_chain(text, folder=here)
    stage = chain.stages["qa"].call.target
    assert said(stage.prompt) == expected
    written = dump_chain(chain, folder=here)
    again = load_chain(written, folder=here).stages["qa"].call.target
    assert again.settings() == stage.settings()
    assert again.prompt.identity == stage.prompt.identity
    assert said(again.prompt) == expected


def test_the_shipped_prompt_is_not_written():
    chain = MultiChain(qa=RetrievalQA(None, "fake:echo"))
    assert "prompt" not in dump_chain(chain)


def test_an_llm_takes_a_prompt_of_a_folder_too(folder):
    text = "ziggurat: 1\nstages:\n  a: {uses: llm, model: 'fake:echo', prompt: {name: mine, folder: prompts}}\n"
    here = folder.path.parent
    stage = load_chain(text, folder=here).stages["a"].call.target
    assert [param.name for param in stage.stage_inputs] == ["passages", "question"]
    assert stage.run(passages="P", question="Q") == "P Q briefly"
    assert "name: mine" in dump_chain(load_chain(text, folder=here), folder=here)


@pytest.mark.parametrize(
    ("prompt", "wrong"),
    [
        ("{name: none, folder: prompts}", "no prompt 'none' here"),
        ("{name: mine, version: 7, folder: prompts}", "no version 7 of mine"),
        ("{name: mine, folder: elsewhere}", "there is no 'elsewhere'"),
        ("{name: mine, folder: prompts, language: xx}", "not in 'xx'"),
        ("{name: mine, folder: prompts, partial: {ton: x}}", "no variable 'ton'"),
        ("{text: '{passages} {question}', partial: {tone: x}}", "no variable tone"),
        ("{partial: {tone: x}}", "a text: or turns:"),
        ("{text: '{question}', partial: {question: x}}", "must be in it"),
        ("[]", "prompt"),
        ("7", "a prompt is a text, a list of turns, or the name of one"),
    ],
)
def test_a_prompt_that_cannot_be_is_a_finding_with_its_line(folder, prompt, wrong):
    text = f"ziggurat: 1\nstages:\n  qa: {{uses: qa, model: 'fake:echo', prompt: {prompt}}}\n"
    with pytest.raises(SpecError, match=wrong) as caught:
        load_chain(text, folder=folder.path.parent)
    assert ":3: stages.qa" in str(caught.value)


def test_what_has_no_written_form_is_said():
    several = RetrievalQA(None, "fake:echo", prompt=PromptFile.model_validate(MINE))
    with pytest.raises(SpecError, match="open file in several languages"):
        dump_chain(MultiChain(a=several))
    odd = FewShotChatMessagePromptTemplate(example_prompt=ChatPromptTemplate.from_template("{n}"), examples=[{"n": 1}])
    stage = LLM(ChatPromptTemplate.from_messages([odd, ("human", "{x}")]), "fake:echo")
    with pytest.raises(SpecError, match="examples that are no texts"):
        dump_chain(MultiChain(a=stage))
