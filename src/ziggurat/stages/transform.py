"""`Transform`: a function as a stage, and `SimpleChain`, the same in the words of the lab.

Knows nothing of models. The function is called in a worker thread if it is synchronous.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.run.calling import perform
from ziggurat.chain.stage import Param
from ziggurat.errors import InputError
from ziggurat.stages.base import StageRunnable


class Transform(StageRunnable[Any]):
    """A function as a stage that can be traced, streamed and used alone.

    Args:
        function: A plain, async or generator function; its parameters are the stage's inputs.
        name: What to call it in traces.
    """

    def __init__(self, function: Callable[..., Any], *, name: str | None = None) -> None:
        self._stage = as_stage(function)
        self.name = name or self._stage.label

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The function's parameters."""
        return self._stage.params

    @property
    def stage_output(self) -> Any:
        """The type the function declares to return."""
        return self._stage.returns

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Any:
        return await perform(self._stage.call, inputs, config, None)


class SimpleChain(Transform):
    """One function from named inputs to named outputs.

    Args:
        input_variables: The names the function's parameters have.
        output_variables: What its results are called. With one, the chain's output is the value
            itself; with several, the function returns that many and the output is a mapping.
        transform: The function.

    Raises:
        InputError: If the function cannot take the inputs, or no output is named.
    """

    def __init__(
        self, *, input_variables: Sequence[str], output_variables: Sequence[str], transform: Callable[..., Any]
    ) -> None:
        super().__init__(transform)
        takes = {param.name: param for param in self._stage.params}
        unknown = [] if self._stage.open_ended else [name for name in input_variables if name not in takes]
        missing = [name for name, param in takes.items() if param.required and name not in input_variables]
        if unknown or missing:
            raise InputError(
                f"The function {self.name!r} takes {', '.join(takes) or 'nothing'}, "
                f"not {', '.join(input_variables) or 'nothing'}.",
                fix="name input_variables like the function's parameters",
            )
        if not output_variables:
            raise InputError("A SimpleChain needs at least one output variable.", fix='output_variables=["result"]')
        self.input_variables = list(input_variables)
        self.output_variables = list(output_variables)

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The input variables, typed as the function declares them."""
        declared = {param.name: param for param in self._stage.params}
        return tuple(declared.get(name, Param(name)) for name in self.input_variables)

    @property
    def stage_output(self) -> Any:
        """The function's return type, or a mapping where several outputs are named."""
        return self._stage.returns if len(self.output_variables) == 1 else dict

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Any:
        output = await super()._output(inputs, config)
        if len(self.output_variables) == 1:
            return output
        if isinstance(output, Mapping):
            missing = [name for name in self.output_variables if name not in output]
            if not missing:
                return {name: output[name] for name in self.output_variables}
        elif isinstance(output, Sequence) and not isinstance(output, str) and len(output) == len(self.output_variables):
            return dict(zip(self.output_variables, output, strict=True))
        raise InputError(
            f"The function {self.name!r} returned {type(output).__name__}, "
            f"which does not hold {', '.join(self.output_variables)}.",
            fix="return a mapping with these keys, or as many values",
        )
