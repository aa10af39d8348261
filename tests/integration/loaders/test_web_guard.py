"""Private addresses are refused where a connection is made, however it came to them."""

import pytest
from web_server import web_server

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders import load
from ziggurat.loaders.web.connection import PrivateAddress, allowed, is_public

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 (an address to be refused)
    "255.255.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
]


@pytest.fixture
def site():
    with web_server() as site:
        site("/", "<p>inside</p>")
        yield site


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_every_other_address_is_not(address):
    assert not is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_no_spelling_of_this_machine_is_reached(site, host):
    with pytest.raises(UnreadableDocument):
        list(load(f"http://{host}:{site.port}/"))
    assert site.requests == []


def test_a_name_that_leads_to_a_private_address_is_refused(site):
    with pytest.raises(PrivateAddress, match=r"evil\.example"):
        list(load(f"http://evil.example:{site.port}/", resolver=lambda host, port: ["127.0.0.1"]))
    assert site.requests == []


def test_a_name_that_leads_to_a_public_and_a_private_address_is_refused(site):
    with pytest.raises(PrivateAddress):
        list(load(f"http://evil.example:{site.port}/", resolver=lambda host, port: ["8.8.8.8", "127.0.0.1"]))


def test_a_name_that_changes_its_address_between_looks_does_not_get_in(site):
    """DNS rebinding: the first answer is allowed, the next is not; each connection goes where its own look went."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]])
    looked = []

    def rebinding(host, port):
        looked.append(host)
        return next(answers)

    site(
        "/", lambda handler: handler.answer(302, Location=f"http://evil.example:{site.port}/secret", Connection="close")
    )
    with pytest.raises(PrivateAddress, match=r"10\.0\.0\.1"):
        list(load(f"http://evil.example:{site.port}/", resolver=rebinding, allow_private=["127.0.0.0/8"]))
    assert site.asked("HEAD") == ["/"]
    assert site.asked("GET") == []
    assert len(looked) == 3


def test_the_connection_goes_to_the_very_address_that_was_looked_at(site):
    (page,) = load(
        f"http://intranet.example:{site.port}/",
        resolver=lambda host, port: ["127.0.0.1"],
        allow_private="intranet.example",
    )
    assert "inside" in page.text
    assert site.requests[-1][2]["host"] == f"intranet.example:{site.port}"


def test_a_redirect_to_a_private_address_is_refused(site):
    with web_server() as inner:
        inner("/admin", "<p>secret</p>")
        site("/out", lambda handler: handler.answer(302, Location=inner.at("/admin")))
        with pytest.raises(PrivateAddress):
            list(load(site.at("/out"), allow_private=(site.host,)))
        assert inner.requests == []


@pytest.mark.parametrize("given", ["127.0.0.1", ["127.0.0.0/8"], True])
def test_what_is_allowed_is_reached(site, given):
    assert "inside" in next(load(site.at("/"), allow_private=given)).text


def test_a_port_that_was_not_allowed_is_not_reached(site):
    with pytest.raises(PrivateAddress):
        list(load(site.at("/"), allow_private=("127.0.0.1:1",)))


def test_hosts_of_version_six_are_named_with_or_without_brackets():
    for given in ("::1", "[::1]", "[::1]:8080"):
        assert allowed(given).passes("::1", 8080, "::1")
    assert not allowed("[::1]:8080").passes("::1", 80, "::1")
    assert not allowed(()).passes("::1", 80, "::1")


@pytest.mark.parametrize("given", ["", "http://x", "10.0.0.0/99", "host:port"])
def test_what_names_no_host_is_refused(given):
    with pytest.raises(InputError, match="names no host"):
        allowed([given])


def test_a_proxy_of_the_environment_is_not_used(site, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert "inside" in next(load(site.at("/"), allow_private=True)).text
