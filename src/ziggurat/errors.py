"""Every error Ziggurat raises, as one tree. This room imports nothing.

    ZigguratError
    ├── MissingDependency        an optional package is not installed      (also ImportError)
    ├── InputError               a value given to us cannot be used        (also ValueError)
    ├── WiringError              a chain that could never run              (also ValueError)
    ├── SpecError                a chain file that says what cannot be     (also ValueError)
    ├── ChainError               a run ended with a failed stage
    ├── StageTimeout             one attempt of a stage took too long      (also TimeoutError)
    ├── NothingStreamed          a Runnable gave no piece of an output
    ├── ItemError                an item of a map failed
    ├── BudgetExceeded           a call has no room left in the run's budget
    ├── EffectUncertain          a killed run may have acted on the world, or not
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
    ├── DatabaseError
    │   ├── DatabaseUnavailable  no database there, or no way in
    │   ├── QueryRefused         not one query that only reads; never sent (also ValueError)
    │   └── QueryFailed          the database could not run it
    │       └── QueryTimeout     it ran too long and was stopped           (also TimeoutError)
    ├── WorkspaceError           something about a Databricks workspace
    │   ├── WorkspaceUnavailable cannot be reached, or is too busy for longer than we wait
    │   ├── WorkspaceDenied      the credentials are wrong, or may not do this (also PermissionError)
    │   ├── WorkspaceNotFound    no endpoint, secret, file of that name there  (also LookupError)
    │   ├── EndpointNotReady     the endpoint is there and cannot answer yet
    │   ├── EndpointRefused      the request does not fit the endpoint         (also ValueError)
    │   └── AnswerCut            an answer ended before it was whole
    ├── BatchError               something about a chain over a table
    │   ├── TableError           the table, or a column, is not what the chain needs  (also ValueError)
    │   ├── LedgerError          the batch's ledger cannot be read or written         (also OSError)
    │   ├── BatchInProgress      another process writes this output
    │   ├── BatchStopped         more rows failed than were allowed; the rest was not begun
    │   └── ClusterError         Spark is not there, or cannot do the work
    ├── TrackingError            MLflow's store is not there, or refuses
    ├── PictureError             a picture cannot be drawn or encoded
    ├── ValueNotStorable         a value that cannot be written down       (also TypeError)
    ├── ValueNotReadable         written bytes that are no value here      (also ValueError)
    └── JournalError
        ├── JournalNotFound      no journal at that place                  (also FileNotFoundError)
        ├── JournalTooNew        a later Ziggurat wrote it
        ├── JournalCorrupt       the file is damaged or is no journal
        ├── JournalWriteError    the disk or server refused; nothing was half-written (also OSError)
        ├── RunNotFound          no run of that id                         (also LookupError)
        ├── RunExists            the id is taken                           (also ValueError)
        └── RunInProgress        another process or thread runs it

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


def gist(error: BaseException) -> str:
    """What an error says happened, on one line, without where and what to do."""
    return error.what if isinstance(error, ZigguratError) else str(error)


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


class DatabaseError(ZigguratError):
    """Something about a database that is asked questions."""


class DatabaseUnavailable(DatabaseError):
    """There is no database at that address, it cannot be reached, or nothing here reads its kind."""


class QueryRefused(DatabaseError, ValueError):
    """A query that is not one statement that only reads what may be read; the database never saw it."""


class QueryFailed(DatabaseError):
    """The database could not run a query: a name it does not know, a type that does not fit."""


class QueryTimeout(QueryFailed, TimeoutError):
    """A query ran longer than it may, and was stopped."""


class StructureError(ZigguratError, ValueError):
    """A model did not give data of the form that was asked for, however often it was told why."""


class WorkspaceError(ZigguratError):
    """Something about a Databricks workspace.

    Attributes:
        status_code: The HTTP status it answered with; None where it did not answer.
        retry_after_secs: Seconds it asked us to wait; None where it did not say.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        status_code: int | None = None,
        retry_after_secs: float | None = None,
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.status_code = status_code
        self.retry_after_secs = retry_after_secs


class WorkspaceUnavailable(WorkspaceError):
    """The workspace cannot be reached, or refuses for longer than we are willing to wait."""


class WorkspaceDenied(WorkspaceError, PermissionError):
    """The credentials are wrong or may not do this."""


class WorkspaceNotFound(WorkspaceError, LookupError):
    """There is nothing of that name in the workspace."""


class EndpointNotReady(WorkspaceError):
    """The endpoint exists and is still being deployed, or failed to be."""


class EndpointRefused(WorkspaceError, ValueError):
    """The endpoint cannot take the request; repeating it would not help."""


class AnswerCut(WorkspaceError):
    """An answer ended before it was whole; it may have been paid for, so it is not asked for again by itself."""


class PictureError(ZigguratError):
    """A picture cannot be drawn or encoded."""


class BatchError(ZigguratError):
    """Something about a chain over a table."""


class TableError(BatchError, ValueError):
    """The table, or a column of it, is not what the chain needs; nothing was begun."""


class LedgerError(BatchError, OSError):
    """The batch's ledger cannot be read or written; what it holds is kept."""


class BatchInProgress(BatchError):
    """Another process writes this output."""


class BatchStopped(BatchError):
    """More rows failed than were allowed; those that were not begun are left for the next run."""


class ClusterError(BatchError):
    """Spark is not there, or its executors cannot do the work."""


class TrackingError(ZigguratError):
    """The store that models, runs and prompts are logged to cannot be reached, or refuses."""


class WiringError(ZigguratError, ValueError):
    """A chain that could never run.

    Attributes:
        findings: One line for everything that is wrong, each naming its stage.
    """

    def __init__(self, what: str, *, findings: tuple[str, ...], where: str | None = None) -> None:
        super().__init__(what, where=where)
        self.findings = findings


class SpecError(ZigguratError, ValueError):
    """A chain file that cannot be read, or a chain that cannot be written as one; nothing was run.

    Attributes:
        findings: One line for everything that is wrong: ``chain.yaml:12: stages.answer.modle: ...``.
    """

    def __init__(
        self, what: str, *, findings: tuple[str, ...] = (), where: str | None = None, fix: str | None = None
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.findings = findings


class StageTimeout(ZigguratError, TimeoutError):
    """One attempt of a stage took longer than its policy allows."""


class NothingStreamed(ZigguratError):
    """A Runnable was streamed and gave no piece at all, so that there is no output."""


class ItemError(ZigguratError):
    """One item of a map failed; the exception it raised is ``__cause__``.

    Attributes:
        item: Its position, from 0.
    """

    def __init__(self, what: str, *, item: int, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.item = item


class BudgetExceeded(ZigguratError):
    """The run's budget has no room for a call, or its time is up; the call was not sent.

    Attributes:
        bound: ``usd``, ``tokens``, ``calls`` or ``seconds``.
    """

    def __init__(self, what: str, *, bound: str, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.bound = bound


class EffectUncertain(ZigguratError):
    """A run was killed while stages acted on the world; whether they did is not known. Nothing was started.

    Attributes:
        paths: The stages, each with its place in the run.
    """

    def __init__(self, what: str, *, paths: tuple[str, ...], where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.paths = paths


class ChainError(ZigguratError):
    """A run ended with at least one failed stage.

    Attributes:
        stage: The first stage that failed; the exception it raised is ``__cause__``.
        inputs_digest: A short hash of that stage's inputs, to tell two failures apart without
            putting the inputs into a log.
        outputs: Everything that did finish, by stage.
        failed: Every failed stage with its exception.
        skipped: Every stage that could not start, with the failed stage it waited for.
        run: The run's id, by which a journal knows it.
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
        run: str = "",
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.run = run
        self.stage = stage
        self.inputs_digest = inputs_digest
        self.outputs = outputs
        self.failed = failed
        self.skipped = skipped


class ValueNotStorable(ZigguratError, TypeError):
    """A value cannot be written to a journal or a cache; nothing of it was.

    Attributes:
        path: Where it is inside the value, as Python would reach it: ``.citations[2]``.
        type_name: Its type.
    """

    def __init__(
        self, what: str, *, path: str = "", type_name: str = "", where: str | None = None, fix: str | None = None
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.path = path
        self.type_name = type_name


class ValueNotReadable(ZigguratError, ValueError):
    """Bytes of a journal or a cache are no value here: damaged, or of a type this process does not know."""


class JournalError(ZigguratError):
    """Something about the record of runs."""


class JournalNotFound(JournalError, FileNotFoundError):
    """There is no journal at that place."""


class JournalTooNew(JournalError):
    """A later version of Ziggurat wrote this journal; it was not touched.

    Attributes:
        found: The journal's schema version.
        known: The newest one this version reads.
    """

    def __init__(self, what: str, *, found: int, known: int, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.found = found
        self.known = known


class JournalCorrupt(JournalError):
    """The journal's file is damaged, or is not a journal."""


class JournalWriteError(JournalError, OSError):
    """The disk or the server refused a write; what was recorded before is intact."""


class RunNotFound(JournalError, LookupError):
    """The journal has no run of that id."""


class RunExists(JournalError, ValueError):
    """The journal has a run of that id already."""


class RunInProgress(JournalError):
    """Another process, or another part of this one, is running it."""
