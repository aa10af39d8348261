"""`Databricks`: a custom model's endpoint, a completions endpoint, or an application on a cluster's driver.

Does what the documentation of the class of this name in ``langchain_community`` shows, arguments included.
What is sent in which form is `payload`'s, where a driver application is found is `driver`'s. Invariant: an
answer ends before any of its stop texts, whether the model knows of them or not.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LLM, LanguageModelInput
from pydantic import Field, model_validator

from ziggurat.databricks import driver, payload
from ziggurat.databricks.endpoint import Endpoint, InWorkspace, called
from ziggurat.databricks.signature import Tasks, task_of
from ziggurat.errors import InputError

if TYPE_CHECKING:
    from ziggurat.databricks.calls import Calls


class Databricks(LLM, InWorkspace):
    """A text model behind an endpoint or on a driver.

    Examples:
        ``Databricks(endpoint_name="dolly").invoke("How are you?", stop=["."])``
        ``Databricks(cluster_id="1121-154700-abcd1234", cluster_driver_port=7777)``
        ``Databricks(cluster_driver_port=7777)`` in a notebook on that cluster.

    Attributes:
        endpoint_name: A serving endpoint; this or a driver's port.
        cluster_driver_port: The port of an application on a cluster's driver, from 3000 to 8000.
        cluster_id: The cluster; left out, it is the one that this program runs on.
        target_uri: ``databricks``, or ``databricks://PROFILE``; ``databricks_uri`` is another name for it.
        temperature: Sent where it is set.
        stop: Texts at which every answer ends.
        max_tokens: Sent where it is set.
        model_kwargs: Goes into every request; ``extra_params`` is another name for it.
        transform_input_fn: Is given the request as keywords (``prompt``, ``stop``, …) and gives what is sent.
        transform_output_fn: Is given what came back and gives the text.
        task: ``llm/v1/completions``, ``llm/v1/chat`` or ``custom``; left out, the endpoint is asked once.
        payload: How a custom model is sent its request, one of `payload.FORMS`.
        host: The workspace; ``DATABRICKS_HOST`` if left out.
        token: A personal access token; ``DATABRICKS_TOKEN`` if left out. ``api_token`` is another name for it.
        credentials: Other ways in, as `ziggurat.workspace.access` takes them.
        workspace_client: A ``WorkspaceClient`` that is there already, instead of all these.
        timeout: Seconds of silence before a call is given up.
        max_retries: How often a call is repeated while the endpoint is too busy.
        patience: Seconds within which it is repeated.
    """

    endpoint_name: str | None = None
    cluster_driver_port: str | int | None = None
    cluster_id: str | None = None
    temperature: float | None = None
    stop: list[str] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    transform_input_fn: Callable[..., Any] | None = Field(default=None, exclude=True)
    transform_output_fn: Callable[..., str] | None = Field(default=None, exclude=True)
    task: Tasks | None = None
    payload: str = "dataframe_records"

    @model_validator(mode="before")
    @classmethod
    def _known_by_other_names(cls, values: Any) -> Any:
        return called(
            values,
            {
                "endpoint": "endpoint_name",
                "api_token": "token",
                "extra_params": "model_kwargs",
                "databricks_uri": "target_uri",
            },
        )

    @model_validator(mode="after")
    def _one_way_in(self) -> Databricks:
        payload.checked_form(self.payload)
        if bool(self.endpoint_name) == (self.cluster_driver_port is not None):
            raise InputError(
                "A model is behind an endpoint or on a driver.",
                fix='Databricks(endpoint_name="dolly") or Databricks(cluster_driver_port=7777)',
            )
        if self.cluster_driver_port is None:
            if self.cluster_id is not None:
                raise InputError("A cluster without the port of its application.", fix="give cluster_driver_port")
            return self
        driver.port_of(self.cluster_driver_port)
        if self._cluster is None:
            raise InputError(
                "Which cluster? This program runs on none.", fix='cluster_id="1121-154700-abcd1234", as in its address'
            )
        return self

    def __call__(self, prompt: LanguageModelInput, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The same as ``invoke``, as LangChain's models were once called."""
        return self.invoke(prompt, stop=stop, **kwargs)

    @property
    def _llm_type(self) -> str:
        return "databricks"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint_name,
            "cluster": self.cluster_id,
            "port": self.cluster_driver_port,
            "payload": self.payload,
            "transformed": (_named(self.transform_input_fn), _named(self.transform_output_fn)),
            **self._defaults(None, {}),
        }

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 (LangChain's signature)
        **kwargs: Any,
    ) -> str:
        asked, body = self._asked(prompt, stop, kwargs)
        return self._text(self._behind.post(body), asked)

    async def _acall(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 (LangChain's signature)
        **kwargs: Any,
    ) -> str:
        # The first call may ask the workspace where and what the model is.
        asked, body = await asyncio.to_thread(self._asked, prompt, stop, kwargs)
        return self._text(await self._behind.apost(body), asked)

    @property
    def _cluster(self) -> str | None:
        return driver.cluster_of(self.cluster_id) if self.cluster_id else driver.own_cluster()

    @property
    def _port(self) -> int | None:
        return None if self.cluster_driver_port is None else driver.port_of(self.cluster_driver_port)

    @cached_property
    def _calls(self) -> Calls:
        beside = self._port is not None and self._cluster == driver.HERE
        return self._opened(driver.next_door(self._port or 0) if beside else None)

    @cached_property
    def _behind(self) -> Endpoint | driver.Application:
        """Who is called."""
        if self.endpoint_name:
            return Endpoint(self._calls, self.endpoint_name)
        path = (
            "/"
            if self._cluster == driver.HERE
            else driver.proxied(self._calls.access, str(self._cluster), self._port or 0)
        )
        return driver.Application(self._calls, path)

    @cached_property
    def _task(self) -> str:
        if self._port is not None:
            return "driver"
        return self.task or task_of(self._calls, str(self.endpoint_name))

    @property
    def _where(self) -> str:
        if self.endpoint_name:
            return f"databricks:{self.endpoint_name}"
        return f"databricks-driver:{self._cluster}/{self._port}"

    def _defaults(self, stop: list[str] | None, options: Mapping[str, Any]) -> dict[str, Any]:
        ends = self.stop if stop is None else stop
        told = {"stop": ends or None, "temperature": self.temperature, "max_tokens": self.max_tokens}
        return {**{name: value for name, value in told.items() if value is not None}, **self.model_kwargs, **options}

    def _asked(self, prompt: str, stop: list[str] | None, options: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """What is asked, before and after it is put into the form that is sent."""
        asked: Any = {"prompt": prompt, **self._defaults(stop, options)}
        ends = {"stop": asked.get("stop")}
        if self.transform_input_fn is not None:
            asked = self.transform_input_fn(**asked)
        if self._task == "driver":
            return ends, asked
        if self._task == "custom":
            return ends, payload.packed(asked, payload.checked_form(self.payload)) if isinstance(
                asked, Mapping
            ) else asked
        if self._task == "llm/v1/chat" and isinstance(asked, Mapping) and "prompt" in asked:
            asked = {"messages": [{"role": "user", "content": asked["prompt"]}], **asked}
            del asked["prompt"]
        return ends, asked

    def _text(self, reply: Any, asked: Mapping[str, Any]) -> str:
        found = payload.predicted(reply, self._where) if self._task == "custom" else reply
        if self.transform_output_fn is not None:
            text = self.transform_output_fn(found)
            if not isinstance(text, str):
                raise InputError(f"transform_output_fn gave {type(text).__name__}, not a text.", where=self._where)
        elif self._task in ("custom", "driver"):
            text = payload.as_text(found, self._where)
        else:
            text = payload.completions(found, self._where)[0]
        return payload.before(text, asked.get("stop") or ())


def _named(function: Callable[..., Any] | None) -> str | None:
    """What tells a function from another, for caches: its name and what it does."""
    if function is None:
        return None
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        source = repr(getattr(function, "__code__", function))
    return f"{getattr(function, '__qualname__', function)}:{source}"
