"""What was said before: histories of conversations, by user and session, and what of them a model is shown.

Histories are LangChain's (`BaseChatMessageHistory`): in this process, in a SQLite file, in Postgres, or
any other that is given. Asks no model; who writes summaries is the conversation's business.
"""

from __future__ import annotations

from ziggurat.memory.opening import Memory, ProcessHistory, open_history, open_memory
from ziggurat.memory.sqlite import SQLiteHistory
from ziggurat.memory.window import Window, summary_message, window_of

__all__ = [
    "Memory",
    "ProcessHistory",
    "SQLiteHistory",
    "Window",
    "open_history",
    "open_memory",
    "summary_message",
    "window_of",
]
