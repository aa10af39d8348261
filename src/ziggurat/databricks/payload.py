"""What custom models are sent, and what comes back, in the forms that MLflow's scoring server has.

Pure. A model logged with MLflow takes rows (``dataframe_records`` or ``dataframe_split``), named or bare arrays
(``inputs``) or ``instances``; its answer is ``predictions``. A driver application takes and gives JSON as it is.
Source: MLflow's documentation of the scoring server, and the serving endpoints' REST reference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ziggurat.errors import AnswerCut, InputError

Form = Literal["dataframe_records", "dataframe_split", "inputs", "instances"]
FORMS: tuple[Form, ...] = ("dataframe_records", "dataframe_split", "inputs", "instances")


def packed(request: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """One request in a form."""
    if form == "dataframe_split":
        return {"dataframe_split": {"index": [0], "columns": list(request), "data": [list(request.values())]}}
    if form == "inputs":
        return {"inputs": {name: [value] for name, value in request.items()}}
    return {form: [dict(request)]}


def checked_form(form: str) -> Form:
    """A form that exists.

    Raises:
        InputError: If it does not.
    """
    for one in FORMS:
        if one == form:
            return one
    raise InputError(f"A custom model takes no {form!r}.", fix=f"one of {', '.join(FORMS)}")


def predicted(reply: Any, where: str) -> Any:
    """The one prediction in an answer.

    Raises:
        AnswerCut: If there is none.
    """
    if not isinstance(reply, Mapping) or "predictions" not in reply:
        raise AnswerCut("The answer has no predictions.", where=where, fix="is it a custom model's endpoint?")
    found = reply["predictions"]
    if isinstance(found, list):
        if not found:
            raise AnswerCut("The answer has no predictions.", where=where)
        found = found[0]
    return found


def as_text(value: Any, where: str) -> str:
    """A prediction as the text a language model gives: a string, or a record with a single text in it.

    Raises:
        InputError: If it is neither; a ``transform_output_fn`` can make it one.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and len(value) == 1:
        (only,) = value.values()
        if isinstance(only, str):
            return only
    raise InputError(
        f"The model's answer is no text: {json.dumps(value, ensure_ascii=False, default=str)[:200]}",
        where=where,
        fix="give transform_output_fn=…, which makes it one",
    )


def completions(reply: Any, where: str) -> list[str]:
    """The texts of a completion's or a chat's answer.

    Raises:
        AnswerCut: If it has no choices.
    """
    choices = reply.get("choices") if isinstance(reply, Mapping) else None
    if not choices:
        raise AnswerCut("The endpoint's answer has no choices.", where=where)
    return [str(one["text"] if "text" in one else (one.get("message") or {}).get("content") or "") for one in choices]


def before(text: str, ends: Iterable[str]) -> str:
    """The text up to the first of its ends."""
    found = [at for at in (text.find(one) for one in ends if one) if at >= 0]
    return text[: min(found)] if found else text
