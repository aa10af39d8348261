"""``ziggurat mlflow``: chains, evaluations and prompts into MLflow, and a logged agent served."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ziggurat.chain.target import is_chain_file
from ziggurat.cli import HELP
from ziggurat.cli.outputs import read_input

_Command = TypeVar("_Command", bound=Callable[..., Any])
_TARGET = "CHAIN.yaml|BUILD.py[:NAME]"


def _set_store(_context: click.Context, _option: click.Parameter, store: str | None) -> str | None:
    if store is not None:
        from ziggurat.mlflow.store import library

        library(for_="logging to MLflow").set_tracking_uri(store)
    return store


def _store_option(command: _Command) -> _Command:
    return click.option(
        "--store",
        envvar="MLFLOW_TRACKING_URI",
        show_envvar=True,
        metavar="URI",
        expose_value=False,
        callback=_set_store,
        help="Where MLflow keeps things: sqlite:///mlflow.db, http://..., databricks.",
    )(command)


def _experiment_option(command: _Command) -> _Command:
    return click.option("--experiment", help="The experiment.  [default: MLflow's current one]")(command)


def _model_options(command: _Command) -> _Command:
    options = [
        click.option(
            "--stage", "stages", multiple=True, metavar="NAME", help="Give this stage's output; several may be named."
        ),
        click.option("--register", metavar="NAME", help="Register a version of the model under this name."),
        click.option(
            "--file",
            "files",
            multiple=True,
            type=click.Path(path_type=Path),
            help="What a script reads, in the script's folder; several may be named.",
        ),
        click.option(
            "--require", "requirements", multiple=True, metavar="PACKAGE", help="A further requirement for pip."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return _experiment_option(_store_option(command))


@click.group("mlflow", context_settings=HELP)
def command() -> None:
    """Log chains, evaluations and prompts to MLflow, and serve what was logged.

    A logged chain is an MLflow model like any other: it is versioned in a registry, loaded in a notebook, served over
    HTTP, and each of its runs is a trace with every stage in it.

    \b
    Examples:
      export MLFLOW_TRACKING_URI=sqlite:///mlflow.db
      ziggurat mlflow log chain.yaml question="What is new?" --register lab
      mlflow models serve -m models:/lab/1 --env-manager local --port 5001
      ziggurat mlflow agent chain.yaml "What is new?" --register lab-agent
      ziggurat mlflow serve models:/lab-agent/1 --port 8000
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar for each copy on one disk


@command.command("log", context_settings=HELP)
@click.argument("target", metavar=_TARGET)
@click.argument("example", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--name", default="chain", show_default=True, help="What the model is called.")
@_model_options
def log(
    target: str,
    example: tuple[str, ...],
    name: str,
    stages: tuple[str, ...],
    register: str | None,
    files: tuple[Path, ...],
    requirements: tuple[str, ...],
    experiment: str | None,
) -> None:
    """Log a chain as a model: rows of inputs in, a column for each stage out.

    KEY=VALUE gives the inputs of one run as an example, as for `ziggurat run`: it is run once, and checked against the
    model's signature. The indexes and prompts that the chain names go along. A chain that no file can hold is logged as
    the Python file that builds it, which is executed here and wherever the model is loaded.

    \b
    Examples:
      ziggurat mlflow log chain.yaml question="What is new?" --register lab
      ziggurat mlflow log build.py:chain --file kb --stage answer
    """
    from ziggurat.mlflow import log_chain

    _begin(experiment)
    info = log_chain(
        **_target(target),
        files=files,
        name=name,
        stages=stages or None,
        input_example=dict(map(read_input, example)) or None,
        requirements=requirements,
        registered_model_name=register,
    )
    _say(info, f"mlflow models serve -m {info.model_uri} --env-manager local --port 5001")


@command.command("agent", context_settings=HELP)
@click.argument("target", metavar=_TARGET)
@click.argument("example", required=False, metavar="[QUESTION]")
@click.option("--name", default="agent", show_default=True, help="What the model is called.")
@click.option("--question", metavar="INPUT", help="The input that takes the question.  [default: found]")
@click.option("--answer", metavar="STAGE", help="The stage that answers.  [default: found]")
@click.option("--history", metavar="INPUT", help="The input that takes earlier messages.  [default: found by its name]")
@_model_options
def agent(  # noqa: PLR0917 (click gives them by name)
    target: str,
    example: str | None,
    name: str,
    question: str | None,
    answer: str | None,
    history: str | None,
    stages: tuple[str, ...],
    register: str | None,
    files: tuple[Path, ...],
    requirements: tuple[str, ...],
    experiment: str | None,
) -> None:
    """Log a chain as an agent, which is spoken to in OpenAI's Responses format and streams its answer.

    The last message of a request is the question. QUESTION is asked once, as an example.

    \b
    Examples:
      ziggurat mlflow agent chain.yaml "What is new?" --register lab-agent
      ziggurat mlflow agent chain.yaml --question topic --answer summary
    """
    from ziggurat.mlflow import log_agent

    _begin(experiment)
    info = log_agent(
        **_target(target),
        files=files,
        name=name,
        question=question,
        answer=answer,
        history=history,
        stages=stages or None,
        input_example=example,
        requirements=requirements,
        registered_model_name=register,
    )
    _say(info, f"ziggurat mlflow serve {info.model_uri}")


@command.command("eval", context_settings=HELP)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@_experiment_option
@_store_option
def evaluation(runs: tuple[Path, ...], experiment: str | None) -> None:
    """Log what `ziggurat eval` has saved: figures with their intervals, the questions, the page.

    \b
    Example:
      ziggurat mlflow eval evaluations/before evaluations/after --experiment retrieval
    """
    from ziggurat.evaluation import load_run
    from ziggurat.mlflow import log_evaluation

    for run in [load_run(one) for one in runs]:
        click.echo(f"{run.name}: run {log_evaluation(run, experiment=experiment)}")


@command.command("prompts", context_settings=HELP)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("names", nargs=-1)
@click.option("--prefix", default="", help="Put before each name: catalog.schema. in Unity Catalog.")
@click.option("--message", help="Why; kept with the new versions.")
@_store_option
def prompts(folder: Path, names: tuple[str, ...], prefix: str, message: str | None) -> None:
    """Register the prompts of FOLDER, each language as a version that its alias names: prompts:/qa@zh.

    \b
    Example:
      ziggurat mlflow prompts my-prompts qa --message "Shorter answers"
    """
    from ziggurat.mlflow import register_prompts

    for name, version in register_prompts(folder, names=names or None, prefix=prefix, commit_message=message).items():
        click.echo(f"{name}  version {version}")


@command.command("serve", context_settings=HELP)
@click.argument("model_uri")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="The port.")
@_store_option
def serve(model_uri: str, host: str, port: int) -> None:
    """Serve the agent MODEL_URI until Ctrl-C, streamed where a request asks for it.

    It answers on /responses, as OpenAI's client calls it, and on /invocations. A model that is no agent is served by
    `mlflow models serve`.

    \b
    Example:
      ziggurat mlflow serve models:/lab-agent/1
      curl http://127.0.0.1:8000/responses -H 'Content-Type: application/json' \\
        -d '{"input": [{"role": "user", "content": "What is new?"}], "stream": true}'
    """
    from ziggurat.mlflow import serve_agent

    serve_agent(model_uri, host=host, port=port)


def _target(target: str) -> dict[str, Any]:
    """The argument of `log_chain` that a target is."""
    return {"chain": target} if is_chain_file(target) else {"script": target}


def _begin(experiment: str | None) -> None:
    if experiment is not None:
        from ziggurat.mlflow.store import library, reach, refusals

        reach()
        with refusals("open the experiment", experiment):
            library(for_="logging to MLflow").set_experiment(experiment)


def _say(info: Any, how: str) -> None:
    click.echo(f"model: {info.model_uri}")
    if info.registered_model_version is not None:
        click.echo(f"registered: version {info.registered_model_version}")
    click.echo(f"to serve it: {how}")
