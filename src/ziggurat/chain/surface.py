"""A chain as LangChain people use one: invoked, batched and streamed under a configuration.

What every chain has because it is a `Runnable`; how a run is started is the chain's own business
(`_session`). All forms begin in the asynchronous ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, get_async_callback_manager_for_config

from ziggurat.chain.events import Event, RunFinished
from ziggurat.chain.run.callbacks import Surroundings
from ziggurat.chain.run.portal import iterate_sync, run_sync
from ziggurat.chain.run.session import Session
from ziggurat.chain.run.streaming import StreamMode, check_modes, pieces, read
from ziggurat.chain.wiring import Wiring
from ziggurat.errors import InputError

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForChainRun

Inputs = Mapping[str, Any]


class RunnableChain(Runnable[Inputs, dict[str, Any]]):
    """What a chain does because it is a LangChain Runnable."""

    wiring: Wiring

    @abstractmethod
    def _session(self, inputs: Inputs, surroundings: Surroundings | None = None) -> Callable[..., Session]:
        """What makes the session of a run, given its reader."""

    def invoke(self, input: Inputs, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002 (LangChain's name)
        """Run the chain under a LangChain configuration; returns the outputs by stage."""
        return run_sync(self.ainvoke(input, config, **kwargs))

    async def ainvoke(self, input: Inputs, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002 (LangChain's name)
        """`invoke`, without blocking."""
        return await self._acall_with_config(self._traced, {**_mapping(input), **kwargs}, config)

    def batch(
        self,
        inputs: list[Inputs],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[dict[str, Any]]:
        """Run the chain over many inputs at once, in order; ``max_concurrency`` of the config bounds it."""
        return run_sync(self.abatch(inputs, config, return_exceptions=return_exceptions, **kwargs))

    def stream(
        self,
        input: Inputs,  # noqa: A002 (LangChain's name)
        config: RunnableConfig | None = None,
        *,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Pieces of outputs by stage, as they are made; their sum is what `invoke` returns. See `astream`."""
        return iterate_sync(self.astream(input, config, stream_mode=stream_mode, **kwargs))

    async def astream(
        self,
        input: Inputs,  # noqa: A002 (LangChain's name)
        config: RunnableConfig | None = None,
        *,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Stream a run.

        Args:
            input: As for `invoke`.
            config: The LangChain configuration.
            stream_mode: What to yield. None: pieces of outputs by stage, which add up. As LangGraph has
                them: ``updates``, each finished stage's output by stage; ``values``, all outputs so far
                whenever a stage finished; ``messages``, pieces of text, each with where it comes from;
                ``events``, our typed events. Several modes yield pairs of mode and piece.
            kwargs: Further inputs by name.

        Raises:
            ChainError: If a stage failed, after the pieces of everything that did not.
            InputError: If there is no such mode.
        """
        check_modes(stream_mode)

        inputs = {**_mapping(input), **kwargs}

        async def once() -> AsyncIterator[Inputs]:
            yield inputs

        if stream_mode is None:  # LangChain adds the pieces up for whoever traces
            added = self._atransform_stream_with_config(once(), self._pieces, config)
        else:
            added = self._in_modes(inputs, config, stream_mode)
        async with aclosing(cast("AsyncGenerator[Any, None]", added)) as stream:
            async for piece in stream:
                yield piece

    async def _traced(
        self, inputs: Inputs, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
    ) -> dict[str, Any]:
        return await self._session(inputs, Surroundings(config, run_manager))().execute()

    async def _pieces(
        self,
        inputs: AsyncIterator[Inputs],
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
    ) -> AsyncIterator[Any]:
        async for given in inputs:
            session = self._session(given, Surroundings(config, run_manager))
            async with aclosing(read(session, raise_at_end=True)) as events:
                async for piece in pieces(events, self._returned, None):
                    yield piece

    async def _in_modes(
        self, inputs: Inputs, config: RunnableConfig | None, modes: StreamMode | Sequence[StreamMode]
    ) -> AsyncIterator[Any]:
        """Stream pieces that do not add up to the output; the trace gets the output at the end."""
        config = ensure_config(config)
        manager = await get_async_callback_manager_for_config(config).on_chain_start(
            None, inputs, name=config.get("run_name") or self.get_name(), run_id=config.pop("run_id", None)
        )
        outputs: dict[str, Any] = {}

        async def noted(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
            async for event in events:
                if isinstance(event, RunFinished):
                    outputs.update({name: event.outputs[name] for name in self._returned if name in event.outputs})
                yield event

        try:
            session = self._session(inputs, Surroundings(config, manager))
            async with aclosing(read(session, raise_at_end=True)) as events:
                async for piece in pieces(noted(events), self._returned, modes):
                    yield piece
        except BaseException as error:
            await manager.on_chain_error(error)
            raise
        await manager.on_chain_end(outputs)

    @property
    def _returned(self) -> frozenset[str]:
        return frozenset(self.wiring.names[position] for position in self.wiring.outputs)


def _mapping(given: object) -> Inputs:
    if isinstance(given, Mapping):
        return given
    raise InputError(
        f"A chain is invoked with a mapping of inputs by name, not with {type(given).__name__}.",
        fix='for example chain.invoke({"question": "..."})',
    )
