"""`MultiChain`: named stages run as one chain; itself a LangChain Runnable and a stage.

The facade: it takes what people write, has it wired and compiled once, and starts runs. Nothing is
decided here about order (`plan`), calling (`runner`) or checking (`wiring`).
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.events import Event
from ziggurat.chain.explain import Explanation, explain
from ziggurat.chain.program import Program
from ziggurat.chain.replay import Replay, Why, compare, why
from ziggurat.chain.run.callbacks import Surroundings
from ziggurat.chain.run.calling import in_thread
from ziggurat.chain.run.portal import iterate_sync, run_sync
from ziggurat.chain.run.session import Session, recorded
from ziggurat.chain.run.streaming import read
from ziggurat.chain.settings import Settings
from ziggurat.chain.stage import Call, CallKind, Param, Stage
from ziggurat.chain.surface import Inputs, RunnableChain
from ziggurat.chain.wiring import RunInput, Wiring, wire
from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean

if TYPE_CHECKING:
    from ziggurat.batch import BatchResult
    from ziggurat.chain.journal import Journal


class MultiChain(RunnableChain):
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
        self._settings = Settings()

    @classmethod
    def from_yaml(
        cls, source: str | Path, *, stages: Mapping[str, Any] | None = None, folder: str | Path | None = None
    ) -> MultiChain:
        """The chain that a chain file describes. Nothing in the file is executed.

        Args:
            source: A path, or the text itself.
            stages: Functions and Runnables that the file may use by name, beside the registered stages.
            folder: What paths in a text are relative to.

        Raises:
            SpecError: With everything that is wrong, each with its line.
        """
        from ziggurat.chain.spec import load_chain

        return load_chain(source, stages=stages, folder=folder)

    def to_yaml(self, *, stages: Mapping[str, Any] | None = None, folder: str | Path | None = None) -> str:
        """The chain as a chain file, from which `from_yaml` makes the same chain.

        Args:
            stages: Functions and Runnables by the names the file is to use for them.
            folder: What paths are written relative to.

        Raises:
            SpecError: If a stage has no written form; it says which and why.
        """
        from ziggurat.chain.spec import dump_chain

        return dump_chain(self, stages=stages, folder=folder)

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

    @property
    def program(self) -> Program:
        """The chain, compiled."""
        return self._program

    @property
    def stage_call(self) -> Call:
        """How a chain that is a stage of another is called: run inside that run."""
        return Call(CallKind.CHAIN, self)

    @property
    def settings(self) -> Settings:
        """What its runs are run with."""
        return self._settings

    def using(self, **settings: Any) -> MultiChain:
        """The same chain, its runs run with a journal, a cache, a budget, observers.

        A chain that is a stage of another runs in that one's run, with that one's settings.

        Args:
            settings: The attributes of `Settings`. ``journal`` and ``cache`` may be paths, ``cache`` True for
                one in memory, ``budget`` a mapping.

        Raises:
            InputError: If a setting is unknown or not what it should be.
        """
        known = [one.name for one in fields(Settings)]
        unknown = [name for name in settings if name not in known]
        if unknown:
            raise InputError(
                f"{unknown[0]!r} is no setting{did_you_mean(unknown[0], known)}.", fix=f"one of {', '.join(known)}"
            )
        other = copy.copy(self)
        other._settings = self._settings.but(settings)  # noqa: SLF001 (a copy of itself)
        return other

    # -- running ---------------------------------------------------------------------------------

    def run(self, inputs: Inputs | None = None, /, **more: Any) -> dict[str, Any]:
        """Run the chain; returns the outputs by stage.

        Args:
            inputs: Values by input name (``{"question": ...}``), or by stage
                (``{"qa": {"question": ...}}``), or both.
            more: Further values by input name.

        Raises:
            InputError: If an input is missing or unknown; nothing was started.
            ChainError: If a stage failed, after everything that could still run has run. A budget that is
                used up fails the stages that it has no room for.
            JournalError: If the journal cannot be written.
        """
        return run_sync(self.arun(inputs, **more))

    async def arun(self, inputs: Inputs | None = None, /, **more: Any) -> dict[str, Any]:
        """`run`, without blocking."""
        return await Session(self, {**(inputs or {}), **more}, self._settings).execute()

    def events(self, inputs: Inputs | None = None, /, **more: Any) -> Generator[Event, None, None]:
        """Run the chain and yield what happens, ending with `RunFinished`; see `aevents`."""
        return iterate_sync(self.aevents(inputs, **more))

    async def aevents(self, inputs: Inputs | None = None, /, **more: Any) -> AsyncIterator[Event]:
        """Run the chain and yield what happens, as it happens.

        A failed stage is an event here, not an exception. A slow reader slows the run. Leaving the loop
        early cancels the run.

        Raises:
            InputError: If an input is missing or unknown; nothing was started.
        """
        async with aclosing(read(self._session({**(inputs or {}), **more}))) as events:
            async for event in events:
                yield event

    def resume(self, run: str) -> dict[str, Any]:
        """Go on with a run that was killed, failed, or stopped at its budget; see `aresume`."""
        return run_sync(self.aresume(run))

    async def aresume(self, run: str) -> dict[str, Any]:
        """Go on with a run of the journal: what finished is kept, the rest runs.

        A finished stage is kept if it is what it was and is given what it was given then.

        Args:
            run: Its id, or an unambiguous beginning of it.

        Returns:
            The outputs by stage, as a run that was never interrupted gives them.

        Raises:
            RunNotFound: If the journal has no such run.
            RunInProgress: If it is being run.
            EffectUncertain: If a stage was acting on the world when the run was killed, unless
                ``on_effect`` of `using` decides.
            ChainError: If a stage failed.
        """
        return await (await self._resumed(run))().execute()

    async def aresume_events(self, run: str) -> AsyncIterator[Event]:
        """`aresume`, yielding what happens."""
        async with aclosing(read(await self._resumed(run))) as events:
            async for event in events:
                yield event

    def resume_events(self, run: str) -> Generator[Event, None, None]:
        """`resume`, yielding what happens."""
        return iterate_sync(self.aresume_events(run))

    def replay(self, run: str, *, swap: Mapping[str, Any] | None = None) -> Replay:
        """Run a recorded run again with some stages changed; see `areplay`."""
        return run_sync(self.areplay(run, swap=swap))

    async def areplay(self, run: str, *, swap: Mapping[str, Any] | None = None) -> Replay:
        """Run a recorded run again with some stages changed, as a run of its own.

        What is not changed, nor fed by what is, is taken from the recorded run. A replay never acts
        on the world: such stages give what they gave.

        Args:
            run: The recorded run's id, or an unambiguous beginning of it.
            swap: Stages to put in the place of others, by name. A swapped stage keeps what it is given, as
                far as its inputs have the same names.

        Returns:
            The outputs, and what differs in output, tokens, cost and time.

        Raises:
            RunNotFound: If the journal has no such run.
            InputError: If there is no journal, or no such stage.
            WiringError: If the chain cannot run with the swapped stage.
            ChainError: If a stage failed.
        """
        journal = self._journal("replay")
        chain = self._swapped(swap or {})
        record, inputs = await recorded(journal, run)
        session = Session(chain, inputs, replace(self._settings, run_id=None), earlier=record, replay=True)
        outputs = await session.execute()
        return await in_thread(lambda: compare(journal, record.id, session.run_id, outputs, self._settings.prices))

    def map_table(self, table: Any, out: str | Path | None = None, **options: Any) -> BatchResult:
        """Run the chain over every row of a table, here or on Spark; `ziggurat.batch.map_table` says how.

        Args:
            table: A path to Parquet, CSV, JSON lines, Arrow or Delta; an Arrow table, a data frame, or mappings.
            out: The output; None for one in memory.
            options: Of `ziggurat.batch.map_table`: ``keys``, ``outputs``, ``concurrency``, ``budget``, ``spark``, …

        Raises:
            TableError: If the table does not fit the chain; nothing was begun.
            MissingDependency: If what reads tables is not installed.
            BatchError: As `ziggurat.batch.map_table` says.
        """
        from ziggurat.batch import map_table

        return map_table(self, table, out, **options)

    def explain(self, inputs: Inputs | None = None, /, **more: Any) -> Explanation:
        """What a run would do, without running anything: stages, cache hits, bounds on calls, tokens, cost.

        Args:
            inputs: As for `run`; those that are missing are only noted.
            more: Further values by input name.
        """
        return explain(self, {**(inputs or {}), **more}, self._settings)

    def why(self, run: str, stage: str) -> Why:
        """Why a stage of a recorded run ran, or did not: what differs from the nearest earlier run of the chain.

        Raises:
            RunNotFound: If the journal has no such run, or the run no such stage.
            InputError: If there is no journal.
        """
        return why(self._journal("why"), run, stage)

    # -- inside ----------------------------------------------------------------------------------

    def _session(self, inputs: Inputs, surroundings: Surroundings | None = None) -> Callable[..., Session]:
        return partial(Session, self, inputs, self._settings, surroundings=surroundings)

    async def _resumed(self, run: str) -> Callable[..., Session]:
        record, inputs = await recorded(self._journal("resume"), run)
        return partial(Session, self, inputs, self._settings, earlier=record)

    def _journal(self, purpose: str) -> Journal:
        if self._settings.journal is None:
            raise InputError(
                f"Without a journal there is nothing to {purpose}.", fix='chain.using(journal="runs.sqlite3")'
            )
        return self._settings.journal

    def _swapped(self, swap: Mapping[str, Any]) -> MultiChain:
        """This chain with some stages in the place of others."""
        stages = self.stages
        for name, thing in swap.items():
            if name not in stages:
                raise InputError(f"There is no stage {name!r} to swap{did_you_mean(name, stages)}.")
            other = as_stage(thing)
            takes = {param.name for param in other.params}
            stages[name] = other.with_given(
                {param: one for param, one in stages[name].given.items() if param in takes and param not in other.given}
            )
        chain = copy.copy(self)
        chain.wiring = wire(stages.items(), outputs=[self.wiring.names[one] for one in self.wiring.outputs])
        chain._program = Program(chain.wiring)  # noqa: SLF001 (a copy of itself)
        return chain


def _named(chains: Iterable[Any]) -> Iterator[tuple[str, Stage]]:
    for position, one in enumerate(chains):
        if not isinstance(one, Mapping) or not {"name", "chain"} <= set(one):
            raise InputError(
                f"Item {position} of chains is not a named chain: {one!r}.",
                fix='write {"name": "qa", "chain": qa_chain}',
            )
        stage = as_stage(one["chain"])
        yield str(one["name"]), stage.with_given(cast("Mapping[str, Any]", one.get("given", {})))
