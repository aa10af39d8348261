"""A hundred real files of every type: each is read, or refused with exactly one clear line."""

import time
from pathlib import Path

import pytest

from ziggurat.loaders import PARSERS, load, open_source
from ziggurat.loaders.document import places_within

DOCUMENTS = Path(__file__).parents[4] / "shared" / "data" / "documents"
REFUSED = {
    "empty.eml": "The file holds only white space.",
    "empty.xlsx": "There is nothing in its sheets.",
    "fake-text-all-whitespace.txt": "The file holds only white space.",
    "loremipsum-flat.pdf": "It is a scan: its page is a picture without text.",
    "password_protected.xlsx": "The file is protected with a password.",
}

pytestmark = pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the real documents are not part of the project")


@pytest.fixture(scope="module")
def everything():
    problems: dict[str, str] = {}
    found = list(load(DOCUMENTS, on_problem=lambda key, error: problems.update({Path(key).name: error.what})))
    return {one.source.removeprefix(f"{DOCUMENTS}/"): one for one in found}, found, problems


def test_every_file_is_read_or_refused_with_exactly_one_clear_line(everything):
    _, found, problems = everything
    assert problems == REFUSED
    read = {Path(one.source.partition("#")[0]).name for one in found}
    assert read | set(problems) == {Path(item.key).name for item in open_source(DOCUMENTS).items()}
    assert {path.suffix for path in DOCUMENTS.iterdir()} <= set(PARSERS)


def test_every_text_can_be_stored_and_every_place_is_in_it(everything):
    for one in everything[1]:
        one.text.encode()
        assert one.text.strip()
        assert not any(character in one.text for character in "\r\0\ufffe")
        assert all(place.start < len(one.text) for place in one.places)


@pytest.mark.parametrize(
    ("name", "words", "at"),
    [
        ("layout-parser-paper-fast.pdf", "Abstract. Recent advances", {"page": 1}),
        ("layout-parser-paper-fast.pdf", "37], layout detection [38, 22]", {"page": 2}),
        ("multi-column-2p.pdf", "two-stage framework: (1) a context retriever first", {"page": 1}),
        ("multi-column-2p.pdf", "3.1 Overview", {"page": 2}),
        ("list-item-example.pdf", "How will the product meet market", {"page": 2}),
        ("reliance.pdf", "Founder Chairman", {"page": 2}),
        ("reliance.pdf", "Board of Directors", {"page": 3}),
        ("invalid-pdf-structure-pdfminer-one-page.pdf", "Page 2 GAO-23-106826", {"page": 2}),
        ("sample-presentation.pptx", "| 2 | A2 | B2 | C2 |", {"slide": 4}),
        ("simple.pptx", "How much is enough?", {"slide": 2}),
        ("stanley-cups.xlsx", "Team: Maple Leafs; Location: TOR; Stanley Cups: 13", {"sheet": "Stanley Cups", "row": 5}),
        ("stanley-cups.xlsx", "Team: Maple Leafs; Location: TOR; Stanley Cups: 0", {"sheet": "Stanley Cups Since 67", "row": 5}),
        ("vodafone.xlsx", "Topic: Mobile ARPU; Period: Nine quarters to 30 June 2023; Page: 13", {"sheet": "Index", "row": 20}),
        ("stanley-cups-with-emoji.tsv", "👨\\U+1F3FB🔧", {"row": 6}),
        ("csv-with-line-delimiter.csv", "col1: g; col2: h; col3: i", {"row": 4}),
        ("semicolon-delimited.csv", "et, dolore", {"row": 4}),
        ("table-multi-row-column-cells-actual.csv", "Results Accuracy: 95.4%, n=3; Results Time to complete: 1416 sec, n=3", {"row": 6}),
        ("mime-multipart-digest.eml", "This is the second message", {"message": 2}),
        ("eng_spa_mult.epub", "Todos los seres humanos", {"chapter": 1}),
    ],
)  # fmt: skip
def test_words_stand_where_the_file_shows_them(everything, name, words, at):
    one = everything[0][name]
    (place, *_) = places_within(one.places, one.text.index(words), len(one.text))
    assert dict(place.at) == at


@pytest.mark.parametrize(
    ("name", "has", "has_not"),
    [
        ("example-steelJIS-datasheet.html", ["日本語", "| 0.39 - 0.46 | 0.2 - 0.35 |"], ["adsbygoogle", "viewport"]),
        (
            "example-with-scripts.html",
            ["# Russian Offensive Campaign Assessment, December 13", "- Donate"],
            ["function(", "@media"],
        ),
        ("docx-tables.docx", ["| d | e, f; g&t, h; | i |"], []),
        ("category-level.docx", ["# A Heading 1", "  - Next level"], []),
        ("handbook-1p.docx", ["US Trustee Handbook", "Copyright"], []),
        ("fake.odt", ["| Leader | Sarah | Mark | Ryan |"], []),
        ("eng_spa_mult.rtf", ["Todos los seres humanos", "razón"], ["\\u", "fonttbl"]),
        ("fake-email-utf-16.eml", ["- Roses are red"], ["<li>"]),
        ("fake-email-malformed-encoding.eml", ["- Violets are blue"], ["Content-Transfer"]),
        ("fake-email-with-cc-and-bcc.msg", ["Bcc: hello@unstructured.io", "This is a test email."], []),
        ("email-equals-attachment-filename.eml", ["odd filename"], []),
        ("example.mht", ["- Python Repo", "🦜️🔗"], ["<a"]),
        ("sample_notebook_with_media.enex#notes/1", ["# Tea Mug Design", "![image/jpeg]"], ["base64"]),
        ("pdf-bad-color-space.pdf", ["net-zero"], []),
        ("embedded-images-tables.pdf", ["2 1.9460 0.0596"], []),
    ],
)
def test_texts_agree_with_what_the_files_show(everything, name, has, has_not):
    text = everything[0][name].text
    assert not [words for words in has if words not in text]
    assert not [words for words in has_not if words in text]


def test_attachments_are_documents_of_their_own_and_pictures_are_named(everything):
    by_name = everything[0]
    assert by_name["fake-email-attachment.eml#attachments/fake-attachment.txt"].text == "Hey this is a fake attachment!"
    odd = by_name["email-equals-attachment-filename.eml#attachments/odd=file=name.txt"]
    assert odd.metadata["part_of"].endswith("email-equals-attachment-filename.eml")
    assert [one["name"] for one in by_name["email-with-image.eml"].metadata["unread_attachments"]] == [
        "unstructured_logo.png"
    ]


def test_all_of_them_take_a_few_seconds(everything):
    began = time.perf_counter()
    list(load(DOCUMENTS, on_problem=lambda *_: None))
    assert time.perf_counter() - began < 10
