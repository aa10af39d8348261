"""What every stage of ours has in common: it is a Runnable with inputs by name.

Alone it is invoked with a mapping of its inputs, or with the one value it needs; in a
`MultiChain` it is wired by the same names. A stage class says what its inputs are and how to make its output;
tracing, streaming and the synchronous forms are here once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Generic, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForChainRun
from langchain_core.runnables import Runnable, RunnableConfig

from ziggurat.chain.run.portal import iterate_sync, run_sync
from ziggurat.chain.stage import Param
from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean

Out = TypeVar("Out")


class StageRunnable(Runnable[Any, Out], Generic[Out]):
    """A stage that is also a LangChain Runnable."""

    @property
    @abstractmethod
    def stage_inputs(self) -> tuple[Param, ...]:
        """The stage's inputs by name."""

    @property
    @abstractmethod
    def stage_output(self) -> Any:
        """The type of the stage's output."""

    @abstractmethod
    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Out:
        """Make the output."""

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """Everything that decides the output beside the inputs, in plain named values.

        The same in every process. None where the stage cannot be told from another of its kind.
        """
        return None

    async def _pieces(self, inputs: Mapping[str, Any], config: RunnableConfig) -> AsyncIterator[Out]:
        """Make the output piece by piece; the pieces add up to it. One piece, unless a stage can do better."""
        yield await self._output(inputs, config)

    def _identity(self, **parts: Any) -> Mapping[str, Any] | None:
        """The class and its parts; None if a part that is there cannot be told."""
        kind = type(self)
        if any(part is None for part in parts.values()):
            return None
        return {"class": f"{kind.__module__}.{kind.__qualname__}", **parts}

    def run(self, value: Any = None, /, **inputs: Any) -> Out:
        """Run the stage with its one input, or with inputs by name; returns its output.

        Raises:
            InputError: If an input is missing or unknown.
        """
        return self.invoke(inputs if value is None else value)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Out:  # noqa: A002 (LangChain's name)
        """Run the stage; ``input`` is a mapping of its inputs or its one required value."""
        return run_sync(self.ainvoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Out:  # noqa: A002 (LangChain's name)
        """`invoke`, without blocking."""

        async def work(
            given: Any,
            run_manager: AsyncCallbackManagerForChainRun,  # noqa: ARG001 (LangChain passes it by name)
            config: RunnableConfig,
        ) -> Out:
            return await self._output(given, config)

        return await self._acall_with_config(work, self._inputs(input, kwargs), config)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Out]:  # noqa: A002 (LangChain's name)
        """Pieces of the output as they are made; they add up to what `invoke` returns."""
        return iterate_sync(self.astream(input, config, **kwargs))

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Out]:  # noqa: A002 (LangChain's name)
        """`stream`, without blocking."""

        async def once() -> AsyncIterator[Mapping[str, Any]]:
            yield self._inputs(input, kwargs)

        async def work(
            given: AsyncIterator[Any],
            run_manager: AsyncCallbackManagerForChainRun,  # noqa: ARG001 (LangChain passes it by name)
            config: RunnableConfig,
        ) -> AsyncIterator[Out]:
            async for inputs in given:
                async for piece in self._pieces(inputs, config):
                    yield piece

        async for piece in self._atransform_stream_with_config(once(), work, config):
            yield piece

    def _inputs(self, given: Any, more: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs by name, checked; a lone value goes to the one input that is required."""
        params = {param.name: param for param in self.stage_inputs}
        required = [name for name, param in params.items() if param.required]
        if isinstance(given, Mapping):
            inputs = {**given, **more}
        elif len(required) == 1:
            inputs = {required[0]: given, **more}
        else:
            raise InputError(
                f"{self.get_name()} takes {', '.join(required)}; one value is not enough.",
                fix="give a mapping of inputs by name",
            )
        for name in inputs:
            if name not in params:
                raise InputError(f"{self.get_name()} takes no {name!r}{did_you_mean(str(name), params)}.")
        missing = [name for name in required if name not in inputs]
        if missing:
            raise InputError(f"{self.get_name()} needs {', '.join(missing)}.", fix="give it by name")
        return inputs
