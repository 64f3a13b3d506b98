"""Workspaces, accounts, webhooks, tokens and the rest: preconditions, what hangs together, and what goes with it."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from mailwright.errors import AlreadyExists, NotFound, VersionConflict, WrongState
from mailwright.model.access import Action, ApiToken
from mailwright.model.account import Account, Outgoing
from mailwright.model.account_record import AccountRecord, SendLimits
from mailwright.model.bulk import BulkJob, BulkState
from mailwright.model.changes import (
    AddBulkErrors,
    AddEvent,
    AddTask,
    DropAccount,
    DropSuppression,
    DropWebhook,
    DropWorkspace,
    ParkLane,
    PauseLane,
    PutAccount,
    PutBulk,
    PutSuppression,
    PutToken,
    PutWebhook,
    PutWebhookHealth,
    PutWorkspace,
    ReplayTasks,
    RevokeToken,
    SetFact,
    TokensUsed,
)
from mailwright.model.event import EventType
from mailwright.model.outbox import MessageState
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.model.webhook import SigningSecret, WebhookAttempt, WebhookEndpoint, WebhookHealth, WebhookState
from mailwright.model.workspace import SafeMode, Workspace
from mailwright.store.account_rows import account_of
from mailwright.store.commit import commit
from mailwright.store.queries.webhooks import webhook_by_id, webhook_health
from mailwright.store.rows import workspace_of
from mailwright.store.schema import Work
from tests.unit.store.made import MOMENT, NOW, add, claim_all, delivery, event, event_types, rows, settle


class Envelope:
    """A box that shows what was put into it, and for which place."""

    def seal(self, plaintext, *, place):
        return place.encode() + b"\0" + plaintext[::-1]

    def unseal(self, sealed, *, place):
        label, _, content = sealed.partition(b"\0")
        assert label == place.encode()
        return content[::-1]


BOX = Envelope()
SECRET = SigningSecret.of_bytes("sec_1", b"s" * 32, MOMENT)


def workspace(name="one", **values):
    return Workspace(name, "", MOMENT, **values)


def account(id_="acc_1", **values):
    values = {"workspace": "default", "name": id_, **values}
    outgoing = Outgoing("mail.example.org", username="ann", password="s3cret")
    return AccountRecord(
        id=id_, account=Account("ann@example.org", outgoing), created_at=MOMENT, updated_at=MOMENT, **values
    )


def endpoint(id_="wh_1", **values):
    values = {"workspace": "default", "url": "https://hooks.example.org/", "secrets": (SECRET,), **values}
    return WebhookEndpoint(id=id_, created_at=MOMENT, **values)


async def put(database, *changes):
    return await commit(database, changes, box=BOX)


async def lanes(database):
    found = await rows(
        database, "SELECT id, paused, blocked_until, parked, interval_us, burst_us, concurrency FROM lane ORDER BY id"
    )
    return {id_: (bool(paused), *rest) for id_, paused, *rest in found}


# Versions, the same for all three.

VERSIONED = {
    "workspace": lambda name, expected: PutWorkspace(workspace(name), expected),
    "account": lambda name, expected: PutAccount(account(f"acc_{name}", name=name), expected),
    "webhook": lambda name, expected: PutWebhook(endpoint(name), expected),
}


@pytest.mark.parametrize("what", VERSIONED)
async def test_a_version_goes_up_with_each_change(database, what):
    change = VERSIONED[what]
    assert [await put(database, change("a", expected)) for expected in range(3)] == [[1], [2], [3]]
    assert await rows(database, f"SELECT version FROM {what}") == [(3,)]


@pytest.mark.parametrize("what", VERSIONED)
async def test_preconditions_fail_their_caller_only(database, what):
    change = VERSIONED[what]
    await put(database, change("a", 0))
    exists, stale, missing, fits = await asyncio.gather(
        put(database, change("a", 0)),
        put(database, change("a", 7)),
        put(database, change("b", 1)),
        put(database, change("a", 1)),
        return_exceptions=True,
    )
    assert isinstance(exists, AlreadyExists)
    assert isinstance(stale, VersionConflict)
    assert isinstance(missing, NotFound)
    assert fits == [2]


@pytest.mark.parametrize("what", VERSIONED)
async def test_of_many_who_change_the_same_version_one_succeeds(database, what):
    change = VERSIONED[what]
    await put(database, change("a", 0))
    results = await asyncio.gather(*(put(database, change("a", 1)) for _ in range(8)), return_exceptions=True)
    assert [result for result in results if isinstance(result, list)] == [[2]]
    assert sum(isinstance(result, VersionConflict) for result in results) == 7


async def test_a_workspace_is_kept_whole(database):
    made = workspace(safe_mode=SafeMode("staging@example.org", ("@example.com",)))
    await put(database, PutWorkspace(made, 0))
    found = await database.read(
        lambda connection: workspace_of(connection.execute(text("SELECT * FROM workspace")).one())
    )
    assert found == made


async def test_a_name_of_an_account_is_taken_once_in_each_workspace(database):
    await put(database, PutAccount(account("acc_1", name="main"), 0))
    with pytest.raises(AlreadyExists):
        await put(database, PutAccount(account("acc_2", name="main"), 0))
    assert list(await lanes(database)) == ["acc_1"]
    assert await put(database, PutAccount(account("acc_3", name="main", workspace="other"), 0)) == [1]


async def test_an_account_of_another_workspace_is_not_found(database):
    await put(database, PutAccount(account(), 0))
    with pytest.raises(NotFound):
        await put(database, PutAccount(account(workspace="other"), 1))


async def test_secrets_are_sealed_for_their_place(database):
    made = account()
    await put(database, PutAccount(made, 0))
    statement = (
        "SELECT account.*, lane.paused AS lane_paused, lane.parked FROM account JOIN lane ON lane.id = account.id"
    )

    def look(connection):
        row = connection.execute(text(statement)).one()
        assert "s3cret" not in row.config
        assert bytes(row.secrets).startswith(b"account/acc_1\0")
        return account_of(row, BOX)

    assert await database.read(look) == made


async def test_what_has_secrets_is_not_written_without_a_box(database):
    with pytest.raises(TypeError, match="box"):
        await commit(database, [PutAccount(account(), 0)])
    assert await lanes(database) == {}


@pytest.mark.parametrize(
    ("limits", "interval", "burst"),
    [
        (SendLimits(), None, 0),
        (SendLimits(messages_per_second=10), 100_000, 400_000),
        (SendLimits(messages_per_second=3), 333_334, 166_666),
        (SendLimits(messages_per_second=0.1), 10_000_000, 0),
        (SendLimits(messages_per_second=1_000_000), 1, 499_999),
    ],
)
async def test_limits_of_an_account_are_those_of_its_lane(database, limits, interval, burst):
    await put(database, PutAccount(account(limits=replace(limits, concurrency=4), paused=True), 0))
    assert await lanes(database) == {"acc_1": (True, 0, None, interval, burst, 4)}


async def test_a_change_of_an_account_leaves_the_state_of_its_lane(database):
    await put(database, PutAccount(account(), 0))
    await put(database, ParkLane("acc_1", 99, '{"times": 1}'))

    def spend(connection, items):
        connection.execute(text("UPDATE lane SET arrival_us = 5"))
        return items

    await database.write(spend, 0)
    await put(database, PutAccount(account(limits=SendLimits(concurrency=2)), 1))
    assert await lanes(database) == {"acc_1": (False, 99, '{"times": 1}', None, 0, 2)}
    assert await rows(database, "SELECT arrival_us FROM lane") == [(5,)]


async def test_a_lane_is_paused_with_its_account(database):
    await put(database, PutAccount(account(), 0))
    await put(database, PauseLane("acc_1", True))
    assert (await lanes(database))["acc_1"][0] is True
    assert [bool(paused) for (paused,) in await rows(database, "SELECT paused FROM account")] == [True]
    with pytest.raises(NotFound):
        await put(database, PauseLane("acc_2", True))


async def test_parking_an_account_that_is_gone_is_no_error(database):
    assert await put(database, ParkLane("acc_1", 99, "{}")) == [False]
    await put(database, PutAccount(account(), 0))
    assert await put(database, ParkLane("acc_1", 99, "{}")) == [True]
    assert (await lanes(database))["acc_1"][1:3] == (99, "{}")
    assert await put(database, ParkLane("acc_1", 0, None)) == [True]
    assert (await lanes(database))["acc_1"][1:3] == (0, None)


async def test_what_waits_goes_with_its_account(database):
    await put(database, PutAccount(account("acc_1"), 0), PutAccount(account("acc_2"), 0))
    waiting, later, elsewhere = add(), add(due=NOW * 2), add(lane="acc_2")
    guest, held, sent = add(account="acc_2"), add(), add()
    await commit(database, [waiting, later, elsewhere, guest, held, sent])
    for change in (held, sent):
        await database.write(claim_all, change.id)
    await commit(database, [settle(sent.id)])
    deleted = AddEvent(event(EventType.ACCOUNT_DELETED))
    cancelled, _ = await put(database, DropAccount("default", "acc_1", NOW), deleted)
    assert sorted(cancelled) == sorted([waiting.id, later.id, elsewhere.id])
    assert await event_types(database, waiting.id) == ["message.queued", "message.cancelled"]
    # Of the account that it was the fallback for: it goes home.
    home = await delivery(database, guest.id)
    assert (home["state"], home["lane"], home["work"]) == ("queued", "acc_2", Work.READY)
    assert (await delivery(database, held.id))["work"] == Work.LEASED
    assert (await delivery(database, sent.id))["state"] == "sent"
    assert list(await lanes(database)) == ["acc_2"]
    assert await rows(database, "SELECT id FROM account") == [("acc_2",)]
    with pytest.raises(NotFound):
        await put(database, DropAccount("default", "acc_1", NOW))


async def test_a_workspace_goes_with_everything_in_it(database):
    def everything(name):
        job = BulkJob(f"blk_{name}", name, "acc", BulkState.RUNNING, MOMENT, 1, 1, 0, {})
        token = ApiToken(f"tok_{name}", "", name, frozenset({Action.SEND}), None, MOMENT, MOMENT)
        message = add(workspace=name, key="key", event=event(EventType.MESSAGE_QUEUED, workspace=name))
        return [
            PutWorkspace(workspace(name), 0),
            PutAccount(account(f"acc_{name}", workspace=name), 0),
            PutWebhook(endpoint(f"wh_{name}", workspace=name), 0),
            message._replace(idempotent=message.idempotent._replace(workspace=name)),
            PutToken(token, name.encode()),
            PutSuppression(Suppression(name, "bob@example.com", "", SuppressionReason.MANUAL, MOMENT)),
            PutBulk(job),
            AddBulkErrors(job.id, [(0, "invalid_input", "no", "to")]),
            AddTask(f"task_{name}", name, "webhook", f"wh_{name}", "evt", NOW),
        ]

    await put(database, *everything("gone"))
    await put(database, *everything("kept"))
    await put(database, DropWorkspace("gone"))
    tables = (
        "workspace account lane webhook message message_recipient delivery event idempotency token suppression bulk"
        " bulk_error task"
    )
    for table in tables.split():
        left = str(await rows(database, f"SELECT * FROM {table}"))
        assert "gone" not in left, table
        assert "kept" in left, table
    with pytest.raises(NotFound):
        await put(database, DropWorkspace("gone"))


async def test_the_default_workspace_stays(database):
    await put(database, PutWorkspace(workspace("default"), 0))
    with pytest.raises(WrongState):
        await put(database, DropWorkspace("default"))


# Webhooks.


async def test_events_ask_for_their_webhook_deliveries_in_the_same_transaction(database):
    await put(
        database,
        PutWebhook(endpoint("wh_all"), 0),
        PutWebhook(endpoint("wh_sent", events=("message.sent",)), 0),
        PutWebhook(endpoint("wh_account", accounts=("acc_9",)), 0),
        PutWebhook(endpoint("wh_off", enabled=False), 0),
        PutWebhook(endpoint("wh_other", workspace="other"), 0),
    )
    change = add()
    await commit(database, [change])
    await database.write(claim_all, change.id)
    done = settle(change.id)
    await commit(database, [done, AddEvent(event(EventType.ACCOUNT_PARKED, account="acc_9"))])
    await commit(database, [settle(change.id)])
    found = await rows(database, "SELECT lane, ref, kind, work, workspace FROM task ORDER BY id")
    assert sorted((lane, ref) for lane, ref, *_ in found) == sorted(
        [
            ("wh_all", change.event.id),
            ("wh_all", done.events[0].id),
            ("wh_sent", done.events[0].id),
            *[("wh_all", ref) for lane, ref, *_ in found if lane == "wh_account"],
            *[("wh_account", ref) for lane, ref, *_ in found if lane == "wh_account"],
        ]
    )
    assert sum(lane == "wh_account" for lane, *_ in found) == 1
    assert {tuple(rest) for _, _, *rest in found} == {("webhook", Work.READY, "default")}


async def test_a_changed_endpoint_is_asked_anew(database):
    await put(database, PutWebhook(endpoint(), 0))
    await commit(database, [AddEvent(event())])
    await put(database, PutWebhook(endpoint(events=("account.*",)), 1))
    await commit(database, [AddEvent(event())])
    assert await rows(database, "SELECT count(*) FROM task") == [(1,)]


async def test_an_endpoint_is_kept_whole(database):
    made = endpoint(description="tickets")
    await put(database, PutWebhook(made, 0))
    found = await database.read(lambda connection: webhook_by_id(connection, BOX, "default", "wh_1"))
    assert found == made
    assert await database.read(lambda connection: webhook_health(connection, "wh_1")) == WebhookHealth()


async def test_health_changes_apart_from_the_endpoint(database):
    await put(database, PutWebhook(endpoint(), 0))
    health = WebhookHealth().after(WebhookAttempt(1, MOMENT, WebhookState.WAITING, status=500))
    assert await put(database, PutWebhookHealth("wh_1", health)) == [True]
    await put(database, PutWebhook(endpoint(description="new"), 1))
    assert await database.read(lambda connection: webhook_health(connection, "wh_1")) == health
    assert await put(database, PutWebhookHealth("wh_1", health, disabled_because="410 Gone")) == [True]
    off = await database.read(lambda connection: webhook_by_id(connection, BOX, "default", "wh_1"))
    assert (off.enabled, off.disabled_because, off.version, off.description) == (False, "410 Gone", 3, "new")
    assert await put(database, PutWebhookHealth("wh_2", health)) == [False]


async def test_deliveries_go_with_their_endpoint(database):
    await put(database, PutWebhook(endpoint("wh_1"), 0), PutWebhook(endpoint("wh_2"), 0))
    await commit(database, [AddEvent(event())])
    with pytest.raises(NotFound):
        await put(database, DropWebhook("other", "wh_1"))
    await put(database, DropWebhook("default", "wh_1"))
    assert await rows(database, "SELECT lane FROM task") == [("wh_2",)]
    assert list(await lanes(database)) == ["wh_2"]


async def test_settled_deliveries_are_replayed(database):
    names = ["task_1", "task_2", "task_3"]
    await commit(database, [AddTask(name, "default", "webhook", "wh_1", "evt", 1) for name in names])

    def end(connection, items):
        connection.execute(text("UPDATE task SET work = 3, attempts = 9, settled_at = 1 WHERE id <> 'task_3'"))
        return items

    await database.write(end, 0)
    assert await commit(database, [ReplayTasks("default", "wh_1", ["task_1", "task_3"], 0, NOW)]) == [1]
    found = await rows(database, "SELECT id, work, due, attempts, settled_at FROM task ORDER BY id")
    assert found == [("task_1", 1, NOW, 0, 0), ("task_2", 3, 1, 9, 1), ("task_3", 1, 1, 0, 0)]
    assert await commit(database, [ReplayTasks("other", "wh_1", [], 0, NOW)]) == [0]
    assert await commit(database, [ReplayTasks("default", "wh_1", [], NOW * 2, NOW)]) == [0]
    assert await commit(database, [ReplayTasks("default", "wh_1", [], 0, NOW)]) == [1]


# Tokens, suppressions, bulk jobs, facts.


async def test_tokens_are_put_used_and_revoked(database):
    token = ApiToken("tok_1", "ci", "default", frozenset({Action.SEND}), None, MOMENT, MOMENT + timedelta(days=1))
    await commit(database, [PutToken(token, b"hash")])
    await commit(database, [TokensUsed({"tok_1": 7, "tok_gone": 9})])
    await commit(database, [TokensUsed({"tok_1": 5})])
    await commit(database, [RevokeToken("tok_1", 11)])
    await commit(database, [RevokeToken("tok_1", 12)])
    assert await rows(database, "SELECT last_used_at, revoked_at FROM token") == [(7, 11)]
    with pytest.raises(NotFound):
        await commit(database, [RevokeToken("tok_2", 1)])


async def test_an_address_is_suppressed_once(database):
    one = Suppression("default", "bob@example.com", "", SuppressionReason.BOUNCED, MOMENT)
    assert await commit(database, [PutSuppression(one)]) == [True]
    assert await commit(database, [PutSuppression(replace(one, reason=SuppressionReason.MANUAL))]) == [False]
    assert await rows(database, "SELECT reason FROM suppression") == [("manual",)]
    await commit(database, [DropSuppression("default", "", "bob@example.com")])
    with pytest.raises(NotFound):
        await commit(database, [DropSuppression("default", "", "bob@example.com")])


async def test_a_bulk_job_is_written_as_it_goes(database):
    job = BulkJob("blk_1", "default", "acc_1", BulkState.ACCEPTING, MOMENT, 3, 0, 0, {})
    await commit(database, [PutBulk(job)])
    done = replace(job, state=BulkState.RUNNING, accepted=2, refused=1)
    await commit(database, [PutBulk(done), AddBulkErrors("blk_1", [(1, "invalid_address", "no", "to")])])
    # Told again, as after an outcome that was unknown.
    await commit(database, [PutBulk(done), AddBulkErrors("blk_1", [(1, "invalid_address", "no", "to")])])
    assert await rows(database, "SELECT state, accepted, refused FROM bulk") == [("running", 2, 1)]
    assert await rows(database, "SELECT code, field FROM bulk_error") == [("invalid_address", "to")]


async def test_a_fact_has_one_value(database):
    await commit(database, [SetFact("a", "1"), SetFact("b", "2"), SetFact("a", "3")])
    assert await rows(database, "SELECT name, value FROM fact ORDER BY name") == [("a", "3"), ("b", "2")]


async def test_a_message_that_ended_stays_when_its_account_is_paused(database):
    await put(database, PutAccount(account(), 0))
    (id_,) = await commit(database, [add()])
    await database.write(claim_all, id_)
    await put(database, PauseLane("acc_1", True))
    assert await commit(database, [settle(id_, state=MessageState.FAILED)]) == [True]
