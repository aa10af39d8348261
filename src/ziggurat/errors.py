"""Every error Ziggurat raises, as one tree. This room imports nothing.

    ZigguratError
    ├── MissingDependency        an optional package is not installed      (also ImportError)
    ├── InputError               a value given to us cannot be used        (also ValueError)
    ├── WiringError              a chain that could never run              (also ValueError)
    ├── ChainError               a run ended with a failed stage
    ├── StageTimeout             one attempt of a stage took too long      (also TimeoutError)
    ├── ModelError
    │   ├── UnknownModel         nobody answers to this model spec         (also LookupError)
    │   ├── ModelUnavailable     the weights or the service cannot be had
    │   ├── HashMismatch         a downloaded file is not the one we know
    │   └── ContextLengthError   the prompt is longer than the model reads (also ValueError)
    ├── IndexFault
    │   ├── IndexNotFound        no index in that directory                (also FileNotFoundError)
    │   ├── EmbeddingMismatch    the index was built with another model    (also ValueError)
    │   ├── IndexCorrupt         the files contradict each other
    │   └── IndexWriteError      the disk refused; nothing was half-written (also OSError)
    ├── DocumentError
    │   ├── UnsupportedDocument  no loader for this type
    │   └── UnreadableDocument   the file is not what its name says
    └── PictureError             a picture cannot be drawn or encoded

A message has up to three parts, a line each: what happened, where, and what to do. Secrets never
go into any of them.
"""

from __future__ import annotations


class ZigguratError(Exception):
    """The base of the tree.

    Args:
        what: What happened, in one sentence.
        where: The stage, file, row or setting it happened at.
        fix: What the reader can do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        lines = [what]
        if where:
            lines.append(f"  where: {where}")
        if fix:
            lines.append(f"  try: {fix}")
        super().__init__("\n".join(lines))


class MissingDependency(ZigguratError, ImportError):
    """An optional package is needed and not installed."""


class InputError(ZigguratError, ValueError):
    """A value given to Ziggurat cannot be used; nothing was started."""


class ModelError(ZigguratError):
    """Something about a model."""


class UnknownModel(ModelError, LookupError):
    """No provider answers to this model spec."""


class ModelUnavailable(ModelError):
    """The model is known, but its weights or its service cannot be had now."""


class HashMismatch(ModelError):
    """A downloaded file is not the one the catalogue knows; it was deleted."""


class ContextLengthError(ModelError, ValueError):
    """The prompt does not fit the model's context; nothing was computed or paid.

    Attributes:
        prompt_tokens: Tokens in the refused prompt.
        context_tokens: Tokens the model can read.
    """

    def __init__(
        self, what: str, *, prompt_tokens: int, context_tokens: int, where: str | None = None, fix: str | None = None
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens


class IndexFault(ZigguratError):
    """Something about a vector index."""


class IndexNotFound(IndexFault, FileNotFoundError):
    """There is no index in that directory."""


class EmbeddingMismatch(IndexFault, ValueError):
    """The index was built with another embedding model."""


class IndexCorrupt(IndexFault):
    """The files of an index contradict each other."""


class IndexWriteError(IndexFault, OSError):
    """The operating system refused a write; what was committed before is intact."""


class DocumentError(ZigguratError):
    """Something about a source document."""


class UnsupportedDocument(DocumentError):
    """No loader reads this type of source."""


class UnreadableDocument(DocumentError):
    """The source is damaged, empty, protected, or not what its name says."""


class PictureError(ZigguratError):
    """A picture cannot be drawn or encoded."""


class WiringError(ZigguratError, ValueError):
    """A chain that could never run.

    Attributes:
        findings: One line for everything that is wrong, each naming its stage.
    """

    def __init__(self, what: str, *, findings: tuple[str, ...], where: str | None = None) -> None:
        super().__init__(what, where=where)
        self.findings = findings


class StageTimeout(ZigguratError, TimeoutError):
    """One attempt of a stage took longer than its policy allows."""


class ChainError(ZigguratError):
    """A run ended with at least one failed stage.

    Attributes:
        stage: The first stage that failed; the exception it raised is ``__cause__``.
        inputs_digest: A short hash of that stage's inputs, to tell two failures apart without
            putting the inputs into a log.
        outputs: Everything that did finish, by stage.
        failed: Every failed stage with its exception.
        skipped: Every stage that could not start, with the failed stage it waited for.
    """

    def __init__(
        self,
        what: str,
        *,
        stage: str,
        inputs_digest: str,
        outputs: dict[str, object],
        failed: dict[str, BaseException],
        skipped: dict[str, str],
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.stage = stage
        self.inputs_digest = inputs_digest
        self.outputs = outputs
        self.failed = failed
        self.skipped = skipped
