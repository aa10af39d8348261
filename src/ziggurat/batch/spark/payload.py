"""What a task is told: plain data, packed once by the driver, read by each worker. Nothing in it is code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ormsgpack import packb, unpackb


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file or folder that the chain needs.

    Attributes:
        name: What it is called where the chain looks for it.
        sent: The name that `Cluster.send` gave it.
        path: Where it lies on the driver.
        beside: Whether it was asked for besides the chain's own files.
    """

    name: str
    sent: str
    path: str
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Payload:
    """What a task is told.

    Attributes:
        job: The run's id; with the number of the try, unique for each time that Spark is asked.
        target: The chain: ``CHAIN.yaml`` or ``FILE.py:NAME``; empty if a function builds it.
        functions: The name of the Python file whose functions it uses, or None.
        files: What it needs.
        asked: The arguments of `lay_out`.
        schema: The table's schema, in Arrow's bytes.
        result: The output's schema as Spark has it, in Arrow's bytes.
        ledger: The ledger's folder.
        places: The file of the places that are known; empty if there are none.
        deaths: By row, how often a worker died with it in flight: in all, and alone.
        acting: Keys of cells that may have acted on the world.
        careful: Whether a worker died before.
        unsettled: Rows that the ledger says have an error, or were in flight when a worker died.
        leader: The coordinator's address.
        token: Its token.
        concurrency: Rows in flight.
        ordered: Whether rows come out in the order they went in.
        on_effect: What to do about ``acting``.
        kept_only: Whether nothing is computed.
    """

    job: str
    target: str
    functions: str | None
    files: tuple[SentFile, ...]
    asked: Mapping[str, Any]
    schema: bytes
    result: bytes
    ledger: str
    places: str
    deaths: Mapping[bytes, tuple[int, int]]
    acting: tuple[bytes, ...]
    careful: bool
    unsettled: tuple[bytes, ...]
    leader: str
    token: str
    concurrency: int
    ordered: bool
    on_effect: Any
    kept_only: bool

    def packed(self) -> bytes:
        """The payload as bytes."""
        found = asdict(self)
        found["deaths"] = [(row, *times) for row, times in self.deaths.items()]
        return packb(found)

    @classmethod
    def unpacked(cls, data: bytes) -> Payload:
        """What `packed` gave."""
        found = unpackb(data)
        found["deaths"] = {row: (times, alone) for row, times, alone in found["deaths"]}
        found["files"] = tuple(SentFile(**one) for one in found["files"])
        found["acting"], found["unsettled"] = tuple(found["acting"]), tuple(found["unsettled"])
        return cls(**found)
