"""The door before the rasteriser: what it refuses, and what is written into a file."""

import pytest

from ziggurat.drawing.raster import MAX_SIDE, checked, rasterise, read_text, with_text
from ziggurat.errors import PictureError
from ziggurat.testing.images import png


def svg(inside="", attributes='width="100" height="50"'):
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{inside}</svg>'


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ('<!DOCTYPE svg [<!ENTITY x "y">]>' + svg("&x;"), "declarations"),
        (svg("<!-- a comment -->"), "declarations"),
        (svg("<![CDATA[x]]>"), "declarations"),
        (svg("<script>1</script>"), "<script> is not allowed"),
        (svg("<foreignObject/>"), "<foreignObject> is not allowed"),
        (svg("<style>text {fill: red}</style>"), "<style> is not allowed"),
        (svg('<image href="file:///etc/hostname"/>'), "<image> is not allowed"),
        (svg('<use href="#a"/>'), "<use> is not allowed"),
        (svg('<g><filter id="f"/></g>'), "<filter> is not allowed"),
        (svg('<a xmlns="http://www.w3.org/1999/xhtml"/>'), "<a> is not allowed"),
        (svg('<rect href="x"/>'), "attribute href of <rect>"),
        (svg('<rect xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="x"/>'), "attribute href of <rect>"),
        (svg('<rect style="fill: red"/>'), "attribute style"),
        (svg('<rect onclick="x"/>'), "attribute onclick"),
        (svg('<rect ONLOAD="x"/>'), "attribute onload"),
        (svg('<rect fill="url(https://example.org/a.svg#b)"/>'), "attribute fill"),
        (svg('<rect fill="URL( file:///etc/x )"/>'), "attribute fill"),
        (svg(attributes='width="100"'), "does not say its width and height"),
        (svg(attributes=""), "does not say its width and height"),
        (svg(attributes='width="100%" height="50"'), "does not say"),
        (svg(attributes='width="100px" height="50px"'), "does not say"),
        (svg(attributes='width="nan" height="50"'), "does not say"),
        (svg(attributes='width="inf" height="50"'), "does not say|cannot be drawn"),
        (svg(attributes='width="60000" height="60000"'), "cannot be drawn"),
        (svg(attributes=f'width="{MAX_SIDE + 1}" height="5"'), "cannot be drawn"),
        (svg(attributes='width="-5" height="50"'), "cannot be drawn"),
        (svg(attributes='width="0" height="50"'), "cannot be drawn"),
        (svg("x" * 8_000_001), "8,000,000 is the limit"),
        ("", "cannot be read"),
        ("no picture", "cannot be read"),
        (svg("<rect>"), "cannot be read"),
        (svg("\x01"), "cannot be read"),
    ],
)  # fmt: skip
def test_what_could_harm_or_fail_is_refused_in_one_line(document, words):
    for door in (checked, lambda one: rasterise(one, {})):
        with pytest.raises(PictureError, match=words):
            door(document)


def test_what_is_on_the_list_passes():
    inside = (
        '<title>t</title><defs><linearGradient id="a"><stop offset="0" stop-color="#fff"/></linearGradient></defs>'
        '<g transform="scale(2)"><rect width="9" height="9" fill="url(#a)"/><text><tspan>x</tspan></text></g>'
    )
    assert checked(svg(inside)) == (100, 50)
    assert checked(svg(attributes=f'width="{MAX_SIDE}" height="99.6"')) == (MAX_SIDE, 100)
    assert rasterise(svg(inside), {}).startswith(b"\x89PNG")


ENTRIES = {"Title": "A kiln", "Description": "“quoted”\nin two lines, 中文, ação 🚀", "Empty": "", "Long": "x" * 70_000}


def test_entries_come_back_as_they_were_written():
    assert read_text(rasterise(svg("<rect/>"), ENTRIES)) == ENTRIES
    assert read_text(with_text(png(4, 4, b"abc"), ENTRIES)) == ENTRIES


def test_writing_entries_again_replaces_the_old_ones_and_keeps_the_picture():
    from io import BytesIO

    from PIL import Image

    first = with_text(png(4, 4, b"abc"), {"Title": "one", "Other": "x"})
    second = with_text(first, {"Title": "two"})
    assert read_text(second) == {"Title": "two"}
    with Image.open(BytesIO(second)) as image:
        assert (image.size, image.getpixel((0, 0))) == ((4, 4), tuple(b"abc"))


def test_half_a_surrogate_in_an_entry_harms_nothing():
    assert read_text(with_text(png(1, 1, b"abc"), {"Title": "a\ud800b"})) == {"Title": "a?b"}
