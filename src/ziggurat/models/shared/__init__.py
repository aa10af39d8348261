"""Local models in one process of their own, shared by the Python processes of a machine.

Spark runs a Python process for each task slot; without this each would load its own copy of the weights. After
`share_local_models` the classes stay what they are (`LocalChat`, `LocalEmbeddings`, ...): only the engine behind
them is reached over a socket. So prompts, tools, schemas, fingerprints and the identity of a stage are the same by
construction, and what was computed in process is found again. This file knows neither sockets nor engines.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ziggurat.errors import InputError

if TYPE_CHECKING:
    from ziggurat.models.shared.client import Client

__all__ = ["share_local_models", "sharing", "unshare_local_models"]

IDLE_SECONDS = 60.0

_client: Client | None = None


def share_local_models(home: Path, *, idle_seconds: float = IDLE_SECONDS) -> None:
    """From now on this process asks the machine's model server for local models, and loads none itself.

    Holds for ``local:`` chat models, embeddings and rerankers, and for ``transformers:`` chat models and
    embeddings, whether they are opened later or are open already. The server is started by the first process
    that asks for an answer, and ends itself when nobody has been connected for ``idle_seconds``, or
    when ``home`` is gone. Answers are those of a model in this process that was asked the same in the same order; to
    depend on no order, a `LocalChat` is opened with ``prompt_cache=False``. What is under way when the server
    dies fails with `ModelUnavailable`, and the next call starts it again. Calling it again with
    the same ``home`` changes nothing.

    Args:
        home: A directory of this machine, the same for all processes that are to share; made if it is not there.
            Everybody who can read it as this user can use the models.
        idle_seconds: How long the server waits without anybody connected, if this process starts it.

    Raises:
        InputError: If ``idle_seconds`` is not positive, or ``home`` is a file.
    """
    global _client  # noqa: PLW0603 (a setting of the process)
    from ziggurat.models.shared.client import Client

    if not idle_seconds > 0:
        raise InputError(f"idle_seconds must be more than 0, not {idle_seconds}.")
    home = Path(home).expanduser().absolute()
    if home.exists() and not home.is_dir():
        raise InputError("The home of shared models is a directory.", where=str(home))
    if _client is not None and _client.home == home:
        return
    unshare_local_models()
    _client = Client(home, idle_seconds=idle_seconds)


def unshare_local_models() -> None:
    """From now on this process runs local models itself again; its connections are closed."""
    global _client
    leaving, _client = _client, None
    if leaving is not None:
        leaving.close()


def sharing() -> Client | None:
    """The way to the machine's model server; None where this process runs its models itself."""
    return _client
