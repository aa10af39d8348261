"""``ziggurat demo``: the lab, start to end, on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ziggurat.cli import HELP

if TYPE_CHECKING:
    from rich.console import Console

TEXTS = {
    "azure-databricks.txt": (
        "Azure Databricks is a managed analytics platform on Microsoft Azure, built on Apache Spark.\n"
        "Data engineers, data scientists and analysts share its notebooks and clusters.\n"
    ),
    "langchain.txt": (
        "LangChain is an open-source framework with which developers build applications on large language models.\n"
        "It turns a question into a prompt, retrieves documents, calls tools and models, and returns an answer.\n"
    ),
    "gpt-4.txt": (
        "GPT-4 is a large language model made by OpenAI and announced in March 2023.\n"
        "It reads text and images and writes text.\n"
    ),
}
"""Three short texts of our own, each with facts anybody can check."""

QUESTIONS = ("What is Azure Databricks?", "What is LangChain?", "Who won the football World Cup in 1998?")
SCENE = "A futuristic city with flying cars"
TASKS = {
    "qa": {"question": "Tell me about LangChain."},
    "image_generation": {"prompt": "A conceptual diagram of LangChain in use"},
}


@click.command("demo", context_settings=HELP)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("demo-output"), show_default=True, help="Where files go."
)
@click.option("--model", help="A chat model's spec; the local one if not given.")
def command(out: Path, model: str | None) -> None:
    """Index three texts, answer from them, draw two pictures, and run both kinds of task as one chain.

    Everything runs on this machine with no key: the first time it downloads two small models.
    """
    from rich.console import Console

    from ziggurat import ImageGeneration, MultiChain, RetrievalQA
    from ziggurat.cli.view import print_answer, save_picture, watch
    from ziggurat.index import VectorIndex

    console, began = Console(highlight=False), time.perf_counter()
    _fetch_models(console, model)

    _heading(console, "1", "Index three texts")
    texts = _write_texts(out / "texts")
    with VectorIndex.open_or_create(out / "index") as index:
        report = index.add_files(texts)
        console.print(f"{len(report.documents)} documents in {out / 'index'}", soft_wrap=True)

        _heading(console, "2", "Ask them")
        qa = RetrievalQA(index, model)
        for question in QUESTIONS:
            console.print(f"[bold cyan]?[/] {question}")
            print_answer(qa.run(question), console)

        _heading(console, "3", "Make a picture")
        image = ImageGeneration(chat=model, retriever=index)
        scene = image.run(SCENE)
        console.print(f"{scene.kind}: {save_picture(scene, out, 'flying-cars')}", soft_wrap=True)

        _heading(console, "4", "Both kinds of task as one MultiChain")
        chain = MultiChain(chains=[{"name": "qa", "chain": qa}, {"name": "image_generation", "chain": image}])
        outputs = watch(chain, TASKS, console, "MultiChain")
        print_answer(outputs["qa"], console)
        picture = outputs["image_generation"]
        console.print(f"{picture.kind}: {save_picture(picture, out, 'langchain-in-use')}", soft_wrap=True)
    console.print(f"\n[green]Done in {time.perf_counter() - began:.1f} s.[/] Next: ziggurat index YOUR-FOLDER --to kb")


def _heading(console: Console, number: str, title: str) -> None:
    console.print(f"\n[bold]{number}. {title}[/]")


def _fetch_models(console: Console, model: str | None) -> None:
    from ziggurat import specs
    from ziggurat.models.weights import catalogue
    from ziggurat.progress import default_progress

    for spec in (model or specs.DEFAULTS["chat"], specs.DEFAULTS["embeddings"]):
        name = spec.removeprefix("local:")
        if spec != name and not Path(name).exists():
            if not catalogue.is_cached(name):
                console.print(f"downloading {spec} ({catalogue.entry(name).size / 1e6:.0f} MB), once")
            catalogue.fetch(name, progress=default_progress())


def _write_texts(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in TEXTS.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
