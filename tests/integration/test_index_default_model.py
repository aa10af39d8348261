"""An index with nothing named: the local multilingual default embeds, and comes back on opening."""

import pytest

from ziggurat.index import VectorIndex

TEXTS = {
    "canal": "The Suez Canal was opened in 1869 and joins the Mediterranean with the Red Sea.",
    "bread": "Sourdough bread rises slowly because wild yeast works at its own pace.",
    "tower": "The Eiffel Tower was built for the World's Fair of 1889 in Paris.",
    "moon": "Tides follow the moon, which pulls the water of the oceans.",
}


@pytest.mark.model
def test_questions_in_three_languages_find_english_texts_and_the_manifest_knows_the_model(tmp_path):
    with VectorIndex.create(tmp_path / "index") as index:
        index.add_texts(list(TEXTS.values()), ids=list(TEXTS))
        assert index.verify(probe=4).ok
    with VectorIndex.open(tmp_path / "index") as index:
        for question in (
            "Why does bread dough take long to rise?",
            "面包为什么发酵得很慢？",
            "¿Por qué el pan sube despacio?",
        ):
            assert index.search(question, k=1)[0].chunk_id == "bread"
        assert str(index.stats().embedding).startswith("local:multilingual-e5-small@")
