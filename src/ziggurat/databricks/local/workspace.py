"""The local workspace: what it holds, and the areas that answer for it.

Holds no protocol of its own: each area (serving, secrets, clusters, …) is a file of its own with its state and
its routes. Everything lives in memory and in one folder, and is gone with them; credentials are only ever
what the stand-in itself gave out.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbelow, token_hex
from typing import Any

from ziggurat.databricks.local.call import Area, Route
from ziggurat.databricks.local.clusters import Clusters
from ziggurat.databricks.local.control import Control
from ziggurat.databricks.local.driver_proxy import DriverProxy
from ziggurat.databricks.local.faults import Faults, Luck
from ziggurat.databricks.local.files import Files
from ziggurat.databricks.local.identity import Identity
from ziggurat.databricks.local.jobs import Jobs
from ziggurat.databricks.local.record import Record
from ziggurat.databricks.local.search import Search
from ziggurat.databricks.local.secrets import Secrets
from ziggurat.databricks.local.serving import Serving


@dataclass(slots=True)
class Delays:
    """Seconds that things take to become what was asked for.

    Attributes:
        cluster: A cluster to start; half of it to terminate.
        endpoint: A serving endpoint to become ready.
        library: A library to be installed.
        index: A search index to become ready.
    """

    cluster: float = 2.0
    endpoint: float = 1.0
    library: float = 0.5
    index: float = 0.5


@dataclass(slots=True)
class Models:
    """Who answers in the workspace: model specs, or LangChain models as they are.

    Attributes:
        chat: For every chat and completion; None for the local default.
        embeddings: For every embedding; None for the local default.
        served: By the served model's name where another answers: ``{"gpt-4": FakeChat([...])}``.
    """

    chat: Any = None
    embeddings: Any = None
    served: Mapping[str, Any] = field(default_factory=dict)


class Workspace:
    """A workspace's contents.

    Args:
        folder: Where files, volumes and the runs of jobs live.
        token: The personal access token that opens it; one is made up if none is given.
        models: Who answers.
        delays: How long things take.
        user: Whose workspace it is.
        faults: What goes wrong with calls of models; nothing by default.
    """

    def __init__(
        self,
        folder: Path,
        *,
        token: str | None = None,
        models: Models | None = None,
        delays: Delays | None = None,
        user: str = "someone@example.com",
        faults: Faults | None = None,
    ) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.models = models or Models()
        self.delays = delays or Delays()
        self.user = user
        self.token = token or f"dapi-local-{token_hex(16)}"
        self.org_id = str(1_000_000_000_000_000 + randbelow(9_000_000_000_000_000))
        self.url = ""  # where it listens, once it does
        self.lock = threading.RLock()
        self.record = Record()
        self.luck = Luck(faults or Faults())
        self._tokens: dict[str, str] = {self.token: user}
        self._ends: dict[str, float] = {}
        self._revoked: set[str] = set()
        self.identity = Identity(self)
        self.secrets = Secrets(self)
        self.serving = Serving(self)
        self.search = Search(self)
        self.clusters = Clusters(self)
        self.files = Files(self)
        self.jobs = Jobs(self)
        self.driver_proxy = DriverProxy(self)
        self.control = Control(self)

    @property
    def areas(self) -> tuple[Area, ...]:
        """Its parts, each with routes of its own."""
        return (
            self.identity,
            self.secrets,
            self.serving,
            self.search,
            self.clusters,
            self.files,
            self.jobs,
            self.driver_proxy,
            self.control,
        )

    def routes(self) -> list[Route]:
        """Everything it answers."""
        return [route for area in self.areas for route in area.routes()]

    def whose(self, token: str) -> str | None:
        """Whose token this is; None if nobody's, or if it was revoked or has expired."""
        with self.lock:
            ended = time.monotonic() >= self._ends.get(token, math.inf)
            return None if ended else self._tokens.get(token)

    def issue(self, user: str, token: str | None = None, *, seconds: float | None = None) -> str:
        """Give out a token, for some seconds or for good."""
        made = token or f"dapi-local-{token_hex(16)}"
        with self.lock:
            self._tokens[made] = user
            if seconds is not None:
                self._ends[made] = time.monotonic() + seconds
        return made

    def revoke(self, token: str) -> None:
        """Take a token back, in the middle of a stream too."""
        with self.lock:
            if self._tokens.pop(token, None) is not None:
                self._revoked.add(token)

    def revoked(self, token: str) -> bool:
        """Whether a token was taken back; one that expired was not."""
        with self.lock:
            return token in self._revoked

    def close(self) -> None:
        """End everything that was started in it."""
        for area in self.areas:
            area.close()
