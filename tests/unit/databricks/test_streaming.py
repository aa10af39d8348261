"""Streams of events: what each line says, and whether the stream ended as one does."""

import pytest

from ziggurat.databricks.streaming import Events
from ziggurat.errors import AnswerCut, WorkspaceDenied, WorkspaceError


def read(text):
    events = Events("here")
    found = [one for line in text.split("\n") for one in events.read(line)]
    events.end()
    return found


def test_events_are_read_whatever_else_is_in_the_stream():
    text = ': hello\nevent: x\nid: 3\ndata: {"a": 1}\n\n\ndata:{"b":\ndata: 2}\n\ndata: [DONE]\n\n'
    assert read(text) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    "last", ['{"choices": [{"delta": {}, "finish_reason": "stop"}]}', '{"type": "response.completed", "response": {}}']
)
def test_a_stream_may_end_with_its_last_event(last):
    assert len(read(f"data: {last}\n\n")) == 1


@pytest.mark.parametrize("text", ["", 'data: {"a": 1}\n\n', 'data: {"a": 1}\n\ndata: [DO'])
def test_a_stream_that_stops_in_the_middle_is_an_error(text):
    with pytest.raises(AnswerCut, match="stopped in the middle"):
        read(text)


def test_a_piece_that_is_no_json_is_an_error():
    with pytest.raises(AnswerCut, match="not JSON"):
        read("data: {oops\n\n")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ('{"error_code": "UNAUTHENTICATED", "message": "revoked"}', WorkspaceDenied),
        ('{"error": {"message": "revoked", "code": 403}}', WorkspaceDenied),
        ('{"error": "out of memory"}', WorkspaceError),
    ],
)
def test_an_error_in_the_stream_is_raised(event, kind):
    with pytest.raises(kind, match=r"revoked|out of memory"):
        read(f'data: {{"a": 1}}\n\ndata: {event}\n\n')
