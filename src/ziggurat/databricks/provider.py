"""The providers ``databricks`` and ``databricks-driver``: a workspace's models by spec.

``databricks:<endpoint>`` opens chat or embeddings; ``databricks-driver:<cluster>/<port>`` an application on a
cluster's driver as a chat model, ``local`` being the driver that the program runs on. Invariant: opening sends
nothing; an argument that cannot be is refused here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ziggurat.databricks import driver
from ziggurat.databricks.chat import ChatDatabricks
from ziggurat.databricks.embeddings import DatabricksEmbeddings
from ziggurat.databricks.llm import Databricks
from ziggurat.databricks.text_chat import TextChat
from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean
from ziggurat.workspace import CREDENTIALS

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel


class DatabricksProvider:
    """Chat and embeddings of serving endpoints."""

    def chat(self, name: str, **options: Any) -> BaseChatModel:
        """Open `ChatDatabricks`; with ``custom=True``, a custom model that takes a prompt, `Databricks`, as chat.

        Args:
            name: The endpoint.
            options: The class's arguments, and any of `ziggurat.workspace.CREDENTIALS`.

        Raises:
            InputError: If an option is unknown or cannot be.
        """
        if options.pop("custom", False):
            return _text_chat(endpoint_name=name, **options)
        made: BaseChatModel = _made(ChatDatabricks, {"endpoint": name, **_sorted(options)})
        return made

    def embeddings(self, name: str, **options: Any) -> Embeddings:
        """Open `DatabricksEmbeddings`; arguments and errors as for `chat`."""
        made: Embeddings = _made(DatabricksEmbeddings, {"endpoint": name, **_sorted(options)})
        return made


class DriverProvider:
    """Applications on clusters' drivers."""

    def chat(self, name: str, **options: Any) -> BaseChatModel:
        """Open `Databricks` for ``<cluster>/<port>`` as a chat model.

        Raises:
            InputError: If the name has no such form, or an option is unknown or cannot be.
        """
        cluster, slash, port = name.rpartition("/")
        if not slash:
            raise InputError(
                f"{name!r} names no application on a driver.",
                fix=f"databricks-driver:<cluster>/<port>; <cluster> is {driver.HERE} on the driver itself",
            )
        return _text_chat(cluster_id=cluster, cluster_driver_port=port, **options)


def _text_chat(**options: Any) -> BaseChatModel:
    return TextChat(llm=_made(Databricks, _sorted(options)))


def _sorted(options: dict[str, Any]) -> dict[str, Any]:
    """Options with those that say who asks put together."""
    credentials = {name: options[name] for name in CREDENTIALS if options.get(name)}
    rest = {name: value for name, value in options.items() if name not in CREDENTIALS}
    if credentials:
        rest["credentials"] = {**rest.get("credentials", {}), **credentials}
    return rest


def _made(kind: type[Any], options: dict[str, Any]) -> Any:
    try:
        return kind(**options)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        inner = (first.get("ctx") or {}).get("error")
        if isinstance(inner, InputError):
            raise inner from error
        where = ".".join(str(one) for one in first["loc"])
        if first["type"] == "extra_forbidden":
            known = sorted({*kind.model_fields, *CREDENTIALS})
            raise InputError(
                f"{kind.__name__} has no argument {where!r}{did_you_mean(where, known)}.",
                fix=f"its arguments are {', '.join(known)}",
            ) from error
        raise InputError(f"{kind.__name__} cannot be made: {first['msg']}.", where=where or None) from error


databricks = DatabricksProvider()
driver_app = DriverProvider()
