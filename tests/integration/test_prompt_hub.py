"""LangChain's hub client against a stand-in of the hub: pull, push, and manifests that are more than a prompt."""

import json

import pytest
from hub_server import KEY, HubServer
from langchain_core.load import dumpd
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

from ziggurat.errors import InputError, ZigguratError
from ziggurat.prompts import PromptFile
from ziggurat.prompts.hub import PromptHub

ASK = ChatPromptTemplate.from_messages(
    [("system", "Be {tone}."), ("placeholder", "{history}"), ("human", "{question}")]
)


@pytest.fixture
def server():
    with HubServer() as running:
        yield running


@pytest.fixture
def hub(server):
    return PromptHub(server.url, KEY)


def test_what_is_pushed_is_pulled(hub, server):
    assert "ask" in hub.push("ask", ASK.partial(tone="brief"))
    pulled = hub.pull("ask")
    assert pulled.invoke({"question": "Why?"}) == ASK.partial(tone="brief").invoke({"question": "Why?"})
    assert pulled == hub.pull("mill/ask")
    first = server.commits["mill/ask"][0]["commit_hash"]
    hub.push("ask", PromptTemplate.from_template("{question}!"))
    assert len(server.commits["mill/ask"]) == 2
    assert hub.pull("ask").format(question="now") == "now!"
    assert hub.pull(f"mill/ask:{first[:8]}") == pulled


def test_a_prompt_file_is_pushed_in_one_language_with_what_it_is_for(hub, server):
    file = PromptFile.model_validate(
        {"name": "hi", "about": "Greets.", "prompts": {"en": [{"human": "Hello"}], "pt": [{"human": "Olá"}]}}
    )
    hub.push("hi", file, language="pt")
    assert hub.pull("hi").format() == "Human: Olá"
    assert server.about["mill/hi"] == "Greets."
    with pytest.raises(InputError, match="'zh'"):
        hub.push("hi", file, language="zh")


def test_a_prompt_of_somebody_else_is_pulled_and_not_pushed(hub, server):
    server.put("stranger/ask", dumpd(ASK))
    assert hub.pull("stranger/ask") == ASK
    with pytest.raises(InputError):
        hub.push("stranger/new", ASK)


def _model():
    kwargs = {
        "model": "gpt-4.1",
        "base_url": "http://127.0.0.1:1/",
        "api_key": {"lc": 1, "type": "secret", "id": ["HOME"]},
    }
    return {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "chat_models", "openai", "ChatOpenAI"],
        "kwargs": kwargs,
    }


def _jinja():
    told = json.loads(json.dumps(dumpd(PromptTemplate.from_template("{question}"))))
    told["kwargs"] |= {"template": "{{ ''.__class__ }}", "template_format": "jinja2"}
    return told


@pytest.mark.parametrize(
    "manifest",
    [
        _model(),
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "runnable", "RunnableSequence"], "kwargs": {"first": dumpd(ASK), "middle": [], "last": _model()}},
        {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {"command": "true"}},
        {"lc": 1, "type": "secret", "id": ["HOME"]},
        _jinja(),
        {"lc": 1, "type": "constructor", "id": ["langchain", "prompts", "prompt", "PromptTemplate"], "kwargs": {}},
        {},
    ],
    ids=["a model", "a chain", "a function", "a secret", "jinja", "broken", "nothing"],
)  # fmt: skip
def test_a_manifest_that_is_more_or_less_than_a_prompt_is_refused(hub, server, manifest):
    server.put("stranger/trap", manifest)
    with pytest.raises(InputError) as caught:
        hub.pull("stranger/trap")
    assert "stranger/trap" in caught.value.where


@pytest.mark.parametrize(
    ("name", "said"), [("nobody/nothing", "no such prompt"), ("ask:0123", "no such prompt"), ("a/b/c", "no name")]
)
def test_a_prompt_that_is_not_there_is_said(hub, name, said):
    with pytest.raises(InputError, match=said):
        hub.pull(name)


def test_a_refused_key_a_broken_hub_and_no_hub_are_said_without_the_key(server):
    wrong = "lsv2_pt_wrong_and_secret"
    with pytest.raises(ZigguratError, match="refuses the key") as caught:
        PromptHub(server.url, wrong).pull("ask")
    assert wrong not in str(caught.value)
    server.status = 500
    with pytest.raises(ZigguratError, match="cannot be asked") as caught:
        PromptHub(server.url, KEY).pull("ask")
    assert KEY not in str(caught.value)
    with pytest.raises(ZigguratError, match="cannot be asked"):
        PromptHub("http://127.0.0.1:9", KEY, seconds=2).pull("ask")
