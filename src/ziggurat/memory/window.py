"""What of a history a model is shown: the last summary, and the turns since, within a number of tokens.

Pure. A summary is a message of the history like the others, marked with how many messages before it
it stands for; so it can be kept by any LangChain history, and nothing that was said is ever lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

_MARK = "ziggurat_summary_of"


@dataclass(frozen=True, slots=True)
class Window:
    """A history as a model can be shown it.

    Attributes:
        summary: What was said before ``recent``; empty if nothing was left out.
        overdue: Messages that neither ``summary`` covers nor ``recent`` has room for, oldest first.
        recent: The last messages, whole turns, oldest first.
        covered: Messages of the history that ``summary`` stands for.
    """

    summary: str
    overdue: Sequence[BaseMessage]
    recent: Sequence[BaseMessage]
    covered: int

    @property
    def messages(self) -> list[BaseMessage]:
        """What goes to a model: the summary, if any, and the recent turns."""
        return ([SystemMessage(self.summary)] if self.summary else []) + list(self.recent)


def summary_message(text: str, covered: int) -> SystemMessage:
    """A summary as a message of the history.

    Args:
        text: The summary.
        covered: How many messages, from the first, it stands for; summaries are not counted.
    """
    return SystemMessage(text, additional_kwargs={_MARK: covered})


def window_of(messages: Sequence[BaseMessage], tokens: int, count: Callable[[str], int]) -> Window:
    """Divide a history into what was summarised, what should be, and what is shown as it is.

    All that no summary covers is shown while it fits; when it no longer does, half of the room is
    left free, so that a summary is due every few turns and not with every one.

    Args:
        messages: All of them, oldest first.
        tokens: Room for what is shown as it is.
        count: Tokens of a text.
    """
    covered, summary = 0, ""
    said: list[BaseMessage] = []
    for message in messages:
        if _MARK in message.additional_kwargs:
            covered, summary = int(message.additional_kwargs[_MARK]), str(message.text)
        elif isinstance(message, HumanMessage | AIMessage):
            said.append(message)
    open_turns = said[covered:]
    if sum(count(str(one.text)) for one in open_turns) <= tokens:
        return Window(summary, (), open_turns, covered)
    left, first = tokens // 2, len(open_turns)
    while first and (size := count(str(open_turns[first - 1].text))) <= left:
        left -= size
        first -= 1
    while first < len(open_turns) and not isinstance(open_turns[first], HumanMessage):
        first += 1  # an answer without its question says little
    return Window(summary, open_turns[:first], open_turns[first:], covered)
