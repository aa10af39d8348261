"""The documentation tells the truth: its Python runs, its help is the live help, its commands and files exist.

The blocks of a file run in order in one namespace, as a reader would type them, in an empty
folder. ``<!-- no-run -->`` on the line before a block leaves it out; ``<!-- help: COMMAND -->`` before a block
says that it shows the help of that command.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from ziggurat.cli.main import cli

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "README.md"]

_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n+)?(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line in the file, and the comment before it."""

    line: int
    language: str
    mark: str
    body: str


def blocks(text: str) -> list[Block]:
    return [
        Block(text.count("\n", 0, one.start("body")) + 1, one["language"], one["mark"] or "", one["body"])
        for one in _FENCE.finditer(text)
    ]


def read(path: Path) -> list[Block]:
    return blocks(path.read_text(encoding="utf-8"))


def run(path: Path, found: list[Block]) -> dict[str, object]:
    """Run the Python of a document; a traceback names the document and its line."""
    space: dict[str, object] = {"__name__": "__main__"}
    for one in found:
        if one.language == "python" and one.mark != "no-run":
            code = compile("\n" * (one.line - 1) + one.body, str(path), "exec", dont_inherit=True)
            exec(code, space)  # noqa: S102 (our own documentation)
    return space


NAMES = [str(path.relative_to(ROOT)) for path in DOCS]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize("path", DOCS, ids=NAMES)
def test_the_python_of_a_document_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(path, read(path))


@pytest.mark.parametrize("path", DOCS, ids=NAMES)
def test_the_help_a_document_shows_is_the_live_help(path, tmp_path):
    shown = [one for one in read(path) if one.mark.startswith("help: ")]
    if path.name == "README.md" and path.parent == ROOT:
        assert [one.mark for one in shown] == ["help: ziggurat"]
    for one in shown:
        command, *arguments = shlex.split(one.mark.removeprefix("help: "))
        assert command == "ziggurat"
        live = subprocess.run(
            [Path(sys.executable).with_name("ziggurat"), *arguments, "--help"],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100"},
        )
        assert one.body.rstrip() == live.stdout.rstrip(), f"{path.name}:{one.line}"


def commands(path: Path) -> list[str]:
    """Every ``ziggurat ...`` line of a document's blocks that are not Python."""
    lines = [
        line.strip().removeprefix("$ ")
        for one in read(path)
        if one.language != "python"
        for line in one.body.splitlines()
    ]
    return [re.sub(r"\s{2,}.*|\s#.*", "", line) for line in lines if line.startswith("ziggurat ")]


@pytest.mark.parametrize("path", DOCS, ids=NAMES)
def test_the_commands_a_document_names_are_understood(path):
    for line in commands(path):
        command: click.Command = cli
        arguments = shlex.split(line)[1:]
        context = click.Context(cli)
        while isinstance(command, click.Group):
            name, found, arguments = command.resolve_command(context, arguments)
            assert found is not None, line
            command, context = found, click.Context(found, parent=context, info_name=name)
        command.make_context(context.info_name, arguments, parent=context.parent)


def test_the_readme_names_commands_at_all():
    assert len(commands(ROOT / "README.md")) >= 3


@pytest.mark.parametrize("path", DOCS, ids=NAMES)
def test_the_files_a_document_links_to_exist(path):
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    assert [link for link in links if not (path.parent / link).exists()] == []


# -- the runner itself ----------------------------------------------------------------------------

SAMPLE = """
```python
numbers = [1]
```

<!-- no-run -->
```python
numbers.append(2); raise SystemExit
```

```
numbers.append(3)
```

```python
numbers.append(4)
```
"""


def test_blocks_run_in_order_in_one_namespace_and_marked_ones_do_not():
    assert run(Path("sample.md"), blocks(SAMPLE))["numbers"] == [1, 4]


def test_a_failing_block_is_found_by_its_line():
    with pytest.raises(ZeroDivisionError) as caught:
        run(Path("sample.md"), blocks("text\n\n```python\na = 1\na / 0\n```\n"))
    last = caught.traceback[-1]
    assert (last.path.name if isinstance(last.path, Path) else last.path, last.lineno + 1) == ("sample.md", 5)
