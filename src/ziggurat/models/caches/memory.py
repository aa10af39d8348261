"""`MemoryCache`: answers kept in this process, the least recently used forgotten first.

Entries are kept encoded, so that nobody changes an answer that another will get.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.outputs import Generation

from ziggurat.models.caches.entries import at_least_one, decoded, encoded, key_of


class MemoryCache(BaseCache):
    """A bounded cache in memory, for any thread and event loop.

    Args:
        max_entries: Answers kept; None for any number.
        max_bytes: Bytes of encoded answers kept; None for any number. A longer answer is not kept.

    Raises:
        InputError: If a bound is no whole number of at least 1.
    """

    def __init__(self, *, max_entries: int | None = 10_000, max_bytes: int | None = 64 * 2**20) -> None:
        at_least_one(max_entries=max_entries, max_bytes=max_bytes)
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of encoded answers."""
        return self._bytes

    def lookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """The answer to a prompt; None if there is none."""
        key = key_of(prompt, llm_string)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
        return decoded(entry)

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep an answer."""
        entry = encoded(return_val)
        if entry is None or (self.max_bytes is not None and len(entry) > self.max_bytes):
            return
        key = key_of(prompt, llm_string)
        with self._lock:
            self._bytes += len(entry) - len(self._entries.pop(key, b""))
            self._entries[key] = entry
            while self._is_full():
                _, gone = self._entries.popitem(last=False)
                self._bytes -= len(gone)

    def clear(self, **kwargs: Any) -> None:  # noqa: ARG002 (LangChain's signature)
        """Forget every answer."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    async def alookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """As `lookup`; nothing is waited for."""
        return self.lookup(prompt, llm_string)

    async def aupdate(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """As `update`; nothing is waited for."""
        self.update(prompt, llm_string, return_val)

    async def aclear(self, **kwargs: Any) -> None:
        """As `clear`."""
        self.clear(**kwargs)

    def _is_full(self) -> bool:
        return (self.max_entries is not None and len(self._entries) > self.max_entries) or (
            self.max_bytes is not None and self._bytes > self.max_bytes
        )
