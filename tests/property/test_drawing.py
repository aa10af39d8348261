"""Properties of drawing: what tidying accepts can be laid out, read and rasterised."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from ziggurat.drawing.fonts import text_width, wrap
from ziggurat.drawing.layout import ICON, LABEL_SIZE, best_layout
from ziggurat.drawing.raster import checked, rasterise
from ziggurat.drawing.scene import paint
from ziggurat.drawing.spec import Diagram, Edge, Group, Node, shorten
from ziggurat.drawing.svg import diagram_svg
from ziggurat.errors import PictureError

ANY = st.text(max_size=60)
LABEL = ANY | st.sampled_from(["Reader", "检索相关段落", "Поиск", "<script>", "a" * 48, "W " * 20])
ID = st.sampled_from(["a", "b", "c", "d", "e", "f", "", "\\N", "graph", "a:b", "\0"])
KIND = st.sampled_from(["person", "document", "database", "model", "process", "service", "output", "decision"])
DIAGRAM = st.builds(
    Diagram,
    title=LABEL,
    nodes=st.lists(st.builds(Node, id=ID, label=LABEL, kind=KIND), max_size=9).map(tuple),
    edges=st.lists(st.builds(Edge, source=ID, target=ID, label=LABEL), max_size=14).map(tuple),
    groups=st.lists(st.builds(Group, label=LABEL, nodes=st.lists(ID, max_size=5).map(tuple)), max_size=3).map(tuple),
)


def overlap(one, other):
    return (
        abs(one.x - other.x) * 2 < one.width + other.width - 1
        and abs(one.y - other.y) * 2 < one.height + other.height - 1
    )


@settings(max_examples=40)
@given(DIAGRAM)
def test_what_tidying_accepts_is_drawn_without_overlap(diagram):
    try:
        tidy = diagram.tidy()
    except PictureError:
        return
    assert tidy.tidy() == tidy
    layout = best_layout(tidy, 1456, 666)
    assert [box.id for box in layout.boxes] == [node.id for node in tidy.nodes]
    assert not any(overlap(one, other) for one, other in itertools.combinations(layout.boxes, 2))
    for box in layout.boxes:
        assert max(text_width(line, LABEL_SIZE, "bold") for line in box.lines) <= box.width - ICON - 26
    drawn = diagram_svg(layout, tidy.title, diagram.title, width=640, height=360)
    assert checked(drawn) == (640, 360)
    assert rasterise(drawn, {"Title": diagram.title}).startswith(b"\x89PNG")


@given(ANY, st.integers(2, 80))
def test_a_shortened_text_is_one_printable_line_within_its_limit(text, limit):
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short.isprintable()
    assert shorten(short, limit) == short


@given(ANY, st.integers(20, 400))
def test_lines_keep_the_words_and_their_order(text, width):
    line = " ".join(text.split())
    assert "".join(wrap(line, 20, width, max_lines=1000)).replace(" ", "") == line.replace(" ", "")


@settings(max_examples=25)
@given(st.text(max_size=120), st.sampled_from([(320, 320), (640, 360)]))
def test_any_prompt_can_be_painted(prompt, size):
    scene = paint(prompt, width=size[0], height=size[1])
    assert checked(scene.svg) == size
    assert scene == paint(prompt, width=size[0], height=size[1])
