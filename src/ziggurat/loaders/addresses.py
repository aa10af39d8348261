"""Addresses as they may be shown and written down: without passwords, tokens and signatures.

Every name, key and message about something remote goes through `plain`. Knows nothing of connections.
Invariant: what `plain` gives is the same after a token was renewed, and different for two addresses
that differ in anything else.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ziggurat.errors import InputError

_SIGNING = frozenset(
    "sig signature se st sp spr sv sr sip skoid sktid skt ske sks skv sdd expires awsaccesskeyid googleaccessid policy key-pair-id".split()
)
"""Parameters that only sign an address: those of Azure's SAS, of S3's older form and of CloudFront."""
_SECRET = re.compile(
    r"^x-(amz|goog|ms)-|token|secret|passw|^pwd$|credential|signature|^auth$|authorization|session|jwt|api[-_]?key|apikey"
    r"|access[-_]?key",
    re.IGNORECASE,
)
_PERHAPS = frozenset("key code sid auth_key hash".split())
"""Parameters that name a page here and are a key there; a short digest keeps two pages apart."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAFE = "/%:@!$&'()*+,;=~-._"


def plain(address: str) -> str:
    """An address without what is secret in it: user, password, fragment, signing and token parameters.

    Args:
        address: Any address; what is not one comes back without anything before an ``@``.
    """
    try:
        parts = urlsplit(address)
        host = _host(parts)
    except ValueError:
        return re.sub(r"//[^/@]*@", "//", address.partition("?")[0])
    return urlunsplit((parts.scheme, host, parts.path, _query(parts.query), ""))


def normal(address: str) -> str:
    """A web address in one spelling: host in lower case, no default port, no fragment, a path.

    User and password, and the order of parameters, stay as they are.

    Raises:
        InputError: If it is no web address.
    """
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError("This is no web address.", where=plain(address)) from error
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not host:
        raise InputError(
            "This is no web address.", where=plain(address), fix="it begins with https:// or http:// and a host"
        )
    user = parts.netloc.rpartition("@")[0]
    where = f"[{host}]" if ":" in host else host
    where = where if port in (None, _DEFAULT_PORTS[scheme]) else f"{where}:{port}"
    path = quote(_resolved(parts.path), safe=_SAFE) or "/"
    return urlunsplit((scheme, f"{user}@{where}" if user else where, path, quote(parts.query, safe=_SAFE + "?"), ""))


def origin(address: str) -> str:
    """Scheme, host and port of a web address, as browsers compare them."""
    parts = urlsplit(normal(address))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def without(text: str, *secrets: str | None) -> str:
    """A text of somebody else's, with these secrets taken out wherever they stand in it."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
    return text


def _host(parts: SplitResult) -> str:
    parts.port  # noqa: B018 (raises where the port is none)
    return parts.netloc.rpartition("@")[2]


def _query(query: str) -> str:
    if not query:
        return ""
    pairs = parse_qsl(query, keep_blank_values=True)
    if not pairs:
        return query
    signed = any(name.lower() in {"sig", "signature"} for name, _ in pairs)
    kept = [
        (name, value) for name, value in pairs if not (_SECRET.search(name) or (signed and name.lower() in _SIGNING))
    ]
    if len(kept) == len(pairs) and not any(name.lower() in _PERHAPS for name, _ in kept):
        return query
    return urlencode([(name, _digest(value) if name.lower() in _PERHAPS and value else value) for name, value in kept])


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _resolved(path: str) -> str:
    """A path without ``.`` and ``..``; RFC 3986, section 5.2.4."""
    if "/." not in path:
        return path
    kept: list[str] = []
    steps = path.split("/")
    for step in steps[1:]:
        if step == "..":
            kept[-1:] = []
        elif step != ".":
            kept.append(step)
    tail = "" if steps[-1] not in (".", "..") or not kept else "/"
    return "/" + "/".join(kept) + tail
