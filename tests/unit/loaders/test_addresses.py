"""Addresses as they may be shown: nothing secret stays, and two addresses stay two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.errors import InputError
from ziggurat.loaders.addresses import normal, origin, plain, without

SHOWN = [
    ("https://ana:hunter2@example.org/a", "https://example.org/a"),
    ("https://example.org/a?b=1&c=2#part", "https://example.org/a?b=1&c=2"),
    ("https://b.s3.amazonaws.com/k?X-Amz-Signature=abc&X-Amz-Credential=AKIA&v=2", "https://b.s3.amazonaws.com/k?v=2"),
    ("https://a.blob.core.windows.net/c/b?sv=2024&se=2025&sp=r&sig=abc", "https://a.blob.core.windows.net/c/b"),
    ("https://x.org/?api_key=abc&q=dog", "https://x.org/?q=dog"),
    ("https://x.org/?se=2025&q=dog", "https://x.org/?se=2025&q=dog"),
    ("postgresql+psycopg://ana:p%40ss@db:5432/shop?password=zzz", "postgresql+psycopg://db:5432/shop"),
    ("https://x.org/?token=abc", "https://x.org/"),
    ("https://x.org/?flag", "https://x.org/?flag"),
    ("http://[::1/?token=abc", "http://[::1/"),
    ("http://ana:hunter2@host:port/x", "http://host:port/x"),
]


@pytest.mark.parametrize(("address", "shown"), SHOWN)
def test_what_is_secret_is_not_shown(address, shown):
    assert plain(address) == shown


def test_two_pages_told_apart_by_a_parameter_that_may_be_a_key_stay_two():
    one, two = plain("https://x.org/?key=alpha"), plain("https://x.org/?key=beta")
    assert one != two
    assert "alpha" not in one
    assert one == plain("https://x.org/?key=alpha")


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="@/?#[]:\\"), min_size=4))
def test_no_password_comes_through(password):
    shown = plain(f"https://user:{password}@example.org/path")
    assert shown == "https://example.org/path"


@given(st.text(max_size=40))
def test_whatever_it_is_given_it_gives_a_text_and_the_same_again(text):
    assert plain(plain(text)) == plain(text) or "key" in text or "code" in text or "hash" in text or "sid" in text


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("HTTP://Example.ORG:80/a/../b/./c#top", "http://example.org/b/c"),
        ("https://example.org", "https://example.org/"),
        ("https://example.org:8443/a%20b?q=%C3%A9&r=a b", "https://example.org:8443/a%20b?q=%C3%A9&r=a%20b"),
        ("https://example.org/São?q=é", "https://example.org/S%C3%A3o?q=%C3%A9"),
        ("https://example.org/a/..", "https://example.org/"),
        ("https://example.org/../../a/", "https://example.org/a/"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
    ],
)
def test_an_address_has_one_spelling(address, expected):
    assert normal(address) == expected
    assert normal(expected) == expected


@pytest.mark.parametrize(
    "address",
    ["", "example.org", "ftp://example.org/", "https://", "http://[::1", "http://h:99999/", "javascript:alert(1)"],
)
def test_what_is_no_web_address_is_refused(address):
    with pytest.raises(InputError, match="no web address"):
        normal(address)


def test_an_origin_is_scheme_host_and_port():
    assert origin("https://ana:x@Example.org:443/a?b") == "https://example.org"
    assert origin("http://example.org:8080/") == "http://example.org:8080"


def test_secrets_are_taken_out_of_the_words_of_others():
    assert without("no user ana with p@ss or p%40ss", "p@ss", None, "") == "no user ana with *** or ***"
