"""Sites by their map and by their links: what is listed, what is kept out, and that every site ends."""

import gzip
import time

import pytest
from web_server import web_server

from ziggurat.errors import DocumentError, InputError
from ziggurat.loaders import load, open_source
from ziggurat.loaders.web import open_site, open_sitemap
from ziggurat.loaders.web.sitemap import MAX_LISTS

XML = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


@pytest.fixture
def site():
    with web_server() as site:
        yield site


def page(title, *links):
    text = f"{title} is told here in a sentence that is long enough to be the page's own. " * 3
    anchors = " ".join(f'<a href="{link}">{link}</a>' for link in links)
    return f"<html><head><title>{title}</title></head><body><article><p>{text}</p></article><nav>{anchors}</nav></body></html>"


def urlset(*entries):
    rows = "".join(
        f"<url><loc>{where}</loc>{f'<lastmod>{day}</lastmod>' if day else ''}</url>" for where, day in entries
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset {XML}>{rows}</urlset>'


def index(*maps):
    return f"<sitemapindex {XML}>{''.join(f'<sitemap><loc>{one}</loc></sitemap>' for one in maps)}</sitemapindex>"


def by_map(site, path="/sitemap.xml", **options):
    return open_sitemap(site.at(path), allow_private=True, delay=0, **options)


def crawled(site, path="/", **options):
    return open_site(site.at(path), allow_private=True, delay=0, **options)


def listed(site, source):
    """Keys without the host, and the messages of those items that cannot be read."""
    keys, said = [], []
    for item in source.items():
        try:
            list(item.read())
            keys.append(item.key.removeprefix(site.at("")))
        except DocumentError as error:
            assert "\n" not in error.what
            said.append(error.what)
    return keys, said


# -- by the map -------------------------------------------------------------------------------------------------------


def test_a_map_lists_pages_with_the_day_they_were_changed(site):
    site("/sitemap.xml", urlset((site.at("/a"), "2024-01-02"), (site.at("/b"), None)), "application/xml")
    site("/a", page("Alpha"))
    site("/b", page("Beta"))
    source = open_source(site.at("/sitemap.xml"), allow_private=True, delay=0)
    items = list(source.items())
    assert [(item.key, item.stamp) for item in items] == [(site.at("/a"), "2024-01-02"), (site.at("/b"), None)]
    assert site.asked() == ["/sitemap.xml"]
    assert [next(item.read()).title for item in items] == ["Alpha", "Beta"]
    assert source.name == site.at("/sitemap.xml")


def test_maps_of_maps_gzipped_maps_and_plain_lists_are_followed(site):
    site("/sitemap.xml", index(site.at("/one.xml.gz"), "/two.txt"))
    site("/one.xml.gz", gzip.compress(urlset((site.at("/a"), None)).encode()), "application/gzip")
    site("/two.txt", f"\ufeff{site.at('/b')}\n\n", "text/plain")
    site("/a", page("Alpha"))
    site("/b", page("Beta"))
    assert listed(site, by_map(site)) == (["/a", "/b"], [])


def test_a_site_without_a_map_of_that_name_is_asked_for_its_robots(site):
    site("/robots.txt", f"User-agent: *\nAllow: /\nSitemap: {site.at('/maps/all.xml')}\n", "text/plain")
    site("/maps/all.xml", urlset((site.at("/a"), None)))
    site("/a", page("Alpha"))
    source = open_source(f"sitemap+http://{site.host}", allow_private=True, delay=0)
    assert listed(site, source) == (["/a"], [])


def test_maps_that_name_one_another_end(site):
    site("/sitemap.xml", index("/a.xml", "/sitemap.xml"))
    site("/a.xml", index("/sitemap.xml", "/a.xml", "/b.xml"))
    site("/b.xml", urlset((site.at("/page"), None)))
    site("/page", page("Page"))
    assert listed(site, by_map(site)) == (["/page"], [])
    assert [path for path in site.asked() if path.endswith(".xml")] == ["/sitemap.xml", "/a.xml", "/b.xml"]


def test_maps_without_end_are_cut_and_the_cut_is_said(site):
    def endless(handler):
        number = int(handler.path.strip("/x.ml") or 0)
        handler.answer(200, index(f"/{number + 1}.xml").encode())

    site.otherwise = endless
    keys, said = listed(site, by_map(site, "/0.xml"))
    assert keys == []
    assert said == [f"The site has more than {MAX_LISTS} lists of pages; the others were not read."]


def test_a_limit_is_kept_and_said(site):
    site("/sitemap.xml", urlset(*((site.at(f"/p{n}"), None) for n in range(50))))
    site.otherwise = lambda handler: handler.answer(
        *((404,) if "robots" in handler.path else (200, page("P").encode()))
    )
    keys, said = listed(site, by_map(site, limit=5))
    assert keys == ["/p0", "/p1", "/p2", "/p3", "/p4"]
    assert said == ["The site lists more than 5 pages; the others were not listed."]


def test_what_robots_forbids_is_said_and_not_asked_for(site):
    robots = "User-agent: *\nDisallow: /private/\nDisallow: /*?print=\nAllow: /private/open\n\nUser-agent: other\nDisallow: /\n"
    site("/robots.txt", robots, "text/plain")
    paths = ("/a", "/private/x", "/private/open", "/a?print=1")
    site("/sitemap.xml", urlset(*((site.at(path), None) for path in paths)))
    for path in paths:
        site(path, page("Page"))
    keys, said = listed(site, by_map(site))
    assert keys == ["/a", "/private/open"]
    assert said == ["The site's robots.txt keeps programs away from this page."] * 2
    assert not {"/private/x", "/a?print=1"} & set(site.asked())
    assert listed(site, by_map(site, ignore_robots=True))[1] == []


def test_a_site_whose_robots_cannot_be_had_is_not_read(site):
    site("/robots.txt", lambda handler: handler.answer(500))
    site("/sitemap.xml", urlset((site.at("/a"), None)))
    site("/a", page("Alpha"))
    keys, said = listed(site, by_map(site))
    assert keys == []
    assert "robots.txt cannot be had" in said[0]


def test_pages_are_chosen_by_patterns(site):
    site("/sitemap.xml", urlset(*((site.at(path), None) for path in ("/docs/a", "/docs/old/b", "/blog/c"))))
    for path in ("/docs/a", "/docs/old/b", "/blog/c"):
        site(path, page("Page"))
    assert listed(site, by_map(site, include="/docs/*", exclude=["/docs/old/*"])) == (["/docs/a"], [])


def test_pages_of_other_hosts_are_counted_not_read(site):
    with web_server() as other:
        other("/x", page("Other"))
        site("/a", page("Alpha"))
        site("/sitemap.xml", urlset((other.at("/x"), None), (site.at("/a"), None)))
        keys, said = listed(site, by_map(site))
        assert keys == ["/a"]
        assert said == [f"Pages of another host were passed over: 1 of {other.host}."]
        assert other.requests == []
        assert len(listed(site, by_map(site, hosts=other.host))[0]) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<html><body>no map</body></html>", "begins with <html>"),
        ("just words", "no line of it is a web address"),
        (f"<urlset {XML}><url><loc>x", "damaged"),
        ('<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><urlset><url><loc>&c;</loc></url></urlset>', "refused"),
    ],
)
def test_what_is_no_map_is_refused_with_one_line(site, content, said):
    site("/sitemap.xml", content)
    with pytest.raises(InputError, match=said) as caught:
        list(by_map(site).items())
    assert "\n" not in caught.value.what


def test_a_missing_map_is_an_error_of_the_source(site):
    with pytest.raises(InputError, match=r"no such page"):
        list(by_map(site).items())


def test_a_broken_list_inside_a_map_is_said_and_the_others_are_read(site):
    site("/sitemap.xml", index("/gone.xml", "/good.xml", "/torn.xml"))
    site("/good.xml", urlset((site.at("/a"), None), ("mailto:ana@example.org", None)))
    site("/torn.xml", urlset((site.at("/b"), None))[:-10])
    site("/a", page("Alpha"))
    keys, said = listed(site, by_map(site))
    assert keys == ["/a"]
    assert [line.split(":")[0] for line in said] == [
        "There is no such page. (HTTP 404)",
        "The site map is damaged",
        "What the site map lists is no web address, 1 times",
    ]


def test_a_bomb_of_a_map_is_stopped(site, monkeypatch):
    monkeypatch.setattr("ziggurat.loaders.web.sitemap.MAX_LIST_BYTES", 100_000)
    site("/sitemap.xml.gz", gzip.compress(b"<urlset>" + b" " * 50_000_000), "application/gzip")
    with pytest.raises(InputError, match="more than 100,000 bytes"):
        list(by_map(site, "/sitemap.xml.gz").items())


def test_addresses_of_pictures_in_a_map_are_no_pages(site):
    body = (
        f'<urlset {XML} xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"><url><image:image><image:loc>'
        f"{site.at('/cat.png')}</image:loc></image:image><loc>{site.at('/a')}</loc></url></urlset>"
    )
    site("/sitemap.xml", body)
    site("/a", page("Alpha"))
    assert listed(site, by_map(site)) == (["/a"], [])


def test_the_delay_that_robots_asks_for_is_kept(site):
    site("/robots.txt", "User-agent: ziggurat\nCrawl-delay: 0.2\n", "text/plain")
    site("/sitemap.xml", urlset(*((site.at(f"/{n}"), None) for n in range(3))))
    for n in range(3):
        site(f"/{n}", page("Page"))
    began = time.monotonic()
    assert len(listed(site, by_map(site))[0]) == 3
    assert time.monotonic() - began >= 0.4
    assert {headers["user-agent"].split("/")[0] for *_, headers in site.requests} == {"Ziggurat"}


# -- by the links -----------------------------------------------------------------------------------------------------


def test_links_are_followed_nearest_first_and_circles_end(site):
    site("/", page("Home", "/b", "/a", "#top", "mailto:x@y.z", "javascript:void(0)"))
    site("/a", page("A", "/", "/c", "/a"))
    site("/b", page("B", "a", "./c#part"))
    site("/c", page("C", "/", "../../a"))
    assert listed(site, crawled(site)) == (["/", "/b", "/a", "/c"], [])
    assert sorted(site.asked()) == ["/", "/a", "/b", "/c", "/robots.txt"]


def test_the_stamp_of_a_crawled_page_changes_with_its_bytes(site):
    site("/", page("Home"))
    (first,), (same,) = crawled(site).items(), crawled(site).items()
    site("/", page("Home, new"))
    (changed,) = crawled(site).items()
    assert first.stamp == same.stamp != changed.stamp


def test_depth_bounds_how_far_links_lead(site):
    for n in range(5):
        site(f"/{n}", page(f"P{n}", f"/{n + 1}"))
    assert listed(site, crawled(site, "/0", depth=2))[0] == ["/0", "/1", "/2"]
    assert listed(site, crawled(site, "/0", depth=0))[0] == ["/0"]


def test_a_site_that_never_ends_is_cut_and_the_cut_is_said(site):
    def endless(handler):
        if "robots" in handler.path:
            handler.answer(404)
        else:
            number = int(handler.path.strip("/") or 0)
            handler.answer(200, page(f"P{number}", f"/{2 * number + 1}", f"/{2 * number + 2}").encode())

    site.otherwise = endless
    keys, said = listed(site, crawled(site, depth=1000, limit=20))
    assert len(keys) == 20
    assert said == ["The site has more than 20 pages; the others were not read."]
    assert len(site.asked()) == 21


def test_links_of_other_hosts_pictures_and_nofollow_are_not_followed(site):
    with web_server() as other:
        other("/x", page("Other"))
        hidden = '<a rel="nofollow" href="/hidden">hidden</a>'
        site("/", page("Home", other.at("/x"), "/cat.png", "/away").replace("<nav>", f"<nav>{hidden}"))
        site("/away", lambda handler: handler.answer(302, Location=other.at("/x")))
        assert listed(site, crawled(site))[0] == ["/"]
        assert site.asked() == ["/robots.txt", "/", "/away"]


def test_pages_ask_not_to_be_kept_or_followed(site):
    site("/", page("Home", "/a", "/b"))
    site("/a", page("A", "/c").replace("<head>", '<head><meta name="robots" content="noindex, follow">'))
    site("/b", page("B", "/d").replace("<head>", '<head><meta name="robots" content="nofollow">'))
    site("/c", page("C"))
    site("/d", page("D"))
    assert listed(site, crawled(site))[0] == ["/", "/b", "/c"]


def test_a_page_that_is_gone_is_said_and_the_others_are_read(site):
    site("/", page("Home", "/gone", "/a"))
    site("/a", page("A"))
    assert listed(site, crawled(site)) == (["/", "/a"], ["There is no such page. (HTTP 404)"])


def test_links_that_robots_forbids_are_counted(site):
    site("/robots.txt", "User-agent: *\nDisallow: /no", "text/plain")
    site("/", page("Home", "/no1", "/no2", "/a"))
    site("/a", page("A"))
    keys, said = listed(site, crawled(site))
    assert keys == ["/", "/a"]
    assert said == ["The site's robots.txt keeps programs away from 2 of the pages that are linked."]


def test_a_site_whose_first_page_cannot_be_had_is_an_error_of_the_source(site):
    with pytest.raises(InputError, match="no such page"):
        list(crawled(site).items())
    site("/robots.txt", "User-agent: *\nDisallow: /", "text/plain")
    site("/", page("Home"))
    with pytest.raises(InputError, match=r"robots\.txt keeps programs away"):
        list(crawled(site).items())


def test_pages_are_chosen_by_patterns_and_the_others_still_lead_on(site):
    site("/", page("Home", "/docs/a", "/blog/b"))
    site("/docs/a", page("A"))
    site("/blog/b", page("B", "/docs/c"))
    site("/docs/c", page("C"))
    assert listed(site, crawled(site, include="/docs/*"))[0] == ["/docs/a", "/docs/c"]


def test_an_address_with_a_depth_is_a_site(site):
    site("/", page("Home", "/a"))
    site("/a", page("A"))
    assert len(list(load(site.at("/"), depth=1, delay=0, allow_private=True))) == 2


@pytest.mark.parametrize("options", [{"limit": 0}, {"depth": -1}, {"delay": -1}, {"include": [""]}])
def test_bounds_that_mean_nothing_are_refused(options):
    with pytest.raises(InputError):
        open_site("https://example.org/", **options)
