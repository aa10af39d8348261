"""HTML into Markdown: what a browser shows, in its order."""

import pytest
from made_files import document, documents

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.charset import decode_declared, python_name


def said(html: str) -> str:
    return document("a.html", html).text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>One</h1><h3> Two\n words </h3><p>a<p>b", "# One\n\n### Two words\n\na\n\nb"),
        ("a <b>bold</b>,\n <i>it</i>alic<br>next  <br/> line", "a bold, italic\nnext\nline"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>", "- a\n- b\n  - c"),
        ("<ol start=3><li>a<li value=7>b<li>c</ol>", "3. a\n7. b\n8. c"),
        ("<ul><li><p>a</p><p>b</p></li></ul>", "- a\n  b"),
        ("<pre>x = 1\n  y</pre>", "```\nx = 1\n  y\n```"),
        ("<pre><code>a ``` b</code></pre>", "````\na ``` b\n````"),
        ("use <code>x</code> now", "use `x` now"),
        ("<blockquote><p>a</p>b</blockquote>c", "> a\n>\n> b\n\nc"),
        ("a<script>no()</script><style>b{}</style><noscript>no</noscript><template>no</template>b", "ab"),
        ("a<span hidden>no</span><p style='display: none'>no</p><svg><text>no</text></svg> b", "a b"),
        ("<p>x<!-- no --><img alt='A  cat' src=x.png><img src=y> y", "x![A cat] y"),
        ("<a href='https://x'>link</a>&nbsp;&amp;&eacute;&#26376;&shy;x", "link &é月x"),
        ("<dl><dt>a<dd>b</dl>", "a\n\nb"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>", "漢"),
        ("<textarea>kept</textarea><select><option>no</select>", "kept"),
        ("<details><summary>a</summary>b</details>", "a\n\nb"),
    ],
)
def test_elements_become_marks(html, text):
    assert said(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<table><tr><th>a<th>b<tr><td>1<td>2|3</table>", "| a | b |\n| --- | --- |\n| 1 | 2\\|3 |"),
        ("<table><caption>T</caption><tr><td colspan=2>a<td>b<tr><td>1<td>2<td>3</table>", "T\n\n| a |  | b |\n| --- | --- | --- |\n| 1 | 2 | 3 |"),
        ("<table><tr><td rowspan=2>a<td>b<tr><td>c</table>", "| a | b |\n| --- | --- |\n|  | c |"),
        ("<table><tr><td>a<td></td><td>b<tr><td>1<td> <td>2</table>", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("<table><tr><td>only<tr><td>one column</table>", "only\n\none column"),
        ("<table><tr><td>•<td>a<tr><td>•<td>b</table>", "- a\n- b"),
        ("<table><tr><td><h2>T</h2><table><tr><td>1<td>2</table><td>side</table>", "## T\n\n| 1 | 2 |\n| --- | --- |\n\nside"),
        ("<table><tr><td><ul><li>a</ul><td><ul><li>b</ul></table>", "- a\n\n- b"),
        ("<table role=presentation><tr><td>a<td>b</table>", "a\n\nb"),
    ],
)  # fmt: skip
def test_tables_are_tables_unless_they_lay_out_the_page(html, text):
    assert said(html) == text


def test_title_and_language_are_what_the_page_says():
    one = document("a.html", "<html lang=pt><head><title> A\n page </title></head><h1>Other</h1>")
    assert (one.title, one.metadata["language"], one.text, one.kind) == ("A page", "pt", "# Other", "markdown")
    assert document("a.html", "<p>x<h2>First</h2><h1>Second</h1>").title == "First"
    assert document("a.html", "<p>x").title is None


@pytest.mark.parametrize(
    ("data", "text", "metadata"),
    [
        ("<meta charset=shift_jis><p>日本語①".encode("cp932"), "日本語①", {"encoding": "cp932"}),
        ('<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1"><p>“señor”'.encode("cp1252"), "“señor”", {"encoding": "cp1252"}),
        ("<meta charset=gb2312><p>镕".encode("gb18030"), "镕", {"encoding": "gb18030"}),
        ('<?xml version="1.0" encoding="iso-8859-2"?><html><p>łódź</p></html>'.encode("iso-8859-2"), "łódź", {"encoding": "iso8859-2"}),
        ("<p>señor".encode("cp1252"), "señor", {"encoding": "cp1252"}),
        ("<p>señor".encode(), "señor", {}),
        ("<p>señor".encode("utf-16"), "señor", {"encoding": "utf-16"}),
        ("<meta charset=utf-16><p>señor".encode(), "señor", {}),
        ("<meta charset=utf-8><p>señor".encode("cp1252"), "se\ufffdor", {"replaced_characters": 1}),
        ("<meta charset=iso-8859-1><p>señor".encode(), "señor", {"encoding": "utf-8", "declared_encoding": "iso-8859-1"}),
        ("<meta charset=klingon><p>señor".encode(), "señor", {"encoding": "utf-8", "declared_encoding": "klingon"}),
    ],
)  # fmt: skip
def test_the_declared_encoding_is_honoured_and_a_false_one_is_said(data, text, metadata):
    one = document("a.html", data)
    assert one.text == text
    assert {name: value for name, value in one.metadata.items() if name != "source"} == metadata


def test_a_header_goes_before_what_the_page_says_of_its_encoding():
    data = "<meta charset=utf-8><p>слово".encode("cp1251")
    assert document("https://x.example/a", data, mime_type="text/html; charset=windows-1251").text == "слово"


@pytest.mark.parametrize("label", ["base64", "rot13", "hex", "unicode_escape", "", "no such", "\0", None])
def test_what_decodes_to_no_text_is_no_encoding(label):
    assert python_name(label) is None
    assert decode_declared(b"plain", label)[0] == "plain"


def test_xhtml_closes_its_empty_elements():
    xhtml = '<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x.dtd"><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body><a id="x"/><p>kept&nbsp;&eacute;</p></body></html>'
    assert document("a.xhtml", xhtml).text == "kept é"
    assert document("a.xhtml", xhtml.replace("</p>", "")).text == "kept é"


@pytest.mark.parametrize("html", ["<html></html>", "<script>x</script>", "<!-- -->", " \n"])
def test_a_page_that_shows_nothing_says_so(html):
    with pytest.raises(UnreadableDocument, match="no text"):
        documents("a.html", html)


def test_no_nesting_ends_or_slows_it():
    assert said("<div>" * 2000 + "deep").endswith("deep")
    assert said("<blockquote>" * 500 + "deep").endswith("deep")
    with pytest.raises(UnreadableDocument, match="nested too deeply"):
        documents("a.html", "<div>" * 100_000 + "deep")
