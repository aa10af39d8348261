"""Structured output: a Python schema to a JSON schema, and the answer back.

Where the model is held to the schema while it writes, parsing can fail only where an answer was cut off
or where the schema's own validators ask more than JSON schema can say. Knows no engine.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from ziggurat.errors import InputError

Schema = dict[str, Any] | type | Callable[..., Any]
METHODS = ("json_schema", "json_mode", "function_calling")


def json_schema_of(schema: Any) -> dict[str, Any]:
    """The JSON schema of a pydantic class (v1 or v2), a TypedDict, an OpenAI function, or a JSON schema.

    Pydantic's own schema and a JSON schema are kept whole, so that recursive definitions stay recursive.

    Raises:
        InputError: If it is none of these.
    """
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        own = getattr(schema, "model_json_schema", None) or schema.schema  # type: ignore[attr-defined]  # pydantic v1
        made: dict[str, Any] = own()
        return made
    if isinstance(schema, dict) and not {"function", "parameters"} & schema.keys() and _describes_a_value(schema):
        return schema
    try:
        return convert_to_json_schema(schema)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            "This is not a schema for structured output.",
            where=repr(schema)[:200],
            fix="give a pydantic class, a TypedDict, or a JSON schema with a title",
        ) from error


def _describes_a_value(schema: dict[str, Any]) -> bool:
    return bool({"properties", "$ref", "anyOf", "oneOf", "allOf", "enum", "items"} & schema.keys())


def parser_of(schema: Any, method: str) -> Runnable[Any, Any]:
    """What reads the answer: an instance of a pydantic class, else dictionaries and lists."""
    is_model = isinstance(schema, type) and is_basemodel_subclass(schema)
    if method == "function_calling":
        if is_model:
            return PydanticToolsParser(tools=[schema], first_tool_only=True)
        name = convert_to_openai_tool(schema)["function"]["name"]
        return JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
    return PydanticOutputParser(pydantic_object=schema) if is_model else JsonOutputParser()


def with_raw(model: Runnable[Any, Any], parser: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """``{"raw", "parsed", "parsing_error"}`` instead of an exception when parsing fails."""
    parse = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    give_up = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parse.with_fallbacks([give_up], exception_key="parsing_error")
