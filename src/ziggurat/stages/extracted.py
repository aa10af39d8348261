"""`Extracted`: data with the place of each value, and how several parts of a long text become one.

Pure values; finds places by `grounding`, asks no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.stages.grounding import Ground


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a value of extracted data stands.

    Attributes:
        path: The field, such as ``items.0.price``.
        document: The document's source; empty for a bare text.
        start: Where it begins in the document, in characters.
        end: Where it ends, exclusive.
        quote: The words that stand there.
        at: The page, row or moment of a file that has such; empty for others.
    """

    path: str
    document: str
    start: int
    end: int
    quote: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was taken out of a text.

    Attributes:
        value: An instance of the pydantic class that was asked for, else plain data.
        provenance: Where each value stands that stands somewhere.
        unsupported: Fields whose value stands nowhere in the text: look at them before you use them.
        attempts: Calls of the model for the data as a whole.
        usage: What the model used.
    """

    value: Any
    provenance: tuple[Provenance, ...] = ()
    unsupported: tuple[str, ...] = ()
    attempts: int = 1
    usage: Usage = field(default=NO_USAGE, compare=False)

    def where(self, path: str) -> Provenance | None:
        """Where a field's value stands; None if nowhere."""
        return next((one for one in self.provenance if one.path == path), None)

    def __str__(self) -> str:
        """A line for each field: its value, and where it stands."""
        data = self.value.model_dump(mode="json") if hasattr(self.value, "model_dump") else self.value
        lines = []
        for path, value in leaves(data):
            found = self.where(path)
            mark = (
                f"  [{found.document or 'text'}:{found.start}]"
                if found
                else "  [?]"
                if path in self.unsupported
                else ""
            )
            lines.append(f"{path}: {value}{mark}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text to extract from.

    Attributes:
        text: Its words.
        document: The document's source.
        start: Where it begins in the document, in characters.
        places: Where its parts stand in the file: offset in ``text`` and the place in words.
    """

    text: str
    document: str = ""
    start: int = 0
    places: tuple[tuple[int, str], ...] = ()


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value in data with its path, in order."""
    match value:
        case Mapping():
            for name, one in value.items():
                yield from leaves(one, f"{path}.{name}" if path else str(name))
        case str() | int() | float() | bool() | None:
            yield path, value
        case Sequence():
            for at, one in enumerate(value):
                yield from leaves(one, f"{path}.{at}")
        case _:
            yield path, value


Grounds = Sequence[tuple[Part, Ground]]
"""Parts, each made ready once for values to be looked up in it."""


def grounds_of(parts: Sequence[Part]) -> Grounds:
    """The parts of a text, ready for `grounded` and `merged`."""
    return [(part, Ground(part.text)) for part in parts]


def grounded(data: Mapping[str, Any], grounds: Grounds) -> tuple[list[Provenance], list[str]]:
    """Where each value stands, and the fields whose value stands nowhere; empty values and truths stand nowhere rightly."""
    found: list[Provenance] = []
    nowhere: list[str] = []
    for path, value in leaves(data):
        if value is None or isinstance(value, bool) or value == "":
            continue
        place = next((made for part, ground in grounds if (made := _place(path, value, part, ground))), None)
        if place is None:
            nowhere.append(path)
        else:
            found.append(place)
    return found, nowhere


def _place(path: str, value: Any, part: Part, ground: Ground) -> Provenance | None:
    span = ground.find(value)
    if span is None:
        return None
    start, end = span
    at = next((said for offset, said in reversed(part.places) if offset <= start), "")
    return Provenance(path, part.document, part.start + start, part.start + end, part.text[start:end], at)


def merged(found: Sequence[Mapping[str, Any]], grounds: Grounds) -> dict[str, Any]:
    """The data of several parts as one: for each field the first value that stands in its own part, lists joined."""
    whole: dict[str, Any] = {}
    for name in dict.fromkeys(name for one in found for name in one):
        values = [
            (one[name], own) for one, own in zip(found, grounds, strict=True) if one.get(name) not in (None, "", [])
        ]
        if values and all(isinstance(value, list) for value, _ in values):
            joined = [item for value, _ in values for item in value]
            whole[name] = [item for at, item in enumerate(joined) if item not in joined[:at]]
        elif values:
            standing = [value for value, own in values if not grounded({name: value}, [own])[1]]
            whole[name] = (standing or [values[0][0]])[0]
        else:
            whole[name] = found[0].get(name)
    return whole
