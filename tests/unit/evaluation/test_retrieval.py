"""Measuring searches: gold matched by any of a passage's names, another index refused, the saved run and its page."""

import html.parser
import json

import pytest

from ziggurat.errors import InputError
from ziggurat.evaluation.dataset import Dataset, Question, load_dataset
from ziggurat.evaluation.gold import find_gold
from ziggurat.evaluation.page import headline, worst
from ziggurat.evaluation.retrieval import evaluate_retrieval
from ziggurat.evaluation.saved import load_run


def asking(*gold, text="In which city is the Puerto Museum?"):
    return Dataset.of("asked", (Question(text, gold),))


@pytest.mark.parametrize("name", ["a", "Puerto Museum", "puerto  museum", "wiki/Puerto Museum.md", "Puerto Museum.md"])
def test_gold_is_matched_by_id_title_source_or_file_name(index, name):
    run = evaluate_retrieval(index, asking(name), k=3)
    (row,) = run.variants[0].rows
    assert row.gold == {name: 1}
    assert row.found[0]["gold"] is True
    assert [one["gold"] for one in row.found[1:]] == [False, False]


def test_gold_is_matched_by_the_document_of_a_file(index, tmp_path):
    (tmp_path / "mill.md").write_text("# Mill\n\nThe water mill was built in 1720.\n", encoding="utf-8")
    (document,) = index.add(tmp_path / "mill.md").documents
    run = evaluate_retrieval(index, asking(document, "mill.md", "Mill", text="When was the water mill built?"))
    assert set(run.variants[0].rows[0].gold.values()) == {1}


def test_the_figures_are_those_of_the_rows(index, dataset_path):
    run = evaluate_retrieval(index, load_dataset(dataset_path), searches=("hybrid", "words"), k=2)
    assert [one.name for one in run.variants] == ["hybrid", "words"]
    for variant in run.variants:
        assert variant.measures == ["recall@1", "recall@2", "MRR@2", "nDCG@2", "all-gold@2"]
        figure = variant.figure("all-gold@2")
        found = [all(rank is not None for rank in row.gold.values()) for row in variant.rows]
        assert figure.value == sum(found) / 3
        assert set(variant.parts("group")) == {"one", "two"}
        assert len(variant.parts("language")["es"]) == 1


def test_a_hop_tells_its_path(index):
    dataset = asking("Puerto Museum", text="Which museum did the architect Alma Reyes design?")
    run = evaluate_retrieval(index, dataset, searches=("multihop",), k=4)
    paths = [one["path"] for one in run.variants[0].rows[0].found if "path" in one]
    assert any("Puerto Museum" in step for path in paths for step in path)


def test_a_dataset_of_another_index_is_refused_before_anything_is_searched(index):
    with pytest.raises(InputError, match="none of the 2 gold passages") as caught:
        evaluate_retrieval(index, asking("Atlantis", "Avalon"))
    assert "another index" in caught.value.fix


def test_gold_that_is_missing_in_part_is_told(index):
    run = evaluate_retrieval(index, asking("Puerto Museum", "Atlantis"))
    assert run.notes == ["1 of 2 gold names are not in the index: 'Atlantis'."]
    assert run.variants[0].rows[0].gold == {"Puerto Museum": 1, "Atlantis": None}


def test_a_dataset_without_gold_is_refused(index):
    with pytest.raises(InputError, match="which passages should be found"):
        evaluate_retrieval(index, Dataset.of("answers", (Question("When was Troy built?", (), ("1911",)),)))


def test_questions_without_gold_are_passed_over_and_told(index):
    dataset = Dataset.of("mixed", (Question("Where is Troy?", (), ("here",)), *asking("a").questions))
    run = evaluate_retrieval(index, dataset)
    assert [row.number for row in run.variants[0].rows] == [1]
    assert "1 questions without gold were passed over." in run.notes


@pytest.mark.parametrize("searches", [(), ("hybrid", "hybrid"), ("telepathy",)])
def test_searches_that_are_none_are_refused(index, searches):
    with pytest.raises(InputError, match="no different searches"):
        evaluate_retrieval(index, asking("a"), searches=searches)


def test_the_gold_passages_are_given_each_once_in_the_order_of_the_names(index):
    gold = find_gold(index, asking("Puerto Museum", "a", "Alma Reyes"))
    assert [one.id for one in gold.of(["Alma Reyes", "a", "Puerto Museum"])] == ["b", "a"]


# -- the saved run --------------------------------------------------------------------------------


def test_a_saved_run_is_read_back_as_it_was(index, dataset_path, tmp_path):
    run = evaluate_retrieval(index, load_dataset(dataset_path), searches=("hybrid", "mmr"), name="mine")
    path = run.save(tmp_path / "runs")
    assert path == tmp_path / "runs" / "mine.json"
    assert load_run(path) == load_run(path.with_suffix("")) == run
    saved = json.loads(path.read_text("utf-8"))
    assert saved["index"]["generation"] == index.generation
    assert saved["index"]["embedding"] == index.stats().embedding
    assert saved["figures"]["hybrid"]["recall@1"]["value"] == run.variants[0].figure("recall@1").value
    assert sorted(one.name for one in path.parent.iterdir()) == ["mine.html", "mine.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": "x"}'])
def test_a_file_that_is_no_run_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="no saved run"):
        load_run(tmp_path / "run.json")


def test_a_run_of_a_later_version_or_none_at_all_is_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(InputError, match="later version"):
        load_run(tmp_path / "run.json")
    with pytest.raises(InputError, match="cannot be read"):
        load_run(tmp_path / "none.json")


class Reader(html.parser.HTMLParser):
    """Tags that are opened and closed, and addresses that are fetched."""

    def __init__(self):
        super().__init__()
        self.open, self.fetched, self.texts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset", "onload", "onclick")]
        if tag not in ("meta", "rect", "line", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "rect", "line", "circle"):
            self.open.pop()

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_is_whole_shows_the_worst_questions_and_fetches_nothing(index, tmp_path):
    nasty = "Which <script>alert(1)</script> museum & city?"
    dataset = Dataset.of("asked", (Question(nasty, ("Lake Ferry", "<b>Atlantis</b>")), *asking("a").questions))
    run = evaluate_retrieval(index, dataset, searches=("hybrid", "multihop"))
    text = run.save(tmp_path).with_suffix(".html").read_text("utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.fetched == []
    assert "<script" not in text.replace("&lt;script", "")
    assert nasty in reader.texts
    assert "<b>Atlantis</b> · not found" in reader.texts
    assert "prefers-color-scheme:dark" in text
    assert text.count('<svg class="bar"') >= 10


def test_the_worst_questions_come_first_and_perfect_ones_not_at_all(index, dataset_path):
    variant = evaluate_retrieval(index, load_dataset(dataset_path), searches=("similarity",), k=1).variants[0]
    assert headline(variant) == "all-gold@1"
    shown = [row.number for row in worst(variant)]
    assert 1 in shown  # two passages cannot be the first
    assert all(variant.rows[number].scores["all-gold@1"] < 1 for number in shown)
