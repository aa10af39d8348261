"""What is wrong with a journal beyond what its database can see: cells of no run, bytes that changed or are missing."""

from __future__ import annotations

import hashlib

from ziggurat.chain.journal.engine import Engine
from ziggurat.chain.journal.rows import split_hashes


def audit(engine: Engine) -> list[str]:
    """One line for each fault; reads everything."""
    found = engine.faults()
    if found:
        return found  # what a damaged file says of itself is not worth more lines
    lost = engine.rows("SELECT count(*) FROM cells WHERE run NOT IN (SELECT run FROM runs)")[0][0]
    if lost:
        found.append(f"{lost} cells belong to no run")
    whole: set[bytes] = set()
    for hash_ in [bytes(row[0]) for row in engine.rows("SELECT hash FROM blobs")]:
        data = engine.rows("SELECT data FROM blobs WHERE hash = ?", (hash_,))
        if data and hashlib.sha256(data[0][0]).digest() != hash_:
            found.append(f"the large bytes {hash_.hex()[:16]}… are not what they were")
        whole.add(hash_)
    cells = engine.rows(
        "SELECT id, path, blobs FROM cells JOIN runs ON runs.run = cells.run WHERE blobs IS NOT NULL ORDER BY cell"
    )
    for run_id, path, joined in cells:
        missing = [hash_ for hash_ in split_hashes(joined) if hash_ not in whole]
        if missing:
            found.append(f"run {run_id}, {path}: {len(missing)} of its large bytes are missing")
    return found
