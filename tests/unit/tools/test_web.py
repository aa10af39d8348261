"""The web as tools: three search engines through their own clients against a local stand-in, and pages."""

import pytest
from web_server import web_server

from ziggurat.errors import InputError
from ziggurat.testing import SearchServer
from ziggurat.tools import DuckDuckGo, Found, SerpApi, Wikipedia, WikipediaPages, docstore, web_page, web_search

PAGES = {
    "Lisbon": "Lisbon is the capital of Portugal. It lies on the Tagus. The Tagus is long.",
    "Porto": "Porto is a city in Portugal, known for wine & bridges.",
    "Oslo": "Oslo is the capital of Norway.",
}
QUESTION = {"query": "What is the capital of Portugal?"}


@pytest.fixture
def server():
    with SearchServer(PAGES, key="the-key") as running:
        yield running


def engines(server):
    return {
        "serpapi": {"address": server.serpapi, "key": "the-key"},
        "duckduckgo": {"address": server.duckduckgo},
        "wikipedia": {"address": server.wikipedia},
    }


@pytest.mark.parametrize("engine", ["serpapi", "duckduckgo", "wikipedia"])
def test_each_engine_searches_through_its_own_client(server, engine):
    said = web_search(engine, **engines(server)[engine], results=2).invoke(QUESTION)
    first, second = said.split("\n\n")
    assert first.startswith("[1] Lisbon\n")
    assert "Lisbon is the capital of Portugal." in first
    assert second.startswith("[2] ")
    assert [one.service for one in server.received] == [engine]


@pytest.mark.parametrize("engine", ["serpapi", "duckduckgo", "wikipedia"])
def test_what_nobody_knows_is_said(server, engine):
    assert web_search(engine, **engines(server)[engine]).invoke({"query": "zzz"}) == "Nothing was found."


@pytest.mark.parametrize("engine", ["serpapi", "duckduckgo", "wikipedia"])
def test_a_server_that_refuses_is_one_clear_line_without_a_key(server, engine):
    server.status = 503
    said = web_search(engine, **engines(server)[engine]).invoke(QUESTION)
    assert "\n" not in said
    assert "the-key" not in said
    assert "another engine" in said


@pytest.mark.parametrize("engine", ["serpapi", "duckduckgo", "wikipedia"])
def test_a_server_that_is_not_there_is_one_clear_line(server, engine):
    made = web_search(engine, **engines(server)[engine], seconds=5)
    server.__exit__()
    said = made.invoke(QUESTION)
    server.__enter__()
    assert "\n" not in said
    assert "the-key" not in said


def test_a_wrong_key_is_refused_and_shown_nowhere(server):
    said = web_search("serpapi", address=server.serpapi, key="another-key").invoke(QUESTION)
    assert "401" in said
    assert "another-key" not in said


def test_serpapi_needs_a_key_and_takes_it_from_the_environment(server, monkeypatch):
    monkeypatch.delenv("SERPAPI_API_KEY", raising=False)
    with pytest.raises(InputError, match="SERPAPI_API_KEY"):
        web_search("serpapi")
    monkeypatch.setenv("SERPAPI_API_KEY", "the-key")
    assert SerpApi(address=server.serpapi).search("Oslo", 1) == [
        Found("Oslo", "https://example.org/Oslo", "Oslo is the capital of Norway.")
    ]


def test_any_engine_of_ones_own_will_do():
    class Own:
        def search(self, query, results):
            return [Found("Own", "https://own.example", query)]

    assert web_search(Own()).invoke({"query": "x"}) == "[1] Own\nhttps://own.example\nx"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: web_search("duckduckgoo"), "did you mean 'duckduckgo'"),
        (lambda: web_search("wikipedia", key="x"), "does not take"),
        (lambda: web_search("wikipedia", results=0), "1 to 20"),
        (lambda: Wikipedia(language="en.evil.example/"), "not a language"),
        (lambda: Wikipedia(address="ftp://x"), "no address"),
    ],
)
def test_what_cannot_be_searched_is_refused_when_it_is_made(made, said):
    with pytest.raises(InputError, match=said):
        made()


def test_the_real_addresses_are_where_they_should_be():
    assert DuckDuckGo()._engine.search_url == "https://html.duckduckgo.com/html/"
    site = Wikipedia(language="pt")._site
    assert (site.scheme, site.host, site.path) == ("https", "pt.wikipedia.org", "/w/")
    assert SerpApi(key="x")._client.BASE_DOMAIN == "https://serpapi.com"


def test_wikipedia_is_a_document_store(server):
    search, lookup = docstore(WikipediaPages(Wikipedia(address=server.wikipedia)))
    assert lookup.invoke({"term": "Tagus"}) == "No page is open yet: use Search first."
    assert search.invoke({"topic": "Lisbon"}).startswith("Lisbon: Lisbon is the capital of Portugal.")
    assert lookup.invoke({"term": "tagus"}) == "(Result 1 of 2) It lies on the Tagus."
    assert lookup.invoke({"term": "tagus"}) == "(Result 2 of 2) The Tagus is long."
    assert "no more than 2" in lookup.invoke({"term": "tagus"})
    assert lookup.invoke({"term": "wine"}) == "'wine' does not stand in the page 'Lisbon'."
    assert search.invoke({"topic": "capital of Norway"}).startswith("Oslo: ")
    assert search.invoke({"topic": "zzz"}) == "There is no page about 'zzz'."


# -- pages --------------------------------------------------------------------------------------------


def test_a_page_is_read_as_text():
    with web_server() as site:
        site(
            "/",
            "<html><head><title>Boats</title></head><body><p>The boat is red and sails at noon today.</p></body></html>",
        )
        said = web_page(allow_private=[site.host]).invoke({"address": site.at("/")})
    assert "The boat is red" in said
    assert "<p>" not in said


def test_private_addresses_are_refused_unless_allowed():
    with web_server() as site:
        site("/", "secret of the house")
        for address in (site.at("/"), f"http://localhost:{site.port}/", f"http://[::ffff:127.0.0.1]:{site.port}/"):
            assert "not public" in web_page().invoke({"address": address})
        assert site.requests == []


def test_a_redirect_to_a_private_address_is_refused():
    with web_server() as inner, web_server() as outer:
        inner("/", "secret of the house")

        def away(handler):
            handler.send_response(302)
            handler.send_header("Location", inner.at("/"))
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        outer("/", away)
        said = web_page(allow_private=[outer.host]).invoke({"address": outer.at("/")})
        assert "not public" in said
        assert inner.requests == []


def test_a_page_that_never_ends_is_given_up():
    with web_server() as site:

        def forever(handler):
            handler.send_response(200)
            handler.send_header("Content-Type", "text/html")
            handler.end_headers()
            for _ in range(10_000):
                handler.wfile.write(b"x" * 65536)

        site("/", forever)
        said = web_page(allow_private=[site.host], max_bytes=1 << 20).invoke({"address": site.at("/")})
        assert "more than 1,048,576 bytes" in said


@pytest.mark.parametrize("address", ["file:///etc/passwd", "no address", "ftp://example.org/x", "http://"])
def test_what_is_no_page_is_refused(address):
    assert "web address" in web_page().invoke({"address": address})
