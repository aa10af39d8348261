"""MLflow's stores: whether they answer, and what they refuse, as errors of ours.

MLflow tries an unreachable server for minutes; here it is asked once, with a bound in seconds, before anything
is prepared. Invariant: no address is shown with a password, a query or a user in it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from urllib.parse import SplitResult, urlsplit

from ziggurat.errors import MissingDependency, TrackingError, ZigguratError
from ziggurat.optional import require

SECONDS = 5.0
"""How long a store may take to answer at all."""

_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SERVER_ERROR = 500


def library(module: str = "mlflow", *, for_: str) -> ModuleType:
    """MLflow, or a module of it.

    Raises:
        MissingDependency: If it is not installed, or pandas, without which it loads no model.
    """
    return require(module, for_=for_, extra="mlflow")


def reach(*, registry: bool = False, seconds: float = SECONDS) -> str:
    """Ask the store that MLflow is set up with whether it is there; returns its address, fit to be shown.

    Args:
        registry: Whether the registry of models and prompts is needed too.
        seconds: How long it may take.

    Raises:
        TrackingError: If it does not answer.
        MissingDependency: If MLflow is not installed.
    """
    mlflow = library(for_="logging to MLflow")
    uri = str(mlflow.get_tracking_uri())
    for one in dict.fromkeys([uri, str(mlflow.get_registry_uri())] if registry else [uri]):
        _probe(one, seconds)
    return shown(uri)


def shown(uri: str) -> str:
    """An address without user, password and query."""
    try:
        parts = urlsplit(uri)
        if not parts.hostname:
            return uri.partition("?")[0]
        return SplitResult(parts.scheme, _host_of(parts), parts.path, "", "").geturl()
    except ValueError:
        return "the address MLflow is set up with"


def _host_of(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host


def _probe(uri: str, seconds: float) -> None:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise _unreachable(uri, "it is no address") from error
    scheme = parts.scheme.partition("+")[0]
    if scheme in ("http", "https"):
        _probe_http(uri, seconds)
    elif parts.hostname and (port or scheme in _PORTS):
        try:
            socket.create_connection((parts.hostname, port or _PORTS[scheme]), seconds).close()
        except OSError as error:
            raise _unreachable(uri, str(error.strerror or error)) from error


def _probe_http(uri: str, seconds: float) -> None:
    import httpx

    address = uri.rstrip("/") + "/health"
    try:
        answered = httpx.get(address, timeout=seconds, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise _unreachable(uri, type(error).__name__) from error
    if answered.status_code >= _SERVER_ERROR:
        raise _unreachable(uri, f"it answers {answered.status_code}")


def _unreachable(uri: str, why: str) -> TrackingError:
    return TrackingError(
        f"MLflow's store cannot be reached: {why}.",
        where=shown(uri),
        fix="start it, or set another: MLFLOW_TRACKING_URI=sqlite:///mlflow.db",
    )


@contextmanager
def refusals(what: str, where: str | None = None) -> Iterator[None]:
    """What MLflow refuses inside the block, as one error of ours.

    Args:
        what: What was to be done, as it reads after "MLflow did not": ``log the model``.
        where: At what.

    Raises:
        TrackingError: In the place of anything MLflow raises; errors of ours pass as they are.
        MissingDependency: If the store needs a package that is not installed.
    """
    exceptions = library("mlflow.exceptions", for_="MLflow")
    try:
        yield
    except ZigguratError:
        raise
    except exceptions.MlflowException as error:
        cause = _ours(error)
        if cause is not None:
            raise cause from error
        raise TrackingError(f"MLflow did not {what}: {_first_lines(error)}", where=where) from error
    except ModuleNotFoundError as error:  # SQLAlchemy for a store in SQLite, and the like
        raise MissingDependency(
            f"MLflow did not {what}: its store needs the package {error.name!r}.", fix=f"pip install {error.name}"
        ) from error
    except OSError as error:
        raise TrackingError(f"MLflow did not {what}: {error.strerror or error}", where=where) from error


def _ours(error: BaseException) -> ZigguratError | None:
    """The error of ours that one of MLflow's hides, if it does."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, ZigguratError):
            return at
        at = at.__cause__ or at.__context__
    return None


def _first_lines(error: BaseException) -> str:
    text = str(error).strip()
    return text if len(text) <= 500 else text[:500] + " ..."  # noqa: PLR2004 (a message, not a page)
