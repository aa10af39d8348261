"""Runs on disk: what finished, what was begun, what it used. The shop window of the room."""

from ziggurat.chain.journal.records import Cell, CellStatus, Pruned, RunRecord, RunStatus
from ziggurat.chain.journal.store import Journal

__all__ = ["Cell", "CellStatus", "Journal", "Pruned", "RunRecord", "RunStatus"]
