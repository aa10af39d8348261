"""What a lab has of a workspace's services: a secret scope, its secrets, serving endpoints."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.endpoints import Endpoints
from ziggurat.databricks.lab.specs import TAG
from ziggurat.databricks.lab.state import Entry
from ziggurat.databricks.lab.thing import (
    ABSENT,
    OTHERS,
    OURS,
    SAY_SECONDS,
    WAIT_SECONDS,
    Found,
    Tell,
    digest_of,
    patiently,
    tagged,
)
from ziggurat.databricks.secrets import Reference, Secrets
from ziggurat.errors import InputError, WorkspaceNotFound


class LabScope:
    """A secret scope."""

    kind = "scope"

    def __init__(self, calls: Calls, scope: str) -> None:
        self._calls = calls
        self.name = scope
        self.digest = digest_of(scope)

    def find(self, entry: Entry | None) -> Found:
        """One that is there without our having begun to make it is somebody else's."""
        if self.name not in Secrets(self._calls).scopes():
            return Found(ABSENT)
        return Found(OURS if entry else OTHERS, self.name)

    def make(self) -> str:
        """Make it."""
        self._calls.post("/api/2.0/secrets/scopes/create", {"scope": self.name})
        return self.name

    def change(self, identity: str) -> None:
        """Nothing of it changes."""

    def wait(self, identity: str, tell: Tell) -> None:
        """It is there at once."""


class LabSecret:
    """A secret. Its value is read from the environment when it is written, and kept nowhere."""

    kind = "secret"

    def __init__(self, calls: Calls, reference: Reference, variable: str) -> None:
        self._secrets = Secrets(calls)
        self._reference = reference
        self._variable = variable
        self.name = f"{reference.scope}/{reference.key}"
        self.digest = digest_of(variable)

    def find(self, entry: Entry | None) -> Found:
        """One that is there without our having begun to write it is somebody else's."""
        try:
            there = self._reference.key in self._secrets.list(self._reference.scope)
        except WorkspaceNotFound:
            there = False
        if not there or (entry is not None and entry.digest != self.digest):
            self.value()  # it will be written: better refused now than half-way
        if not there:
            return Found(ABSENT)
        return Found(OURS if entry else OTHERS, self.name)

    def value(self) -> str:
        """What the environment holds.

        Raises:
            InputError: If it holds nothing.
        """
        value = os.environ.get(self._variable, "")
        if not value:
            raise InputError(
                f"The environment variable {self._variable} is not set.",
                where=f"secret {self.name}",
                fix=f"export {self._variable}=… in this shell; its value goes into the secret and nowhere else",
            )
        return value

    def make(self) -> str:
        """Write it."""
        self._secrets.put(self._reference, self.value())
        return self.name

    def change(self, identity: str) -> None:  # noqa: ARG002 (a Thing takes it)
        """Write it anew."""
        self.make()

    def wait(self, identity: str, tell: Tell) -> None:
        """It is there at once."""


class LabEndpoint:
    """A serving endpoint, tagged with the mark."""

    kind = "endpoint"

    def __init__(
        self, calls: Calls, name: str, config: Mapping[str, Any], mark: str, *, needs: Reference | None = None
    ) -> None:
        self._endpoints = Endpoints(calls)
        self._secrets = Secrets(calls)
        self._needs = needs
        self._config = config
        self._mark = mark
        self.name = name
        self.digest = digest_of(config)

    def find(self, entry: Entry | None) -> Found:  # noqa: ARG002 (a Thing takes it; the tag says whose it is)
        """Look for it, and at its tag; and, before it is made, for the secret it needs that the lab does not make.

        Raises:
            WorkspaceNotFound: If that secret is not there.
        """
        try:
            told = self._endpoints.get(self.name).told
        except WorkspaceNotFound:
            if self._needs is not None:
                self._secrets.check(self._needs)
            return Found(ABSENT)
        return Found(OURS if tagged(told, self._mark) else OTHERS, self.name)

    def make(self) -> str:
        """Make it."""
        self._endpoints.create(self.name, self._config, tags={TAG: self._mark})
        return self.name

    def change(self, identity: str) -> None:
        """Serve what is declared now; a change that is under way is waited for, since it cannot be overtaken."""
        for _ in patiently(WAIT_SECONDS, f"endpoint {identity}"):
            if not self._endpoints.get(identity).updating:
                break
        self._endpoints.update(identity, self._config)

    def wait(self, identity: str, tell: Tell) -> None:
        """Wait until it answers."""
        said, heard = "", time.monotonic()
        for state in self._endpoints.wait(identity, seconds=WAIT_SECONDS):
            if state.word != said or time.monotonic() - heard >= SAY_SECONDS:
                said, heard = state.word, time.monotonic()
                tell(f"endpoint {identity}: {said}")
