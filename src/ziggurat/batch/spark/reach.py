"""The address at which workers reach this process."""

from __future__ import annotations

import socket

from ziggurat.batch.spark.address import parse_address
from ziggurat.batch.spark.session import Cluster
from ziggurat.errors import ClusterError

_LOOPBACK = "127.0.0.1"


def own_address(cluster: Cluster) -> str:
    """Where the workers of a cluster reach this process: Spark's driver is reached there already, or the way out is.

    Over Spark Connect it is the address from which this machine speaks to the server.
    """
    if not cluster.is_connect:
        host: str = cluster.session.conf.get("spark.driver.host", _LOOPBACK) or _LOOPBACK
        return _LOOPBACK if host == "localhost" else host
    try:
        address = parse_address(cluster.where)
    except ClusterError:  # a session that was there: its server's address is not told
        return _towards("192.0.2.1", 9)
    return _towards(*address.hosts[0]) if address.hosts else _LOOPBACK


def _towards(host: str, port: int) -> str:
    """The address of the interface on which this machine would speak to another; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect((host.strip("[]"), port))
        except OSError:
            return _LOOPBACK
        found: str = way.getsockname()[0]
        return found
