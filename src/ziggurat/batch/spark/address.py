"""Where Spark is, as a user writes it: ``spark://…``, ``local[4]``, ``local-cluster[2,1,1024]``, ``sc://…``, ``session``.

Reads an address and refuses what cannot be one, and asks whether anybody listens there; starts nothing and
knows nothing of sessions. Invariant: what follows ``/;`` in a Connect address (tokens) is never shown.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Literal

from ziggurat.errors import ClusterError

Kind = Literal["local", "local-cluster", "standalone", "connect", "session", "manager"]

_LOCAL = re.compile(r"local(?:\[(\*|[1-9]\d*)(?:,\s*(\d+))?\])?")
_LOCAL_CLUSTER = re.compile(r"local-cluster\[\s*([1-9]\d*)\s*,\s*([1-9]\d*)\s*,\s*([1-9]\d*)\s*\]")
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.\-]+)(?::(\d{1,5}))?")
_SPARK_PORT = 7077
_CONNECT_PORT = 15002
_FORMS = "spark://HOST:PORT, local[N], local-cluster[EXECUTORS,CORES,MIB], sc://HOST:PORT or session"


@dataclass(frozen=True, slots=True)
class Address:
    """One place where Spark is.

    Attributes:
        kind: What stands there; ``manager`` is YARN or Kubernetes, which Spark itself finds.
        url: As Spark takes it. May hold a token: show `shown` instead.
        hosts: Where to connect, for the kinds that listen on a port; one of them is enough.
        slots: Tasks that run at once, where the address itself says so.
    """

    kind: Kind
    url: str
    hosts: tuple[tuple[str, int], ...] = ()
    slots: int | None = None

    @property
    def shown(self) -> str:
        """The address without parameters, for messages."""
        return self.url.partition("/;")[0].partition("?")[0]

    def must_answer(self, patience_secs: float) -> None:
        """See that somebody listens.

        Raises:
            ClusterError: If nobody does; after ``patience_secs`` at the most.
        """
        refusals = []
        for host, port in self.hosts:
            try:
                socket.create_connection((host.strip("[]"), port), timeout=patience_secs / len(self.hosts)).close()
            except OSError as error:
                refusals.append(f"{host}:{port}: {error.strerror or error}")
            else:
                return
        if refusals:
            named = "Spark Connect server" if self.kind == "connect" else "Spark master"
            raise ClusterError(
                f"No {named} answers ({'; '.join(refusals)}).",
                where=self.shown,
                fix="Start it, or check host, port and firewall.",
            )


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        ClusterError: If it is none of the known forms. Nothing was started.
    """
    text = text.strip()
    if text == "session":
        return Address("session", text)
    if match := _LOCAL.fullmatch(text):
        threads = match[1]
        return Address("local", text, slots=1 if threads is None else None if threads == "*" else int(threads))
    if match := _LOCAL_CLUSTER.fullmatch(text):
        return Address("local-cluster", text, slots=int(match[1]) * int(match[2]))
    scheme, mark, rest = text.partition("://")
    if mark and scheme == "spark":
        return Address("standalone", text, hosts=tuple(_host_port(one, _SPARK_PORT, text) for one in rest.split(",")))
    if mark and scheme == "sc":
        host, slash, parameters = rest.partition("/")
        if slash and parameters and not parameters.startswith(";"):
            raise _refused(text, "its parameters come after '/;'")
        return Address("connect", text, hosts=(_host_port(host, _CONNECT_PORT, text),))
    if text == "yarn" or (mark and scheme == "k8s" and rest):
        return Address("manager", text)
    raise _refused(text, "it is of no known form")


def _host_port(text: str, default: int, whole: str) -> tuple[str, int]:
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise _refused(whole, "its host and port cannot be read")
    port = int(match[2] or default)
    if not 0 < port < 65536:  # noqa: PLR2004 (TCP's ports)
        raise _refused(whole, f"{port} is no port")
    return match[1], port


def _refused(text: str, why: str) -> ClusterError:
    return ClusterError(
        f"{text.partition('/;')[0]!r} is not where Spark can be: {why}.",
        where="--spark",
        fix=f"Write {_FORMS}.",
    )
