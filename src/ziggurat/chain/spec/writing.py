"""A `MultiChain` becomes a chain file, or one error with everything that no file can hold.

What is written reads back as the same chain: the same wiring, settings and policies. Several
wrappers of one stage are written beside it where that reads back the same, and around it
(``stage:``) where not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.composite import DEFAULT_LIMIT, OUTPUT, Branch, Map, Repeat
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.spec.folder import Folder
from ziggurat.chain.spec.forms import plain, write_binding, write_condition, write_policy
from ziggurat.chain.spec.keys import FORMAT
from ziggurat.chain.spec.layout import lay_out
from ziggurat.chain.spec.registry import Here, name_of
from ziggurat.chain.spec.text import said
from ziggurat.chain.stage import Call, CallKind, Ref, Stage, Value
from ziggurat.errors import InputError, SpecError

_DEFAULT_NAME = "MultiChain"
_DEFAULT_TIMES = 10
_LAYERS = ("until", "each", "when")
"""Wrappers that may stand beside one stage, innermost first."""

_SCALARS = (str, int, float, bool, type(None))
_BARE = Stage(Call(CallKind.SYNC, None), ())


def dump_chain(chain: MultiChain, *, stages: Mapping[str, Any] | None = None, folder: str | Path | None = None) -> str:
    """Write a chain as YAML.

    Args:
        chain: The chain.
        stages: Names for what is not registered: functions, Runnables, stages. `load_chain` needs
            the same.
        folder: Where the file will be; what it names (an index) is written relative to it.

    Raises:
        SpecError: If a stage cannot be written, naming each and why.
    """
    writer = _Writer(dict(stages or {}), Folder.at(None if folder is None else Path(folder)))
    data = {"ziggurat": FORMAT, **writer.chain(chain, ())}
    if writer.findings:
        raise SpecError(
            "This chain cannot be written as a file:\n" + "\n".join(f"  {line}" for line in writer.findings),
            findings=tuple(writer.findings),
        )
    return lay_out(data)


class _Writer:
    def __init__(self, given: Mapping[str, Any], folder: Folder) -> None:
        self._given = {name: as_stage(thing) for name, thing in given.items()}
        self._here = Here(folder)
        self.findings: list[str] = []

    def chain(self, chain: MultiChain, path: tuple[str, ...]) -> dict[str, Any]:
        """What stands in a chain."""
        wiring = chain.wiring
        data: dict[str, Any] = {}
        if chain.name != _DEFAULT_NAME:
            data["name"] = chain.name
        if wiring.inputs:
            data["inputs"] = list(wiring.inputs)
        if wiring.outputs != tuple(range(len(wiring.names))):
            data["outputs"] = [str(wiring.names[position]) for position in wiring.outputs]
        pairs = zip(wiring.names, wiring.stages, strict=True)
        data["stages"] = {str(name): self.stage(stage, (*path, "stages", name)) for name, stage in pairs}
        return data

    def stage(self, stage: Stage, path: tuple[str, ...], *, bare: bool = False) -> dict[str, Any]:
        """What stands in a stage; one that is bare (a fallback) has neither given nor policy of its own."""
        named = next((name for name, one in self._given.items() if _same(one.call, stage.call)), None)
        if named is not None:
            return self._leaf({"uses": named}, stage, self._given[named], path, bare=bare)
        base = as_stage(stage.call.target)
        match stage.call.target:
            case MultiChain() as chain:
                return self._leaf({"uses": "chain", **self.chain(chain, path)}, stage, base, path, bare=bare)
            case Map() as one:
                return self._map(one, stage, path, bare=bare)
            case Repeat() as one:
                return self._repeat(one, stage, path, bare=bare)
            case Branch() as one:
                return self._branch(one, stage, base, path, bare=bare)
            case target:
                return self._leaf(self._registered(target, path), stage, base, path, bare=bare)

    def _registered(self, target: Any, path: tuple[str, ...]) -> dict[str, Any]:
        name = name_of(type(target))
        if name is None:
            label = getattr(target, "__name__", None) or type(target).__name__
            self._add(path, f"{label} is not a registered stage: give it a name in stages=")
            return {"uses": "?"}
        try:
            settings = target.settings().model_dump(mode="json", exclude_defaults=True, context=self._here)
            return {"uses": name, **plain(settings)}
        except InputError as error:
            self._add(path, said(error))
        except PydanticSerializationError as error:
            self._add(path, str(error).removeprefix("Error calling function `<lambda>`: ").partition("\n")[0])
        return {"uses": name}

    # -- what wraps a stage ----------------------------------------------------------------------

    def _leaf(
        self, data: dict[str, Any], stage: Stage, base: Stage, path: tuple[str, ...], *, bare: bool
    ) -> dict[str, Any]:
        if (stage.params, stage.returns, stage.open_ended) != (base.params, base.returns, base.open_ended):
            self._add(path, f"its inputs are not those of {base.label}")
        if base.given.keys() - stage.given.keys():
            self._add(path, f"less is given to it than to {data['uses']!r} in stages=")
        return data if bare else {**data, **self._own(stage, base, path)}

    def _map(self, one: Map, stage: Stage, path: tuple[str, ...], *, bare: bool) -> dict[str, Any]:
        source = stage.given.get(one.each)
        keys: dict[str, Any] = {"each": one.each}
        if source is not None and not bare:
            keys["each"] = {one.each: self._try((*path, "each"), lambda: write_binding(source))}
        if one.limit != DEFAULT_LIMIT:
            keys["at_once"] = one.limit
        if one.on_error != "raise":
            keys["on_error"] = one.on_error
        fed = replace(stage, given={name: given for name, given in stage.given.items() if name != one.each})
        return self._around(one.body.stage, keys, fed, _BARE, path, bare=bare)

    def _repeat(self, one: Repeat, stage: Stage, path: tuple[str, ...], *, bare: bool) -> dict[str, Any]:
        keys: dict[str, Any] = {"until": self._try((*path, "until"), lambda: write_condition(one.until))}
        if one.at_most != _DEFAULT_TIMES:
            keys["at_most"] = one.at_most
        names = [param.name for param in one.body.params]
        if one.is_chain or len(names) != 1 or one.carry != {names[0]: Ref(OUTPUT)}:
            keys["carry"] = {
                name: self._try(path, partial(write_binding, source)) for name, source in one.carry.items()
            }
        return self._around(one.body.stage, keys, stage, _BARE, path, bare=bare)

    def _branch(self, one: Branch, stage: Stage, base: Stage, path: tuple[str, ...], *, bare: bool) -> dict[str, Any]:
        last = {}
        if one.otherwise is not None:
            last = {"otherwise": self.stage(one.otherwise.stage, (*path, "otherwise"))}
        (condition, body), *more = one.arms
        if not more:
            keys = {"when": self._try((*path, "when"), lambda: write_condition(condition)), **last}
            return self._around(body.stage, keys, stage, base, path, bare=bare)
        cases: dict[Any, Any] = {}
        for arm, inside in one.arms:
            constant = arm.constant
            if type(constant) not in _SCALARS or arm.test != "==" or arm.ref != condition.ref:
                self._add((*path, "cases"), f"the case {str(arm)!r} has no written form")
            cases[constant] = self.stage(inside.stage, (*path, "cases", str(constant)))
        data = {"switch": str(condition.ref), "cases": cases, **last}
        return data if bare else {**data, **self._own(stage, base, path)}

    def _around(
        self, inside: Stage, keys: dict[str, Any], stage: Stage, base: Stage, path: tuple[str, ...], *, bare: bool
    ) -> dict[str, Any]:
        """A stage and what wraps it: side by side where that reads back the same, else one in the other."""
        own = {} if bare else self._own(stage, base, path)
        wrapped = self.stage(inside, path)
        layer = max(_LAYERS.index(key) for key in _LAYERS if key in keys)
        if not own and "uses" in wrapped and not any(key in wrapped for key in _LAYERS[layer:]):
            return {**wrapped, **keys}
        return {"stage": wrapped, **keys, **own}

    def _own(self, stage: Stage, base: Stage, path: tuple[str, ...]) -> dict[str, Any]:
        """A stage's own given and policy, as far as the thing it is made of does not have them already."""
        given = {
            name: self._try((*path, "given", name), partial(write_binding, one))
            for name, one in stage.given.items()
            if base.given.get(name) != one
        }
        policy = self._try(path, lambda: write_policy(stage.policy, base.policy)) or {}
        fallback = stage.policy.fallback
        if not _same(fallback, base.policy.fallback):
            policy["fallback"] = self._try((*path, "fallback"), lambda: self._fallback(fallback, (*path, "fallback")))
        return {**({"given": given} if given else {}), **policy}

    def _fallback(self, fallback: Call | Value | None, path: tuple[str, ...]) -> Any:
        match fallback:
            case None:
                return None
            case Value(value=constant):
                written = plain(constant)
                return {"value": written} if written is None or isinstance(written, dict) else written
            case Call(target=target):
                return self.stage(as_stage(target), path, bare=True)

    # -- findings --------------------------------------------------------------------------------

    def _add(self, path: tuple[str, ...], what: str) -> None:
        self.findings.append(f"{'.'.join(path)}: {what}")

    def _try(self, path: tuple[str, ...], write: Callable[[], Any]) -> Any:
        try:
            return write()
        except InputError as error:
            self._add(path, said(error))
            return None


def _same(one: Call | Value | None, other: Call | Value | None) -> bool:
    """Whether two are the same thing; never asks a stranger's object whether it equals another."""
    if isinstance(one, Call) and isinstance(other, Call):
        return one.kind is other.kind and one.target is other.target
    return one is other or (isinstance(one, Value) and isinstance(other, Value) and one == other)
