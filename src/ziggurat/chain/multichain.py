"""`MultiChain`: named stages run as one chain; itself a LangChain Runnable and a stage.

The facade: it takes what people write, has it wired and compiled once, and starts runs. Nothing is
decided here about order (`plan`), calling (`runner`) or checking (`wiring`).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.utils import AddableDict

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.events import Event, StageFinished, Token
from ziggurat.chain.portal import iterate_sync, run_sync
from ziggurat.chain.program import MISSING, Program
from ziggurat.chain.runner import Reader, Run, Surroundings
from ziggurat.chain.stage import Param, Stage
from ziggurat.chain.wiring import RunInput, Wiring, wire
from ziggurat.errors import ChainError, InputError
from ziggurat.suggest import did_you_mean

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForChainRun

Inputs = Mapping[str, Any]
_EVENTS_AHEAD = 256
"""How far a run may be ahead of a reader of its events before it waits."""


class MultiChain(Runnable[Inputs, dict[str, Any]]):
    """Named stages, wired by their inputs' names and run as one.

    A stage starts the moment its own inputs are there. A parameter named like another stage is fed
    by that stage, any other by the run's input of that name; `given` says otherwise.

    Args:
        chains: Stages as ``{"name": ..., "chain": ...}``, in order.
        inputs: The run's inputs, declared; None to find them from the stages' parameters.
        outputs: The stages whose outputs a run returns; None for all.
        name: What to call the chain in traces and drawings.
        stages: Stages by name, as keyword arguments; they follow those of ``chains``.

    Raises:
        WiringError: If the chain could never run, with everything that is wrong.
        InputError: If something given as a stage cannot be one.

    Example:
        >>> from ziggurat import MultiChain
        >>> chain = MultiChain(double=lambda number: number * 2, text=lambda double: f"twice: {double}")
        >>> chain.run(number=21)["text"]
        'twice: 42'
    """

    def __init__(
        self,
        chains: Iterable[Mapping[str, Any]] = (),
        *,
        inputs: Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
        name: str | None = None,
        **stages: Any,
    ) -> None:
        self.name = name or "MultiChain"
        pairs = [*_named(chains), *((key, as_stage(thing)) for key, thing in stages.items())]
        self.wiring: Wiring = wire(pairs, inputs=inputs, outputs=outputs)
        self._program = Program(self.wiring)

    # -- what it is ------------------------------------------------------------------------------

    @property
    def stages(self) -> dict[str, Stage]:
        """The stages by name, in declared order."""
        return dict(zip(self.wiring.names, self.wiring.stages, strict=True))

    @property
    def run_inputs(self) -> Mapping[str, RunInput]:
        """What a run is given, by name."""
        return self.wiring.inputs

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The run's inputs as parameters, so that a chain is itself a stage."""
        return tuple(Param(one.name, one.type, one.required) for one in self.wiring.inputs.values())

    @property
    def stage_output(self) -> Any:
        """A chain's output: a mapping of its stages' outputs."""
        return dict

    def mermaid(self) -> str:
        """The chain as a Mermaid flowchart."""
        from ziggurat.chain.draw import mermaid

        return mermaid(self.wiring)

    # -- running ---------------------------------------------------------------------------------

    def run(self, inputs: Inputs | None = None, /, **more: Any) -> dict[str, Any]:
        """Run the chain; returns the outputs by stage.

        Args:
            inputs: Values by input name (``{"question": ...}``), or by stage
                (``{"qa": {"question": ...}}``), or both.
            more: Further values by input name.

        Raises:
            InputError: If an input is missing or unknown; nothing was started.
            ChainError: If a stage failed, after everything that could still run has run.
        """
        return run_sync(self.arun(inputs, **more))

    async def arun(self, inputs: Inputs | None = None, /, **more: Any) -> dict[str, Any]:
        """`run`, without blocking."""
        return await self._start({**(inputs or {}), **more}).execute()

    def events(self, inputs: Inputs | None = None, /, **more: Any) -> Iterator[Event]:
        """Run the chain and yield what happens, ending with `RunFinished`; see `aevents`."""
        return iterate_sync(self.aevents(inputs, **more))

    async def aevents(self, inputs: Inputs | None = None, /, **more: Any) -> AsyncIterator[Event]:
        """Run the chain and yield what happens, as it happens.

        A failed stage is an event here, not an exception. Leaving the loop early cancels the run.

        Raises:
            InputError: If an input is missing or unknown; nothing was started.
        """
        async for event in self._read({**(inputs or {}), **more}, None):
            yield event

    # -- as a LangChain Runnable -----------------------------------------------------------------

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

    def stream(self, input: Inputs, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[dict[str, Any]]:  # noqa: A002 (LangChain's name)
        """Pieces of outputs by stage, as they are made; their sum is what `invoke` returns."""
        return iterate_sync(self.astream(input, config, **kwargs))

    async def astream(
        self,
        input: Inputs,  # noqa: A002 (LangChain's name)
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[dict[str, Any]]:
        """`stream`, without blocking.

        Raises:
            ChainError: If a stage failed, after the pieces of everything that did not.
        """

        async def once() -> AsyncIterator[Inputs]:
            yield {**_mapping(input), **kwargs}

        async for piece in self._atransform_stream_with_config(once(), self._pieces, config):
            yield piece

    async def _traced(
        self, inputs: Inputs, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
    ) -> dict[str, Any]:
        return await self._start(inputs, surroundings=Surroundings(config, run_manager)).execute()

    async def _pieces(
        self,
        inputs: AsyncIterator[Inputs],
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
    ) -> AsyncIterator[dict[str, Any]]:
        returned = {self.wiring.names[position] for position in self.wiring.outputs}
        async for given in inputs:
            async for event in self._read(given, Surroundings(config, run_manager), raise_at_end=True):
                match event:
                    case Token() if event.stage in returned:
                        yield AddableDict({event.stage: event.chunk})
                    case StageFinished(streamed=False) if event.stage in returned:
                        yield AddableDict({event.stage: event.output})

    # -- inside ----------------------------------------------------------------------------------

    def _start(self, inputs: Inputs, *, reader: Reader | None = None, surroundings: Surroundings | None = None) -> Run:
        slots, overrides = self._slots(inputs)
        return Run(
            self._program,
            slots,
            overrides,
            run_id=uuid.uuid4().hex[:12],
            reader=reader,
            surroundings=surroundings,
        )

    async def _read(
        self, inputs: Inputs, surroundings: Surroundings | None, *, raise_at_end: bool = False
    ) -> AsyncIterator[Event]:
        queue: asyncio.Queue[Event | None] = asyncio.Queue(_EVENTS_AHEAD)
        run = self._start(inputs, reader=queue.put, surroundings=surroundings)

        async def drive() -> None:
            try:
                await run.execute()
            finally:
                await queue.put(None)

        task = asyncio.create_task(drive())
        try:
            while (event := await queue.get()) is not None:
                yield event
            try:
                await task
            except ChainError:
                if raise_at_end:
                    raise
        finally:
            task.cancel()
            while not task.done():
                while not queue.empty():
                    queue.get_nowait()
                await asyncio.wait([task], timeout=0.01)

    def _slots(self, inputs: Inputs) -> tuple[list[Any], dict[int, dict[str, Any]]]:
        """A run's slots and the inputs given to single stages; refuses what is missing or unknown."""
        program, wiring = self._program, self.wiring
        slots: list[Any] = [MISSING] * program.slots
        overrides: dict[int, dict[str, Any]] = {}
        findings: list[str] = []
        for name, given in inputs.items():
            if name in program.slot_of and not self._is_nested(name, given):
                slots[program.slot_of[name]] = given
            elif name in wiring.names:
                findings += self._nest(name, given, overrides)
            else:
                findings.append(
                    f"{name!r} is no input of this chain" + did_you_mean(name, [*program.slot_of, *wiring.names])
                )
        for name, one in wiring.inputs.items():
            if one.required and slots[program.slot_of[name]] is MISSING:
                without = [
                    reader
                    for reader in one.readers
                    if not self._given_otherwise(wiring.position(reader), name, overrides)
                ]
                if without:
                    findings.append(f"the input {name!r} is missing; it is read by {', '.join(map(repr, without))}")
        if findings:
            wanted = ", ".join(program.slot_of) or "no inputs"
            raise InputError(
                "This run cannot start: " + "; ".join(findings) + ".", where=self.name, fix=f"give it {wanted}"
            )
        return slots, overrides

    def _is_nested(self, name: str, given: Any) -> bool:
        """Whether a value under a name that is both an input and a stage holds that stage's inputs."""
        if name not in self.wiring.names or not isinstance(given, Mapping):
            return False
        return set(given) <= {feed.param for feed in self.wiring.feeds[self.wiring.position(name)]}

    def _nest(self, name: str, given: Any, overrides: dict[int, dict[str, Any]]) -> list[str]:
        position = self.wiring.position(name)
        if not isinstance(given, Mapping):
            return [f"{name!r} is a stage: give a mapping of its inputs, not {type(given).__name__}"]
        feeds = {feed.param: feed for feed in self.wiring.feeds[position]}
        stage = self.wiring.stages[position]
        findings = []
        for param in given:
            if param in stage.given or (param in self.wiring.names and param in feeds and param != name):
                findings.append(f"{param!r} of stage {name!r} is fed inside the chain and cannot be given")
            elif param not in feeds and not stage.open_ended:
                findings.append(f"stage {name!r} takes no {param!r}" + did_you_mean(str(param), feeds))
        overrides[position] = dict(given)
        return findings

    def _given_otherwise(self, position: int, name: str, overrides: dict[int, dict[str, Any]]) -> bool:
        """Whether a stage that reads a run input by its own name was given it directly."""
        reads_it = any(feed.param == name and feed.required for feed in self.wiring.feeds[position])
        return reads_it and name not in self.wiring.stages[position].given and name in overrides.get(position, {})


def _named(chains: Iterable[Any]) -> Iterator[tuple[str, Stage]]:
    for position, one in enumerate(chains):
        if not isinstance(one, Mapping) or not {"name", "chain"} <= set(one):
            raise InputError(
                f"Item {position} of chains is not a named chain: {one!r}.",
                fix='write {"name": "qa", "chain": qa_chain}',
            )
        stage = as_stage(one["chain"])
        yield str(one["name"]), stage.with_given(cast("Mapping[str, Any]", one.get("given", {})))


def _mapping(given: object) -> Inputs:
    if isinstance(given, Mapping):
        return given
    raise InputError(
        f"A chain is invoked with a mapping of inputs by name, not with {type(given).__name__}.",
        fix='for example chain.invoke({"question": "..."})',
    )
