"""Where Spark can be, and what is said of a place where it cannot."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ziggurat.batch.spark.address import parse_address
from ziggurat.batch.spark.session import open_spark
from ziggurat.errors import ClusterError


@pytest.mark.parametrize(
    ("text", "kind", "hosts", "slots"),
    [
        ("local", "local", (), 1),
        ("local[3]", "local", (), 3),
        ("local[*]", "local", (), None),
        ("local-cluster[2,1,1024]", "local-cluster", (), 2),
        ("local-cluster[3, 4, 512]", "local-cluster", (), 12),
        ("spark://master", "standalone", (("master", 7077),), None),
        ("spark://a:7077,b:7078", "standalone", (("a", 7077), ("b", 7078)), None),
        ("sc://host", "connect", (("host", 15002),), None),
        ("sc://host:443/;token=secret;use_ssl=true", "connect", (("host", 443),), None),
        ("sc://[::1]:15002", "connect", (("[::1]", 15002),), None),
        ("session", "session", (), None),
        ("yarn", "manager", (), None),
        ("k8s://https://host:443", "manager", (), None),
    ],
)
def test_an_address_says_what_stands_there(text, kind, hosts, slots):
    address = parse_address(text)

    assert (address.kind, address.hosts, address.slots) == (kind, hosts, slots)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "local[0]",
        "local-cluster[2,1]",
        "local-cluster[0,1,1024]",
        "spark://",
        "spark://host:notaport",
        "spark://host:99999",
        "spark://a,,b",
        "sc://",
        "sc://host:15002/path",
        "http://host:15002",
        "sessions",
        "k8s://",
    ],
)
def test_what_cannot_be_an_address_is_refused_with_the_forms_there_are(text):
    with pytest.raises(ClusterError, match=r"spark://HOST:PORT, local\[N\]"):
        parse_address(text)


def test_a_token_is_in_no_message():
    text = "sc://127.0.0.1:1/;token=dapi-secret"

    assert "secret" not in parse_address(text).shown
    with pytest.raises(ClusterError) as unreachable, open_spark(text):
        pass
    with pytest.raises(ClusterError) as unreadable:
        parse_address("sc://host:bad/;token=dapi-secret")
    assert "secret" not in str(unreachable.value)
    assert "secret" not in str(unreadable.value)


@pytest.mark.parametrize("scheme", ["spark", "sc"])
def test_a_place_where_nobody_listens_is_told_at_once_and_no_jvm_is_started(scheme):
    port = _closed_port()
    began = time.monotonic()

    with (
        pytest.raises(ClusterError, match=f"No Spark (master|Connect server) answers .*{port}"),
        open_spark(f"{scheme}://127.0.0.1:{port}"),
    ):
        pass

    assert time.monotonic() - began < 20  # Spark itself would wait for a minute or more


def test_a_listener_that_is_no_connect_server_is_waited_for_no_longer_than_the_patience():
    with _silent_listener() as port:
        began = time.monotonic()

        with (
            pytest.raises(ClusterError, match="did not answer as a Spark Connect server within 1 s"),
            open_spark(f"sc://127.0.0.1:{port}", patience_secs=1.0),
        ):
            pass

        assert time.monotonic() - began < 30  # Spark itself would wait for ten minutes


def test_without_a_session_there_the_word_session_says_so():
    with pytest.raises(ClusterError, match="no active Spark session"), open_spark("session"):
        pass


def _closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _silent_listener() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]
