"""One stage of a chain file: what it uses, what is given to it, its policy, and what wraps it.

Several wrappers of one stage go inside out: ``until`` repeats the stage, ``each`` maps over that,
``when`` decides about the whole. Chains inside chains are left to `reading`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.composite import DEFAULT_LIMIT, Branch, Map, Repeat
from ziggurat.chain.spec.desk import Desk
from ziggurat.chain.spec.forms import read_binding, read_policy, read_ref
from ziggurat.chain.spec.keys import POLICY, RESERVED, NestedChainKeys, StageKeys
from ziggurat.chain.spec.registry import registered, stage_class, unknown_stage
from ziggurat.chain.spec.text import KeyPath
from ziggurat.chain.stage import Binding, Call, Stage, Value

_WRAPPERS = {"at_once": "each", "on_error": "each", "at_most": "until", "carry": "until", "cases": "switch"}
"""Keys that mean nothing without another."""


class StageReader:
    """Makes the stages of one document.

    Args:
        desk: The document.
        chain: Reads a chain as a stage.
    """

    def __init__(self, desk: Desk, chain: Callable[[dict[Any, Any], KeyPath], Stage | None]) -> None:
        self._desk = desk
        self._chain = chain

    def stage(self, data: Any, path: KeyPath, *, bare: bool = False) -> Stage | None:
        """One stage; None, and findings, if it cannot be made.

        Args:
            data: What is written.
            path: Where.
            bare: It is a fallback: called with its failed stage's inputs, under that stage's policy.
        """
        if not isinstance(data, dict):
            self._desk.add(path, "a stage is a mapping that says what it uses, for example {uses: llm, prompt: ...}")
            return None
        before = len(self._desk.findings)
        settings, used = self._used(data, path)
        keys = self._desk.validated(StageKeys, {key: one for key, one in data.items() if key in RESERVED}, path)
        self._refuse_lonely(data, path, bare=bare)
        if settings is not None:
            self._desk.refuse_unknown(data, path, [*settings, *RESERVED])
        if used is None or keys is None:
            self._visit(data, path)
            return None
        made = self._wrapped(used, keys, path)
        return made if len(self._desk.findings) == before else None

    def _used(self, data: dict[Any, Any], path: KeyPath) -> tuple[list[str] | None, Stage | None]:
        """The names of the settings a stage may have, and the stage itself without what wraps it."""
        forms = [key for key in ("uses", "stage", "switch") if key in data]
        if len(forms) != 1:
            named = " and ".join(forms)
            self._desk.add(
                path, f"a stage has {named}; one of them" if forms else "a stage says what it uses: uses: ..."
            )
            return None, None
        if forms == ["stage"]:
            return [], self.stage(data["stage"], (*path, "stage"))
        if forms == ["switch"]:
            return [], self._switch(data, path)
        name = data["uses"]
        if not isinstance(name, str):
            self._desk.add((*path, "uses"), f"{name!r} is no stage's name: uses: llm, for example")
            return None, None
        own = {key: one for key, one in data.items() if key not in RESERVED}
        if name == "chain":
            fields = list(NestedChainKeys.model_fields)
            return fields, self._chain({key: one for key, one in own.items() if key in fields}, path)
        if name in self._desk.given:
            return [], self._desk.attempt((*path, "uses"), lambda: as_stage(self._desk.given[name]))
        if name not in registered():
            self._desk.add((*path, "uses"), unknown_stage(name, self._desk.given))
            return None, None
        return self._registered(name, own, path)

    def _registered(self, name: str, own: dict[Any, Any], path: KeyPath) -> tuple[list[str] | None, Stage | None]:
        found = self._desk.attempt((*path, "uses"), lambda: stage_class(name))
        if found is None:
            return None, None
        fields = list(found.Settings.model_fields)
        clash = sorted(RESERVED.intersection(fields))
        if clash:
            self._desk.add(
                (*path, "uses"),
                f"the stage {name!r} has settings called {', '.join(clash)}, which mean something else here",
            )
            return fields, None
        settings = self._desk.validated(found.Settings, {key: one for key, one in own.items() if key in fields}, path)
        if settings is None:
            return fields, None
        return fields, self._desk.attempt(path, lambda: as_stage(found.from_settings(settings)))

    def _switch(self, data: dict[Any, Any], path: KeyPath) -> Stage | None:
        cases = data.get("cases")
        if not isinstance(cases, dict) or not cases:
            self._desk.add((*path, "switch"), "switch: chooses one of cases:, and there are none")
            return None
        arms = {case: self.stage(one, (*path, "cases", case)) for case, one in cases.items()}
        otherwise, whole = self._otherwise(data, path)
        if not whole or any(one is None for one in arms.values()) or not isinstance(data["switch"], str):
            return None
        return self._desk.attempt(
            (*path, "switch"), lambda: as_stage(Branch.on(read_ref(data["switch"]), arms, otherwise=otherwise))
        )

    def _otherwise(self, data: dict[Any, Any], path: KeyPath) -> tuple[Stage | None, bool]:
        """The stage for when no condition holds, and whether all is well with it."""
        if "otherwise" not in data:
            return None, True
        made = self.stage(data["otherwise"], (*path, "otherwise"))
        return made, made is not None

    def _wrapped(self, used: Stage, keys: StageKeys, path: KeyPath) -> Stage | None:
        """A stage with what is written around it; policies and given are of the stage that is used."""
        if keys.stage is None:
            first = self._with_own(used, keys, path)
            return None if first is None else self._around(first, keys, path)
        whole = self._around(used, keys, path)
        return None if whole is None else self._with_own(whole, keys, path)

    def _with_own(self, stage: Stage, keys: StageKeys, path: KeyPath) -> Stage | None:
        bindings = self._bindings(keys.given or {}, (*path, "given"))
        fallback = self._fallback(keys, path)
        given = {**stage.given, **bindings}
        return self._desk.attempt(
            path, lambda: replace(stage, given=given, policy=read_policy(keys, stage.policy, fallback))
        )

    def _around(self, stage: Stage, keys: StageKeys, path: KeyPath) -> Stage | None:
        made: Stage | None = stage
        if keys.until is not None:
            made = self._desk.attempt((*path, "until"), lambda: as_stage(_repeat(stage, keys)))
        if keys.each is not None and made is not None:
            made = self._map(made, keys, path)
        if keys.when is not None and made is not None:
            otherwise, whole = self._otherwise(
                {"otherwise": keys.otherwise} if keys.otherwise is not None else {}, path
            )
            inside, when = made, keys.when
            made = (
                self._desk.attempt((*path, "when"), lambda: as_stage(Branch(when, inside, otherwise)))
                if whole
                else None
            )
        return made

    def _map(self, stage: Stage, keys: StageKeys, path: KeyPath) -> Stage | None:
        each = keys.each
        if isinstance(each, dict) and len(each) != 1:
            self._desk.add((*path, "each"), "each names one input: each: {document: $documents}")
            return None
        name, bindings = (
            (each, {})
            if isinstance(each, str)
            else (next(iter(each or {})), self._bindings(each or {}, (*path, "each")))
        )
        limit, on_error = keys.at_once or DEFAULT_LIMIT, keys.on_error or "raise"
        return self._desk.attempt(
            (*path, "each"), lambda: as_stage(Map(stage, name, limit=limit, on_error=on_error)).with_given(bindings)
        )

    def _fallback(self, keys: StageKeys, path: KeyPath) -> Call | Value | None:
        written = keys.fallback
        if not isinstance(written, dict):
            return None if written is None else Value(written)
        if set(written) == {"value"}:
            return Value(written["value"])
        made = self.stage(written, (*path, "fallback"), bare=True)
        return None if made is None else made.call

    def _bindings(self, written: Mapping[str, Any], path: KeyPath) -> dict[str, Binding]:
        made = {name: self._desk.attempt((*path, name), partial(read_binding, one)) for name, one in written.items()}
        return {name: one for name, one in made.items() if one is not None}

    def _visit(self, data: dict[Any, Any], path: KeyPath) -> None:
        """Look into the stages inside one that cannot be made, for what is wrong with them."""
        if isinstance(data.get("otherwise"), dict) and "switch" not in data:
            self.stage(data["otherwise"], (*path, "otherwise"))
        if isinstance(fallback := data.get("fallback"), dict) and set(fallback) != {"value"}:
            self.stage(fallback, (*path, "fallback"), bare=True)

    def _refuse_lonely(self, data: Mapping[Any, Any], path: KeyPath, *, bare: bool) -> None:
        for key, other in _WRAPPERS.items():
            if key in data and other not in data:
                self._desk.add((*path, key), f"this says nothing without {other}:")
        if "otherwise" in data and "when" not in data and "switch" not in data:
            self._desk.add((*path, "otherwise"), "this says nothing without when: or switch:")
        outermost = "stage" in data or not {"when", "each", "until"}.intersection(data)
        for key in ("given", *POLICY) if bare and outermost else ():
            if key in data:
                self._desk.add((*path, key), f"a fallback has no {key}: it gets the inputs and the policy of its stage")
        if bare and isinstance(data.get("each"), dict):
            self._desk.add(
                (*path, "each"), "a fallback gets its stage's inputs: name the one with the items, each: documents"
            )


def _repeat(stage: Stage, keys: StageKeys) -> Repeat:
    carry = None if keys.carry is None else {name: read_ref(one) for name, one in keys.carry.items()}
    more = {} if keys.at_most is None else {"at_most": keys.at_most}
    return Repeat(stage, until=keys.until or "", carry=carry, **more)
