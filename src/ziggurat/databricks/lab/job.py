"""The lab's chain as a job: what runs in the workspace, from the folder that `up` filled.

Fetches documents and chain, indexes, runs, and puts the outputs back into the folder, where `running` finds
them. The workspace's credentials are those the job has. Invariant: the outputs are there before the job ends
well, pictures as files of their own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.lab.remote import Folder
from ziggurat.workspace import access

if TYPE_CHECKING:
    from ziggurat.chain.multichain import MultiChain


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it: ``--folder /Users/… --run NAME``."""
    parser = argparse.ArgumentParser(prog="ziggurat-lab-job", description=main.__doc__)
    parser.add_argument("--folder", required=True, help="The lab's folder of workspace files.")
    parser.add_argument("--run", required=True, help="The folder in it with inputs.json; outputs go there too.")
    given = parser.parse_args(arguments)
    folder = Folder(Calls(access()), given.folder)
    with tempfile.TemporaryDirectory(prefix="ziggurat-lab-") as place:
        carry_out(folder, given.run, Path(place))


def carry_out(folder: Folder, run: str, place: Path) -> None:
    """Fetch, index, run, put back.

    Args:
        folder: The lab's.
        run: The run's folder in it.
        place: Where to work.
    """
    from ziggurat.chain.spec import load_chain
    from ziggurat.index import VectorIndex

    for name in folder.list("lab"):
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(folder.fetch(name))
    settings = json.loads((place / "lab" / "settings.json").read_text(encoding="utf-8"))
    inputs = json.loads(folder.fetch(f"{run}/inputs.json"))
    index = place / "lab" / "chain" / "kb"
    with VectorIndex.open_or_create(index, settings["embeddings"]) as store:
        report = store.add(str(place / "lab" / "documents"))
        print(f"indexed {len(report.documents)} documents, {store.stats().chunks} chunks", flush=True)  # noqa: T201 (a job's output)
    chain: MultiChain = load_chain(index.parent / "chain.yaml")
    _put(folder, run, chain.invoke(inputs))


def _put(folder: Folder, run: str, outputs: Mapping[str, Any]) -> None:
    from ziggurat.picture import Picture

    told: dict[str, Any] = {}
    for name, output in outputs.items():
        if isinstance(output, Picture):
            file = f"{name}.{output.format}"
            folder.put(f"{run}/{file}", output.data)
            told[name] = {"picture": file, "prompt": output.prompt, "kind": output.kind, "model": output.model}
        else:
            told[name] = _plain(output)
        print(f"{name}: {str(output)[:500]}", flush=True)  # noqa: T201 (a job's output)
    folder.put(f"{run}/outputs.json", json.dumps(told, default=_plain, ensure_ascii=False).encode())


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


if __name__ == "__main__":
    main()
