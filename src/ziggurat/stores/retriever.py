"""Another store as a retriever: the same to its user as `ziggurat.index.VectorIndexRetriever`.

Searches in the best way the store has: hybrid where it can search words, else by vectors alone. A
search type that the store has not is refused when the retriever is made, not when it is asked.
"""

from __future__ import annotations

from typing import Any

from ziggurat.errors import InputError
from ziggurat.index.retriever import VectorIndexRetriever


class StoreRetriever(VectorIndexRetriever):
    """Finds documents in a `ConnectedStore`; settings as in `ziggurat.index.VectorIndexRetriever`.

    Raises:
        InputError: If the store cannot search by ``search_type``.
    """

    def __init__(self, **settings: Any) -> None:
        store = settings.get("vectorstore")
        known: tuple[str, ...] = getattr(store, "search_types", ())
        # Not by a validator: pydantic would wrap what it raises.
        if known and settings.setdefault("search_type", known[0]) not in known:
            raise InputError(
                f"This store cannot search by {settings['search_type']!r}.",
                where=str(getattr(store, "address", "")) or None,
                fix=f"it can by {', '.join(known)}",
            )
        super().__init__(**settings)
