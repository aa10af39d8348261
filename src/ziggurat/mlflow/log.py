"""A chain becomes an MLflow model: from code, with its signature, example, resources and requirements.

Everything that can be wrong is found before anything is logged: the store is asked whether it is there, the chain is
packed and built from its package, and the example is run once from there and checked against the signature. Nothing
is pickled.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ziggurat.chain.run.portal import run_sync
from ziggurat.errors import InputError
from ziggurat.mlflow.agent import Agent, Form, form_of, message_item
from ziggurat.mlflow.inside import inside
from ziggurat.mlflow.needs import requirements as needed
from ziggurat.mlflow.needs import resources as called
from ziggurat.mlflow.package import Package
from ziggurat.mlflow.packing import pack, with_agent
from ziggurat.mlflow.plain import as_json
from ziggurat.mlflow.rehearsal import rehearsed
from ziggurat.mlflow.secrets import refuse_secret
from ziggurat.mlflow.signature import check_example, check_outputs, signature_of
from ziggurat.mlflow.store import library, reach, refusals

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo

    from ziggurat.chain.multichain import MultiChain

_REFUSED = "/:.%\"'"
_REFUSED_REGISTERED = "/:"

_CODE = '''"""A chain of Ziggurat as an MLflow model; the chain itself is in the artifact "chain"."""

from mlflow.models import set_model

from ziggurat.mlflow.loaded import {kind}

set_model({kind}())
'''


def log_chain(
    chain: MultiChain | str | Path | None = None,
    *,
    script: str | Path | None = None,
    files: Iterable[str | Path] = (),
    folder: str | Path | None = None,
    name: str = "chain",
    stages: Sequence[str] | None = None,
    input_example: Mapping[str, Any] | None = None,
    resources: Iterable[Any] = (),
    requirements: Iterable[str] = (),
    registered_model_name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> ModelInfo:
    """Log a chain as an MLflow model, which ``mlflow.pyfunc.load_model`` loads and ``mlflow models serve`` serves.

    A chain goes as its chain file, and takes along the indexes, prompts and databases it names by path. A chain
    that no file can hold (with functions in it) goes as the script that builds it.

    Args:
        chain: A chain, or the path of a chain file.
        script: Instead of it: ``build.py``, which says ``chain = MultiChain(...)``, or ``build.py:name``.
        files: What the script reads, in the script's folder.
        folder: Of a chain made in Python: the folder that what it names lies in; found from its paths when None.
        name: What the model is called.
        stages: The stages whose outputs become columns; what the chain returns when None.
        input_example: The inputs of one run, by name. It is run once.
        resources: Further ``mlflow.models.resources`` beside those of the chain's Databricks endpoints and indexes.
        requirements: Further requirements for pip, of the user's own code.
        registered_model_name: Registers a version of the model under this name.
        metadata: Kept with the model.

    Returns:
        MLflow's ``ModelInfo``: its ``model_uri`` loads the model.

    Raises:
        InputError: If it cannot be logged as it is: a name, a path, a secret, an example.
        SpecError: If the chain has no written form.
        ChainError: If a stage failed on the example.
        TrackingError: If the store cannot be reached, or refuses.
        MissingDependency: If MLflow or pandas is not installed.
    """
    _check_names(name, registered_model_name)
    reach(registry=registered_model_name is not None)
    with TemporaryDirectory(prefix="ziggurat-mlflow-") as made:
        place = Path(made)
        package = pack(chain, place / "chain", script=script, files=files, folder=folder, stages=stages)
        signature = signature_of(package.chain, package.note.outputs, input_example)
        rows: list[dict[str, Any]] | None = None
        if input_example is not None:
            example = _plain_example(input_example)
            check_example(package.chain, example, signature)
            outputs = package.chain.run(input_example)
            rows = [{name: as_json(outputs[name], name) for name in package.note.outputs}]
            signature = signature_of(package.chain, package.note.outputs, input_example, outputs)
            check_outputs(rows, signature)
        given = {"input_example": [example]} if input_example else {}
        with rehearsed(rows):
            return _log(
                package,
                place,
                "ChainModel",
                name=name,
                resources=resources,
                requirements=requirements,
                registered_model_name=registered_model_name,
                metadata=metadata,
                signature=signature,
                **given,
            )


def log_agent(
    chain: MultiChain | str | Path | None = None,
    *,
    script: str | Path | None = None,
    files: Iterable[str | Path] = (),
    folder: str | Path | None = None,
    name: str = "agent",
    question: str | None = None,
    answer: str | None = None,
    history: str | None = None,
    stages: Sequence[str] | None = None,
    input_example: str | Mapping[str, Any] | None = None,
    resources: Iterable[Any] = (),
    requirements: Iterable[str] = (),
    registered_model_name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> ModelInfo:
    """Log a chain as an MLflow ``ResponsesAgent``: spoken to as OpenAI's Responses are, streamed or whole.

    The last user message goes to the input that takes the question. What was said before goes to the input that
    takes it, or into the memory of the chain's conversation. Other stages' outputs are told as ``custom_outputs``, and
    other inputs are taken from ``custom_inputs``.

    Args:
        chain: As for `log_chain`.
        script: As for `log_chain`.
        files: As for `log_chain`.
        folder: As for `log_chain`.
        name: What the model is called.
        question: The input that takes the question; found when None.
        answer: The stage that answers; found when None.
        history: The input that takes earlier messages, as LangChain messages; found by its name when None.
        stages: The stages to tell; what the chain returns when None.
        input_example: A question, or a whole request. It is run once; without one no model is called.
        resources: As for `log_chain`.
        requirements: As for `log_chain`.
        registered_model_name: As for `log_chain`.
        metadata: As for `log_chain`.

    Raises:
        InputError: As for `log_chain`; and if it is not clear which input is the question, or who answers.
        SpecError: As for `log_chain`.
        ChainError: As for `log_chain`.
        TrackingError: As for `log_chain`.
        MissingDependency: As for `log_chain`.
    """
    _check_names(name, registered_model_name)
    reach(registry=registered_model_name is not None)
    with TemporaryDirectory(prefix="ziggurat-mlflow-") as made:
        place = Path(made)
        package = pack(chain, place / "chain", script=script, files=files, folder=folder, stages=stages)
        form = form_of(package.chain, package.note.outputs, question=question, answer=answer, history=history)
        package = with_agent(package, form.as_dict())
        request = _request(input_example)
        with rehearsed(_answered(package, form, request)):
            return _log(
                package,
                place,
                "ChainAgent",
                name=name,
                resources=resources,
                requirements=requirements,
                registered_model_name=registered_model_name,
                metadata=metadata,
                **({} if request is None else {"input_example": request}),
            )


def _log(
    package: Package,
    place: Path,
    kind: str,
    *,
    name: str,
    resources: Iterable[Any],
    requirements: Iterable[str],
    metadata: Mapping[str, Any] | None,
    **more: Any,
) -> ModelInfo:
    stages = list(inside(package.chain))
    code = place / "model.py"
    code.write_text(_CODE.format(kind=kind), encoding="utf-8")
    pyfunc = library("mlflow.pyfunc", for_="logging a chain")
    with refusals("log the model", name), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*An input example was not provided")  # our help says what it is for
        info: ModelInfo = pyfunc.log_model(
            name=name,
            python_model=str(code),
            artifacts={"chain": str(package.folder)},
            pip_requirements=needed(stages, requirements),
            resources=called(stages, resources) or None,
            metadata={**(metadata or {}), "ziggurat": version("ziggurat"), "chain": package.chain.name},
            uv_project_path=str(place),  # else MLflow takes the lock file of whatever project it is called in
            **more,
        )
    return info


def _check_names(name: str, registered: str | None) -> None:
    for given, refused in ((name, _REFUSED), (registered, _REFUSED_REGISTERED)):
        if given is not None and (not given.strip() or any(char in given for char in refused)):
            raise InputError(
                f"MLflow does not take {given!r} as a model's name.", fix=f"a name without any of {' '.join(refused)}"
            )


def _plain_example(example: Mapping[str, Any]) -> dict[str, Any]:
    """An example as it can be kept: JSON, without a secret."""
    plain = {name: as_json(value, f"input_example[{name!r}]") for name, value in example.items()}
    refuse_secret(str(plain), "input_example")
    return plain


def _request(example: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if example is None:
        return None
    if isinstance(example, str):
        example = {"input": [{"role": "user", "content": example}]}
    return _plain_example(example)


def _answered(package: Package, form: Form, request: Mapping[str, Any] | None) -> dict[str, Any]:
    """The response to the example; where there is none, one that only has the form of a response."""
    if request is None:
        return {"output": [message_item("msg_0", "(no example was given)", [])]}
    wanted = library("mlflow.types.responses", for_="an agent's example").ResponsesAgentRequest
    try:
        wanted(**request)
    except (ValueError, TypeError) as error:
        raise InputError(
            "The example is no request of the Responses format.", fix='{"input": [{"role": "user", "content": "..."}]}'
        ) from error
    return run_sync(Agent(package.chain, package.note.outputs, form).respond(request))
