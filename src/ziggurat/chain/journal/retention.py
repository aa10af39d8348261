"""Which runs leave a journal, and when. (core)"""
from __future__ import annotations
from ziggurat.chain.journal.engine import Engine
from ziggurat.chain.journal.records import Pruned

class Retention:
    def __init__(self, keep_days: float | None, max_bytes: int | None) -> None:
        self.keep_days = keep_days
        self.max_bytes = max_bytes
    def after_end(self, engine: Engine, run_id: str) -> None: ...
    def prune(self, engine: Engine, *, dry_run: bool) -> Pruned:
        return Pruned()
