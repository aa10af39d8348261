"""Diagram specs: what tidying repairs, and what it refuses."""

import pytest
from pydantic import ValidationError

from ziggurat.drawing.spec import MAX_EDGE_LABEL, MAX_LABEL, MAX_NODES, MAX_TITLE, Diagram, Edge, Group, Node, shorten
from ziggurat.errors import PictureError


def nodes(*labels):
    """Nodes whose ids are their labels' first letters."""
    return tuple(Node(id=label[:1], label=label) for label in labels)


def edges(*pairs):
    return tuple(Edge(source=pair[0], target=pair[1]) for pair in pairs)


def pairs(diagram):
    return [edge.source + edge.target for edge in diagram.edges]


def tidied(labels, arrows, groups=()):
    return Diagram(title="t", nodes=nodes(*labels), edges=edges(*arrows), groups=groups).tidy()


@pytest.mark.parametrize(
    ("labels", "arrows", "kept", "kept_arrows"),
    [
        (["a", "b"], ["ab"], "ab", ["ab"]),
        (["a", "b"], ["ab", "ab", "ba"], "ab", ["ab", "ba"]),  # an arrow stands once in each direction
        (["a", "b"], ["ab", "aa", "ax", "xb"], "ab", ["ab"]),  # to itself, to nowhere, from nowhere
        (["a", "b", "c"], ["ab"], "ab", ["ab"]),  # unconnected beside connected
        (["a", "b", "c"], [], "abc", []),  # nothing connected at all
        (["a", "b", "b again"], ["ab"], "ab", ["ab"]),  # one id twice: the first counts
        (["a", " ", "b"], ["ab", "a "], "ab", ["ab"]),  # a box without a label
    ],
)
def test_what_cannot_be_drawn_is_dropped(labels, arrows, kept, kept_arrows):
    diagram = tidied(labels, arrows)
    assert "".join(node.id for node in diagram.nodes) == kept
    assert pairs(diagram) == kept_arrows


def test_nodes_of_one_label_become_one_and_keep_all_arrows():
    diagram = Diagram(
        title="t",
        nodes=(
            Node(id="a", label="Store"),
            Node(id="b", label="User"),
            Node(id="c", label="STORE "),
            Node(id="d", label="Log"),
        ),
        edges=edges("ba", "cd", "ac"),
        groups=(Group(label="g", nodes=("c", "d")),),
    ).tidy()
    assert [node.label for node in diagram.nodes] == ["Store", "User", "Log"]
    assert pairs(diagram) == ["ba", "ad"]
    assert diagram.groups[0].nodes == ("a", "d")


@pytest.mark.parametrize(
    ("labels", "arrows"),
    [([], []), (["a"], []), (["a"], ["aa"]), (["", " "], []), (["a", "a"], ["aa"]), (["a", "A"], [])],
)
def test_fewer_than_two_nodes_are_no_diagram(labels, arrows):
    with pytest.raises(PictureError, match="at least two"):
        tidied(labels, arrows)


@pytest.mark.parametrize(
    ("groups", "kept"),
    [
        ([("g", "ab")], ["ab"]),
        ([("g", "a")], []),  # a frame around one box says nothing
        ([("g", "abc")], []),  # nor one around everything
        ([("g", "ax")], []),
        ([("g", "aab")], ["ab"]),
        ([("g", "ab"), ("h", "bc")], ["ab"]),  # a node is in one frame
        ([("g", "")], []),
    ],
)
def test_frames_hold_some_nodes_and_never_share_one(groups, kept):
    made = tuple(Group(label=label, nodes=tuple(inside)) for label, inside in groups)
    diagram = tidied(["a", "b", "c"], ["ab", "bc"], made)
    assert ["".join(group.nodes) for group in diagram.groups] == kept


def test_long_texts_are_cut_at_a_word():
    long = "word " * 60
    diagram = Diagram(
        title=long,
        nodes=(Node(id="a", label=long), Node(id="b", label="b")),
        edges=(Edge(source="a", target="b", label=long),),
    ).tidy()
    assert diagram.title.endswith("word…")
    assert len(diagram.title) <= MAX_TITLE
    assert len(diagram.nodes[0].label) <= MAX_LABEL
    assert len(diagram.edges[0].label) <= MAX_EDGE_LABEL


def test_a_crowd_is_cut_to_what_fits_a_slide():
    many = tuple(Node(id=str(at), label=f"box {at}") for at in range(40))
    diagram = Diagram(title="t", nodes=many, edges=tuple(Edge(source=str(at), target=str(at + 1)) for at in range(39)))
    assert len(diagram.tidy().nodes) == MAX_NODES


def test_tidying_twice_changes_nothing():
    once = tidied(["a", "b", "c", "a"], ["ab", "bc", "cc"], (Group(label="g", nodes=("a", "b")),))
    assert once.tidy() == once


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("short", 10, "short"),
        ("  two\n\twords ", 20, "two words"),
        ("a\x00b\x07c\ud800d", 20, "a b c d"),
        ("one two three", 9, "one two…"),
        ("abcdefghij", 5, "abcd…"),
        ("这是一个很长的标签", 5, "这是一个…"),
        ("end, here", 5, "end…"),
        ("", 5, ""),
    ],
)
def test_a_text_is_one_line_within_its_limit(text, limit, short):
    assert shorten(text, limit) == short
    assert len(short) <= limit


@pytest.mark.parametrize(
    "spec",
    [
        {"title": "t", "nodes": [{"id": "a", "label": "A", "kind": "spaceship"}]},
        {"title": "t", "nodes": [{"id": "a"}]},
        {"title": "t", "colour": "red"},
        {"nodes": []},
    ],
)
def test_a_spec_of_another_form_is_refused(spec):
    with pytest.raises(ValidationError):
        Diagram.model_validate(spec)


def test_emoji_are_left_out_because_no_shipped_font_has_them():
    assert shorten("Ship 🚀 it ✅ at 20 °C →", 48) == "Ship it at 20 °C →"
