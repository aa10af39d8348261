"""From what a question finds to what that names, and on; every step told."""

import pytest

from ziggurat.index import VectorIndex, names
from ziggurat.index.hits import Hop
from ziggurat.loaders import SourceDocument

FILMS = {
    "The Return of Swamp Thing": "The Return of Swamp Thing is a 1989 film directed by Jim Wynorski.",
    "Jim Wynorski": "Jim Wynorski was born in Glen Cove, New York.",
    "Saw Thanda": "Saw Thanda was the chief queen of King Dikkha and of no other king.",
    "Min Dikkha": "He ruled from 1554 and died in the old city.",
    "St James's Palace": "It is the ceremonial meeting place of the Accession Council.",
    "Mark Masons' Hall": "The hall in London stands opposite St James's Palace.",
    "Paris (mythology)": "Paris was a prince of Troy.",
    "Paris (city)": "Paris is the capital of France.",
    "红楼梦": "《红楼梦》的作者是曹雪芹。",
    "曹雪芹": "他生于南京。",
} | {f"Nobody {number}": f"Nobody {number} did nothing of note in year {number}." for number in range(60)}


@pytest.fixture(scope="module")
def index():
    with VectorIndex.from_texts(
        [f"{title}\n{text}" for title, text in FILMS.items()],
        "fake:64",
        [{"title": title, "kind": "person" if title == "Jim Wynorski" else "other"} for title in FILMS],
    ) as made:
        yield made


def titles(hits):
    return [hit.metadata["title"] for hit in hits]


def path(hits, title):
    return next(hit.path for hit in hits if hit.metadata["title"] == title)


def test_a_title_in_the_question_and_a_name_in_its_passage_are_followed(index):
    hits = index.search("Where was the director of the film the return of swamp thing born?", k=2, mode="multihop")
    assert titles(hits) == ["The Return of Swamp Thing", "Jim Wynorski"]
    assert path(hits, "Jim Wynorski") == (
        Hop(None, "The Return of Swamp Thing", "the question names", "the return of swamp thing"),
        Hop("The Return of Swamp Thing", "Jim Wynorski", "names", "Jim Wynorski"),
    )
    assert str(hits[1].path[1]) == "The Return of Swamp Thing names “Jim Wynorski” → Jim Wynorski"


def test_a_rare_word_of_a_title_leads_to_it(index):
    hits = index.search("Where did Saw Thanda's husband die?", k=8, mode="multihop")
    assert path(hits, "Min Dikkha")[-1] == Hop("Saw Thanda", "Min Dikkha", "has a word of", "Dikkha")


def test_who_names_a_passage_is_found_from_it(index):
    hits = index.search("What is near the ceremonial meeting place of the Accession Council?", k=8, mode="multihop")
    assert path(hits, "Mark Masons' Hall")[-1].how == "is named by"


def test_chinese_names_are_followed_too(index):
    hits = index.search("红楼梦的作者生于哪里?", k=2, mode="multihop")
    assert titles(hits) == ["红楼梦", "曹雪芹"]


def test_a_filter_holds_for_every_step(index):
    hits = index.search("Where was the director of The Return of Swamp Thing born?", 8, "multihop", {"kind": "other"})
    assert "Jim Wynorski" not in titles(hits)
    assert len(hits) == 8


def test_a_document_the_question_names_must_pass_the_filter_too(index):
    hits = index.search("Where was Jim Wynorski born?", 8, "multihop", {"kind": "other"})
    assert "Jim Wynorski" not in titles(hits)
    assert titles(index.search("Where was Jim Wynorski born?", 1, "multihop")) == ["Jim Wynorski"]


def test_without_names_it_is_the_plain_search(index):
    plain, hopped = (
        titles(index.search("nothing of note in year 7", k=5, mode=mode)) for mode in ("hybrid", "multihop")
    )
    assert plain == hopped


def test_the_retriever_tells_the_path_in_the_metadata(index):
    found = index.as_retriever(search_type="multihop", search_kwargs={"k": 2}).invoke(
        "Where was the director of The Return of Swamp Thing born?"
    )
    assert found[1].metadata["path"][-1] == "The Return of Swamp Thing names “Jim Wynorski” → Jim Wynorski"


def test_of_a_document_of_many_chunks_the_one_nearest_to_the_question_is_taken(tmp_path):
    with VectorIndex.create(tmp_path / "kb", "fake:256") as made:
        made.add_texts(["Film One was directed by Ann Other Person."], [{"title": "Film One"}])
        life = "# Ann Other Person\n\n" + "\n\n".join(
            f"## Part {number}\n\n" + f"Episode {number} of a long life. " * 25 for number in range(6)
        )
        birth = (
            "\n\n## Birth\n\nThe director was born in Vienna. The director of Film One was born in Vienna in spring."
        )
        made.add_source(SourceDocument("ann", life + birth, "markdown", {"source": "ann", "title": "Ann Other Person"}))
        hits = made.search("Where was the director of Film One born?", k=2, mode="multihop")
        assert "Vienna" in " ".join(hit.text for hit in hits)


def test_removed_documents_are_named_no_more(tmp_path):
    with VectorIndex.create(tmp_path / "kb", "fake:64") as made:
        made.add_texts(["A is near Big Rock."], [{"title": "A"}])
        (rock,) = made.add_texts(["It is large."], [{"title": "Big Rock"}])
        assert len(made.search("where is A?", k=2, mode="multihop")) == 2
        made.delete([rock])
        assert titles(made.search("where is A near Big Rock?", k=2, mode="multihop")) == ["A"]
        assert made.verify().ok


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Paris (mythology)", {"paris mythology": 0, "paris": 1}),
        ("Ernest, Duke of Saxony", {"ernest duke of saxony": 0}),
        ("Johann Ernst, Duke of Saxony", {"johann ernst duke of saxony": 0, "johann ernst": 1}),
        ("L'Été", {"l ete": 0}),
        ("曹雪芹", {"曹 雪 芹": 0}),
        ("!!!", {}),
    ],
)
def test_what_a_title_can_be_called(title, expected):
    assert {name: kind for name, kind in names.names_of(title) if kind != names.PART} == expected


def test_a_word_is_a_name_only_where_it_is_written_as_one():
    text = "Will you meet Will Smith or Al at the River Thames? I will."
    known = {"will", "will smith", "al", "river thames", "thames"}
    found = names.mentions(text, names.words(text), known)
    assert [(text[one.start : one.end], one.rank) for one in found] == [
        ("Will", 0),
        ("Will Smith", 1),
        ("River Thames", 2),
    ]
