"""The Hugging Face hub as a source of weights.

`huggingface_hub` finds the file: it knows the endpoint (``HF_ENDPOINT``), the offline switch
(``HF_HUB_OFFLINE``), the token and the user's own cache of earlier downloads. The bytes come by
`transfer`, because the client drops what it received when its process is killed. A file whose hash the hub
declares otherwise is refused before the first byte.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ziggurat.errors import HashMismatch
from ziggurat.models.weights.file import File, SourceFailed, check, need_space, place, transfer
from ziggurat.optional import require
from ziggurat.progress import Progress

METADATA_SECONDS = 3.0
"""How long the hub may take to say where a file is; a machine without it moves on after that."""
_SHA256_HEX = 64


@dataclass(frozen=True, slots=True)
class HubSource:
    """Files of one model repository.

    Attributes:
        repo: ``owner/name``.
        paths: Path in the repository by target file name; a file not named has its own name there.
        revision: Branch, tag or commit. The file's hash is what pins it.
        endpoint: Base address; ``HF_ENDPOINT`` or the client's default when none.
    """

    repo: str
    paths: Mapping[str, str]
    revision: str = "main"
    endpoint: str | None = None

    @property
    def label(self) -> str:
        """How messages call this source."""
        return "the Hugging Face hub"

    def bring(self, files: Sequence[File], into: Path, staging: Path, progress: Progress) -> None:
        """Put every file into ``into``, checked.

        Args:
            files: What is missing.
            into: The model's directory.
            staging: Where unfinished files wait; on the same disk.
            progress: Where progress is shown.

        Raises:
            SourceFailed: If the hub cannot be reached or lacks the file.
            HashMismatch: If its file is another one.
        """
        need_space(staging, sum(file.size for file in files))
        for file in files:
            part = staging / f"{file.sha256[:16]}.hub.part"
            self._receive(file, part, progress)
            check(part, file.sha256, size=file.size, source=f"{self.label} ({self.repo})")
            place(part, into / file.name)

    def _receive(self, file: File, part: Path, progress: Progress) -> None:
        path = self.paths.get(file.name, file.name)
        hub = require("huggingface_hub", for_="downloads from the Hugging Face hub", extra="local")
        cached = hub.try_to_load_from_cache(self.repo, path, revision=self.revision)
        if isinstance(cached, str):
            shutil.copyfile(cached, part)
            return
        endpoint = self.endpoint or os.environ.get("HF_ENDPOINT") or None
        url = hub.hf_hub_url(self.repo, path, revision=self.revision, endpoint=endpoint)
        try:
            found = hub.get_hf_file_metadata(url, timeout=METADATA_SECONDS, endpoint=endpoint)
        except Exception as error:  # the client raises types of its HTTP library, which has changed before
            reason = str(error).strip().partition("\n")[0]
            raise SourceFailed(f"{urlsplit(url).hostname}: {reason or type(error).__name__}") from error
        etag = found.etag or ""
        if len(etag) == _SHA256_HEX and etag != file.sha256:
            raise HashMismatch(
                f"{self.label} ({self.repo}) has a {path} with SHA-256 {etag[:12]}… "
                f"where {file.sha256[:12]}… was expected; it was not downloaded."
            )
        same_host = urlsplit(found.location).hostname == urlsplit(url).hostname
        headers = hub.utils.build_hf_headers(library_name="ziggurat") if same_host else {}
        transfer(found.location, part, label=file.name, progress=progress, headers=headers)
