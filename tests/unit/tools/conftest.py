"""No test of the tools reaches beyond this machine."""

import socket

import pytest


@pytest.fixture(autouse=True)
def network_off(monkeypatch):
    """Connections to anywhere but this machine fail at once."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"the network is off: {address[0]}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
