"""Pictures from prompts: which kind is made, what is written into the file, and what is refused."""

import json

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

from ziggurat import ChainError, ImageGeneration, InputError, MultiChain, Picture, VectorIndex, given
from ziggurat.drawing.raster import checked, read_text
from ziggurat.drawing.spec import Diagram
from ziggurat.errors import ModelUnavailable, PictureError
from ziggurat.stages.diagram import Concept, write_diagram
from ziggurat.testing import FakeChat, FakeEmbeddings, FakeImages, Fault, OpenAIServer

GRAPH = {
    "title": "A diagram of a kiln",
    "nodes": [
        {"id": "p", "label": "Potter", "kind": "person"},
        {"id": "k", "label": "Kiln", "kind": "process"},
        {"id": "c", "label": "Glazed cup", "kind": "output"},
    ],
    "edges": [{"source": "p", "target": "k", "label": "loads"}, {"source": "k", "target": "c"}],
}
CONCEPT = {
    "title": "a diagram of a kiln at work",
    "subject": "Kiln",
    "user": "Potter",
    "inputs": ["Clay cup", "Temperature data"],
    "steps": ["Heat slowly", "Hold the heat", "Cool down"],
    "results": ["Glazed cup"],
}
PROMPT = "A diagram of a kiln"


def scripted(spec, **options):
    return FakeChat(script=spec if isinstance(spec, str) else json.dumps(spec), **options)


def size_of(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


# -- diagrams -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "spec", "title"), [("graph", GRAPH, "A kiln"), ("concept", CONCEPT, "A kiln at work")]
)
def test_a_prompt_for_a_diagram_becomes_one(plan, spec, title):
    picture = ImageGeneration(chat=scripted(spec), plan=plan).run(PROMPT)
    assert (picture.kind, picture.format, picture.prompt, picture.model) == ("diagram", "png", PROMPT, "fake:script")
    assert size_of(picture.data) == (picture.width, picture.height) == (1600, 900)
    assert checked(picture.svg) == (1600, 900)
    assert all(word in picture.svg for word in ("Potter", "Glazed cup", ">Kiln<", title))
    told = read_text(picture.data)
    assert told == picture.provenance
    assert (told["Title"], told["Description"]) == (title, PROMPT)
    assert Diagram.model_validate_json(told["Spec"]).nodes[0].label == "Potter"


def test_a_small_model_names_roles_and_the_arrows_follow():
    diagram = Concept(**CONCEPT).diagram().tidy()
    kinds = {node.label: node.kind for node in diagram.nodes}
    assert kinds["Potter"] == "person"
    assert kinds["Temperature data"] == "database"
    assert kinds["Clay cup"] == "document"
    assert kinds["Glazed cup"] == "output"
    labels = {node.id: node.label for node in diagram.nodes}
    arrows = {(labels[edge.source], labels[edge.target]) for edge in diagram.edges}
    assert {("Potter", "Heat slowly"), ("Clay cup", "Heat slowly"), ("Cool down", "Glazed cup")} <= arrows
    assert [labels[one] for one in diagram.groups[0].nodes] == CONCEPT["steps"]


def test_facts_come_from_the_retriever_and_sources_are_written_down(tmp_path):
    (tmp_path / "kiln.txt").write_text("A kiln is heated for nine hours.\n", encoding="utf-8")
    model = scripted(GRAPH)
    with VectorIndex.create(tmp_path / "kb", FakeEmbeddings()) as index:
        index.add_files(tmp_path / "kiln.txt")
        picture = ImageGeneration(chat=model, retriever=index, plan="graph").run(PROMPT)
    assert "Known facts: A kiln is heated for nine hours." in model.calls[0].messages[-1].text
    assert picture.provenance["Sources"].endswith("kiln.txt")
    assert "kiln.txt" in picture.svg


def test_long_facts_are_cut():
    model = scripted(GRAPH)
    retriever = RunnableLambda(lambda prompt: [Document("word " * 1000, metadata={"source": "s"})] * 5)
    ImageGeneration(chat=model, retriever=retriever, plan="graph").run(PROMPT)
    assert len(model.calls[0].messages[-1].text) < 1400


@pytest.mark.parametrize("plan", ["graph", "concept"])
@pytest.mark.parametrize(
    "rubbish",
    [
        "I cannot draw.",
        "",
        "[1, 2]",
        '{"title": "x"}',
        '{"nodes": 3}',
        json.dumps({**GRAPH, "nodes": GRAPH["nodes"][:1]}),
    ],
)
def test_a_model_that_writes_rubbish_is_one_clear_error(plan, rubbish):
    with pytest.raises(PictureError, match=r"no (?:usable )?diagram|at least two"):
        ImageGeneration(chat=scripted(rubbish), plan=plan).run(PROMPT)


def test_what_the_model_itself_raises_is_not_called_rubbish():
    with pytest.raises(ModelUnavailable):
        ImageGeneration(chat=FakeChat(script=[ModelUnavailable("gone")])).run(PROMPT)


async def test_a_diagram_in_any_language_is_written_and_drawn():
    spec = {
        "title": "窑炉",
        "nodes": [{"id": "a", "label": "陶艺师"}, {"id": "b", "label": "窑炉加热"}],
        "edges": [{"source": "a", "target": "b", "label": "装入"}],
    }
    diagram = await write_diagram("窑炉示意图", "", scripted(spec), "graph")
    assert [node.label for node in diagram.nodes] == ["陶艺师", "窑炉加热"]
    assert "陶艺师" in ImageGeneration(chat=scripted(spec), plan="graph").run("窑炉示意图").svg


# -- illustrations --------------------------------------------------------------------------------


def test_any_other_prompt_becomes_an_illustration_that_says_so():
    picture = ImageGeneration(chat=FakeChat(script=[])).run("A futuristic city with flying cars")
    assert (picture.kind, picture.model) == ("illustration", "ziggurat:drawing")
    assert size_of(picture.data) == (1600, 900)
    assert "drawn by a program; not a photograph" in picture.svg
    told = read_text(picture.data)
    assert told["Description"] == "A futuristic city with flying cars"
    assert "Recognised: city, flying cars" in told["Comment"]


def test_an_unknown_scene_says_that_nothing_was_recognised():
    assert "nothing in the prompt" in ImageGeneration(chat=FakeChat()).run("Melancholy").provenance["Comment"]


def test_the_same_prompt_gives_the_same_file():
    image = ImageGeneration(chat=FakeChat())
    assert image.run("A forest by a lake").data == image.run("A forest by a lake").data
    assert image.run("A forest by a lake").data != image.run("A forest by the lake").data


# -- image models ---------------------------------------------------------------------------------


def test_an_image_models_picture_gets_its_story_into_the_file():
    images = FakeImages()
    picture = ImageGeneration(images, size=(640, 480)).run("A diagram of a kiln")
    assert images.prompts == ["A diagram of a kiln"]
    assert size_of(picture.data) == (640, 480)
    assert read_text(picture.data) == {
        "maker": "a test double: one colour, chosen by the prompt",
        "Description": "A diagram of a kiln",
        "Software": "Ziggurat; fake:images",
    }


def test_openais_images_come_through_the_real_client(monkeypatch):
    with OpenAIServer(api_key="sk-1") as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        picture = ImageGeneration("openai:gpt-image-1", size=(1200, 800)).run("A kiln at night")
        assert (picture.kind, picture.model) == ("photo", "openai:gpt-image-1")
        assert size_of(picture.data) == (picture.width, picture.height) == (1536, 1024)
        assert read_text(picture.data)["Description"] == "A kiln at night"
        assert server.requests[-1].body["prompt"] == "A kiln at night"
        server.fail(Fault(status=400, path="/images/generations"))
        with pytest.raises(PictureError, match="refuses to draw"):
            ImageGeneration("openai:gpt-image-1").run("Something refused")


def test_without_a_key_an_image_model_is_refused_when_it_is_named():
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY"):
        ImageGeneration("openai:gpt-image-1")


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "words"), [("", "is empty"), ("  \n", "is empty"), (7, "is empty"), ("x" * 4001, "4,001 characters")]
)
@pytest.mark.parametrize("model", [None, FakeImages()])
def test_a_prompt_that_cannot_be_drawn_is_refused_before_anything_is_called(prompt, words, model):
    chat = FakeChat(script=[])
    with pytest.raises(InputError, match=words):
        ImageGeneration(model, chat=chat).run(prompt)
    assert not chat.calls


@pytest.mark.parametrize("size", [(319, 900), (1600, 0), (-1, 400), (9000, 900), (1600, 100_000)])
def test_a_size_that_cannot_be_drawn_is_refused(size):
    with pytest.raises(InputError, match="cannot be made"):
        ImageGeneration(size=size, chat=FakeChat())


@pytest.mark.parametrize("size", [(320, 320), (640, 360), (400, 1200)])
@pytest.mark.parametrize("prompt", [PROMPT, "A boat on the sea"])
def test_the_size_asked_for_is_the_size_made(size, prompt):
    picture = ImageGeneration(chat=scripted(GRAPH), plan="graph", size=size).run(prompt)
    assert size_of(picture.data) == (picture.width, picture.height) == size


# -- in a chain -----------------------------------------------------------------------------------


def test_in_a_chain_a_picture_is_made_from_another_stages_output(tmp_path):
    multi = MultiChain(
        word=lambda topic: f"a diagram of {topic}",
        picture=given(ImageGeneration(chat=scripted(GRAPH), plan="graph"), prompt="{word} in use"),
    )
    events = list(multi.events(topic="a kiln"))
    picture = events[-1].outputs["picture"]
    assert isinstance(picture, Picture)
    assert picture.provenance["Description"] == "a diagram of a kiln in use"
    assert events[-1].usage.calls == 1
    saved = picture.save(tmp_path / "new" / "kiln.png")
    assert saved.read_bytes() == picture.data
    assert picture._repr_mimebundle_()["image/png"] == picture.data


def test_a_picture_that_fails_leaves_the_rest_of_the_run():
    multi = MultiChain(picture=ImageGeneration(chat=scripted("no")), text=lambda prompt: prompt.upper())
    with pytest.raises(ChainError) as caught:
        multi.run(prompt=PROMPT)
    assert caught.value.outputs == {"text": PROMPT.upper()}
    assert isinstance(caught.value.__cause__, PictureError)
