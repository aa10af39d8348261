"""Types that tests store and read again; they stand in a module, since a class inside a function is refused."""

from collections import UserDict
from dataclasses import InitVar, dataclass, field
from enum import Enum, Flag, IntEnum, StrEnum, auto
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, RootModel, SecretStr, field_validator

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = ("b", 2)


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Right(Flag):
    READ = auto()
    WRITE = auto()


class Point(NamedTuple):
    x: int
    y: Any = 0


@dataclass
class Plain:
    a: int
    b: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    inner: Any = None
    data: bytes = b""


@dataclass
class Doubling:
    """Its constructor changes what it is given, so only its state tells what it is."""

    factor: InitVar[int]
    number: int
    doubled: int = field(init=False, default=0)
    secret_state: Any = field(init=False, repr=False, default=None)

    def __post_init__(self, factor):
        self.number *= factor
        self.doubled = self.number * 2
        self._beside = "kept"

    @cached_property
    def slow(self):
        return self.number + 1


@dataclass
class Box(Generic[T]):
    content: T


class Person(BaseModel):
    name: str
    age: int = 3

    @field_validator("name")
    @classmethod
    def shout(cls, name):
        return name + "!"


class Open(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    a: int = 1
    _seen: int = PrivateAttr(default=7)


class Names(RootModel[list[str]]):
    pass


class Key(BaseModel):
    key: SecretStr


class Noted(list):
    def __init__(self, *items, note=""):
        super().__init__(items)
        self.note = note

    def __iter__(self):
        return iter(["not what it holds"])


class Headers(dict):
    pass


class Tag(str):
    __slots__ = ()


class Bag:
    """A plain class."""


class Mapped(UserDict):
    """A mapping that is no dict."""


@dataclass
class Failing(Exception):
    reason: str


@dataclass
class Grown:
    """Tests change its fields between writing and reading."""

    old: int
