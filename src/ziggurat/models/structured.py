"""Structured output: a Python schema to a JSON schema, and the answer back.

Where the model is held to the schema while it writes, parsing can fail only where an answer was cut off
or where the schema's own validators ask more than JSON schema can say. Knows no engine.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from ziggurat.errors import InputError

Schema = dict[str, Any] | type | Callable[..., Any]
METHODS = ("json_schema", "json_mode", "function_calling")


def structured(
    model: BaseChatModel,
    schema: Any,
    method: str,
    *,
    include_raw: bool,
    strict: bool | None,
    json_mode_holds: bool,
    **kwargs: Any,
) -> Runnable[LanguageModelInput, Any]:
    """A chat model that answers with objects of a schema: ``with_structured_output`` of every model of ours.

    Args:
        model: Knows ``bind_tools`` and the option ``response_format``.
        schema: A pydantic class (v1 or v2), a TypedDict, a JSON schema, or an OpenAI function; None for any
            JSON object, with ``json_mode`` alone.
        method: One of `METHODS`.
        include_raw: Give ``{"raw", "parsed", "parsing_error"}`` and raise nothing.
        strict: Sent with a JSON schema where it is not None.
        json_mode_holds: Whether ``json_mode`` with a schema sends the schema too.
        kwargs: Further options of every call.

    Raises:
        InputError: If the schema or the method is not one of these.
    """
    if method not in METHODS:
        raise InputError(f"There is no method {method!r} of structured output.", fix=f"use {', '.join(METHODS)}")
    if schema is None and method != "json_mode":
        raise InputError(f"The method {method!r} of structured output needs a schema.")
    told = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
    parser = parser_of(schema, method)
    bound: Runnable[LanguageModelInput, Any]
    if method == "function_calling":
        tool = convert_to_openai_tool(schema)
        name = tool["function"]["name"]
        bound = model.bind_tools([tool], tool_choice=name, ls_structured_output_format=told, **kwargs)
    else:
        bound = model.bind(
            response_format=_format(schema if method == "json_schema" or json_mode_holds else None, strict),
            ls_structured_output_format=told,
            **kwargs,
        )
    return with_raw(bound, parser) if include_raw else bound | parser


def _format(schema: Any, strict: bool | None) -> dict[str, Any]:
    if schema is None:
        return {"type": "json_object"}
    asked: dict[str, Any] = {"name": "answer", "schema": json_schema_of(schema)}
    if strict is not None:
        asked["strict"] = strict
    return {"type": "json_schema", "json_schema": asked}


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
