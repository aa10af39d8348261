"""Stages of other packages: they come through the same door as ours, and are held to the same rules."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest
from pydantic import Field

from ziggurat import MultiChain
from ziggurat.chain.spec import StageSettings, chain_schema, dump_chain, load_chain, registry
from ziggurat.chain.stage import Param
from ziggurat.errors import InputError, SpecError
from ziggurat.stages.base import StageRunnable


class EchoSettings(StageSettings):
    """How often."""

    times: int = Field(2, ge=1, description="How often it is said.")


class Echo(StageRunnable[str]):
    """A stage of somebody else's."""

    Settings = EchoSettings

    def __init__(self, times: int = 2) -> None:
        self.times = times

    @classmethod
    def from_settings(cls, settings: EchoSettings) -> "Echo":
        if settings.times == 13:
            raise RuntimeError("unlucky\nnumber")
        return cls(settings.times)

    def settings(self) -> EchoSettings:
        if self.times == 7:
            raise InputError("seven is a secret")
        return EchoSettings(times=self.times)

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        return (Param("text"),)

    @property
    def stage_output(self) -> Any:
        return str

    async def _output(self, inputs, config):
        return inputs["text"] * self.times


class Clashing(Echo):
    """Its setting has a name that means something else in a stage."""

    class Settings(StageSettings):
        """One setting."""

        retry: int = 1


class Bare(StageRunnable[str]):
    """A stage without settings."""


@pytest.fixture(autouse=True)
def plugins(monkeypatch):
    made = {
        name: EntryPoint(name, f"{__name__}:{target}", registry.GROUP)
        for name, target in (("echo", "Echo"), ("clash", "Clashing"), ("bare", "Bare"), ("gone", "Gone"))
    }
    classes = {"echo": Echo, "clash": Clashing, "bare": Bare}
    monkeypatch.setattr(EntryPoint, "load", lambda self: classes[self.name])
    for module in ("registry", "reading", "stages", "schema"):
        monkeypatch.setattr(f"ziggurat.chain.spec.{module}.registered", lambda: made)
    return made


def test_a_stage_of_another_package_is_read_and_written():
    chain = load_chain("ziggurat: 1\nstages:\n  a: {uses: echo, times: 3}\n")
    assert chain.run(text="x") == {"a": "xxx"}
    assert "a:\n    uses: echo\n    times: 3\n" in dump_chain(chain)
    assert "times" not in dump_chain(MultiChain(a=Echo()))


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("{uses: echo, tmies: 3}", "stages.a.tmies: unknown key (did you mean 'times'?)"),
        ("{uses: echo, times: 0}", "stages.a.times: this should be greater than or equal to 1"),
        ("{uses: echo, times: 13}", "stages.a: RuntimeError: unlucky number"),
        ("{uses: clash}", "stages.a.uses: the stage 'clash' has settings called retry, which mean something else here"),
        ("{uses: bare}", "is registered as the stage 'bare' and has no settings"),
        ("{uses: gone}", "stages.a.uses: KeyError: 'gone'"),
    ],
)
def test_what_is_wrong_with_one_is_a_finding(stage, words):
    with pytest.raises(SpecError) as caught:
        load_chain(f"ziggurat: 1\nstages:\n  a: {stage}\n")
    assert words in caught.value.findings[0]


def test_one_that_cannot_be_written_says_why_in_its_own_words():
    with pytest.raises(SpecError, match=r"stages\.a: seven is a secret"):
        dump_chain(MultiChain(a=Echo(7)))


def test_it_is_in_the_schema(plugins):
    for name in ("clash", "bare", "gone"):
        del plugins[name]
    (branch,) = [one for one in chain_schema()["$defs"]["stage"]["allOf"] if one["if"].get("properties", {}).get("uses", {}).get("const") == "echo"]  # fmt: skip
    assert branch["then"]["properties"]["times"]["description"] == "How often it is said."
