"""Illustrations: which prompts ask for a diagram, what is recognised in a scene, and what the picture says of itself."""

import pytest

from ziggurat.drawing.fonts import text_width
from ziggurat.drawing.raster import checked, rasterise
from ziggurat.drawing.scene import is_diagram, paint


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("A conceptual diagram of LangChain in use", True),
        ("Draw a flowchart of the order process", True),
        ("flow chart: login", True),
        ("The architecture of a search engine", True),
        ("An infographic about bees", True),
        ("how a heat pump works", True),
        ("A mind map of philosophy", True),
        ("Uma arquitetura de dados", True),
        ("Um diagrama conceitual do LangChain", True),
        ("Fluxograma do pedido", True),
        ("Un diagrama de la arquitectura", True),
        ("Un esquema del proceso", True),
        ("LangChain 使用示意图", True),
        ("订单流程图", True),
        ("系统架构图", True),
        ("A futuristic city with flying cars", False),
        ("A forest by a lake at dawn", False),
        ("有飞行汽车的未来城市", False),
        ("Uma cidade futurista com carros voadores", False),
        ("Una ciudad futurista", False),
        ("", False),
    ],
)
def test_a_prompt_asks_for_a_diagram_in_several_languages(prompt, asked):
    assert is_diagram(prompt) is asked


@pytest.mark.parametrize(
    ("prompt", "things", "mood"),
    [
        ("A futuristic city with flying cars", ("city", "flying cars"), "sunset"),
        ("有飞行汽车的未来城市", ("city", "flying cars"), "sunset"),
        ("Uma cidade futurista com carros voadores", ("city", "flying cars"), "sunset"),
        ("A snowy forest at night", ("forest", "snow"), "night"),
        ("Boats on the sea at sunrise", ("sea", "boats"), "dawn"),
        ("Balloons over hills on a sunny day", ("hills", "balloons"), "day"),
        ("Montanhas e um lago ao entardecer", ("mountains", "sea"), "sunset"),
        ("a desert planet with birds and rain", ("planet", "desert", "birds", "rain"), None),
        ("Seattle scarcity", (), None),  # no sea in Seattle, no city in scarcity
    ],
)
def test_the_things_of_a_scene_are_recognised(prompt, things, mood):
    scene = paint(prompt)
    assert scene.things == things
    if mood is not None:
        assert scene.mood == mood


@pytest.mark.parametrize("prompt", ["clouds", "planet", "mountains", "hills", "desert", "city", "forest", "sea", "boats", "balloons", "birds", "flying cars", "rain", "snow", "nothing known"])  # fmt: skip
@pytest.mark.parametrize("light", ["at night", "at sunset", "at dawn", "at noon"])
def test_every_thing_can_be_painted_in_every_light(prompt, light):
    scene = paint(f"{prompt} {light}", width=480, height=270)
    assert checked(scene.svg) == (480, 270)
    assert rasterise(scene.svg, {}).startswith(b"\x89PNG")


def test_a_prompt_always_gives_the_same_picture():
    assert paint("A city by the sea") == paint("A city by the sea")
    assert paint("A city by the sea").seed != paint("A city by the sea!").seed


@pytest.mark.parametrize(
    "prompt", ["A city", "x" * 3000, "city " * 500, "城市" * 200, "</text><script>", "a\x00b\ud800", ""]
)
@pytest.mark.parametrize(("width", "height"), [(1600, 900), (400, 1200), (320, 320)])
def test_the_picture_says_that_a_program_drew_it_and_the_words_fit(prompt, width, height):
    scene = paint(prompt, width=width, height=height)
    assert checked(scene.svg) == (width, height)
    said = scene.svg.rpartition("<text")[2].partition(">")[2].partition("</text>")[0]
    statement = "Illustration drawn by a program; not a photograph"
    assert said.startswith(statement)
    size = float(scene.svg.rpartition("<text")[2].split('font-size="')[1].partition('"')[0])
    x = float(scene.svg.rpartition("<text")[2].split('x="')[1].partition('"')[0])
    assert x + text_width(statement, size) <= width
