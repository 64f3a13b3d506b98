"""Events in order: a reader that goes on after a cursor misses none, whatever commits when."""

import pytest
from sqlalchemy import text

from mailwright.errors import InvalidInput
from mailwright.model.event import EventType
from mailwright.store.queries.cursor import read_cursor, write_cursor
from mailwright.store.queries.events import (
    adopt_restored_events,
    event_page,
    events_after,
    events_by_id,
    last_event_cursor,
    look_at_events,
    message_story,
)
from tests.unit.store.queries.given import NOW_US, Given

# SQLite writes one transaction after the other.
ONLY_POSTGRES = pytest.mark.parametrize("engine", [pytest.param("postgres", marks=pytest.mark.real)], indirect=True)


@pytest.fixture
def committed(engine):
    """Connections that really commit; the events are deleted afterwards."""
    connections = []

    def connect():
        connections.append(engine.connect())
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM event"))


def ids_after(conn, cursor="", **parts):
    return [event.id for _, event in events_after(conn, "default", cursor=cursor, **parts)]


def settle(conn):
    """On PostgreSQL a transaction does not see its own events as settled."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("UPDATE event SET written_by = 1"))


def test_each_part_of_the_filter_finds_what_it_names(conn, given):
    given.accounts("sales", "support")
    sent = given.event(account="acc_sales", message="msg_1", at=NOW_US)
    failed = given.event(EventType.MESSAGE_FAILED, account="acc_support", message="msg_2", at=NOW_US + 3)
    about_none = given.event(EventType.SUPPRESSION_ADDED, at=NOW_US + 6, data={"list": "news"})
    given.event(workspace="other", message="msg_1")
    settle(conn)
    assert ids_after(conn) == [sent, failed, about_none]
    assert ids_after(conn, types=["message.failed", "suppression.added"]) == [failed, about_none]
    assert ids_after(conn, message="msg_1") == [sent]
    assert ids_after(conn, account="support") == [failed]
    assert ids_after(conn, account="none") == []
    assert ids_after(conn, accounts=frozenset({"sales"})) == [sent]
    assert ids_after(conn, accounts=frozenset({"sales"}), account="support") == []
    assert ids_after(conn, accounts=frozenset()) == []
    assert events_by_id(conn, [about_none, "evt_none"])[about_none].data == {"list": "news"}


def test_the_last_cursor_stays_good_for_more(conn, given):
    assert event_page(conn, "default").next_cursor == last_event_cursor(conn, "default") == ""
    ids = [given.event() for _ in range(5)]
    settle(conn)
    first = event_page(conn, "default", limit=3)
    rest = event_page(conn, "default", cursor=first.next_cursor)
    nothing = event_page(conn, "default", cursor=rest.next_cursor)
    assert [event.id for event in (*first.items, *rest.items)] == ids
    assert nothing.items == []
    assert nothing.next_cursor == rest.next_cursor == last_event_cursor(conn, "default")
    later = given.event()
    settle(conn)
    assert ids_after(conn, nothing.next_cursor) == [later]


def test_a_reader_of_rare_events_does_not_pass_over_the_others_again(conn, given):
    rare = [given.event(EventType.ACCOUNT_PARKED) for _ in range(2)]
    for _ in range(3):
        given.event()
    settle(conn)
    parked = ["account.parked"]
    full = look_at_events(conn, "default", types=parked, limit=1)
    assert ([event.id for _, event in full.events], full.next_cursor) == (rare[:1], full.events[0][0])
    rest = look_at_events(conn, "default", types=parked, cursor=full.next_cursor)
    assert [event.id for _, event in rest.events] == rare[1:]
    assert rest.next_cursor == last_event_cursor(conn, "default")
    nothing = look_at_events(conn, "default", types=parked, cursor=rest.next_cursor)
    assert nothing == ([], rest.next_cursor)
    rare.append(given.event(EventType.ACCOUNT_PARKED))
    settle(conn)
    assert ids_after(conn, nothing.next_cursor, types=parked) == rare[2:]


def test_the_story_of_a_message_is_told_in_order(conn, given):
    ids = [given.event(kind, message="msg_1") for kind in (EventType.MESSAGE_QUEUED, EventType.MESSAGE_SENT)]
    given.event(message="msg_2")
    assert [event.id for event in message_story(conn, "msg_1")] == ids


def test_a_broken_cursor_is_refused(conn):
    with pytest.raises(InvalidInput) as caught:
        events_after(conn, "default", cursor="x")
    assert caught.value.field == "cursor"


@ONLY_POSTGRES
def test_no_event_is_missed_when_a_transaction_commits_after_one_with_higher_numbers(engine, committed):
    slow, quick, reader = committed(), committed(), committed()
    first = Given(slow).event()
    second = Given(quick).event()
    third = Given(slow).event()
    quick.commit()
    # What is committed waits for what may still come before it.
    assert ids_after(reader) == []
    reader.rollback()
    slow.commit()
    seen = events_after(reader, "default", limit=1)
    rest = events_after(reader, "default", cursor=seen[-1][0])
    assert [event.id for _, event in (*seen, *rest)] == [first, third, second]


@ONLY_POSTGRES
def test_a_transaction_that_began_first_and_took_later_numbers_is_not_stepped_over(engine, committed):
    older, younger, reader = committed(), committed(), committed()
    Given(older).event()
    early_number = Given(younger).event()
    late_number = Given(older).event()
    older.commit()
    # The older transaction is settled with both its events, the younger one with a number between them is not.
    seen = events_after(reader, "default")
    assert late_number in [event.id for _, event in seen]
    reader.rollback()
    younger.commit()
    assert ids_after(reader, seen[-1][0]) == [early_number]


@ONLY_POSTGRES
def test_events_of_a_dump_are_shown_in_another_cluster_and_their_cursors_stay_good(engine, committed):
    conn = committed()
    before = [Given(conn).event() for _ in range(3)]
    conn.commit()
    (_, cursor) = [place for place, _ in events_after(conn, "default")][:2]
    # In the cluster where the dump was made, many more transactions had been.
    conn.execute(text("UPDATE event SET written_by = written_by + 1000000000"))
    old_cursor = cursor_with_transactions_added(cursor, 1_000_000_000)
    conn.commit()
    assert ids_after(conn) == []
    assert adopt_restored_events(conn) == 3
    conn.commit()
    assert ids_after(conn) == before
    later = Given(conn).event()
    conn.commit()
    assert ids_after(conn, old_cursor) == [before[2], later]
    assert adopt_restored_events(conn) == 0


def cursor_with_transactions_added(cursor, count):
    written_by, number = read_cursor(cursor, "events", int, int)
    return write_cursor("events", written_by + count, number)


def test_there_is_nothing_to_adopt_in_an_empty_database(conn):
    assert adopt_restored_events(conn) == 0
