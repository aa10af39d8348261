"""What a lab file declares, read and checked before anything is asked of a workspace.

Knows the form of the file; nothing of workspaces. Invariant: a secret's value is never in the file, only the
name of the environment variable that holds it, and everything that is wrong is said at once, each with its
place and the closest name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ziggurat.databricks.secrets import Reference
from ziggurat.errors import SpecError
from ziggurat.suggest import did_you_mean

STATES = ".ziggurat-databricks"
"""The folder of states, beside the lab file."""

ENDPOINT = r"^[A-Za-z0-9][\w-]{0,62}$"
NAME = r"^[a-z][a-z0-9-]{0,39}$"
_KEY = r"^[\w.@-]{1,128}$"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_LONGEST_WORD = 20


def variable_name(text: str) -> str:
    """A name of an environment variable; a text with the form of a key is none, even where one could be called so.

    Raises:
        ValueError: Without the text, since it may be the secret itself.
    """
    told = "give the name of the environment variable that holds the secret, never the secret itself"
    mixed = len(text) >= _LONGEST_WORD and any(one.isdigit() for one in text) and any(one.islower() for one in text)
    if not re.fullmatch(_VARIABLE, text) or mixed:
        raise ValueError(told)
    return text


def requirement(text: str) -> str:
    """A requirement as a package index takes it, with nothing secret in it.

    Raises:
        ValueError: If it is none.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        found = Requirement(text)
    except InvalidRequirement:
        raise ValueError("this is no requirement of the package index, like 'pillow>=11'") from None
    if found.url and "@" in found.url.partition("://")[2].partition("/")[0]:
        raise ValueError("a library's address must not hold a password")
    return text


@dataclass(frozen=True, slots=True)
class Named:
    """What `down` needs of a lab: what it is called, and where its state is kept."""

    name: str
    path: Path


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cluster(_Part):
    """A cluster, kept between runs or made for each.

    Attributes:
        num_workers: 0 for a single node.
        autotermination_minutes: Idle minutes until it ends by itself; 0 for never.
        data_security_mode: Who may use it, as the REST API words it; the workspace's default if left out.
        environment: Variables that code on it sees: for each, the secret, ``scope/key``, that holds its value.
    """

    spark_version: str
    node_type_id: str
    num_workers: Annotated[int, Field(ge=0, le=100)] = 0
    autotermination_minutes: Annotated[int, Field(ge=0, le=10_000)] = 20
    data_security_mode: str | None = None
    environment: dict[Annotated[str, Field(pattern=rf"^{_VARIABLE}$")], str] = {}

    @model_validator(mode="after")
    def _could_be(self) -> Cluster:
        if 0 < self.autotermination_minutes < 10:  # noqa: PLR2004 (the service's bound)
            raise ValueError("autotermination_minutes is 0 (never) or at least 10")
        for place in self.environment.values():
            Reference.parse(place)
        return self


class Serverless(_Part):
    """Compute that the workspace keeps; it costs only while something runs."""

    environment_version: str = "4"


class Compute(_Part):
    """Where runs happen: exactly one of these."""

    cluster: Cluster | None = None
    job: Cluster | None = None
    serverless: Serverless | None = None

    @model_validator(mode="after")
    def _one(self) -> Compute:
        if sum(one is not None for one in (self.cluster, self.job, self.serverless)) != 1:
            raise ValueError("give exactly one of cluster, job and serverless")
        return self


class Secrets(_Part):
    """A scope and its secrets: for each key, the environment variable with the value."""

    scope: Annotated[str, Field(pattern=_KEY)]
    values: dict[Annotated[str, Field(pattern=_KEY)], Annotated[str, AfterValidator(variable_name)]] = {}


class External(_Part):
    """A model of another provider, whose key is in a secret."""

    provider: str
    model: str
    secret: str
    task: Literal["llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"] = "llm/v1/chat"

    @model_validator(mode="after")
    def _secret_is_a_place(self) -> External:
        Reference.parse(self.secret)
        return self


class Custom(_Part):
    """A registered model."""

    model: str
    version: str
    size: Literal["Small", "Medium", "Large"] = "Small"
    scale_to_zero: bool = True


class Foundation(_Part):
    """A foundation model with throughput of its own."""

    model: str
    version: str
    tokens_per_second: Annotated[int, Field(gt=0)]


class Endpoint(_Part):
    """A serving endpoint: exactly one of these."""

    external: External | None = None
    custom: Custom | None = None
    foundation: Foundation | None = None
    config: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one(self) -> Endpoint:
        given = (self.external, self.custom, self.foundation, self.config)
        if sum(one is not None for one in given) != 1:
            raise ValueError("give exactly one of external, custom, foundation and config")
        if plain := next(_plain(self.config), ""):
            raise ValueError(f"{plain} would put a secret into this file; refer to a secret of a scope instead")
        return self


def _plain(value: Any) -> Iterator[str]:
    """The settings of an endpoint that hold a secret in plain text, however deep they lie."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if str(key).endswith("_plaintext"):
                yield str(key)
            yield from _plain(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _plain(inner)


class LabFiles(_Part):
    """What is uploaded: documents to answer from, and the chain; the lab's own if left out."""

    documents: Path | None = None
    chain: Path | None = None


class Prices(_Part):
    """What things cost, where our assumptions are not yours."""

    dbu_per_hour: Annotated[float, Field(ge=0)] | None = None
    usd_per_dbu: Annotated[float, Field(ge=0)] | None = None
    machine_usd_per_hour: Annotated[float, Field(ge=0)] | None = None


class Lab(_Part):
    """Everything a lab file says.

    Attributes:
        libraries: Requirements of the package index, beside this package itself.
        embeddings: The spec of the model that indexes the documents; None for the local one.
        chat: The spec of the model of the lab's own chain; None for the local one.
        picture: The spec of the image model of the lab's own chain; None for drawing.
        inputs: What the chain is asked.
        folder: Where the file is; names of files lead from there.
    """

    version: Literal[1] = Field(alias="ziggurat-lab")
    name: Annotated[str, Field(pattern=NAME)]
    compute: Compute
    libraries: list[Annotated[str, AfterValidator(requirement)]] = []
    secrets: Secrets | None = None
    endpoints: dict[Annotated[str, Field(pattern=ENDPOINT)], Endpoint] = {}
    files: LabFiles = LabFiles()
    embeddings: str | None = None
    chat: str | None = None
    picture: str | None = None
    inputs: dict[str, Any] = {}
    prices: Prices = Prices()
    folder: Path = Field(Path(), exclude=True)

    @model_validator(mode="after")
    def _chain_is_one(self) -> Lab:
        if self.files.chain is not None and (self.chat or self.picture):
            raise ValueError("chat and picture are for the lab's own chain; a chain file names its models itself")
        return self

    @property
    def path(self) -> Path:
        """Where its state is kept."""
        return self.folder / STATES / f"{self.name}.json"


_PATTERNS = {
    NAME: "this should be small letters, digits and -, a letter first, at most 40",
    _KEY: "this should be letters, digits, -, _, @ and ., at most 128",
    rf"^{_VARIABLE}$": "this should be the name of an environment variable",
    ENDPOINT: "this should be letters, digits, - and _, at most 63",
}

_PARTS: tuple[type[BaseModel], ...] = (
    Lab, Compute, Cluster, Serverless, Secrets, Endpoint, External, Custom, Foundation, LabFiles, Prices,
)  # fmt: skip


def named(path: Path) -> Named:
    """A lab by its file, whatever else is wrong in that by now: what was made must still be found.

    Raises:
        SpecError: If the file does not say its name, and more than one lab beside it, or none, has a state.
    """
    folder = path.resolve().parent / STATES
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        data = None
    name = data.get("name") if isinstance(data, dict) else None
    if isinstance(name, str) and re.fullmatch(NAME, name):
        return Named(name, folder / f"{name}.json")
    known = sorted(folder.glob("*.json"))
    if len(known) == 1:
        return Named(known[0].stem, known[0])
    there = f"there are states of {', '.join(one.stem for one in known)}" if known else "nothing was made from it"
    raise SpecError("The lab file does not say the lab's name.", where=str(path), fix=f"mend `name:`; {there}")


def read_lab(path: Path) -> Lab:
    """Read a lab file.

    Raises:
        SpecError: With everything that is wrong in it.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"The lab file cannot be read: {error}.", where=str(path)) from error
    except yaml.YAMLError as error:
        raise SpecError(f"The lab file is not YAML: {error}", where=str(path)) from error
    if not isinstance(data, dict):
        raise SpecError("A lab file is a mapping.", where=str(path), fix="begin with: ziggurat-lab: 1")
    data.pop("folder", None) if data.get("folder") is None else None
    if "folder" in data:
        raise _wrong(path, [f"folder: unknown key{did_you_mean('folder', ['files'])}"])
    try:
        lab = Lab.model_validate({**data, "folder": path.resolve().parent})
    except ValidationError as error:
        raise _wrong(path, list(_findings(error))) from error
    missing = [
        f"files.{key}: there is no {place}"
        for key, place in (("documents", lab.files.documents), ("chain", lab.files.chain))
        if place is not None and not (lab.folder / place).exists()
    ]
    if missing:
        raise _wrong(path, missing)
    return lab


def _wrong(path: Path, findings: list[str]) -> SpecError:
    count = "one thing is" if len(findings) == 1 else f"{len(findings)} things are"
    shown = "\n".join(f"  {path.name}: {one}" for one in findings)
    return SpecError(f"This is not a lab; {count} wrong:\n{shown}", findings=tuple(findings), where=str(path))


def _findings(error: ValidationError) -> Iterable[str]:
    for one in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in one["loc"] if part != "[key]")
        if one["type"] == "extra_forbidden":
            yield f"{place}: unknown key{did_you_mean(str(one['loc'][-1]), _known(one['loc'][:-1]))}"
        elif one["type"] == "missing":
            yield f"{place}: this is needed"
        else:
            text = one["msg"].removeprefix("Value error, ").replace("Input should be", "this should be")
            text = _PATTERNS.get(str((one.get("ctx") or {}).get("pattern")), text)
            yield f"{place}: {text}" if place else text


def _known(place: tuple[Any, ...]) -> list[str]:
    """The keys that may be at a place."""
    part: Any = Lab
    for step in place:
        names = {field.alias or name: field.annotation for name, field in part.model_fields.items()}
        inner = str(names.get(step, "")) if step in names else ""
        match = next(
            (one for one in _PARTS if f"{one.__module__}.{one.__qualname__}" in inner or names.get(step) is one), None
        )
        part = match or part
    return [field.alias or name for name, field in part.model_fields.items() if name != "folder"]
