"""Objects of an S3 bucket, or of anything that speaks its protocol.

Listed and read by boto3, whose ways to find keys (environment, profile, role) are all there are. Knows
no file format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders import remote
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.parsers import MAX_BYTES
from ziggurat.loaders.source import Item
from ziggurat.optional import require
from ziggurat.refusals import status_of

_PIECE = 1 << 20
_SAID = {
    "NoSuchBucket": ("There is no such bucket.", None),
    "NoSuchKey": ("The object is gone.", "list again"),
    "404": ("There is no such bucket or object.", None),
    "AccessDenied": ("Access is denied.", "give a profile that may read it, or anonymous=True"),
    "403": ("Access is denied.", "give a profile that may read it, or anonymous=True"),
    "AllAccessDisabled": ("Access is denied.", None),
    "InvalidAccessKeyId": ("The access key is not known there.", "give another profile"),
    "SignatureDoesNotMatch": ("The secret key does not fit the access key.", None),
    "ExpiredToken": ("The credentials have expired.", "sign in again"),
    "InvalidToken": ("The session token is not valid.", "sign in again"),
    "PermanentRedirect": ("The bucket is in another region.", "give region=..."),
    "AuthorizationHeaderMalformed": ("The bucket is in another region.", "give region=..."),
    "InvalidObjectState": ("The object is archived and must be restored before it can be read.", None),
    "InvalidBucketName": ("This is no name of a bucket.", None),
}


def open_s3(
    address: str,
    *,
    include: str | Iterable[str] = (),
    exclude: str | Iterable[str] = (),
    max_bytes: int = MAX_BYTES,
    endpoint_url: str | None = None,
    profile: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    client: Any | None = None,
) -> Bucket:
    """The objects of a bucket.

    Args:
        address: ``s3://bucket``, or ``s3://bucket/prefix``: the object of that name, and those below it.
        include: Patterns (``*.pdf``) of which one must fit an object's name after the bucket's.
        exclude: Patterns of which none may.
        max_bytes: The largest object that is read.
        endpoint_url: Another service than Amazon's.
        profile: Of the AWS configuration.
        region: Of the bucket.
        anonymous: Whether to ask without keys, as for public buckets.
        client: A boto3 client for S3, instead of all these.

    Raises:
        InputError: If the address is no such, or the profile is not there.
        MissingDependency: If boto3 is not installed.
    """
    bucket, prefix = remote.split(address, "s3", "s3://bucket/prefix")
    if client is None:
        with _said(f"s3://{bucket}", InputError):
            client = _client(endpoint_url, profile, region, anonymous=anonymous)
    return Bucket(bucket, prefix, client, remote.texts(include), remote.texts(exclude), max_bytes)


@dataclass(frozen=True)
class Bucket:
    """The objects of a bucket below a prefix.

    Args:
        bucket: Its name.
        prefix: An object's name, or what stands before others as a folder does.
        client: A boto3 client.
        include: Patterns of which one fits.
        exclude: Patterns of which none fits.
        max_bytes: The largest object that is read.
    """

    bucket: str
    prefix: str
    client: Any = field(repr=False)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_bytes: int = MAX_BYTES

    @property
    def name(self) -> str:
        """Its address."""
        return f"s3://{self.bucket}/{self.prefix}"

    def items(self) -> Iterator[Item]:
        """Its objects, by name, with their ETags; a page of the list at a time.

        Raises:
            InputError: If there is no such bucket, it may not be listed, or nothing is below the prefix.
        """
        there = False
        with _said(self.name, InputError):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
                for one in page.get("Contents", ()):
                    name = one["Key"]
                    if not remote.below(name, self.prefix):
                        continue
                    there = True
                    if not name.endswith("/") and remote.chosen(name, self.include, self.exclude):
                        yield self._item(name, str(one["ETag"]).strip('"'), int(one["Size"]))
        if not there and self.prefix:
            raise remote.nothing_there(self.name)

    def _item(self, name: str, stamp: str, size: int) -> Item:
        key = f"s3://{self.bucket}/{name}"
        return Item(key, lambda: self._read(name, key, size), stamp, size)

    def _read(self, name: str, key: str, size: int) -> Iterator[SourceDocument]:
        if size > self.max_bytes:
            yield from remote.documents((), key, size=size, max_bytes=self.max_bytes)
        with _said(key, UnreadableDocument):
            answer = self.client.get_object(Bucket=self.bucket, Key=name)
        with closing(answer["Body"]) as body:
            yield from remote.documents(
                _pieces(body, key),
                key,
                media_type=answer.get("ContentType"),
                size=answer.get("ContentLength"),
                max_bytes=self.max_bytes,
            )


def _pieces(body: Any, key: str) -> Iterator[bytes]:
    with _said(key, UnreadableDocument):
        while piece := body.read(_PIECE):
            yield piece


def _client(endpoint_url: str | None, profile: str | None, region: str | None, *, anonymous: bool) -> Any:
    boto3 = require("boto3", for_="reading S3", extra="s3")
    config = require("botocore.config", for_="reading S3", extra="s3").Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 3},
        **({"signature_version": require("botocore", for_="reading S3", extra="s3").UNSIGNED} if anonymous else {}),
    )
    session = boto3.session.Session(profile_name=profile, region_name=region)
    where = session.region_name or "us-east-1"
    return session.client("s3", endpoint_url=endpoint_url, region_name=where, config=config)


@contextmanager
def _said(where: str, kind: type[InputError | UnreadableDocument]) -> Iterator[None]:
    """What boto3 raises within the block, as one line of ours."""
    errors = require("botocore.exceptions", for_="reading S3", extra="s3")
    try:
        yield
    except errors.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = status_of(error)
        what, fix = (
            _SAID.get(code) or _SAID.get(str(status)) or (f"The service refuses the request: {code or status}.", None)
        )
        raise kind(what, where=where, fix=fix) from error
    except (errors.NoCredentialsError, errors.PartialCredentialsError, errors.CredentialRetrievalError) as error:
        raise kind(
            "There are no credentials.", where=where, fix="sign in, give a profile, or anonymous=True"
        ) from error
    except errors.ProfileNotFound as error:
        raise kind("There is no such profile in the AWS configuration.", where=where) from error
    except errors.ParamValidationError as error:
        raise kind("This is no name of a bucket or object.", where=where) from error
    except (errors.BotoCoreError, ValueError) as error:
        raise kind(
            f"The service cannot be reached: {type(error).__name__}.", where=where, fix="is the endpoint right?"
        ) from error
