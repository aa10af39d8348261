"""The table of models: complete, consistent, and honest about names."""

import re
from pathlib import Path

import pytest

from ziggurat.errors import UnknownModel
from ziggurat.models.weights import catalogue
from ziggurat.models.weights.hub import HubSource
from ziggurat.models.weights.wheel import WheelSource
from ziggurat.specs import DEFAULTS


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("ZIGGURAT_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.name)
def test_every_entry_says_what_it_is_and_how_to_check_it(entry):
    assert entry.licence in {"Apache-2.0", "MIT"}
    assert entry.description
    assert entry.size == sum(file.size for file in entry.files) > 0
    for file in entry.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert Path(file.name).name == file.name


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.name)
def test_wheels_carry_every_file_to_its_last_byte(entry):
    wheels = [source for source in entry.sources if isinstance(source, WheelSource)]
    assert wheels or entry.kind == "reranker"
    for source in wheels:
        carried = {file.name: 0 for file in entry.files}
        for member in source.members:
            carried[member.target] += member.size
        assert carried == {file.name: file.size for file in entry.files}


def test_the_hub_is_tried_before_the_index():
    for entry in catalogue.entries():
        kinds = [type(source) for source in entry.sources]
        assert kinds in ([HubSource, WheelSource], [WheelSource], [HubSource] * (entry.kind == "reranker"))


def test_names_are_unique_and_hold_both_defaults():
    names = [entry.name for entry in catalogue.entries()]
    assert len(set(names)) == len(names)
    for kind in ("chat", "embeddings"):
        assert catalogue.entry(DEFAULTS[kind].removeprefix("local:")).kind == kind
    assert set(DEFAULTS) == {"chat", "embeddings"}


def test_an_unknown_name_is_answered_with_the_closest():
    with pytest.raises(UnknownModel, match=r"choose from: qwen2\.5-coder-0\.5b"):
        catalogue.entry("qwen2.5-coder")


def test_a_name_like_no_other_is_answered_with_all():
    with pytest.raises(UnknownModel, match=r"smollm2-135m.*all-minilm-l6-v2"):
        catalogue.fetch("???")


def test_a_file_of_the_wrong_size_is_not_cached(home):
    target = catalogue.directory("smollm2-135m")
    assert target == home / "models" / "smollm2-135m"
    assert not catalogue.is_cached("smollm2-135m")
    target.mkdir(parents=True)
    (target / "model.gguf").write_bytes(b"half")
    assert not catalogue.is_cached("smollm2-135m")


def test_home_follows_its_variable_then_the_cache_folder_then_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("ZIGGURAT_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert catalogue.home() == tmp_path / "own"
    monkeypatch.delenv("ZIGGURAT_HOME")
    assert catalogue.home() == tmp_path / "cache" / "ziggurat"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert catalogue.home() == Path.home() / ".cache" / "ziggurat"
