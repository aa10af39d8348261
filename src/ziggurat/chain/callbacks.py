"""Carrying LangChain's callbacks and configuration into the stages of a run.

A stage that is a Runnable gets a child configuration, so that a trace shows it under the run; a stage that is a
function finds the same configuration in LangChain's own context variable, so that models called
inside it are traced and counted too. With no reader and no caller's configuration, nothing here
is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ziggurat.chain.usage import UsageMeter

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForChainRun
    from langchain_core.runnables import RunnableConfig


def stage_config(
    parent: RunnableConfig | None,
    manager: AsyncCallbackManagerForChainRun | None,
    stage: str,
    meter: UsageMeter | None,
) -> RunnableConfig:
    """The configuration one stage runs with.

    Args:
        parent: The run's configuration (tags, metadata, limits), if it was given one.
        manager: The run's callback manager, if it is traced.
        stage: The stage's name, shown in traces.
        meter: Counts what the stage's models use, if anybody reads it.
    """
    from langchain_core.runnables.config import merge_configs, patch_config

    config = patch_config(parent, callbacks=manager.get_child(f"stage:{stage}") if manager else None)
    return merge_configs(config, {"run_name": stage, "callbacks": [meter.handler] if meter else None})


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
