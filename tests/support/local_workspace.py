"""A local workspace for tests of its parts, with a plain HTTP client that is signed in."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from ziggurat.databricks.local import Delays, LocalWorkspace, Models
from ziggurat.testing import FakeChat, FakeEmbeddings

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
CHAT = "databricks-claude-sonnet-4"
AT_ONCE = Delays(cluster=0.0, endpoint=0.0, library=0.0, index=0.0)


@contextmanager
def signed_in(script="Hello there, friend.", **options) -> Iterator[tuple[LocalWorkspace, httpx.Client]]:
    models = options.pop("models", None) or Models(chat=FakeChat(script=script), embeddings=FakeEmbeddings())
    with LocalWorkspace(models=models, **{"delays": AT_ONCE, **options}) as local, client_of(local) as client:
        yield local, client


def client_of(local, token=None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token or local.token}"}
    return httpx.Client(base_url=local.url, headers=headers, timeout=20, trust_env=False)


def recorded(local, count):
    """The calls of models in the record, once there are so many: each is noted a moment after its client has it."""
    until = time.monotonic() + 5
    while True:
        found = [one for one in local.workspace.record.entries if one.metered]
        if len(found) >= count or time.monotonic() > until:
            return found
        time.sleep(0.01)
