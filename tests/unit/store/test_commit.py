"""`commit`: what the busy paths write, in groups of many callers, over SQLite and PostgreSQL."""

import asyncio

import pytest

from mailwright.errors import IdempotencyConflict, NotFound, StoreError, VersionConflict
from mailwright.model.changes import (
    AddAudit,
    AddEvent,
    AddTask,
    CancelMessages,
    MarkDot,
    PutWorkspace,
    RenewedLease,
    SetFact,
)
from mailwright.model.event import EventType
from mailwright.model.outbox import MessageState
from mailwright.model.workspace import Workspace
from mailwright.store.commit import apply, commit
from mailwright.store.database import Database
from mailwright.store.schema import Work
from tests.unit.store.made import MOMENT, NOW, add, claim_all, delivery, event, event_types, rows, settle
from tests.unit.store.test_database import Gate


async def accepted(database, *changes):
    return [id_ for (id_,) in await asyncio.gather(*(commit(database, [change]) for change in changes))]


async def claimed(database, *changes):
    """Messages that a courier holds under the token 1."""
    ids = await accepted(database, *(changes or (add(),)))
    for id_ in ids:
        await database.write(claim_all, id_)
    return ids


def in_one_transaction(connection, groups):
    return [apply(connection, lists) for lists in groups]


async def test_an_accepted_message_is_in_all_its_tables(database):
    change = add(addresses=("ann@example.com", "bea@example.com"), bulk="blk_1", bulk_index=7, key="order 7")
    assert await commit(database, [change]) == [change.id]
    values = (await rows(database, "SELECT * FROM message"))[0]
    assert change.id in values
    assert "order 7" in values
    found = await rows(database, "SELECT address, message FROM message_recipient ORDER BY address")
    assert found == [("ann@example.com", change.id), ("bea@example.com", change.id)]
    row = await delivery(database, change.id)
    assert (row["work"], row["state"], row["due"], row["attempts"], row["lease_token"]) == (
        Work.READY,
        "queued",
        NOW,
        0,
        0,
    )
    assert await event_types(database, change.id) == ["message.queued"]
    assert await rows(database, "SELECT key, ref FROM idempotency") == [("order 7", change.id)]


@pytest.mark.parametrize(
    ("values", "work"),
    [({}, Work.READY), ({"due": NOW + 1}, Work.SCHEDULED), ({"held": True}, Work.HELD), ({"due": NOW - 1}, Work.READY)],
)
async def test_a_message_waits_as_its_time_says(database, values, work):
    (id_,) = await accepted(database, add(**values))
    assert (await delivery(database, id_))["work"] == work


async def test_many_callers_share_each_statement(tmp_path):
    statements = []

    class Listening(Gate):
        def __call__(self, connection, items):
            answers = super().__call__(connection, items)
            connection.connection.driver_connection.set_trace_callback(statements.append)
            return answers

    async with await Database.open(f"sqlite:///{tmp_path / 'mailwright.db'}") as database:
        gate = Listening()
        first = asyncio.create_task(database.write(gate, None))
        await asyncio.to_thread(gate.entered.wait, 60)
        tasks = [asyncio.create_task(commit(database, [add(key=str(number))])) for number in range(64)]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, *tasks)
        assert sum(statement.startswith("BEGIN") for statement in statements) == 1
        assert 8 <= len(statements) < 12
        assert await rows(database, "SELECT count(*) FROM delivery") == [(64,)]


async def test_a_number_that_is_no_power_of_two_is_written_whole(database):
    changes = [add() for _ in range(219)]
    assert await commit(database, changes) == [change.id for change in changes]
    assert await rows(database, "SELECT count(*) FROM message") == [(219,)]


# Idempotency.


async def test_one_key_used_by_many_at_once_is_one_message(database):
    answers = await accepted(database, *(add(key="same") for _ in range(64)))
    assert len(set(answers)) == 1
    assert await rows(database, "SELECT id FROM message") == [(answers[0],)]
    assert await rows(database, "SELECT count(*) FROM event") == [(1,)]
    assert await accepted(database, add(key="same")) == answers[:1]


async def test_two_nodes_that_use_one_key_at_once_agree(postgres):
    url = postgres.fresh_database()
    async with await Database.open(url) as one, await Database.open(url) as other:
        for round_ in range(10):
            sent = [
                accepted(node, *(add(key=f"{round_}/{k}") for k in range(8))) for node in (one, other) for _ in "ab"
            ]
            answers = await asyncio.gather(*sent)
            assert len({tuple(answer) for answer in answers}) == 1
        assert await rows(one, "SELECT count(*) FROM message") == [(80,)]


async def test_a_key_with_other_content_is_a_conflict_for_that_caller_only(database):
    await accepted(database, add(key="same"))
    other, bad, new = await asyncio.gather(
        commit(database, [add(key="another")]),
        commit(database, [add(key="same", fingerprint=b"g" * 32)]),
        commit(database, [add()]),
        return_exceptions=True,
    )
    assert isinstance(bad, IdempotencyConflict)
    assert bad.field == "idempotency_key"
    assert len(other) == len(new) == 1
    assert await rows(database, "SELECT count(*) FROM message") == [(3,)]


async def test_keys_of_two_workspaces_have_nothing_to_do_with_each_other(database):
    one = add(key="same")
    other = add(key="same", workspace="other")
    other = other._replace(idempotent=other.idempotent._replace(workspace="other"))
    assert await accepted(database, one, other) == [one.id, other.id]


async def test_what_comes_with_a_known_message_is_not_written_again(database):
    (first,) = await accepted(database, add(key="same"))
    task = AddTask("task_1", "default", "sweep", "", "x", NOW)
    results = await commit(database, [add(key="same"), task, SetFact("name", "value")])
    assert results == [first, None, None]
    assert await rows(database, "SELECT count(*) FROM task") == [(0,)]
    assert await rows(database, "SELECT count(*) FROM fact") == [(0,)]


async def test_a_known_message_among_others_stands_for_itself(database):
    (first,) = await accepted(database, add(key="same"))
    new = add(key="new")
    assert await commit(database, [add(key="same"), new, SetFact("name", "value")]) == [first, new.id, None]
    assert await rows(database, "SELECT value FROM fact") == [("value",)]


async def test_a_list_that_is_refused_takes_no_key(database):
    await accepted(database, add(key="taken"))
    with pytest.raises(IdempotencyConflict):
        await commit(database, [add(key="free"), add(key="taken", fingerprint=b"g" * 32)])
    assert await rows(database, "SELECT key FROM idempotency") == [("taken",)]
    mine = add(key="free")
    assert await accepted(database, mine) == [mine.id]


async def test_a_key_of_a_refused_list_goes_to_the_next_in_its_group(database):
    await accepted(database, add(key="taken"))
    refused = [add(key="free"), add(key="taken", fingerprint=b"g" * 32)]
    mine = add(key="free", fingerprint=b"h" * 32)
    outcomes = await database.write(in_one_transaction, [refused, [mine]])
    assert isinstance(outcomes[0], IdempotencyConflict)
    assert outcomes[1] == [mine.id]
    assert await rows(database, "SELECT ref FROM idempotency WHERE key = 'free'") == [(mine.id,)]


async def test_the_same_change_given_twice_is_one_message(database):
    # What a caller does who was told that the outcome of the first is unknown.
    change = add(key="again")
    assert await accepted(database, change) == await accepted(database, change) == [change.id]
    assert await event_types(database, change.id) == ["message.queued"]


async def test_an_id_that_is_taken_fails_alone(database):
    first = add()
    await accepted(database, first)
    results = await asyncio.gather(
        commit(database, [add(first.id)]), commit(database, [add()]), commit(database, [add()]), return_exceptions=True
    )
    assert isinstance(results[0], StoreError)
    assert await rows(database, "SELECT count(*) FROM message") == [(3,)]


# Fences.


async def test_a_held_message_is_marked_and_settled(database):
    (id_,) = await claimed(database)
    assert await commit(database, [MarkDot(id_, 1, NOW)]) == [True]
    assert (await delivery(database, id_))["dot_at"] == NOW
    assert await commit(database, [settle(id_, response='{"code": 250}')]) == [True]
    row = await delivery(database, id_)
    assert (row["state"], row["work"], row["dot_at"], row["lease_until"]) == ("sent", Work.DONE, 0, 0)
    assert (row["response"], row["failure"], row["settled_at"], row["lane"]) == ('{"code": 250}', None, NOW, "acc_1")
    assert '"accepted"' in row["recipients"]
    assert await event_types(database, id_) == ["message.queued", "message.sent"]


@pytest.mark.parametrize("token", [0, 2])
async def test_a_lease_that_is_lost_writes_nothing(database, token):
    (id_,) = await claimed(database)
    before = await delivery(database, id_)
    changes = [MarkDot(id_, token, NOW), RenewedLease(id_, token, 99)]
    assert await commit(database, changes) == [False, False]
    assert await commit(database, [settle(id_, token)]) == [False]
    assert await delivery(database, id_) == before
    assert await event_types(database, id_) == ["message.queued"]


async def test_what_is_not_held_at_all_cannot_be_settled(database):
    (id_,) = await accepted(database, add())
    assert await commit(database, [settle(id_, 0), settle("msg_nobody", 0)]) == [False, False]
    assert await event_types(database, id_) == ["message.queued"]


async def test_settles_that_lost_their_lease_fail_beside_others_that_hold(database):
    ids = await claimed(database, *(add() for _ in range(30)))
    await database.write(claim_all, ids[7])
    await database.write(claim_all, ids[20])
    results = await commit(database, [settle(id_) for id_ in ids])
    assert [number for number, held in enumerate(results) if not held] == [7, 20]
    assert await rows(database, "SELECT count(*) FROM delivery WHERE state = 'sent'") == [(28,)]
    assert await rows(database, "SELECT count(*) FROM event WHERE type = 'message.sent'") == [(28,)]


async def test_an_attempt_is_settled_once(database):
    (id_,) = await claimed(database)
    results = await asyncio.gather(*(commit(database, [settle(id_)]) for _ in range(8)))
    assert sorted(results) == [[False]] * 7 + [[True]]
    assert await commit(database, [settle(id_), settle(id_)]) == [False, False]
    assert await event_types(database, id_) == ["message.queued", "message.sent"]


async def test_twice_in_one_list_counts_once(database):
    (id_,) = await claimed(database)
    assert await commit(database, [settle(id_), settle(id_, state=MessageState.FAILED)]) == [True, False]
    assert (await delivery(database, id_))["state"] == "sent"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"due": NOW * 2}, {"work": Work.SCHEDULED, "due": NOW * 2, "attempts": 1, "lane": "acc_1"}),
        ({"due": 1, "free": True}, {"work": Work.READY, "due": 1, "attempts": 0}),
        ({"due": 1, "lane": "acc_2"}, {"work": Work.READY, "lane": "acc_2"}),
        ({"state": MessageState.UNCERTAIN, "held": True}, {"work": Work.HELD, "state": "uncertain"}),
    ],
)
async def test_an_attempt_may_leave_more_to_do(database, values, expected):
    (id_,) = await claimed(database)
    values = {"state": MessageState.QUEUED, "failure": '{"code": "timeout"}', **values}
    assert await commit(database, [settle(id_, **values)]) == [True]
    row = await delivery(database, id_)
    assert {name: row[name] for name in expected} == expected
    assert row["failure"] == '{"code": "timeout"}'


@pytest.mark.parametrize("later", [lambda id_: MarkDot(id_, 1, NOW), lambda id_: RenewedLease(id_, 1, 99), settle])
async def test_what_was_settled_is_no_longer_held_for_the_next_in_its_group(database, later):
    (id_,) = await claimed(database)
    outcomes = await database.write(in_one_transaction, [[settle(id_)], [later(id_)]])
    assert outcomes == [[True], [False]]
    row = await delivery(database, id_)
    assert (row["work"], row["dot_at"], row["lease_until"]) == (Work.DONE, 0, 0)


async def test_a_lease_is_renewed(database):
    (id_,) = await claimed(database)
    assert await commit(database, [RenewedLease(id_, 1, 12345)]) == [True]
    assert (await delivery(database, id_))["lease_until"] == 12345


async def test_marks_and_settles_of_many_couriers_share_a_group(database):
    ids = await claimed(database, *(add() for _ in range(60)))
    lists = [
        [settle(done) for done in ids[start : start + 5]]
        + [MarkDot(next_, 1, NOW) for next_ in ids[start + 30 : start + 35]]
        for start in range(0, 30, 5)
    ]
    results = await asyncio.gather(*(commit(database, changes) for changes in lists))
    assert results == [[True] * 10] * 6
    assert await rows(database, "SELECT count(*) FROM delivery WHERE dot_at > 0") == [(30,)]


# Lists of several kinds.


async def test_a_list_is_all_or_nothing_and_fails_alone(database):
    workspace = Workspace("one", "", MOMENT)
    good, bad = await asyncio.gather(
        commit(database, [SetFact("good", "x"), AddEvent(event(EventType.ACCOUNT_CREATED))]),
        commit(database, [SetFact("bad", "x"), add(), AddEvent(event()), PutWorkspace(workspace, 3)]),
        return_exceptions=True,
    )
    assert good == [None, None]
    assert isinstance(bad, NotFound)
    assert await rows(database, "SELECT name FROM fact") == [("good",)]
    assert await rows(database, "SELECT type FROM event") == [("account.created",)]
    assert await rows(database, "SELECT count(*) FROM message") == [(0,)]


async def test_lists_of_all_kinds_at_once_each_get_their_own_answers(database):
    (held,) = await claimed(database)
    (waiting,) = await accepted(database, add())
    await commit(database, [PutWorkspace(Workspace("one", "", MOMENT), 0)])
    new = add()
    lists = [
        [new],
        [PutWorkspace(Workspace("one", "stale", MOMENT), 7)],
        [settle(held)],
        [CancelMessages("default", [waiting], NOW), AddAudit(NOW, "cli", "default", "message.cancel", waiting)],
        [MarkDot("msg_nobody", 1, NOW)],
    ]
    results = await asyncio.gather(*(commit(database, changes) for changes in lists), return_exceptions=True)
    assert results[0] == [new.id]
    assert isinstance(results[1], VersionConflict)
    assert results[2:] == [[True], [[waiting], 1], [False]]


async def test_a_task_waits_as_its_time_says(database):
    await commit(
        database,
        [
            AddTask("task_now", "default", "sweep", "lane", "ref", 1, {"a": 1}, 2),
            AddTask("task_later", "default", "sweep", "lane", "ref", NOW * 2),
        ],
    )
    found = await rows(database, "SELECT id, work, due, payload, priority, attempts FROM task ORDER BY id")
    assert found == [("task_later", 0, NOW * 2, "{}", 1, 0), ("task_now", 1, 1, '{"a":1}', 2, 0)]


async def test_an_event_is_written_as_it_is(database):
    one = event(EventType.ACCOUNT_PARKED, data={"times": 2, "name": "Zoë"})
    await commit(database, [AddEvent(one)])
    found = await rows(database, "SELECT id, workspace, type, at, account, message, data FROM event")
    assert found == [(one.id, "default", "account.parked", NOW, "acc_1", "", '{"times":2,"name":"Zo\\u00eb"}')]


async def test_events_know_their_transaction_on_postgresql(database):
    await commit(database, [AddEvent(event()), AddEvent(event())])
    await commit(database, [AddEvent(event())])
    found = [number for (number,) in await rows(database, "SELECT written_by FROM event ORDER BY number")]
    if database.dialect == "sqlite":
        assert found == [0, 0, 0]
    else:
        assert 0 < found[0] == found[1] < found[2]


async def test_an_empty_list_is_nothing(database):
    assert await commit(database, []) == []
