"""Blobs of an Azure storage container.

Listed and read by azure-storage-blob, with whatever key, signature or sign-in it is given. Knows no file
format.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders import remote
from ziggurat.loaders.addresses import plain
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.parsers import MAX_BYTES
from ziggurat.loaders.source import Item
from ziggurat.optional import require
from ziggurat.refusals import status_of

_FOR = "reading Azure Blob Storage"
_EXTRA = "azure-blob"
_VARIABLE = "AZURE_STORAGE_CONNECTION_STRING"
_SAID = {
    "ContainerNotFound": ("There is no such container.", None),
    "BlobNotFound": ("The blob is gone.", "list again"),
    "BlobArchived": ("The blob is archived and must be restored before it can be read.", None),
    "ContainerBeingDeleted": ("The container is being deleted.", None),
    "InvalidResourceName": ("This is no name of a container or blob.", None),
    "AuthenticationFailed": ("The key or signature is not accepted.", "is it of this account, and not expired?"),
    "AuthorizationFailure": ("Access is denied.", "is this network allowed, and the role given?"),
    "AuthorizationPermissionMismatch": ("Access is denied.", "the role Storage Blob Data Reader reads"),
    "PublicAccessNotPermitted": ("The container is not public.", "give a key, a signature or a sign-in"),
    "NoAuthenticationInformation": ("The container is not public.", "give a key, a signature or a sign-in"),
}
_BY_STATUS = {
    401: ("Access is denied.", "give a key, a signature or a sign-in"),
    403: ("Access is denied.", "give a key, a signature or a sign-in"),
    404: ("There is no such container or blob.", None),
}


def open_azure(
    address: str,
    *,
    include: str | Iterable[str] = (),
    exclude: str | Iterable[str] = (),
    max_bytes: int = MAX_BYTES,
    connection_string: str | None = None,
    account_key: str | None = None,
    sas_token: str | None = None,
    credential: Any | None = None,
    anonymous: bool = False,
    endpoint: str | None = None,
) -> Container:
    """The blobs of a container.

    Without any of the keys, the connection string in ``AZURE_STORAGE_CONNECTION_STRING`` is taken; without
    that, whoever is signed in (``DefaultAzureCredential`` of azure-identity).

    Args:
        address: ``az://account/container``, or ``az://account/container/prefix``: the blob of that name,
            and those below it.
        include: Patterns (``*.pdf``) of which one must fit a blob's name.
        exclude: Patterns of which none may.
        max_bytes: The largest blob that is read.
        connection_string: As the portal shows it.
        account_key: The account's.
        sas_token: A signature that lets list and read.
        credential: A credential object of azure-identity.
        anonymous: Whether to ask without any, as for public containers.
        endpoint: Of another cloud or an emulator: ``http://127.0.0.1:10000/devstoreaccount1``.

    Raises:
        InputError: If the address is no such, or a connection string is none.
        MissingDependency: If azure-storage-blob, or azure-identity where it is needed, is not installed.
    """
    account, rest = remote.split(address, "az", "az://account/container/prefix")
    container, _, prefix = rest.partition("/")
    if not container:
        raise InputError("This address names no container.", where=plain(address), fix="az://account/container/prefix")
    blobs = require("azure.storage.blob", for_=_FOR, extra=_EXTRA)
    string = connection_string or (
        None if account_key or sas_token or credential or anonymous else os.environ.get(_VARIABLE)
    )
    url = endpoint or f"https://{account}.blob.core.windows.net"
    settings = {
        "retry_total": 2,
        "initial_backoff": 1,
        "increment_base": 2,
        "connection_timeout": 10,
        "read_timeout": 60,
    }
    try:
        if string:
            client = blobs.ContainerClient.from_connection_string(string, container, **settings)
        else:
            key = account_key or (sas_token.removeprefix("?") if sas_token else None) or credential
            if account_key and endpoint:
                key = {"account_name": account, "account_key": account_key}
            if key is None and not anonymous:
                key = require("azure.identity", for_="signing in to Azure", extra=_EXTRA).DefaultAzureCredential()
            client = blobs.ContainerClient(url, container, credential=key, **settings)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"The key, signature or endpoint cannot be used: {type(error).__name__}.", where=plain(address)
        ) from error
    return Container(account, container, prefix, client, remote.texts(include), remote.texts(exclude), max_bytes)


@dataclass(frozen=True)
class Container:
    """The blobs of a container below a prefix.

    Args:
        account: The storage account's name.
        container: The container's name.
        prefix: A blob's name, or what stands before others as a folder does.
        client: A ``ContainerClient``.
        include: Patterns of which one fits.
        exclude: Patterns of which none fits.
        max_bytes: The largest blob that is read.
    """

    account: str
    container: str
    prefix: str
    client: Any = field(repr=False)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_bytes: int = MAX_BYTES

    @property
    def name(self) -> str:
        """Its address."""
        return f"az://{self.account}/{self.container}/{self.prefix}"

    def items(self) -> Iterator[Item]:
        """Its blobs, by name, with their ETags; a page of the list at a time.

        Raises:
            InputError: If there is no such container, it may not be listed, or nothing is below the prefix.
        """
        there = False
        with _said(self.name, InputError):
            for one in self.client.list_blobs(name_starts_with=self.prefix or None, include=["metadata"]):
                if not remote.below(one.name, self.prefix):
                    continue
                there = True
                folder = (one.metadata or {}).get("hdi_isfolder") == "true" or one.name.endswith("/")
                if not folder and remote.chosen(one.name, self.include, self.exclude):
                    yield self._item(one)
        if not there and self.prefix:
            raise remote.nothing_there(self.name)

    def _item(self, blob: Any) -> Item:
        name, size = str(blob.name), int(blob.size)
        key = f"az://{self.account}/{self.container}/{name}"
        media_type = blob.content_settings.content_type if blob.content_settings else None
        return Item(key, lambda: self._read(name, key, media_type, size), str(blob.etag).strip('"'), size)

    def _read(self, name: str, key: str, media_type: str | None, size: int) -> Iterator[SourceDocument]:
        yield from remote.documents(
            self._pieces(name, key), key, media_type=media_type, size=size, max_bytes=self.max_bytes
        )

    def _pieces(self, name: str, key: str) -> Iterator[bytes]:
        with _said(key, UnreadableDocument):
            yield from self.client.download_blob(name, max_concurrency=1).chunks()


@contextmanager
def _said(where: str, kind: type[InputError | UnreadableDocument]) -> Iterator[None]:
    """What the client raises within the block, as one line of ours."""
    errors = require("azure.core.exceptions", for_=_FOR, extra=_EXTRA)
    try:
        yield
    except errors.ClientAuthenticationError as error:
        what, fix = _SAID.get(
            _code(error), ("Nobody is signed in who may read it.", "sign in, or give a key or a signature")
        )
        raise kind(what, where=where, fix=fix) from error
    except errors.HttpResponseError as error:
        status = status_of(error)
        other = (f"The service refuses the request: {_code(error) or status}.", None)
        what, fix = _SAID.get(_code(error)) or _BY_STATUS.get(status or 0) or other
        raise kind(what, where=where, fix=fix) from error
    except errors.AzureError as error:
        raise kind(
            f"The service cannot be reached: {type(error).__name__}.", where=where, fix="is the account's name right?"
        ) from error


def _code(error: Exception) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")
