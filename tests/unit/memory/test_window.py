"""What of a history is shown: everything while it fits, then a summary and the last turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from ziggurat.memory import summary_message, window_of


def turns(count: int, words: int = 10) -> list[BaseMessage]:
    said: list[BaseMessage] = []
    for at in range(count):
        said += [HumanMessage(f"q{at} " + "w " * (words - 1)), AIMessage(f"a{at} " + "w " * (words - 1))]
    return said


def words(text: str) -> int:
    return len(text.split())


def test_a_history_that_fits_is_shown_whole() -> None:
    said = turns(5)
    window = window_of(said, 100, words)
    assert list(window.recent) == said
    assert not window.overdue
    assert window.messages == said


def test_what_does_not_fit_is_overdue_and_half_of_the_room_is_left_free() -> None:
    said = turns(6)  # 120 words
    window = window_of(said, 100, words)
    assert [*window.overdue, *window.recent] == said
    assert sum(words(str(one.text)) for one in window.recent) <= 50
    assert isinstance(window.recent[0], HumanMessage)


def test_a_summary_stands_for_the_messages_it_covers_and_comes_first() -> None:
    said = turns(6)
    kept = [*said[:8], summary_message("They spoke of numbers.", 8), *said[8:]]
    window = window_of(kept, 100, words)
    assert window.summary == "They spoke of numbers."
    assert list(window.recent) == said[8:]
    assert window.messages[0] == SystemMessage("They spoke of numbers.")


def test_only_the_last_summary_counts() -> None:
    said = turns(6)
    kept = [*said, summary_message("old", 2), summary_message("new", 10)]
    window = window_of(kept, 100, words)
    assert window.summary == "new"
    assert list(window.recent) == said[10:]


def test_messages_of_tools_and_systems_are_not_shown_as_turns() -> None:
    assert window_of([SystemMessage("secret"), HumanMessage("hi")], 100, words).messages == [HumanMessage("hi")]


@given(st.lists(st.integers(1, 60), max_size=30), st.integers(4, 120))
def test_nothing_is_lost_and_the_room_is_kept(sizes: list[int], room: int) -> None:
    said: list[BaseMessage] = []
    for at, size in enumerate(sizes):
        text = " ".join(["w"] * size)
        said.append(HumanMessage(text) if at % 2 == 0 else AIMessage(text))
    window = window_of(said, room, words)
    assert [*window.overdue, *window.recent] == said
    assert sum(words(str(one.text)) for one in window.recent) <= room
