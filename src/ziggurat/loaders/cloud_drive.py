"""Files of Google Drive: a folder with all below it, or one file.

Listed and read by google-api-python-client, whose description of the service comes with the package.
Google's own documents are exported: texts as Markdown, tables as Excel, slides as PowerPoint. Knows no
file format.
Invariant: a folder is listed once, so shortcuts that lead in circles end.
"""

from __future__ import annotations

import io
import json
import logging
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ziggurat.errors import InputError, UnreadableDocument, UnsupportedDocument, gist
from ziggurat.loaders import remote
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.parsers import MAX_BYTES
from ziggurat.loaders.source import Item
from ziggurat.optional import require

_FOR = "reading Google Drive"
_EXTRA = "gdrive"
_SCOPE = "https://www.googleapis.com/auth/drive.readonly"
_GOOGLE = "application/vnd.google-apps."
_FOLDER, _SHORTCUT = f"{_GOOGLE}folder", f"{_GOOGLE}shortcut"
_OFFICE = "application/vnd.openxmlformats-officedocument."
_EXPORTS = {
    f"{_GOOGLE}document": ("text/markdown", ".md"),
    f"{_GOOGLE}spreadsheet": (f"{_OFFICE}spreadsheetml.sheet", ".xlsx"),
    f"{_GOOGLE}presentation": (f"{_OFFICE}presentationml.presentation", ".pptx"),
}
"""As what Google's own documents are exported, and the suffix of that."""
_FIELDS = "id,name,mimeType,md5Checksum,modifiedTime,size,trashed,shortcutDetails(targetId,targetMimeType)"
_PIECE = 4 << 20
_SAID = {
    "notFound": ("There is no such file or folder, or it is not shared with this account.", None),
    "fileNotDownloadable": ("The file cannot be downloaded.", None),
    "cannotDownloadFile": ("Its owner does not let it be downloaded.", None),
    "cannotDownloadAbusiveFile": ("Google holds the file for malware or spam.", None),
    "exportSizeLimitExceeded": (
        "The document is too large for Google to export (10 MB).",
        "download it and give the file",
    ),
    "insufficientPermissions": ("The account may not read it.", "the scope drive.readonly reads"),
    "insufficientFilePermissions": ("The account may not read it.", None),
    "forbidden": ("The account may not read it.", None),
    "authError": ("The sign-in is not accepted.", "sign in again"),
    "accessNotConfigured": ("The Drive API is not switched on in the account's project.", None),
    "rateLimitExceeded": ("Google has had too many requests.", "try later"),
    "userRateLimitExceeded": ("Google has had too many requests.", "try later"),
    "dailyLimitExceeded": ("Google has had too many requests today.", "try tomorrow"),
}
_BY_STATUS = {401: _SAID["authError"], 403: _SAID["forbidden"], 404: _SAID["notFound"], 429: _SAID["rateLimitExceeded"]}


def open_drive(
    address: str,
    *,
    include: str | Iterable[str] = (),
    exclude: str | Iterable[str] = (),
    max_bytes: int = MAX_BYTES,
    credentials: Any | None = None,
    service_account_file: str | None = None,
    api_endpoint: str | None = None,
    timeout: float = 60.0,
) -> Drive:
    """The files of a folder and its folders, or one file.

    Args:
        address: ``gdrive://<id>``; the id is the last part of the address that Drive shows. What follows
            it (``gdrive://<id>/Plans/March.docx``) is for readers.
        include: Patterns (``*.docx``) of which one must fit a file's path within the folder.
        exclude: Patterns of which none may.
        max_bytes: The largest file that is read.
        credentials: Of google-auth; those of the environment (``gcloud auth application-default login``)
            unless given.
        service_account_file: A service account's key file, instead.
        api_endpoint: Another service: ``http://127.0.0.1:8080/drive/v3/``.
        timeout: Seconds that one request may be silent.

    Raises:
        InputError: If the address is no such, or there are no credentials.
        MissingDependency: If google-api-python-client is not installed.
    """
    root, _ = remote.split(address, "gdrive", "gdrive://<id>")
    discovery = require("googleapiclient.discovery", for_=_FOR, extra=_EXTRA)
    logging.getLogger("googleapiclient").addHandler(logging.NullHandler())  # what it refuses is said once, by us
    given = credentials or _credentials(service_account_file, f"gdrive://{root}")
    service = discovery.build(
        "drive",
        "v3",
        http=_http(given, timeout),
        client_options={"api_endpoint": api_endpoint} if api_endpoint else None,
        cache_discovery=False,
        static_discovery=True,
    )
    connection = Connection(service, given, timeout)
    return Drive(root, connection, remote.texts(include), remote.texts(exclude), max_bytes)


class Connection:
    """Drive's service, with a transport for each thread, since Google's client has one for one.

    Args:
        service: As `googleapiclient.discovery.build` makes it.
        credentials: Of google-auth.
        timeout: Seconds that one request may be silent.
    """

    def __init__(self, service: Any, credentials: Any, timeout: float) -> None:
        self.files = service.files()
        self._credentials = credentials
        self._timeout = timeout
        self._own = threading.local()
        self._open = [service]
        weakref.finalize(self, _close, self._open)

    def run(self, request: Any) -> Any:
        """Send a request and give what it answers."""
        request.http = self.http()
        return request.execute(num_retries=2)

    def http(self) -> Any:
        """This thread's transport."""
        if not hasattr(self._own, "http"):
            self._own.http = _http(self._credentials, self._timeout)
            self._open.append(self._own.http)
        return self._own.http


@dataclass(frozen=True)
class Drive:
    """The files of a folder of Google Drive, or one file.

    Args:
        root: The id of the folder or file.
        connection: What sends the requests.
        include: Patterns of which one fits.
        exclude: Patterns of which none fits.
        max_bytes: The largest file that is read.
    """

    root: str
    connection: Connection = field(repr=False)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_bytes: int = MAX_BYTES

    @property
    def name(self) -> str:
        """Its address."""
        return f"gdrive://{self.root}"

    def items(self) -> Iterator[Item]:
        """Its files, those of a folder before those of the folders in it.

        Raises:
            InputError: If there is no such folder or file, or it may not be read.
        """
        with _said(self.name, InputError):
            first = self.connection.run(
                self.connection.files.get(fileId=self.root, fields=_FIELDS, supportsAllDrives=True)
            )
        known = {self.root}
        if first.get("trashed"):
            raise InputError("It is in the bin.", where=self.name)
        target = _target(first)
        if target["mimeType"] != _FOLDER:
            yield self._item(target, str(first["name"]))
            return
        folders = deque([(target["id"], "")])
        known.add(target["id"])
        while folders:
            folder, path = folders.popleft()
            try:
                for one in self._listed(folder):
                    target, where = _target(one), f"{path}{one['name']}"
                    if target["id"] in known:
                        continue
                    known.add(target["id"])
                    if target["mimeType"] == _FOLDER:
                        folders.append((target["id"], f"{where}/"))
                    elif remote.chosen(where, self.include, self.exclude):
                        yield self._item(target, where)
            except InputError as error:
                if not path:
                    raise
                yield _unlisted(f"gdrive://{folder}/{path}", gist(error))

    def _listed(self, folder: str) -> Iterator[dict[str, Any]]:
        token = None
        while True:
            with _said(f"gdrive://{folder}", InputError):
                answer = self.connection.run(
                    self.connection.files.list(
                        q=f"'{_quoted(folder)}' in parents and trashed = false",
                        fields=f"nextPageToken,files({_FIELDS})",
                        orderBy="name_natural",
                        pageSize=1000,
                        pageToken=token,
                        supportsAllDrives=True,
                        includeItemsFromAllDrives=True,
                    )
                )
            yield from answer.get("files", ())
            token = answer.get("nextPageToken")
            if not token:
                return

    def _item(self, file: dict[str, Any], path: str) -> Item:
        export = _EXPORTS.get(file["mimeType"])
        key = f"gdrive://{file['id']}/{path}{export[1] if export and not path.endswith(export[1]) else ''}"
        size = int(file["size"]) if "size" in file and not export else None
        return Item(key, lambda: self._read(file, key, size), file.get("md5Checksum") or file.get("modifiedTime"), size)

    def _read(self, file: dict[str, Any], key: str, size: int | None) -> Iterator[SourceDocument]:
        kind = str(file["mimeType"])
        if kind.startswith(_GOOGLE) and kind not in _EXPORTS:
            raise UnsupportedDocument(f"Nothing reads Google's {kind.removeprefix(_GOOGLE)} files.", where=key)
        yield from remote.documents(
            self._pieces(file, key),
            key,
            media_type=_EXPORTS[kind][0] if kind in _EXPORTS else kind,
            size=size,
            max_bytes=self.max_bytes,
        )

    def _pieces(self, file: dict[str, Any], key: str) -> Iterator[bytes]:
        export = _EXPORTS.get(file["mimeType"])
        with _said(key, UnreadableDocument):
            if export is not None:
                yield self.connection.run(self.connection.files.export(fileId=file["id"], mimeType=export[0]))
                return
            request = self.connection.files.get_media(fileId=file["id"], supportsAllDrives=True)
            request.http = self.connection.http()
            if int(file.get("size", 0)) == 0:
                return  # Drive answers no range of an empty file
            media = require("googleapiclient.http", for_=_FOR, extra=_EXTRA)
            buffer, done = io.BytesIO(), False
            download = media.MediaIoBaseDownload(buffer, request, chunksize=_PIECE)
            while not done:
                _, done = download.next_chunk(num_retries=2)
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()


def _close(those: list[Any]) -> None:
    for one in those:
        one.close()


def _target(file: dict[str, Any]) -> dict[str, Any]:
    """A file, or what a shortcut leads to."""
    details = file.get("shortcutDetails") or {}
    if file["mimeType"] != _SHORTCUT or "targetId" not in details:
        return file
    return {"id": details["targetId"], "name": file["name"], "mimeType": details.get("targetMimeType", "")}


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _unlisted(key: str, what: str) -> Item:
    def read() -> Iterator[SourceDocument]:
        raise UnreadableDocument(f"The folder cannot be listed. {what}", where=key)
        yield  # pragma: no cover (this makes it a generator)

    return Item(key, read)


def _credentials(service_account_file: str | None, where: str) -> Any:
    auth = require("google.auth", for_=_FOR, extra=_EXTRA)
    try:
        if service_account_file is not None:
            account = require("google.oauth2.service_account", for_=_FOR, extra=_EXTRA)
            return account.Credentials.from_service_account_file(service_account_file, scopes=[_SCOPE])
        return auth.default(scopes=[_SCOPE])[0]
    except (OSError, ValueError, auth.exceptions.GoogleAuthError) as error:
        raise InputError(
            f"There are no credentials for Google: {type(error).__name__}.",
            where=where,
            fix="gcloud auth application-default login, or service_account_file=...",
        ) from error


def _http(credentials: Any, timeout: float) -> Any:
    plain = require("httplib2", for_=_FOR, extra=_EXTRA).Http(timeout=timeout)
    return require("google_auth_httplib2", for_=_FOR, extra=_EXTRA).AuthorizedHttp(credentials, http=plain)


@contextmanager
def _said(where: str, kind: type[InputError | UnreadableDocument]) -> Iterator[None]:
    """What the client raises within the block, as one line of ours."""
    errors = require("googleapiclient.errors", for_=_FOR, extra=_EXTRA)
    auth = require("google.auth.exceptions", for_=_FOR, extra=_EXTRA)
    httplib2 = require("httplib2", for_=_FOR, extra=_EXTRA)
    try:
        yield
    except errors.HttpError as error:
        reason = _reason(error)
        other = (f"Google refuses the request: {reason or error.status_code}.", None)
        what, fix = _SAID.get(reason) or _BY_STATUS.get(int(error.status_code)) or other
        raise kind(what, where=where, fix=fix) from error
    except auth.GoogleAuthError as error:
        raise kind("The sign-in is not accepted.", where=where, fix="sign in again") from error
    except (errors.Error, httplib2.HttpLib2Error, OSError) as error:
        raise kind(f"Google Drive cannot be reached: {type(error).__name__}.", where=where, fix="try later") from error


def _reason(error: Any) -> str:
    """The short reason in an answer's body; empty if there is none."""
    try:
        return str(json.loads(error.content)["error"]["errors"][0]["reason"])
    except (ValueError, LookupError, TypeError):
        return ""
