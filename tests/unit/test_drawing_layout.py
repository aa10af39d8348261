"""Placed diagrams: nothing overlaps, every text fits, and every text can be seen."""

import io
import itertools

import pytest
from PIL import Image

from ziggurat.drawing import svg
from ziggurat.drawing.fonts import font_files, text_width, wrap
from ziggurat.drawing.layout import ICON, LABEL_SIZE, best_layout, lay_out
from ziggurat.drawing.raster import checked, rasterise
from ziggurat.drawing.spec import Diagram, Edge, Group, Node
from ziggurat.drawing.svg import diagram_svg, svg_open


def a_diagram(*labels, groups=(), back=False):
    """A row of boxes, each leading to the next."""
    nodes = tuple(Node(id=str(at), label=label) for at, label in enumerate(labels))
    edges = [Edge(source=str(at), target=str(at + 1), label="leads to") for at in range(len(labels) - 1)]
    if back:
        edges.append(Edge(source=str(len(labels) - 1), target="0", label="again"))
    return Diagram(title="A row", nodes=nodes, edges=tuple(edges), groups=groups).tidy()


LABELS = ["Reader", "A somewhat longer label here", "检索相关段落", "Поиск документов", "Ação e reação", "Wide W" * 6]


def overlaps(one, other):
    return (
        abs(one.x - other.x) * 2 < one.width + other.width - 1
        and abs(one.y - other.y) * 2 < one.height + other.height - 1
    )


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("back", [False, True])
def test_boxes_stand_apart_and_inside_the_picture(direction, back):
    layout = lay_out(a_diagram(*LABELS, back=back), direction)
    assert not any(overlaps(one, other) for one, other in itertools.combinations(layout.boxes, 2))
    for box in layout.boxes:
        assert box.x - box.width / 2 >= -1
        assert box.x + box.width / 2 <= layout.width + 1
        assert box.y - box.height / 2 >= -1
        assert box.y + box.height / 2 <= layout.height + 1


def test_every_label_fits_its_box():
    for box in lay_out(a_diagram(*LABELS), "LR").boxes:
        room = box.width - 14 - ICON - 12
        assert max(text_width(line, LABEL_SIZE, "bold") for line in box.lines) <= room
        assert len(box.lines) * LABEL_SIZE * 1.25 <= box.height


def test_arrows_touch_both_of_their_boxes():
    layout = lay_out(a_diagram("One", "Two", "Three"), "LR")
    for arrow, (source, target) in zip(layout.arrows, itertools.pairwise(layout.boxes), strict=True):
        assert abs(arrow.points[0][0] - (source.x + source.width / 2)) < 2
        assert abs(arrow.tip[0] - (target.x - target.width / 2)) < 2
        assert arrow.label_at is not None


def test_reading_order_is_kept_where_an_arrow_leads_back():
    layout = lay_out(a_diagram("One", "Two", "Three", back=True), "LR")
    assert [box.x for box in layout.boxes] == sorted(box.x for box in layout.boxes)


def test_a_frame_holds_its_boxes_and_no_other():
    diagram = a_diagram("One", "Two", "Three", "Four", groups=(Group(label="The middle", nodes=("1", "2")),))
    for direction in ("LR", "TB"):
        layout = lay_out(diagram, direction)
        (frame,) = layout.frames
        inside = [
            frame.x <= box.x - box.width / 2
            and box.x + box.width / 2 <= frame.x + frame.width
            and frame.y <= box.y - box.height / 2
            and box.y + box.height / 2 <= frame.y + frame.height
            for box in layout.boxes
        ]
        assert inside == [False, True, True, False]
        x, y = frame.label_at
        assert frame.x <= x <= x + text_width("The middle", 15, "bold") <= frame.x + frame.width
        assert frame.y <= y <= frame.y + frame.height


@pytest.mark.parametrize(
    "ids",
    [("", "b"), ("\\N", "\\"), ("a:b", "a"), ("graph", "node"), ('"]; x [', "<b>"), ("a\0b", "a\0c"), ("%", "é中")],
)
def test_an_id_may_hold_anything(ids):
    nodes = tuple(Node(id=name, label=f"Box {at}") for at, name in enumerate(ids))
    layout = lay_out(Diagram(title="t", nodes=nodes, edges=(Edge(source=ids[0], target=ids[1]),)).tidy(), "LR")
    assert [box.id for box in layout.boxes] == list(ids)
    assert not overlaps(*layout.boxes)


def test_the_layout_that_can_be_drawn_larger_wins():
    tall = best_layout(a_diagram(*"ABCDEFGH"), 400, 1600)
    wide = best_layout(a_diagram(*"ABCDEFGH"), 1600, 400)
    assert tall.height > tall.width
    assert wide.width > wide.height


def test_the_same_diagram_is_drawn_the_same():
    diagram = a_diagram(*LABELS)
    assert lay_out(diagram, "LR") == lay_out(diagram, "LR")


# -- texts ----------------------------------------------------------------------------------------


def ink(text, weight=400, size=20):
    """The box of what is drawn of a text that begins at x = 10, or None if nothing is."""
    ground = '<rect width="900" height="60" fill="#ffffff"/>'
    drawn = svg_open(900, 60) + ground + svg.text_at(text, 10, 40, size, weight=weight, anchor="start") + "</svg>"
    with Image.open(io.BytesIO(rasterise(drawn, {}))) as image:
        return image.convert("L").point(lambda value: 255 - value).getbbox()


@pytest.mark.parametrize("weight", [400, 600])
@pytest.mark.parametrize(
    "text",
    [
        "Plain words, 123", "Ação, niño, déjà vu, Straße", "Поиск документов", "Αναζήτηση", "Tiếng Việt", "检索相关段落",
        "検索ひらがなカタカナ", "한국어 검색", "“quotes” – — … · €", "≤ ≥ ≠ → ∑", "Mixed 中文 and Русский", "🚀 launch ❤",
    ],
)  # fmt: skip
def test_every_text_is_visible_and_as_wide_as_it_was_measured(text, weight):
    left, _, right, _ = ink(text, weight)
    measured = text_width(text, 20, "bold" if weight == 600 else "regular")
    assert 8 <= left <= 16
    assert abs((right - 10) - measured) <= max(6, measured * 0.04)


@pytest.mark.parametrize("char", list("aZéßЖщΩ€漢语言モかア한글、。！？“”…→"))
def test_each_character_is_a_glyph_of_a_shipped_font(char):
    missing = ink("\ue123")  # private use: no font has it
    assert ink(char) is not None
    assert ink(char) != missing


def test_the_fonts_are_in_the_package():
    assert len(font_files()) == 3
    for path in font_files():
        with open(path, "rb") as file:  # noqa: PTH123 (a plain path is what the rasteriser is given)
            assert file.read(4) in (b"OTTO", b"\0\1\0\0")


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one", 100, ["one"]),
        ("one two three", 80, ["one two", "three"]),
        ("检索相关段落并且回答", 100, ["检索相关段", "落并且回答"]),
        ("", 100, [""]),
        ("unbreakableword", 20, ["unbreakableword"]),
    ],
)
def test_lines_break_between_words_and_chinese_characters(text, width, lines):
    assert wrap(text, 20, width) == lines


def test_what_does_not_fit_ends_in_an_ellipsis():
    lines = wrap("one two three four five six", 20, 40, max_lines=2)
    assert len(lines) == 2
    assert lines[1].endswith("…")


# -- as SVG ---------------------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>", '" onload="x', "]]>", "&lt;b&gt;", "<!DOCTYPE x>", "<!-- -->", "a\x00b\x07", "\ud800", "'\"`<>&",
    "</text></svg>", "<image href='file:///etc/passwd'/>", "&xxe;",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_only_text(text):
    nodes = (Node(id="a", label=f"{text} A"), Node(id="b", label=f"{text} B"), Node(id="c", label="C"))
    edges = (Edge(source="a", target="b", label=text[:20] or "x"), Edge(source="b", target="c"))
    diagram = Diagram(title=f"{text} T", nodes=nodes, edges=edges, groups=(Group(label=text, nodes=("a", "b")),)).tidy()
    drawn = diagram_svg(lay_out(diagram, "LR"), diagram.title, f"from {text}", width=1600, height=900)
    assert checked(drawn) == (1600, 900)
    assert rasterise(drawn, {"Title": text}).startswith(b"\x89PNG")
    elements = {"rect", "path", "text", "g", "circle", "polygon", "title", "svg"}
    assert {part.split()[0].split(">")[0] for part in drawn.split("<")[1:] if part[0] != "/"} <= elements


def test_a_slide_of_any_shape_holds_the_whole_diagram():
    diagram = a_diagram(*LABELS)
    for width, height in [(1600, 900), (320, 320), (400, 1200), (2000, 500)]:
        drawn = diagram_svg(best_layout(diagram, width, height), "A row", "by a test", width=width, height=height)
        assert checked(drawn) == (width, height)
        with Image.open(io.BytesIO(rasterise(drawn, {}))) as image:
            assert image.size == (width, height)
            edge = [image.getpixel((x, y)) for x in (0, width - 1) for y in range(0, height, 7)]
            assert len(set(edge)) == 1
