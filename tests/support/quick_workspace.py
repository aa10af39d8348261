"""A workspace on this machine whose things take no time to become ready, and the real client for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from databricks.sdk import WorkspaceClient

from ziggurat.databricks.local import Delays, LocalWorkspace


@contextmanager
def quick_workspace(**options) -> Iterator[LocalWorkspace]:
    delays = Delays(**{"cluster": 0.2, "endpoint": 0.05, "library": 0.05, "index": 0.05} | options.pop("delays", {}))
    with LocalWorkspace(delays=delays, **options) as local:
        yield local


def sdk(local: LocalWorkspace) -> WorkspaceClient:
    return WorkspaceClient(host=local.url, token=local.token)


def plain(local: LocalWorkspace) -> httpx.Client:
    """A client that sends exactly what it is told."""
    return httpx.Client(
        base_url=local.url, headers={"Authorization": f"Bearer {local.token}"}, trust_env=False, timeout=30
    )
