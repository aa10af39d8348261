"""Extraction: data of a form, checked, mended, and each value with its place."""

import json

import pytest
from langchain_core.documents import Document
from pydantic import BaseModel, Field
from web_server import web_server

from ziggurat import MultiChain
from ziggurat.chain.journal import Journal
from ziggurat.chain.spec import dump_chain, load_chain
from ziggurat.errors import InputError, StructureError
from ziggurat.loaders.document import Place, SourceDocument
from ziggurat.stages.extract import Extract
from ziggurat.stages.shapes import ResponseSchema, Shape
from ziggurat.testing import FakeChat

ORDER = "Order 4711 of Ana Souza\nordered on 3 May 2024\n12 chairs at 1,049.90 EUR each\n"


class Item(BaseModel):
    what: str
    price: float = Field(gt=0)


class Order(BaseModel):
    customer: str
    day: str
    items: list[Item]
    phone: str | None = None


def answering(*values):
    return FakeChat(script=[value if isinstance(value, str) else json.dumps(value) for value in values])


GOOD = {"customer": "Ana Souza", "day": "2024-05-03", "items": [{"what": "chairs", "price": 1049.9}], "phone": None}


def test_it_gives_an_instance_of_the_class_with_the_place_of_each_value():
    found = Extract(Order, answering(GOOD)).run(ORDER)
    assert found.value == Order(**GOOD)
    assert {one.path: one.quote for one in found.provenance} == {
        "customer": "Ana Souza",
        "day": "3 May 2024",
        "items.0.what": "chairs",
        "items.0.price": "1,049.90",
    }
    for one in found.provenance:
        assert ORDER[one.start : one.end] == one.quote
    assert found.unsupported == ()
    assert "customer: Ana Souza  [text:14]" in str(found)


def test_what_does_not_fit_is_told_to_the_model_which_mends_it():
    bad = {**GOOD, "items": [{"what": "chairs", "price": -1}]}
    model = answering("I cannot do JSON.", bad, GOOD)
    found = Extract(Order, model).run(ORDER)
    assert found.value == Order(**GOOD)
    assert found.attempts == 3
    assert found.usage.calls == 3
    assert "no JSON" in model.calls[1].messages[-1].text
    assert "items.0.price" in model.calls[2].messages[-1].text


@pytest.mark.parametrize("said", ["{broken", "[]", '"text"', "{}", ""])
def test_a_model_that_never_gives_it_is_asked_so_often_and_no_more(said):
    model = answering(*[said] * 20)
    with pytest.raises(StructureError, match="in 4 tries"):
        Extract(Order, model, attempts=4).run(ORDER)
    assert len(model.calls) == 4


def test_a_value_that_stands_nowhere_is_looked_for_again_in_the_lines_about_it():
    model = answering({**GOOD, "customer": "Anna Sousa"}, "The customer: Ana Souza")
    found = Extract(Order, model).run(ORDER)
    assert found.value.customer == "Ana Souza"
    assert "customer" in model.calls[1].messages[-1].text
    assert found.unsupported == ()


def test_one_that_is_still_nowhere_is_left_out_where_it_may_be_and_else_marked():
    model = answering({**GOOD, "phone": "555-1234"}, "null")
    assert Extract(Order, model).run(ORDER).value.phone is None
    model = answering({**GOOD, "customer": "Anna Sousa"}, "nobody")
    found = Extract(Order, model).run(ORDER)
    assert found.unsupported == ("customer",)
    assert "customer: Anna Sousa  [?]" in str(found)


def test_fields_by_name_and_the_older_form_give_plain_data():
    assert Extract({"customer": "who ordered"}, answering({"customer": "Ana Souza"})).run(ORDER).value == {
        "customer": "Ana Souza"
    }
    older = [ResponseSchema("bad_string", "as it was"), ResponseSchema("good_string", "as it should be")]
    said = {"bad_string": "welcom to califonya!", "good_string": "Welcome to California!"}
    found = Extract(older, answering(said), verbatim=False).run("welcom to califonya!")
    assert found.value == said
    assert found.unsupported == ("good_string",)


def test_a_long_text_is_read_in_parts_that_are_put_together():
    text = "noise " * 400 + "\nThe boat is called Halcyon.\n" + "noise " * 400 + "\nIts sails are red.\n"
    form = {
        "type": "object",
        "properties": {"name": {"type": ["string", "null"]}, "colours": {"type": "array", "items": {"type": "string"}}},
        "required": ["name", "colours"],
    }

    def reading(messages):
        said = messages[-1].text
        return json.dumps(
            {"name": "Halcyon" if "Halcyon" in said else None, "colours": ["red"] if "red" in said else []}
        )

    model = FakeChat(script=reading)
    found = Extract(form, model, part_characters=1500).run(text)
    assert found.value == {"name": "Halcyon", "colours": ["red"]}
    assert len(model.calls) > 2
    place = found.where("name")
    assert text[place.start : place.end] == "Halcyon"


def test_documents_tell_where_they_are_from():
    document = Document("The boat is called Halcyon.", metadata={"source": "boat.txt", "start_index": 100})
    place = Extract({"name": ""}, answering({"name": "Halcyon"})).run([document]).where("name")
    assert (place.document, place.start, place.end) == ("boat.txt", 119, 126)
    paged = SourceDocument("b.pdf", "First page.\nHalcyon.", places=[Place(0, {"page": 1}), Place(12, {"page": 2})])
    assert Extract({"name": ""}, answering({"name": "Halcyon"})).run(paged).where("name").at == "page 2"


def test_a_page_is_fetched_cleaned_and_read(tmp_path):
    page = "<html><body><nav>Menu</nav><main><h1>Halcyon Boats</h1><p>Founded in 1987 by Maria Okafor.</p></main></body></html>"
    with web_server() as site:
        site("/about", page)
        stage = Extract(
            {"founder": "who founded it"},
            answering({"founder": "Maria Okafor"}),
            reads="source",
            load={"allow_private": True},
        )
        found = stage.run(site.at("/about"))
    assert found.where("founder").document.endswith("/about")


@pytest.mark.parametrize(
    "given",
    [{}, [], {"type": "object", "properties": {}}, {"type": "object", "properties": {"a": {"type": "nope"}}}, str, 3],
)
def test_what_describes_no_structure_is_refused(given):
    with pytest.raises(InputError):
        Shape(given)


@pytest.mark.parametrize("text", ["", "  \n", []])
def test_an_empty_text_is_refused(text):
    with pytest.raises(InputError, match="no text"):
        Extract({"a": ""}, answering({"a": ""})).invoke({"text": text})


def test_in_a_chain_with_a_journal_it_is_kept_and_in_a_file_it_is_the_same(tmp_path):
    stage = Extract({"name": "of the boat"}, 'fake:fixed {"name": "Halcyon"}')
    with Journal(tmp_path / "runs.db") as journal:
        chain = MultiChain(facts=stage).using(journal=journal)
        assert chain.run(text="The boat is called Halcyon.")["facts"].value == {"name": "Halcyon"}
    text = dump_chain(MultiChain(facts=stage), folder=tmp_path)
    again = load_chain(text, folder=tmp_path)
    assert dump_chain(again, folder=tmp_path) == text
    assert again.run(text="The boat is called Halcyon.")["facts"].where("name").quote == "Halcyon"
