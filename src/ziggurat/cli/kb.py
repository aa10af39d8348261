"""``ziggurat kb``: looking after an index: how it is, whether it is well, and what it holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from ziggurat.cli import HELP
from ziggurat.cli.outputs import wide_console
from ziggurat.cli.sources import chosen, show_left_out, source_options

if TYPE_CHECKING:
    from rich.console import Console

    from ziggurat.index import VectorIndex

_SHOWN = 20

folder = click.argument("folder", type=click.Path(path_type=Path))


@click.group("kb", context_settings=HELP)
def command() -> None:
    """Look after an index: keep it like its sources, check it, repair it, take it elsewhere.

    \b
    Examples:
      ziggurat kb status kb
      ziggurat kb sync kb notes/
      ziggurat kb diff kb
      ziggurat kb verify kb --probe 50
      ziggurat kb export kb > kb.jsonl
      ziggurat kb reembed kb --to openai:text-embedding-3-small
    """


@command.command("status", context_settings=HELP)
@folder
def status(folder: Path) -> None:
    """Show an index in numbers: model, generation, documents, chunks, sources and what they left out."""
    from rich.table import Table

    console = wide_console()
    with _open(folder) as index:
        stats = index.stats()
    facts = Table.grid(padding=(0, 2))
    rows: list[tuple[str, Any]] = [
        ("folder", stats.path),
        ("embedding", f"{stats.embedding}, {stats.dimensions or '?'} dimensions"),
        ("generation", stats.generation),
        ("documents", f"{stats.documents:,}"),
        ("chunks", f"{stats.chunks:,}"),
        ("search", f"{stats.searcher}; {stats.snapshot_rows:,} in the snapshot, {stats.tail_rows:,} since"),
        ("disk", f"{stats.disk_bytes / 1e6:,.1f} MB"),
    ]
    if stats.snapshot_problem:
        rows.append(("snapshot", f"could not be written: {stats.snapshot_problem}"))
    if stats.next_embedding:
        rows.append(("becoming", f"{stats.next_embedding} (ziggurat kb reembed goes on with it)"))
    from_sources = sum(source.documents for source in stats.sources)
    if stats.documents > from_sources:
        rows.append(("by hand", f"{stats.documents - from_sources:,} documents that no source has"))
    for name, value in rows:
        facts.add_row(f"[dim]{name}[/dim]", _plain(value))
    console.print(facts)
    for source in stats.sources:
        told = f"{source.items:,} items, {source.documents:,} documents"
        if source.problems:
            told += f", {len(source.problems):,} left out"
        console.print(f"[dim]source[/dim]      {_plain(source.name)}: {told}")
        _list(console, "left out", source.problems, "yellow")


@command.command("sync", context_settings=HELP)
@folder
@click.argument("sources", nargs=-1)
@source_options
def sync(folder: Path, sources: tuple[str, ...], include: tuple[str, ...], exclude: tuple[str, ...]) -> None:
    """Make an index hold what SOURCES hold: folders, files, addresses.

    What is new is added, what changed is replaced, what left is removed; what has not changed is not
    read again. Without SOURCES those it was filled from are read. It may be interrupted and run again.

    \b
    Examples:
      ziggurat kb sync kb notes/ --exclude 'drafts/'
      ziggurat kb sync kb https://docs.example.org/sitemap.xml
      ziggurat kb sync kb
    """
    console = wide_console()
    options = chosen(include, exclude)
    with _open(folder) as index:
        for source in sources or _remembered(index):
            report = index.sync(source, **options)
            console.print(f"{_plain(source)}: {_plain(report)}", highlight=False)
            show_left_out(console, report)


@command.command("diff", context_settings=HELP)
@folder
@click.argument("others", nargs=-1)
@click.option("--thorough", is_flag=True, help="Read every item, also one whose size and time are what they were.")
def diff(folder: Path, others: tuple[str, ...], *, thorough: bool) -> None:
    """Show how an index differs from its sources, or from another index.

    Without OTHERS it is compared with what it was filled from. Ends with status 1 where something
    differs. Nothing is changed.
    """
    from ziggurat.index.schema import is_index

    console = wide_console()
    differs = False
    with _open(folder) as index:
        for other in others or _remembered(index):
            if is_index(Path(other)):
                with _open(Path(other)) as second:
                    found = index.compare(second)
                console.print(f"{_plain(other)}: {found.same:,} documents the same", highlight=False)
                _list(console, f"only in {folder}", found.only_here, "green")
                _list(console, f"only in {other}", found.only_there, "red")
                _list(console, "different", found.different, "yellow")
                differs |= bool(found)
            else:
                drift = index.drift(other, thorough=thorough)
                console.print(f"{_plain(other)}: {drift.unchanged:,} items unchanged", highlight=False)
                _list(console, "new", drift.added, "green")
                _list(console, "changed", drift.changed, "yellow")
                _list(console, "gone", drift.removed, "red")
                _list(console, "unreadable", drift.unreadable, "yellow")
                differs |= bool(drift)
    if differs:
        sys.exit(1)


@command.command("verify", context_settings=HELP)
@folder
@click.option("--probe", default=0, help="Embed so many chunks again and compare them with their stored vectors.")
def verify(folder: Path, probe: int) -> None:
    """Check everything against everything: texts, words, vectors, documents, the snapshot.

    Ends with status 1 where something is wrong.
    """
    with _open(folder, read_only=False) as index:
        report = index.verify(probe=probe)
    console = wide_console()
    for check in report.checks:
        mark = "[green]✓[/green]" if check.ok else "[red]✗[/red]"
        console.print(f"{mark} {check.name}: {_plain(check.detail)}", highlight=False)
    if not report.ok:
        console.print(f"[dim]try:[/dim] ziggurat kb repair {_plain(folder)}")
        sys.exit(1)


@command.command("repair", context_settings=HELP)
@folder
def repair(folder: Path) -> None:
    """Rebuild what can be rebuilt from the stored texts: words, vectors, the snapshot.

    A document of which a part is missing is removed and named; sync or add it again.
    """
    with _open(folder, read_only=False) as index:
        report = index.repair()
    console = wide_console()
    for line in report.done:
        console.print(f"[green]✓[/green] {_plain(line)}", highlight=False)
    _list(console, "removed", report.removed_documents, "yellow")
    for fault in report.health.faults:
        console.print(f"[red]✗[/red] {fault.name}: {_plain(fault.detail)}", highlight=False)
    if not report.health.ok:
        sys.exit(1)


@command.command("export", context_settings=HELP)
@folder
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="The file to write; standard output unless given."
)
@click.option("--vectors", is_flag=True, help="With the vectors, as lists of numbers.")
def export(folder: Path, target: Path | None, *, vectors: bool) -> None:
    """Write every chunk as one line of JSON: id, text, metadata, and the vector if asked for."""
    with _open(folder) as index:
        if target is None:
            _export(index, sys.stdout, vectors=vectors)
            return
        beside = target.with_name(f".{target.name}.part")
        try:
            with beside.open("w", encoding="utf-8") as file:
                count = _export(index, file, vectors=vectors)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    click.echo(f"{count} chunks written to {target}", err=True)


@command.command("reembed", context_settings=HELP)
@folder
@click.option(
    "--to", "spec", required=True, help="The new embedding model's spec, such as local:multilingual-e5-small."
)
def reembed(folder: Path, spec: str) -> None:
    """Embed every chunk with another model; until that is done the present one goes on serving.

    It may be interrupted; run again with the same model it goes on where it was.
    """
    with _open(folder, read_only=False) as index:
        report = index.reembed(spec)
    if report.before == report.after:
        click.echo(f"{folder} is embedded with {report.after} already.")
    else:
        click.echo(
            f"{report.embedded + report.kept} chunks embedded with {report.after}; before it was {report.before}."
        )


def _export(index: VectorIndex, file: TextIO, *, vectors: bool) -> int:
    import json

    count = 0
    for part in index.records(256):
        for at, chunk_id in enumerate(part.ids):
            line: dict[str, Any] = {"id": chunk_id, "text": part.texts[at], "metadata": part.metadatas[at]}
            if vectors:
                line["vector"] = part.vectors[at].tolist()
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        count += len(part.ids)
    return count


def _open(folder: Path, *, read_only: bool = False) -> VectorIndex:
    from ziggurat.index import VectorIndex

    return VectorIndex.open(folder, read_only=read_only)


def _remembered(index: VectorIndex) -> list[str]:
    """The sources an index was filled from.

    Raises:
        InputError: If there are none.
    """
    from ziggurat.errors import InputError

    names = [source.name for source in index.stats().sources]
    if not names:
        raise InputError(
            "This index was filled from no source that could be read again.",
            where=str(index.path),
            fix="name the source: ziggurat kb sync KB SOURCE",
        )
    return names


def _list(console: Console, heading: str, found: Any, style: str) -> None:
    for one in list(found)[:_SHOWN]:
        console.print(f"  {heading}: {one}", style=style, markup=False, soft_wrap=True)
    if len(found) > _SHOWN:
        console.print(f"  and {len(found) - _SHOWN:,} more", style=style)


def _plain(value: Any) -> str:
    from rich.markup import escape

    return escape(str(value))
