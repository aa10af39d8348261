"""A stranger's chain file: it runs nothing, imports nothing, reads nothing outside, and cannot exhaust us."""

import json
import sys
import time

import pytest
import yaml

from ziggurat.chain.spec import load_chain, text
from ziggurat.errors import SpecError


def findings(source, **more):
    with pytest.raises(SpecError) as caught:
        load_chain(source, **more)
    return caught.value.findings


def test_tags_are_refused_and_nothing_is_constructed(tmp_path):
    mark = tmp_path / "ran"
    found = findings(f"a: !!python/object/apply:os.system ['touch {mark}']\nb: !include /etc/passwd\nc: !!str 1\n")
    assert [line.split(": tags")[0] for line in found] == ["chain:1: a", "chain:2: b", "chain:3: c"]
    assert not mark.exists()


def test_a_bomb_of_aliases_is_refused_at_once():
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join(f'*a{n - 1}' for _ in range(9))}]\n" for n in range(1, 9)
    )
    began = time.perf_counter()
    found = findings(bomb)
    assert time.perf_counter() - began < 1
    assert "chain:1: a0: anchors are not read: remove &a0" in found
    assert "chain:2: a1.0: aliases are not read: write out what *a0 stands for" in found
    assert len(found) <= 100


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a: " + "[" * 100_000 + "\n", "nested more than 200 deep"),
        ("{a: " * 5_000 + "\n", "nested more than 200 deep"),
        ("- 1\n" * 250_000, "more than 200,000 values"),
        ("a: " + "x" * 2_000_001 + "\n", "characters; a chain file has 2,000,000 at most"),
        ("a: " + "9" * 10_000 + "\n", "a number of 10,000 digits"),
        ("a: 1\na: 2\n", "a: stands twice; first in line 1"),
        ("1: a\ntrue: b\n", "True: stands twice; first in line 1"),
        ("<<: {a: 1}\n", "<<: unknown key"),
        ("? [a]\n: 1\n", "a key is a word"),
        ("a: 1\n---\nb: 1\n", "a second document begins here"),
        ("a: \x00\n", "does not allow"),
        ("a: '\n", "this is not YAML"),
        ("%YAML 9.9\n---\na: 1\n", "this is not YAML"),
        ("a: \udc80\n", "this is not YAML"),
    ],
)
def test_what_would_exhaust_or_confuse_is_refused(source, words):
    if words == "<<: unknown key":
        source = f"ziggurat: 1\nstages: {{}}\n{source}"
    assert any(words in line for line in findings(source))


@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_both_parsers_of_the_yaml_package_give_the_same(loader, monkeypatch):
    monkeypatch.setattr(text, "_LOADER", loader)
    made = load_chain(
        "ziggurat: 1\nname: on\nstages:\n  a:\n    uses: f\n    given: {x: '$$', y: [1.5, ~, 0x1F]}\n",
        stages={"f": lambda x, y: (x, y)},
    )
    assert made.name == "on"
    assert made.run()["a"] == ("$", [1.5, None, 31])
    assert "chain:2: a: this is needed" in str(findings("ziggurat: 1\na: &x 1\n")) or findings("- &x 1\n")


def test_only_what_is_registered_or_handed_over_can_be_used():
    for name in ("os.system", "ziggurat.stages.llm:LLM", "builtins.eval", "SimpleChain"):
        assert "no stage is called" in findings(f"ziggurat: 1\nstages:\n  a: {{uses: '{name}'}}\n")[0]


def test_nothing_named_in_a_file_is_imported():
    before = set(sys.modules)
    findings("ziggurat: 1\nstages:\n  a: {uses: antigravity}\n  b: {uses: chain, file: antigravity.py}\n")
    assert "antigravity" not in set(sys.modules) - before


@pytest.mark.parametrize(
    "name", ["../secret.txt", "/etc/hostname", "link.txt", "sub/../../secret.txt", "~/secret.txt", "a\0b", "folder"]
)
def test_files_outside_of_the_folder_are_out_of_reach(tmp_path, name):
    inside = tmp_path / "chains"
    (inside / "folder").mkdir(parents=True)
    (inside / "sub").mkdir()
    (tmp_path / "secret.txt").write_text("the secret", encoding="utf-8")
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    prompt = f"{{file: {json.dumps(name)}}}"
    source = f"ziggurat: 1\nstages:\n  a: {{uses: llm, model: 'fake:echo', prompt: {prompt}}}\n"
    (inside / "chain.yaml").write_text(source, encoding="utf-8")
    found = findings(inside / "chain.yaml")
    assert len(found) == 1
    assert ":3: stages.a.prompt: " in found[0]
    assert "the secret" not in str(found)


def test_a_part_may_look_up_as_far_as_the_folder_of_the_first_file(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "ask.txt").write_text("hello {a}", encoding="utf-8")
    part = "ziggurat: 1\nstages:\n  a: {uses: llm, model: 'fake:echo', prompt: {file: ../ask.txt}}\n"
    (tmp_path / "parts" / "part.yaml").write_text(part.replace("a:", "b:", 1), encoding="utf-8")
    (tmp_path / "chain.yaml").write_text(
        "ziggurat: 1\nstages: {c: {uses: chain, file: parts/part.yaml}}", encoding="utf-8"
    )
    assert load_chain(tmp_path / "chain.yaml").run(a="x") == {"c": {"b": "hello x"}}
    assert "leads out of the folder" in findings(tmp_path / "parts" / "part.yaml")[0]


def test_files_that_are_parts_of_each_other_are_shown_as_a_circle(tmp_path):
    for one, other in (("a", "b"), ("b", "c"), ("c", "b")):
        (tmp_path / f"{one}.yaml").write_text(
            f"ziggurat: 1\nstages:\n  x: {{uses: chain, file: {other}.yaml}}", encoding="utf-8"
        )
    (line,) = findings(tmp_path / "a.yaml")
    assert line.endswith("c.yaml:3: stages.x.file: these files are parts of each other: b.yaml -> c.yaml -> b.yaml")


def test_a_pyramid_of_files_is_bounded(tmp_path):
    for level in range(12):
        part = f"{{uses: chain, file: {level + 1}.yaml}}" if level < 11 else "{uses: llm, model: 'fake:echo'}"
        (tmp_path / f"{level}.yaml").write_text(
            f"ziggurat: 1\nstages: {{x: {part}, y: {part}, z: {part}}}", encoding="utf-8"
        )
    began = time.perf_counter()
    assert any("too much to read: 100 files" in line for line in findings(tmp_path / "0.yaml"))
    assert time.perf_counter() - began < 10


def test_a_wrong_part_is_named_with_its_own_file_and_line(tmp_path):
    (tmp_path / "part.yaml").write_text("ziggurat: 1\nstages:\n  a: {uses: lllm}", encoding="utf-8")
    (tmp_path / "chain.yaml").write_text("ziggurat: 1\nstages:\n  b: {uses: chain, file: part.yaml}", encoding="utf-8")
    (line,) = findings(tmp_path / "chain.yaml")
    assert line.startswith(f"{tmp_path / 'part.yaml'}:3: stages.a.uses: ")
