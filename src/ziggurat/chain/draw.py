"""A chain as a picture: the wiring as a Mermaid flowchart.

Reads a `Wiring` and nothing else; what a run did with it is not known here.
"""

from __future__ import annotations

from ziggurat.chain.wiring import Wiring


def mermaid(wiring: Wiring) -> str:
    """A left-to-right flowchart: run inputs rounded, stages boxed, one arrow for each edge."""
    lines = ["flowchart LR"]
    lines += [f'  in_{_id(name)}(["{name}"])' for name in wiring.inputs]
    lines += [f'  {_id(name)}["{name}"]' for name in wiring.names]
    for position, name in enumerate(wiring.names):
        lines += [f"  in_{_id(one.name)} --> {_id(name)}" for one in wiring.inputs.values() if name in one.readers]
        lines += [f"  {_id(wiring.names[parent])} --> {_id(name)}" for parent in wiring.parents[position]]
    return "\n".join(lines) + "\n"


def _id(name: str) -> str:
    """A name Mermaid takes for a node: ``end`` alone is a keyword there."""
    return "stage_" + name.replace("-", "_")
