"""Showing the stages of a run in the LangChain trace that it runs in.

A stage that is a Runnable gets a child configuration and traces itself; a function, a map or a chain
inside a chain is traced here, and finds the same configuration in LangChain's own context variable, so that
models called inside it are shown under it. Without a caller's configuration, nothing here is used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForChainRun
    from langchain_core.runnables import RunnableConfig


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The LangChain trace that stages run in.

    Attributes:
        config: The LangChain configuration the run was called with.
        manager: The callback manager of the chain's own trace.
    """

    config: RunnableConfig | None = None
    manager: AsyncCallbackManagerForChainRun | None = None


def stage_config(around: Surroundings, name: str) -> RunnableConfig:
    """The configuration a Runnable stage runs with: the run's, as a child called ``name``."""
    from langchain_core.runnables.config import patch_config

    callbacks = around.manager.get_child(f"stage:{name}") if around.manager else None
    return patch_config(around.config, callbacks=callbacks, run_name=name)


def is_traced(around: Surroundings) -> bool:
    """Whether anybody is told of the stages inside."""
    return around.manager is not None and bool(around.manager.inheritable_handlers)


async def traced(
    around: Surroundings, name: str, inputs: Mapping[str, Any], work: Callable[[Surroundings], Awaitable[Any]]
) -> Any:
    """Do a stage's work as a chain of its own in the trace."""
    from langchain_core.runnables.config import patch_config

    if around.manager is None or not is_traced(around):
        return await work(around)
    manager = around.manager.get_child(f"stage:{name}")
    own = await manager.on_chain_start(None, dict(inputs), name=name)
    config = patch_config(around.config, callbacks=own.get_child())
    try:
        with in_config(config):  # for what is called inside with no configuration of its own
            output = await work(Surroundings(config, own))
    except BaseException as error:
        await own.on_chain_error(error)
        raise
    await own.on_chain_end(output)
    return output


@contextmanager
def in_config(config: RunnableConfig | None) -> Iterator[None]:
    """Make ``config`` what LangChain finds when something inside is called without one."""
    if config is None:
        yield
        return
    from langchain_core.runnables.config import var_child_runnable_config

    token = var_child_runnable_config.set(config)
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)
