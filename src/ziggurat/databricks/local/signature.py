"""Signatures of custom models: what a payload must have, said as MLflow says it.

A signature here is the JSON that MLflow writes of one: ``{"inputs": [{"name", "type", …}], "outputs": […]}``.
Needs no MLflow. Invariant: a payload that passes has every required column, each of a type that fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ziggurat.databricks.local.call import Refusal

Records = list[dict[str, Any]]
Signature = Mapping[str, Any]

TEXT_SIGNATURE: Signature = {
    "inputs": [
        {"name": "prompt", "type": "string"},
        {"name": "stop", "type": "array", "items": {"type": "string"}, "required": False},
        {"name": "temperature", "type": "double", "required": False},
        {"name": "max_tokens", "type": "long", "required": False},
    ],
    "outputs": [{"type": "string"}],
}
"""What a model of texts takes, as the first custom models served had it: a prompt and where to stop."""

_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")

_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "double": (int, float),
    "float": (int, float),
    "long": (int,),
    "integer": (int,),
    "boolean": (bool,),
    "datetime": (str,),
    "binary": (str,),
    "object": (dict,),
    "map": (dict,),
    "array": (list,),
}

_JSON = {"long": "integer", "double": "number", "float": "number", "datetime": "string", "binary": "string"}


def records_of(body: Mapping[str, Any]) -> Records:
    """A payload in any of the four formats, as rows.

    Raises:
        Refusal: 400 if it is in none, in several, or is not what its name says.
    """
    told = [name for name in _FORMATS if name in body]
    if len(told) != 1:
        raise _bad(
            "The input must be a JSON dictionary with exactly one of the input fields "
            f"{{{', '.join(map(repr, sorted(_FORMATS)))}}}. "
            f"Received dictionary with input fields: {list(body)}."
        )
    given = body[told[0]]
    try:
        if told[0] == "dataframe_split":
            return [dict(zip(given["columns"], row, strict=True)) for row in given["data"]]
        if told[0] == "inputs" and isinstance(given, dict):
            return _rows(given)
        rows = given if isinstance(given, list) else [given]
        return [row if isinstance(row, dict) else {"0": row} for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise _bad(f"Failed to parse input as a Pandas DataFrame in the {told[0]} format. Error: '{error}'") from error


def _rows(columns: Mapping[str, Any]) -> Records:
    """Rows from columns; values that are no lists are one row."""
    if not any(isinstance(values, list) for values in columns.values()):
        return [dict(columns)]
    counts = {len(values) for values in columns.values()}
    if len(counts) != 1:
        raise ValueError("all columns must have the same length")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def enforced(records: Records, signature: Signature | None) -> Records:
    """The rows with the signature's columns only.

    Raises:
        Refusal: 400 in MLflow's words, the signature shown, if they do not fit.
    """
    if signature is None:
        return records
    columns = [one for one in signature["inputs"] if "name" in one]
    if not columns:
        return records
    names = [one["name"] for one in columns]
    present = {name for record in records for name in record}
    absent = [one["name"] for one in columns if one.get("required", True) and one["name"] not in present]
    if absent:
        extra = sorted(present - set(names))
        noted = f" Note that there were extra inputs: {extra}." if extra else ""
        raise _unfit(records, signature, f"Model is missing inputs {absent}.{noted}")
    for one in columns:
        for record in records:
            _check(one, record.get(one["name"]), records, signature)
    return [{name: record[name] for name in names if record.get(name) is not None} for record in records]


def _check(column: Mapping[str, Any], value: object, records: Records, signature: Signature) -> None:
    kind = _kind(column["type"])
    if value is None and not column.get("required", True):
        return
    wanted = _KINDS.get(kind, (object,))
    fits = isinstance(value, wanted) and not (isinstance(value, bool) and bool not in wanted)
    if fits and kind == "array":
        inner = _KINDS.get(_kind(_items(column).get("type", "any")), (object,))
        fits = all(isinstance(one, inner) for one in value) if isinstance(value, list) else False
    if not fits:
        raise _unfit(
            records,
            signature,
            f"Incompatible input types for column {column['name']}. "
            f"Can not safely convert {type(value).__name__} to {shown_type(column)}.",
        )


def shown(signature: Signature) -> str:
    """A signature's inputs as MLflow prints them: ``['prompt': string (required)]``."""
    return f"[{', '.join(map(_column, signature['inputs']))}]"


def _column(column: Mapping[str, Any]) -> str:
    needed = "required" if column.get("required", True) else "optional"
    name = f"{column['name']!r}: " if "name" in column else ""
    return f"{name}{shown_type(column)} ({needed})"


def shown_type(column: Mapping[str, Any]) -> str:
    """A column's type as MLflow prints it."""
    if _kind(column["type"]) == "array":
        return f"Array({_items(column).get('type', 'Any')})"
    return str(column["type"])


def json_schema(signature: Signature | None) -> dict[str, Any]:
    """The JSON schema of one row."""
    columns = [one for one in (signature or {}).get("inputs", []) if "name" in one]
    properties = {one["name"]: _json_type(one) for one in columns}
    return {
        "type": "object",
        "properties": properties,
        "required": [one["name"] for one in columns if one.get("required", True)],
    }


def _json_type(column: Mapping[str, Any]) -> dict[str, Any]:
    kind = _kind(column["type"])
    if kind == "array":
        inner = _items(column).get("type", "string")
        return {"type": "array", "items": {"type": _JSON.get(inner, inner)}}
    return {"type": _JSON.get(kind, kind)}


def _kind(kind: str) -> str:
    return "array" if kind.startswith("list[") else kind


def _items(column: Mapping[str, Any]) -> Mapping[str, Any]:
    kind: str = column["type"]
    if kind.startswith("list["):  # the documentation's own way of writing it
        return {"type": kind[5:-1]}
    items: Mapping[str, Any] = column.get("items", {})
    return items


def _unfit(records: Sequence[Mapping[str, Any]], signature: Signature, what: str) -> Refusal:
    data = str([dict(record) for record in records])
    return _bad(
        f"Failed to predict data '{data}'. \nError: Failed to enforce schema of data '{data}' "
        f"with schema '{shown(signature)}'. Error: {what}"
    )


def _bad(what: str) -> Refusal:
    return Refusal(400, "BAD_REQUEST", what)
