"""A chain's inputs and outputs as an MLflow signature, and whether an example fits it.

Types come from the stages' declarations; what they do not say, MLflow calls ``any``. An answer, a picture
and any dataclass become objects with their fields, as `plain` writes them.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from ziggurat.chain.stage import ANY
from ziggurat.errors import InputError
from ziggurat.mlflow.store import library
from ziggurat.picture import Picture
from ziggurat.suggest import did_you_mean

if TYPE_CHECKING:
    from ziggurat.chain.multichain import MultiChain

_DEEPEST = 6
_NAMES = {str: "string", bool: "boolean", int: "long", float: "double", bytes: "binary"}
_PICTURE = ("type", "media_type", "data")
"""What a picture's JSON has beside its fields."""


def signature_of(
    chain: MultiChain,
    outputs: Sequence[str],
    example: Mapping[str, Any] | None = None,
    seen: Mapping[str, Any] | None = None,
) -> Any:
    """The ``mlflow.models.ModelSignature`` of a chain.

    Args:
        chain: The chain.
        outputs: The stages that become columns.
        example: The inputs of a run; an input of no declared type that is a text in it is a text.
        seen: What the example gave, by stage: of an output's declared class, a subclass of it may say more.
    """
    schema = library("mlflow.types.schema", for_="a model's signature")
    inputs = [
        schema.ColSpec(_type(_as_given(one.type, (example or {}).get(name)), schema, 0), name, required=one.required)
        for name, one in chain.run_inputs.items()
    ]
    returned = [
        schema.ColSpec(_type(_narrowed(chain.stages[name].returns, (seen or {}).get(name)), schema, 0), name)
        for name in outputs
    ]
    made = library("mlflow.models", for_="a model's signature").ModelSignature
    return made(schema.Schema(inputs) if inputs else None, schema.Schema(returned))


def check_example(chain: MultiChain, example: Mapping[str, Any], signature: Any) -> None:
    """Refuse an example that a run could not be given.

    Raises:
        InputError: With what is missing, unknown or of another type, and the signature.
    """
    known = chain.run_inputs
    wrong = [f"{name!r} is no input{did_you_mean(name, known)}" for name in example if name not in known]
    wrong += [f"{name!r} is missing" for name, one in known.items() if one.required and name not in example]
    if wrong:
        raise _unfit("; ".join(wrong), signature)
    if signature.inputs is not None:
        _validate([dict(example)], signature.inputs, signature)


def check_outputs(rows: Sequence[Mapping[str, Any]], signature: Any) -> None:
    """Refuse outputs of the example that are not what the stages declare.

    Raises:
        InputError: With the signature.
    """
    _validate(rows, signature.outputs, signature)


def _validate(rows: Sequence[Mapping[str, Any]], schema: Any, signature: Any) -> None:
    pandas = library("pandas", for_="a model's signature")
    exceptions = library("mlflow.exceptions", for_="a model's signature")
    table = pandas.DataFrame({name: pandas.Series([row.get(name) for row in rows]) for name in rows[0]})
    try:
        library("mlflow.models", for_="a model's signature").validate_schema(table, schema)
    except (exceptions.MlflowException, TypeError, ValueError) as error:
        raise _unfit(str(error).partition("\n")[0], signature) from error


def _unfit(why: str, signature: Any) -> InputError:
    told = f"inputs {signature.inputs or 'none'}, outputs {signature.outputs}"
    return InputError(f"The example does not fit the chain: {why}.", where=told, fix="give every input by its name")


def _as_given(declared: Any, given: Any) -> Any:
    return str if declared in (ANY, Any) and isinstance(given, str) else declared


def _narrowed(declared: Any, seen: Any) -> Any:
    """The class that was seen, where it is a dataclass and of the declared kind or where no kind was declared."""
    kind = type(seen)
    if not dataclasses.is_dataclass(kind):
        return declared
    return kind if not isinstance(declared, type) or issubclass(kind, declared) else declared


def _type(declared: Any, schema: Any, depth: int) -> Any:
    """A declared Python type in MLflow's words; ``any`` for what it has no word for."""
    declared = _without_none(declared)
    origin, arguments = get_origin(declared) or declared, get_args(declared)
    if depth > _DEEPEST or not isinstance(origin, type):
        return schema.AnyType()
    if origin in _NAMES:
        return schema.DataType[_NAMES[origin]]
    if dataclasses.is_dataclass(origin):
        return _object(origin, schema, depth)
    if issubclass(origin, list | tuple | set | frozenset):
        return schema.Array(_item_type(arguments, schema, depth))
    if issubclass(origin, Mapping) and len(arguments) == 2 and arguments[0] is str:  # noqa: PLR2004 (key and value)
        return schema.Map(_type(arguments[1], schema, depth + 1))
    return schema.AnyType()


def _item_type(arguments: tuple[Any, ...], schema: Any, depth: int) -> Any:
    kinds = {one for one in arguments if one is not Ellipsis}
    return _type(kinds.pop(), schema, depth + 1) if len(kinds) == 1 else schema.AnyType()


def _object(declared: type, schema: Any, depth: int) -> Any:
    try:
        hints = get_type_hints(declared)
    except (NameError, TypeError):
        return schema.AnyType()
    told = {one.name: hints[one.name] for one in dataclasses.fields(declared)}
    if issubclass(declared, Picture):
        told |= dict.fromkeys(_PICTURE, str)
    made = [schema.Property(name, _type(kind, schema, depth + 1), required=False) for name, kind in told.items()]
    return schema.Object(made) if made else schema.AnyType()


def _without_none(declared: Any) -> Any:
    """``X | None`` is X; a choice of texts is a text; other unions are anything."""
    if get_origin(declared) is Literal:
        found = {type(one) for one in get_args(declared)}
        return found.pop() if len(found) == 1 else Any
    if get_origin(declared) in (Union, types.UnionType):
        arms = [one for one in get_args(declared) if one is not type(None)]
        return arms[0] if len(arms) == 1 else Any
    return declared
