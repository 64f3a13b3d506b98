"""What has been kept long enough goes, a batch at a time, and nothing else does."""

import pytest
from sqlalchemy import create_engine, event as hooks, func, insert, select, text

from mailwright.model.event import EventType
from mailwright.store.database import Database
from mailwright.store.retention import (
    OldMessages,
    OldRows,
    remove_ended,
    remove_events,
    remove_idempotency_keys,
    remove_messages,
    remove_rows,
    remove_tasks,
)
from mailwright.store.schema import Work, delivery, event, idempotency, message, message_recipient, task
from tests.unit.store.queries.given import DAY_US, HOUR_US, NOW_US, Given

BEFORE = NOW_US


def left(conn, table, column="id"):
    return set(conn.execute(select(table.c[column])).scalars())


def swept(conn, item):
    """All batches: what each removed, and the bodies."""
    counts, bodies = [], []
    while True:
        (batch,) = remove_messages(conn, [item])
        counts.append(batch.removed)
        bodies += batch.bodies
        if not batch.after:
            return counts, bodies
        item = OldMessages(item.before, item.workspace, item.accounts, batch.after, item.limit)


def test_a_message_goes_with_everything_that_belongs_to_it(conn, given):
    old = given.sent("Bob@example.org", "bob@example.org", "carol@example.org", at=BEFORE - DAY_US)
    young = given.sent("bob@example.org", at=BEFORE - DAY_US, settled_at=BEFORE)
    given.event(EventType.MESSAGE_QUEUED, message=old)
    kept = given.event(message=young)
    assert swept(conn, OldMessages(BEFORE)) == ([1], [(old, f"ref of {old}")])
    assert left(conn, message) == left(conn, delivery) == left(conn, message_recipient, "message") == {young}
    assert left(conn, event) == {kept}


@pytest.mark.parametrize("work", [Work.SCHEDULED, Work.READY, Work.LEASED, Work.HELD])
def test_a_message_that_has_not_ended_stays_however_old_it_is(conn, given, work):
    given.message(at=BEFORE - 900 * DAY_US, work=work, state="uncertain" if work is Work.HELD else "queued")
    assert swept(conn, OldMessages(BEFORE)) == ([0], [])
    assert len(left(conn, message)) == 1


def test_batches_go_on_where_the_last_one_ended_and_stop_where_nothing_is_old(conn, given):
    waiting = [given.message(at=BEFORE - 90 * DAY_US) for _ in range(3)]
    old = [given.sent(at=BEFORE - 30 * DAY_US + hour * HOUR_US) for hour in range(5)]
    young = [given.sent(at=BEFORE + 30 * DAY_US + hour * HOUR_US) for hour in range(6)]
    counts, bodies = swept(conn, OldMessages(BEFORE, limit=2))
    assert [id_ for id_, _ in bodies] == old
    # Eight old rows in four batches; the fifth begins with one that is too young, and is the last.
    assert counts == [0, 1, 2, 2, 0]
    assert left(conn, message) == {*waiting, *young}


def test_only_what_may_be_seen_goes(conn, given):
    given.accounts("sales", "support")
    sales = given.sent(at=BEFORE - DAY_US)
    support = given.sent(account="acc_support", at=BEFORE - DAY_US)
    other = given.sent(workspace="other", at=BEFORE - DAY_US)
    only_sales = OldMessages(BEFORE, "default", frozenset({"sales"}))
    assert [id_ for id_, _ in swept(conn, only_sales)[1]] == [sales]
    assert [id_ for id_, _ in swept(conn, OldMessages(BEFORE, "default"))[1]] == [support]
    assert [id_ for id_, _ in swept(conn, OldMessages(BEFORE))[1]] == [other]


def test_an_event_stays_while_a_webhook_waits_to_deliver_it(conn, given):
    ids = [given.event(at=BEFORE - DAY_US) for _ in range(3)]
    of_message = given.event(at=BEFORE - DAY_US, message=given.sent(at=BEFORE - DAY_US))
    young = given.event(at=BEFORE)
    given.task(ref=ids[1], work=Work.SCHEDULED)
    given.task(ref=of_message, work=Work.LEASED)
    given.task(ref=ids[2], work=Work.DONE)
    assert swept(conn, OldMessages(BEFORE))[0] == [1]
    assert left(conn, event) == {*ids, of_message, young}
    (batch,) = remove_events(conn, [OldRows(BEFORE)])
    assert (batch.removed, batch.after) == (2, "")
    assert left(conn, event) == {ids[1], of_message, young}


def test_events_go_batch_by_batch(conn, given):
    for _ in range(5):
        given.event(at=BEFORE - DAY_US)
    counts, after = [], ""
    while True:
        (batch,) = remove_events(conn, [OldRows(BEFORE, after, limit=2)])
        counts.append(batch.removed)
        after = batch.after
        if not after:
            break
    assert counts == [2, 2, 1]


def test_tasks_go_when_they_were_settled_long_ago(conn, given):
    old = given.task(work=Work.DONE, created_at=BEFORE - 3 * DAY_US)
    waits = given.task(created_at=BEFORE - 2 * DAY_US)
    young = given.task(work=Work.DONE, created_at=BEFORE - DAY_US, settled_at=BEFORE)
    (first,) = remove_tasks(conn, [OldRows(BEFORE, limit=1)])
    assert (first.removed, first.after) == (1, old)
    (rest,) = remove_tasks(conn, [OldRows(BEFORE, first.after)])
    assert (rest.removed, rest.after) == (0, "")
    assert left(conn, task) == {waits, young}


def test_keys_go_oldest_first(conn):
    keys = [
        {"workspace": "default", "key": f"k{age}", "fingerprint": b"", "ref": "m", "created_at": BEFORE - age}
        for age in (0, 3, 1, 2)
    ]
    conn.execute(insert(idempotency), keys)
    (first,) = remove_idempotency_keys(conn, [OldRows(BEFORE, limit=2)])
    assert (first.removed, bool(first.after)) == (2, True)
    assert left(conn, idempotency, "key") == {"k0", "k1"}
    (rest,) = remove_idempotency_keys(conn, [OldRows(BEFORE, first.after, limit=2)])
    assert (rest.removed, rest.after) == (1, "")
    assert left(conn, idempotency, "key") == {"k0"}


async def test_through_the_database_all_batches_are_done(database_url):
    async with await Database.open(database_url) as database:
        engine = create_engine(database_url)
        with engine.begin() as conn:
            given = Given(conn)
            for _ in range(510):
                given.sent(at=BEFORE - DAY_US)
                given.event(at=BEFORE - DAY_US)
            given.sent(at=BEFORE - DAY_US, account="acc_support")
            given.accounts("sales")
        engine.dispose()
        only_sales = frozenset({"sales"})
        assert await remove_ended(database, before=BEFORE, workspace="default", accounts=only_sales) == 510
        assert await remove_rows(database, remove_events, before=BEFORE) == 510
        counted = await database.read(lambda conn: conn.execute(select(func.count()).select_from(message)).scalar_one())
        assert counted == 1


@pytest.mark.parametrize("engine", [pytest.param("postgres", marks=pytest.mark.real)], indirect=True)
def test_a_message_that_is_tried_again_in_that_moment_is_not_lost(engine):
    """The sweep has read that it ended; before it deletes, another transaction makes it wait again."""
    with engine.connect() as sweep, engine.connect() as retry:
        given = Given(retry)
        id_ = given.sent(at=BEFORE - DAY_US)
        retry.commit()
        seen = []

        def retry_meanwhile(conn, cursor, statement, parameters, context, many):
            if statement.startswith("DELETE FROM delivery") and conn is sweep and not seen:
                seen.append(statement)
                retry.execute(text("UPDATE delivery SET work = 1, state = 'queued', settled_at = 0"))
                retry.commit()

        hooks.listen(engine, "before_cursor_execute", retry_meanwhile)
        try:
            (batch,) = remove_messages(sweep, [OldMessages(BEFORE)])
            sweep.commit()
        finally:
            hooks.remove(engine, "before_cursor_execute", retry_meanwhile)
        assert seen
        assert batch.removed == 0
        assert batch.bodies == ()
        assert left(retry, message) == left(retry, message_recipient, "message") == {id_}
        for table in (message, delivery, message_recipient):
            retry.execute(table.delete())
        retry.commit()
