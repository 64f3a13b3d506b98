"""A stream of events is the same however it is cut into pieces."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from mailwright import errors
from mailwright.client.server_sent import EventReader, ServerSent

STREAM = (
    'retry: 1500\n\n: still here\n\nid: c1\nevent: message.sent\ndata: {"a": "\u2028\u0085 x"}\n\n'
    "id: c2\r\ndata: one\r\ndata:two\r\n\r\nevent: nothing\n\nid: c3\nother: field\ndata\n\n"
).encode()
EVENTS = [ServerSent("c1", '{"a": "\u2028\u0085 x"}'), ServerSent("c2", "one\ntwo"), ServerSent("c3", "")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_events_are_read_however_they_arrive(cuts):
    places = [0, *sorted(cuts), len(STREAM)]
    reader = EventReader()
    found = [event for start, end in pairwise(places) for event in reader.feed(STREAM[start:end])]
    assert found == EVENTS
    assert reader.retry == 1.5


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 65_536 + b"\n", b"x" * 65_536], ids=["event", "line"])
def test_what_has_no_end_is_not_kept_for_ever(piece):
    reader = EventReader()
    assert [event for _ in range(10) for event in reader.feed(piece)] == []
    with pytest.raises(errors.EgressFailed, match="without an end"):
        list(reader.feed(piece * 10))
