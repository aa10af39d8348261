"""One page of the web: what its bytes become, and one clear line where it cannot be had."""

import gzip
import time
import zlib

import pytest
from web_server import web_server

from ziggurat.errors import InputError, UnreadableDocument, UnsupportedDocument
from ziggurat.loaders import load, open_source
from ziggurat.loaders.web import open_page
from ziggurat.loaders.web.connection import PrivateAddress
from ziggurat.loaders.web.fetching import Refused
from ziggurat.loaders.web.unpacking import unpacked

ARTICLE = """<!doctype html><html lang="pt"><head><title>O rio – Jornal</title>
<meta property="article:published_time" content="2024-05-06T10:00:00Z"></head>
<body><nav><a href="/">Início</a> <a href="/contacto">Contacto</a></nav>
<article><h1>O rio</h1><p>O rio corre pela cidade há séculos, e a cidade vive dele desde sempre.</p>
<h2>As margens</h2><p>Nas margens há mercados, oficinas e uma ponte de pedra muito antiga.</p>
<table><tr><th>Ano</th><th>Nível</th></tr><tr><td>2020</td><td>3.4</td></tr></table></article>
<footer>Aceite as bolachas</footer></body></html>"""


@pytest.fixture
def site():
    with web_server() as site:
        yield site


def read(address, **options):
    return list(load(address, allow_private=True, **options))


def failure(address, **options):
    with pytest.raises(UnreadableDocument) as caught:
        read(address, **options)
    assert "\n" not in caught.value.what
    return caught.value


# -- what a page becomes ----------------------------------------------------------------------------------------------


def test_an_article_comes_as_markdown_without_its_menus(site):
    site("/rio", ARTICLE)
    (page,) = read(site.at("/rio"))
    assert page.source == site.at("/rio")
    assert page.kind == "markdown"
    assert page.title == "O rio"
    assert page.metadata["date"] == "2024-05-06"
    assert "# O rio" in page.text
    assert "## As margens" in page.text
    assert "| 2020 | 3.4 |" in page.text
    assert "bolachas" not in page.text
    assert "Contacto" not in page.text


def test_the_whole_page_can_be_asked_for(site):
    site("/rio", ARTICLE)
    (page,) = read(site.at("/rio"), main_content=False)
    assert "bolachas" in page.text


def test_a_page_in_which_nothing_stands_out_is_read_whole(site):
    site("/short", "<html><head><title>Bell</title></head><body><div>Ring twice.</div></body></html>")
    (page,) = read(site.at("/short"))
    assert "Ring twice." in page.text


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("text/html; charset=iso-8859-1", "cp1252"),
        ("text/html; charset=gb2312", "gb18030"),
        ("text/html", "meta"),
    ],
)
def test_a_page_that_is_not_utf8_is_read_as_its_header_or_itself_says(site, content_type, encoding):
    text = "河水" if encoding == "gb18030" else "São João à beira do rio"
    html = f'<html><head><meta charset="windows-1252"></head><body><article><p>{text} {"word " * 60}</p></article></body></html>'
    if encoding == "gb18030":
        html = html.replace("windows-1252", "gb2312")
    site("/old", html.encode("cp1252" if encoding == "meta" else encoding), content_type)
    (page,) = read(site.at("/old"))
    assert text in page.text


def test_plain_text_in_another_encoding_is_read_as_the_header_says(site):
    site("/notes.txt", "maçã".encode("latin-1"), "text/plain; charset=latin-1")
    site("/notes", "maçã".encode(), "text/plain")
    assert read(site.at("/notes.txt"))[0].text == "maçã"
    assert read(site.at("/notes"))[0].text == "maçã"


def test_a_pdf_is_read_as_a_pdf_whatever_the_address_ends_in(site):
    site("/report?id=3", pdf("Budget of the year"), "application/pdf")
    (page,) = read(site.at("/report?id=3"))
    assert "Budget of the year" in page.text
    assert page.places[0].at == {"page": 1}


def test_json_markdown_and_files_by_their_suffix_are_read(site):
    site("/a.json", '{"name": "Ana"}', "application/json")
    site("/b", '{"name": "Rui"}', "application/ld+json")
    site("/c.md", "# Title\n\ntext", "text/plain; charset=utf-8")
    site("/d.csv", "a,b\n1,2\n", "application/octet-stream")
    assert "Ana" in read(site.at("/a.json"))[0].text
    assert "Rui" in read(site.at("/b"))[0].text
    assert read(site.at("/c.md"))[0].title == "Title"
    assert "2" in read(site.at("/d.csv"))[0].text


def test_a_picture_is_refused_before_it_is_downloaded(site):
    def picture(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "image/png")
        handler.send_header("Content-Length", str(1 << 30))
        handler.end_headers()
        handler.close_connection = True

    site("/cat.png", picture)
    with pytest.raises(UnsupportedDocument, match="Nothing reads image/png"):
        read(site.at("/cat.png"))


def test_packed_pages_are_unpacked(site):
    for name, packed in (
        ("gzip", gzip.compress(ARTICLE.encode())),
        ("deflate", zlib.compress(ARTICLE.encode())),
        ("deflate", zlib.compress(ARTICLE.encode(), wbits=-15)),
        ("gzip", gzip.compress(ARTICLE[:100].encode()) + gzip.compress(ARTICLE[100:].encode())),
    ):
        site("/packed", packed, Content_Encoding=name)
        assert read(site.at("/packed"))[0].title == "O rio"


# -- stamps, names and secrets ----------------------------------------------------------------------------------------


def test_the_stamp_is_what_a_head_request_tells(site):
    site("/tagged", ARTICLE, ETag='"v1"', Last_Modified="Mon, 06 May 2024 10:00:00 GMT")
    site("/dated", ARTICLE, Last_Modified="Mon, 06 May 2024 10:00:00 GMT")
    site("/silent", ARTICLE)
    stamps = [
        next(open_source(site.at(path), allow_private=True).items()).stamp
        for path in ("/tagged", "/dated", "/silent", "/gone")
    ]
    assert stamps == ['"v1"', "Mon, 06 May 2024 10:00:00 GMT", None, None]
    assert site.asked("GET") == []


def test_what_is_secret_in_an_address_is_sent_and_shown_nowhere(site):
    site("/page?lang=pt&sig=s3cr3t&token=t0ken", ARTICLE)
    address = f"http://ana:hunter2@{site.host}/page?lang=pt&sig=s3cr3t&token=t0ken#access_token=frag"
    source = open_source(address, allow_private=True)
    (item,) = source.items()
    (page,) = item.read()
    shown = f"{source.name} {item} {page} {page.metadata} {source!r}"
    for secret in ("hunter2", "s3cr3t", "t0ken", "frag", "ana:"):
        assert secret not in shown
    assert item.key == f"http://{site.host}/page?lang=pt"
    assert site.requests[-1][2]["authorization"].startswith("Basic ")
    error = failure(address.replace("/page", "/none"))
    assert "hunter2" not in str(error)
    assert "s3cr3t" not in str(error)


def test_headers_given_go_to_the_first_origin_only(site):
    with web_server() as other:
        other("/there", ARTICLE)
        site("/here", lambda handler: handler.answer(302, Location=other.at("/there")))
        (page,) = read(site.at("/here"), headers={"X-Api-Key": "k3y"})
        assert site.requests[-1][2]["x-api-key"] == "k3y"
        assert "x-api-key" not in other.requests[-1][2]
        assert page.source == site.at("/here")
        assert page.metadata["moved_to"] == other.at("/there")


def test_a_password_in_an_address_stays_with_its_origin(site):
    with web_server() as other:
        other("/there", ARTICLE)
        site("/there", ARTICLE)
        site("/here", lambda handler: handler.answer(302, Location=site.at("/there")))
        site("/away", lambda handler: handler.answer(302, Location=other.at("/there")))
        for path in ("/here", "/away"):
            (page,) = read(f"http://ana:hunter2@{site.host}{path}")
            assert "hunter2" not in str(page.metadata)
        asked = [headers for verb, path, headers in site.requests if verb == "GET" and path == "/there"]
        assert "authorization" in asked[0]
        assert all("authorization" not in headers for *_, headers in other.requests)


# -- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "no such page"),
        (403, "refuses"),
        (410, "gone"),
        (401, "password"),
        (500, "failed"),
        (503, "not available"),
        (418, "refuses"),
    ],
)
def test_a_refusal_is_one_clear_line(site, status, said):
    site("/no", lambda handler: handler.answer(status))
    error = failure(site.at("/no"))
    assert isinstance(error, Refused)
    assert error.status == status
    assert said in error.what
    assert error.where == site.at("/no")


def test_an_unknown_host_and_a_closed_port_are_one_clear_line(site):
    assert "not known" in failure("http://nowhere.invalid/").what
    with web_server() as gone:
        address = gone.at("/")
    assert "cannot be reached" in failure(address).what


@pytest.mark.parametrize("address", ["ftp://host/file", "http://", "https:///x", "http://host:port/"])
def test_what_is_no_web_address_is_refused_at_once(address):
    with pytest.raises(InputError):
        open_page(address)


def test_an_endless_page_is_cut_off_and_refused(site):
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        handler.close_connection = True
        while True:
            handler.wfile.write(b"<p>more</p>" * 1000)
            sent.append(1)

    site("/endless", endless)
    error = failure(site.at("/endless"), max_bytes=200_000)
    assert error.what == "The page has more than 200,000 bytes."
    assert len(sent) * 11_000 < 60_000_000


def test_a_page_that_says_it_is_too_large_is_not_read(site):
    site("/large", "x" * 5000)
    assert "more than 1,000 bytes" in failure(site.at("/large"), max_bytes=1000).what


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_bomb_is_stopped_at_the_limit(site, encoding):
    blank = b"\0" * (64 << 20)
    site("/bomb", gzip.compress(blank) if encoding == "gzip" else zlib.compress(blank), Content_Encoding=encoding)
    assert "more than 1,000,000 bytes" in failure(site.at("/bomb"), max_bytes=1_000_000).what


def test_packing_that_was_not_asked_for_or_is_broken_is_said(site):
    site("/br", b"....", Content_Encoding="br")
    site("/torn", gzip.compress(ARTICLE.encode())[:-20], Content_Encoding="gzip")
    site("/not", b"no gzip at all", Content_Encoding="gzip")
    assert "'br'" in failure(site.at("/br")).what
    assert "breaks off" in failure(site.at("/torn")).what
    assert "damaged" in failure(site.at("/not")).what


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_page_that_drips_in_ends_at_its_time(site, part):
    def drip(handler):
        if part == "body":
            handler.send_response(200)
            handler.send_header("Content-Type", "text/html")
            handler.end_headers()
        handler.close_connection = True
        for _ in range(200):
            handler.wfile.write(b"H")
            handler.wfile.flush()
            time.sleep(0.05)

    site("/drip", drip)
    began = time.monotonic()
    assert "did not send the page within 0.6 s" in failure(site.at("/drip"), timeout=0.6).what
    assert time.monotonic() - began < 3


def test_a_server_that_says_nothing_is_left_at_its_time(site):
    site("/silent", lambda handler: time.sleep(3))
    began = time.monotonic()
    assert "did not send the page within 0.4 s" in failure(site.at("/silent"), timeout=0.4).what
    assert time.monotonic() - began < 2


def test_what_is_unpacked_comes_in_small_pieces():
    packed = gzip.compress(b"\0" * (16 << 20))
    pieces = [len(piece) for piece in unpacked([packed], "gzip")]
    assert sum(pieces) == 16 << 20
    assert max(pieces) <= 256 << 10


def test_an_answer_that_breaks_off_or_is_not_http_is_said(site):
    def torn(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"short")
        handler.close_connection = True

    site("/torn", torn)
    site("/noise", lambda handler: handler.wfile.write(b"\x00\x01 this is no protocol\r\n\r\n"))
    for path in ("/torn", "/noise"):
        assert "breaks off or is not HTTP" in failure(site.at(path)).what


def test_redirects_are_followed_and_bounded(site):
    site("/new", ARTICLE)
    site("/old", lambda handler: handler.answer(301, Location="/new"))
    site("/round", lambda handler: handler.answer(302, Location="/round"))
    site("/file", lambda handler: handler.answer(302, Location="file:///etc/passwd"))
    site("/ftp", lambda handler: handler.answer(302, Location="ftp://ana:hunter2@host/x"))
    assert read(site.at("/old"))[0].title == "O rio"
    assert "more than 10 times" in failure(site.at("/round")).what
    assert "no web address" in failure(site.at("/file")).what
    assert "hunter2" not in str(failure(site.at("/ftp")))


def test_a_server_that_asks_to_wait_is_asked_again(site):
    site(
        "/busy",
        lambda handler: handler.answer(
            *((429, b"") if len(site.asked("GET")) < 2 else (200, ARTICLE.encode())), Retry_After="0.3"
        ),
    )
    began = time.monotonic()
    assert read(site.at("/busy"))[0].title == "O rio"
    assert time.monotonic() - began >= 0.3


def test_a_server_that_asks_to_wait_too_long_is_left(site):
    site("/busy", lambda handler: handler.answer(503, Retry_After="3600"))
    assert "HTTP 503" in failure(site.at("/busy"), timeout=5).what
    assert len(site.asked("GET")) == 1


def test_an_empty_page_is_said_to_be_empty(site):
    site("/empty", "")
    assert "empty" in failure(site.at("/empty")).what


@pytest.mark.parametrize(
    "options", [{"timeout": 0}, {"max_bytes": 0}, {"allow_private": ["http://x/"]}, {"allow_privat": True}]
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(InputError):
        open_source("https://example.org/", **options)


def test_a_private_page_is_told_how_to_allow_it(site):
    (item,) = open_source(site.at("/")).items()
    with pytest.raises(PrivateAddress, match="not public") as caught:
        list(item.read())
    assert site.host in caught.value.fix
    assert site.requests == []


def pdf(text):
    """The smallest PDF that shows a line."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % at for at in offsets)
    return bytes(out + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start)
