"""What structured output should look like: a pydantic class, a JSON Schema, or named fields; checked as one.

A `Shape` gives the JSON Schema that a model is held to and says what is wrong with a value. Asks no
model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from ziggurat.errors import InputError

_TYPES = {"string", "number", "integer", "boolean", "array", "object"}
_MOST_PROBLEMS = 6


@dataclass(frozen=True, slots=True)
class ResponseSchema:
    """One field of an answer, in LangChain's older words.

    Attributes:
        name: The field's name.
        description: What belongs into it.
        type: A JSON type: string, number, integer, boolean, array or object.
    """

    name: str
    description: str = ""
    type: str = "string"


AnyShape = type[BaseModel] | Mapping[str, Any] | Sequence[ResponseSchema]
"""What a shape can be given as; a mapping is a JSON Schema, or names of fields with their descriptions."""


class Shape:
    """A form that data must have.

    Args:
        given: See `AnyShape`.

    Raises:
        InputError: If it is none of these, or no valid JSON Schema of an object.
    """

    def __init__(self, given: AnyShape) -> None:
        self.given = given
        self.model = given if isinstance(given, type) and issubclass(given, BaseModel) else None
        self.schema = _schema_of(given)
        self._validator = _validator(self.schema)

    @property
    def title(self) -> str:
        """What it is called."""
        return str(self.schema.get("title") or "answer")

    @property
    def text(self) -> str:
        """The schema as a model reads it."""
        return json.dumps(self.schema, ensure_ascii=False)

    def fields(self) -> dict[str, str]:
        """The names of the fields with their descriptions."""
        return {name: str(one.get("description", "")) for name, one in self.schema.get("properties", {}).items()}

    def problems(self, value: Any) -> list[str]:
        """What is wrong with a value, a line each; empty if nothing is."""
        found = [
            f"{'.'.join(map(str, error.absolute_path)) or 'the whole'}: {error.message}"
            for error in self._validator.iter_errors(value)
        ]
        if not found and self.model is not None:
            try:
                self.model.model_validate(value)
            except ValidationError as error:
                found = [f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in error.errors()]
        return found[:_MOST_PROBLEMS]

    def nullable(self, name: str) -> bool:
        """Whether a field may be left out or be null."""
        one = self.schema.get("properties", {}).get(name, {})
        if name not in self.schema.get("required", []):
            return True
        return "null" in _types_of(one) or any("null" in _types_of(part) for part in one.get("anyOf", []))

    def made(self, value: Mapping[str, Any]) -> Any:
        """The value as the caller wants it: an instance of the pydantic class, else plain data."""
        return dict(value) if self.model is None else self.model.model_validate(value)


def _types_of(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)


def _schema_of(given: Any) -> dict[str, Any]:
    if isinstance(given, type) and issubclass(given, BaseModel):
        return given.model_json_schema()
    if (
        isinstance(given, Mapping)
        and given
        and all(isinstance(one, str) for one in given.values())
        and "type" not in given
    ):
        given = [ResponseSchema(str(name), about) for name, about in given.items()]
    if isinstance(given, Mapping):
        if given.get("type") != "object" or not given.get("properties"):
            raise InputError(
                "A schema to extract by describes an object with properties.",
                fix='{"type": "object", "properties": {…}}',
            )
        return {"title": "answer", **given}
    if isinstance(given, Sequence) and given and all(isinstance(one, ResponseSchema) for one in given):
        return _schema_of_fields(given)
    raise InputError(
        f"A {type(given).__name__} describes no structure.",
        fix="give a pydantic class, a JSON Schema, or names of fields with their descriptions",
    )


def _schema_of_fields(fields: Sequence[ResponseSchema]) -> dict[str, Any]:
    unknown = sorted({one.type for one in fields} - _TYPES)
    if unknown:
        raise InputError(f"{', '.join(unknown)} is no type of JSON.", fix=f"one of {', '.join(sorted(_TYPES))}")
    properties = {one.name: {"type": one.type, "description": one.description} for one in fields}
    return {
        "title": "answer",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _validator(schema: dict[str, Any]) -> Any:
    from jsonschema import FormatChecker
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise InputError(f"This is no JSON Schema: {error.message}.", where=str(error.json_path)) from error
    return kind(schema, format_checker=FormatChecker())
