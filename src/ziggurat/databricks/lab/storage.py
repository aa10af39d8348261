"""What a lab keeps in workspace files: its folder, and its documents and chain in it."""

from __future__ import annotations

from hashlib import sha256

from ziggurat.databricks.lab.contents import contents
from ziggurat.databricks.lab.declaration import Lab
from ziggurat.databricks.lab.remote import Folder
from ziggurat.databricks.lab.state import Entry
from ziggurat.databricks.lab.thing import ABSENT, OURS, Found, Tell, digest_of


class LabFolder:
    """The folder of everything else."""

    kind = "folder"

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.name = folder.path
        self.digest = digest_of("folder")

    def find(self, entry: Entry | None) -> Found:  # noqa: ARG002 (a Thing takes it; the mark is in the path)
        """Look whether it is there."""
        return Found(OURS, self.name) if self._folder.there() else Found(ABSENT)

    def make(self) -> str:
        """Make it."""
        self._folder.make()
        return self.name

    def change(self, identity: str) -> None:
        """Nothing of it changes."""

    def wait(self, identity: str, tell: Tell) -> None:
        """It is there at once."""


class LabContents:
    """Documents and chain, as files in the folder."""

    kind = "files"

    def __init__(self, lab: Lab, folder: Folder) -> None:
        self._folder = folder
        self._contents = contents(lab)
        self.name = f"{folder.path}/lab"
        self.digest = digest_of({name: sha256(raw).hexdigest() for name, raw in self._contents.items()})

    def find(self, entry: Entry | None) -> Found:
        """What the state says of them; they lie in our folder."""
        there = entry is not None and entry.digest and self._folder.there()
        return Found(OURS, self.name) if there else Found(ABSENT)

    def make(self) -> str:
        """Upload them; files of before that are no longer declared go."""
        folders = {name.rpartition("/")[0] for name in self._contents}
        for folder in sorted(folders):
            self._folder.make(folder)
        for name, raw in self._contents.items():
            self._folder.put(name, raw)
        for name in set(self._folder.list("lab")) - set(self._contents):
            self._folder.remove(name)
        return self.name

    def change(self, identity: str) -> None:  # noqa: ARG002 (a Thing takes it)
        """Upload them anew."""
        self.make()

    def wait(self, identity: str, tell: Tell) -> None:
        """They are there at once."""
