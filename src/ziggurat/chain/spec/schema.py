"""The JSON Schema of chain files, so that editors complete them: made of the models that validate them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from ziggurat.chain.spec.keys import STAGE, FileKeys, NestedChainKeys, StageKeys
from ziggurat.chain.spec.registry import registered, stage_class

_TITLE = "A chain of Ziggurat"


class _Bare(GenerateJsonSchema):
    """Without titles, which would only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's signature)
        return False


def chain_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a chain file, with the settings of every registered stage."""
    definitions: dict[str, Any] = {}
    top = _object(FileKeys, definitions)
    shared = _object(StageKeys, definitions)
    forms = {"chain": _object(NestedChainKeys, definitions)}
    forms |= {name: _object(stage_class(name).Settings, definitions) for name in sorted(registered())}
    definitions["stage"] = _stage(shared, forms)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _TITLE,
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def _object(model: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a model, what it refers to moved to the definitions."""
    made: dict[str, Any] = model.model_json_schema(schema_generator=_Bare)
    for name in ("title", "description"):
        made.pop(name, None)
    definitions.update({name: _tidy(one) for name, one in made.pop("$defs", {}).items()})
    whole: dict[str, Any] = _tidy(made)
    return whole


def _tidy(schema: Any) -> Any:
    """Without null defaults, which say nothing, and with stages referred to."""
    if schema == STAGE:
        return {"$ref": "#/$defs/stage"}
    if isinstance(schema, list):
        return [_tidy(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _tidy(one) for key, one in schema.items() if not (key == "default" and one is None)}


def _stage(shared: dict[str, Any], forms: dict[str, Any]) -> dict[str, Any]:
    """A stage: by what it uses, the shared keys and that one's settings; or a stage inside; or a choice."""
    properties = shared["properties"]
    branches = []
    for name, form in forms.items():
        used = {"uses": {"const": name}}
        whole = {
            **form["properties"],
            **{key: one for key, one in properties.items() if key not in ("stage", "switch", "cases")},
            **used,
        }
        branches.append(
            {
                "if": {"properties": used, "required": ["uses"]},
                "then": {
                    "properties": whole,
                    "required": ["uses", *form.get("required", ())],
                    "additionalProperties": False,
                },
            }
        )
    other = {
        "if": {"not": {"properties": {"uses": {"enum": list(forms)}}, "required": ["uses"]}},
        "then": {"properties": properties, "additionalProperties": False},
    }
    names = {"anyOf": [{"enum": list(forms)}, {"type": "string"}], "description": properties["uses"]["description"]}
    return {
        "type": "object",
        "properties": {"uses": names},
        "oneOf": [{"required": ["uses"]}, {"required": ["stage"]}, {"required": ["switch", "cases"]}],
        "allOf": [*branches, other],
        "dependentRequired": {
            "cases": ["switch"],
            "at_once": ["each"],
            "on_error": ["each"],
            "at_most": ["until"],
            "carry": ["until"],
        },
    }
