"""Charts of chains: what a sketch holds, that Mermaid can read it, and that nothing overlaps."""

import itertools
import xml.etree.ElementTree as ET

import pytest

from ziggurat import MultiChain, given, ref, stage
from ziggurat.chain.composite import Branch, Map, Repeat
from ziggurat.chain.draw import mermaid
from ziggurat.chain.outline import sketch
from ziggurat.drawing.flow_layout import place_in
from ziggurat.drawing.flow_svg import best_place, chart_svg
from ziggurat.drawing.raster import MAX_SIDE, checked, rasterise
from ziggurat.errors import PictureError
from ziggurat.sketch import Line, Shape, Sketch, shapes


def critique(draft):
    return {"ok": True}


def revise(draft, critique):
    return draft


def summary(doc):
    return doc


def everything():
    loop = Repeat(
        MultiChain(critique=critique, revise=revise), until="critique.ok", carry={"draft": "revise"}, at_most=3
    )
    return MultiChain(
        kind=lambda question: "a",
        polish=given(loop, draft=ref("kind")),
        docs=given(Map(summary), doc=ref("polish.revise")),
        parts=given(Map(MultiChain(first=summary, second=lambda first: first)), doc=ref("docs")),
        route=Branch.on("kind", {"sql": summary, 2: stage(critique, effect=True)}, otherwise=revise),
        single=Branch("kind == 'a'", summary, otherwise=critique),
        again=given(Repeat(summary, until="output"), doc=ref("parts.second")),
        end=lambda route, single: 1,
        outputs=["end", "again"],
    )


def test_a_sketch_leads_every_value_from_where_it_is_made_to_where_it_is_read():
    drawn = sketch(everything().wiring, "All of it")
    assert drawn.title == "All of it"
    assert drawn.note == "It returns end, again."
    assert len({one.id for one in shapes(drawn.items)}) == len(list(shapes(drawn.items)))
    lines = {(one.source, one.target) for one in drawn.lines if not one.back}
    assert {
        ("in_stage_question", "stage_kind"),
        ("stage_kind", "stage_polish_critique"),
        ("stage_kind", "stage_polish_revise"),
        ("stage_polish_critique", "stage_polish_revise"),
        ("stage_polish_revise", "stage_docs"),
        ("stage_docs", "stage_parts_first"),
        ("stage_parts", "stage_again"),
        ("stage_kind", "stage_route_choice"),
        ("stage_route", "stage_end"),
    } <= lines
    back = {(one.source, one.target) for one in drawn.lines if one.back}
    assert back == {
        ("stage_polish_revise", "stage_polish_critique"),
        ("stage_polish_revise", "stage_polish_revise"),
        ("stage_again", "stage_again"),
    }


def test_mermaid_shows_what_each_stage_is():
    text = mermaid(everything().wiring)
    for line in (
        '  in_stage_question(["question"])',
        '  subgraph stage_polish ["polish<br/>until critique.ok, 3 times at most"]',
        '  stage_docs[["docs<br/>summary, for each doc"]]',
        '  subgraph stage_parts ["parts<br/>for each doc"]',
        '    stage_route_choice{"kind?"}',
        '    stage_route_1["critique<br/>acts on the world"]',
        '  stage_route_choice -->|"2"| stage_route_1',
        '  stage_route_choice -->|"otherwise"| stage_route_otherwise',
        '  stage_single_choice -->|"no"| stage_single_otherwise',
        '  stage_again -.->|"again"| stage_again',
    ):
        assert f"{line}\n" in text
    assert text.count("subgraph") == text.count("\n  end\n") == 4


def test_names_that_mermaid_or_ids_confuse_stay_apart():
    text = mermaid(MultiChain([{"name": name, "chain": lambda x: x} for name in ("end", "a-b", "a_b", "子")]).wiring)
    assert all(f'["{name}"]' in text for name in ("end", "a-b", "a_b", "子"))
    assert {"stage_a_b", "stage_a_b_2"} <= {line.strip().partition("[")[0] for line in text.splitlines()}


def test_text_in_a_condition_cannot_break_out_of_its_label():
    text = mermaid(MultiChain(a=Branch("""x == '"]; click a "javascript:1" <b>'""", summary)).wiring)
    assert '"]; click' not in text
    assert "#quot;]; click a #quot;javascript:1#quot; #lt;b#gt;" in text


def line_of(count):
    after = [{"name": f"s{number}", "chain": given(summary, doc=ref(f"s{number - 1}"))} for number in range(1, count)]
    return MultiChain([{"name": "s0", "chain": lambda question: 1}, *after])


def fan_of(count):
    names = [f"s{number}" for number in range(count)]
    made = [{"name": name, "chain": lambda question: 1} for name in names]
    return MultiChain([*made, {"name": "last", "chain": given(summary, doc=" ".join(f"{{{name}}}" for name in names))}])


def nest_of(levels):
    made = MultiChain(first=lambda question: 1, last=lambda first: 1)
    for _ in range(levels):
        made = MultiChain(before=lambda question: 1, inner=given(made, question=ref("before")), after=lambda inner: 1)
    return made


CHARTS = {"everything": everything, "line": lambda: line_of(50), "fan": lambda: fan_of(50), "nest": lambda: nest_of(9)}


@pytest.mark.parametrize("name", CHARTS)
def test_no_two_boxes_overlap_and_frames_hold_what_is_theirs(name):
    layout = best_place(sketch(CHARTS[name]().wiring, name))
    for one, other in itertools.combinations(layout.boxes, 2):
        apart_x = abs(one.x - other.x) >= (one.width + other.width) / 2
        apart_y = abs(one.y - other.y) >= (one.height + other.height) / 2
        assert apart_x or apart_y, (one.shape.id, other.shape.id)
    for frame in layout.frames:
        inside = {shape.id for shape in shapes(frame.frame.items)}
        for box in layout.boxes:
            within = (
                frame.x < box.x - box.width / 2
                and box.x + box.width / 2 < frame.x + frame.width
                and frame.y < box.y - box.height / 2
                and box.y + box.height / 2 < frame.y + frame.height
            )
            assert within is (box.shape.id in inside)
    for box in layout.boxes:  # Graphviz writes its numbers with few digits
        assert box.x - box.width / 2 >= -1
        assert box.x + box.width / 2 <= layout.width + 1
        assert box.y - box.height / 2 >= -1
        assert box.y + box.height / 2 <= layout.height + 1


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_an_svg_that_may_be_rasterised(name):
    svg = chart_svg(sketch(CHARTS[name]().wiring, name), sharp=True)
    width, height = checked(svg)
    assert max(width, height) <= MAX_SIDE
    root = ET.fromstring(svg)  # noqa: S314 (our own, and checked)
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {shape.label for shape in shapes(sketch(CHARTS[name]().wiring).items)} <= texts


def test_a_long_line_is_folded_into_rows_that_read_on():
    layout = best_place(sketch(line_of(50).wiring))
    rows = sorted({round(box.y) for box in layout.boxes})
    assert 3 <= len(rows) <= 10
    assert layout.width < 2400
    order = sorted(layout.boxes, key=lambda box: (round(box.y), box.x))
    assert [box.shape.label for box in order] == ["question", *(f"s{number}" for number in range(50))]
    assert all(arrow.tip[0] <= layout.width for arrow in layout.arrows)


def test_a_chart_may_be_drawn_downwards_too():
    across, down = (place_in(sketch(line_of(5).wiring), direction) for direction in ("LR", "TB"))
    assert across.width > down.width
    assert across.height < down.height


def test_a_picture_of_a_chain_is_a_png():
    assert rasterise(chart_svg(sketch(line_of(2).wiring, "标题 & <title>")), {}).startswith(b"\x89PNG")


def test_nothing_cannot_be_drawn():
    with pytest.raises(PictureError, match="nothing to draw"):
        chart_svg(Sketch("", "", (), ()))


def test_markup_in_a_sketch_is_only_text():
    drawn = Sketch("<g/>", "&", (Shape("a", "<script>", "]]>"), Shape("b", '"')), (Line("a", "b", "<b>"),))
    checked(chart_svg(drawn))
