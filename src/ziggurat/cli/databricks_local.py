"""``ziggurat databricks local`` and ``driver-app``: servers on this machine, until they are told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ziggurat.cli import HELP
from ziggurat.cli.outputs import wide_console

_STALL_SECONDS = 2.0


@click.command("local", context_settings=HELP)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 for any free one.")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where its files live; a temporary one."
)
@click.option("--chat", metavar="SPEC", help="Who answers its chat endpoints; the local model by default.")
@click.option("--embeddings", metavar="SPEC", help="Who embeds; the local model by default.")
@click.option("--token", metavar="TOKEN", help="The token that opens it; made up by default. No secret of yours.")
@click.option("--refuse", type=click.FloatRange(0, 1), default=0.0, help="Answer this share of model calls with 429.")
@click.option("--fail", type=click.FloatRange(0, 1), default=0.0, help="Answer this share with 503.")
@click.option("--cut", type=click.FloatRange(0, 1), default=0.0, help="Cut this share of answers in the middle.")
@click.option("--stall", type=click.FloatRange(0, 1), default=0.0, help="Let this share wait for two seconds.")
def local(
    port: int,
    folder: Path | None,
    chat: str | None,
    embeddings: str | None,
    token: str | None,
    **faults: float,
) -> None:
    """Run a Databricks workspace on this machine, answered by real local models; no account, no key.

    It speaks the REST API that databricks-sdk, mlflow, openai and databricks-langchain use: serving endpoints,
    secrets, clusters, files, jobs, AI Search, the driver proxy. What it does not have it answers with 501.
    Everything is gone when it stops; files stay if --folder is given.

    \b
    Examples:
      ziggurat databricks local
      ziggurat databricks local --port 9000 --refuse 0.1 --cut 0.05
    """
    from ziggurat import models
    from ziggurat.databricks.local import LocalWorkspace, Models
    from ziggurat.databricks.local.faults import Faults

    if chat:
        models.chat(chat)  # a spec that nobody answers to is refused now, not at the first question
    if embeddings:
        models.embeddings(embeddings)
    console = wide_console()
    luck = Faults(faults["refuse"], faults["fail"], faults["cut"], (faults["stall"], _STALL_SECONDS))
    who = Models(chat=chat, embeddings=embeddings)
    with (
        _until_stopped("Stopped. " + (f"Its files are in {folder}." if folder else "Everything in it is gone.")),
        LocalWorkspace(folder, port=port, token=token, models=who, faults=luck) as workspace,
    ):
        console.print("A workspace runs on this machine. In another terminal:\n")
        console.print(f"  export DATABRICKS_HOST={workspace.url}", soft_wrap=True, highlight=False, markup=False)
        console.print(f"  export DATABRICKS_TOKEN={workspace.token}", soft_wrap=True, highlight=False, markup=False)
        console.print("  ziggurat databricks endpoints list\n", highlight=False)
        told = {"429": luck.refuse, "503": luck.unavailable, "cut": luck.cut, "stalled": faults["stall"]}
        wrong = ", ".join(f"{share:.0%} {name}" for name, share in told.items() if share)
        if wrong:
            console.print(f"[yellow]Of the calls of models, on request: {wrong}.[/]", highlight=False)
        console.print("Ctrl-C stops it.", highlight=False)
        threading.Event().wait()


@click.command("driver-app", context_settings=HELP)
@click.option("--model", metavar="SPEC", help="Who answers; the local model by default.")
@click.option("--port", type=click.IntRange(1, 65535), default=7777, show_default=True, help="3000-8000 for the proxy.")
@click.option(
    "--listen",
    default="127.0.0.1",
    show_default=True,
    help="0.0.0.0 on a cluster, so that the driver proxy reaches it.",
)
@click.option("--concurrency", type=click.IntRange(min=1), default=4, show_default=True, help="Calls at a time.")
@click.option("--waiting", type=click.IntRange(min=0), default=64, show_default=True, help="Calls that may wait.")
@click.option("--seconds", type=click.FloatRange(min=1), default=120.0, show_default=True, help="For one answer.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="The longest answer that may be asked for.")
def driver_app(
    model: str | None,
    port: int,
    listen: str,
    concurrency: int,
    waiting: int,
    seconds: float,
    max_tokens: int | None,
) -> None:
    """Serve a model on the driver of a cluster, for Databricks(cluster_driver_port=…) and the driver proxy.

    POST / takes {"prompt": text, "stop": [texts]} and gives a JSON string; GET /health says how it is.

    \b
    Examples:
      ziggurat databricks driver-app --listen 0.0.0.0
      curl -d '{"prompt": "How are you?", "stop": ["."]}' http://127.0.0.1:7777/
    """
    from ziggurat import models
    from ziggurat.databricks.driver import PORTS
    from ziggurat.databricks.driver_app import Bounds, DriverApp, serve

    chat = models.chat(model)
    app = DriverApp(chat, Bounds(concurrency, waiting, seconds, max_tokens=max_tokens))
    console = wide_console()

    def listening() -> None:
        address = f"http://{f'[{listen}]' if ':' in listen else listen}:{port}/"
        console.print(f"Listening on {address} ; Ctrl-C stops it.", soft_wrap=True, highlight=False, markup=False)
        if port not in PORTS:
            console.print(f"[yellow]The driver proxy passes on ports {PORTS[0]} to {PORTS[-1]} only.[/]")

    with _until_stopped("Stopped."), _said_in_terminal():
        serve(app, host=listen, port=port, listening=listening)


@contextmanager
def _until_stopped(farewell: str) -> Iterator[None]:
    """A server's life: Ctrl-C and SIGTERM end it alike, in order, and are no error."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()  # only there may signals be taken
    before = signal.signal(signal.SIGTERM, stop) if in_main else None
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\n{farewell}", err=True)
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _said_in_terminal() -> Iterator[None]:
    """Shows what the application logs: what its model's errors say, which callers are not told."""
    import logging

    log = logging.getLogger("ziggurat.databricks.driver_app")
    shown = logging.StreamHandler()
    shown.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(shown)
    try:
        yield
    finally:
        log.removeHandler(shown)
