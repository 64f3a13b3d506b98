"""The outbox from end to end: what is accepted, and what then becomes of it at the server."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mailwright.errors import IdempotencyConflict, WrongState
from mailwright.model.outbox import MessageState, RecipientState, RetryPlan, SendOptions, SendPriority, UncertainPolicy
from mailwright.model.workspace import SafeMode
from tests.edges.loopback import nobody
from tests.edges.outboxes import at, ended, letter, outbox, until
from tests.harness import counting_sink

# The loops differ in how they write and end connections, which is tested below the outbox.
pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


@pytest.fixture
def sink(tmp_path):
    with counting_sink(tmp_path / "sink.log") as running:
        yield running


@pytest.fixture
async def mail(tmp_path):
    async with outbox(tmp_path) as opened:
        yield opened


@pytest.fixture
async def either(tmp_path, database_url):
    """A Mailwright on SQLite, and one on PostgreSQL, where the statements matter."""
    async with outbox(tmp_path, database_url) as opened:
        yield opened


def recipients_of(sink):
    return [taken.recipients for taken in sink.messages()]


async def parked(mail, name, times=1):
    async def look():
        record = await mail.accounts.get(name)
        return record if record.parked is not None and record.parked.times >= times else None

    return await until(look)


# Recipients.


async def test_the_retry_goes_to_the_deferred_recipient_only(either, sink):
    await either.accounts.create("office", at(sink))
    sent = await either.messages.send("office", letter("to@example.com", "once@example.com", "refuse@example.com"))
    (message,) = await ended(either, sent.id)
    assert recipients_of(sink) == [("to@example.com",), ("once@example.com",)]
    assert message.state is MessageState.PARTLY_SENT
    assert message.attempts == 2
    assert {who.address: who.state for who in message.recipients} == {
        "to@example.com": RecipientState.ACCEPTED,
        "once@example.com": RecipientState.ACCEPTED,
        "refuse@example.com": RecipientState.REFUSED,
    }
    assert [event.type for event in await either.messages.story(sent.id)] == [
        "message.queued",
        "message.deferred",
        "message.partly_sent",
    ]


async def test_who_was_suppressed_while_the_message_waited_gets_nothing(mail, sink):
    await mail.accounts.create("office", at(sink))
    await mail.accounts.pause("office")
    sent = await mail.messages.send("office", letter("one@example.com", "two@example.com"))
    await mail.suppressions.add("TWO@example.com")
    await mail.accounts.resume("office")
    (message,) = await ended(mail, sent.id)
    assert recipients_of(sink) == [("one@example.com",)]
    assert [who.state for who in message.recipients] == [RecipientState.ACCEPTED, RecipientState.SUPPRESSED]


@pytest.mark.parametrize(
    ("safe_mode", "expected"),
    [
        (SafeMode(redirect_to="staging@example.org"), [("staging@example.org",)]),
        (SafeMode(allow=("two@example.com",)), [("two@example.com",)]),
        (SafeMode(allow=("@example.net",)), []),
    ],
    ids=["redirected", "one allowed", "nobody allowed"],
)
async def test_safe_mode_holds_for_messages_that_waited_when_it_was_switched_on(mail, sink, safe_mode, expected):
    await mail.accounts.create("office", at(sink))
    await mail.accounts.pause("office")
    sent = await mail.messages.send("office", letter("one@example.com", "two@example.com"))
    await mail.workspaces.replace("default", description="", safe_mode=safe_mode)
    await mail.accounts.resume("office")
    (message,) = await ended(mail, sent.id)
    assert recipients_of(sink) == expected
    assert (message.state is MessageState.FAILED) == (not expected)


async def test_every_delivery_has_an_envelope_sender_of_its_own_that_names_it(mail, sink):
    await mail.accounts.create("office", at(sink, bounce_address="bounces@example.org"))
    sent = [await mail.messages.send("office", letter(f"to{number}@example.com")) for number in range(3)]
    await ended(mail, *(message.id for message in sent))
    assert {taken.recipients: taken.sender for taken in sink.messages()} == {
        (f"to{number}@example.com",): f"bounces+{message.id}@example.org" for number, message in enumerate(sent)
    }


# Accounts.


async def test_a_wrong_password_parks_the_account_and_costs_no_message_anything(either, tmp_path):
    with counting_sink(tmp_path / "sink.log", auth="ann:right") as sink:

        def signing_in(password):
            return at(sink, outgoing={"username": "ann", "password": password}, retry=RetryPlan(()))

        await either.accounts.create("office", signing_in("wrong"))
        sent = [await either.messages.send("office", letter(f"to{number}@example.com")) for number in range(5)]
        first = (await parked(either, "office")).parked
        assert first.failure.code == "sign_in_refused"
        # Ended in vain, the wait begins again, longer: the server is not asked on and on until the first one is over.
        await either.accounts.resume("office")
        second = (await parked(either, "office", times=2)).parked
        assert second.until < first.until + timedelta(seconds=60)

        async def waiting():
            found = [await either.messages.get(message.id) for message in sent]
            return found if all(message.state is MessageState.QUEUED for message in found) else None

        assert [message.attempts for message in await until(waiting)] == [0] * 5
        for message in sent:
            assert [event.type for event in await either.messages.story(message.id)] == ["message.queued"]
        await either.accounts.replace("office", signing_in("right"))
        await either.accounts.resume("office")
        for message in await ended(either, *(message.id for message in sent)):
            assert (message.state, message.attempts) == (MessageState.SENT, 1)
        assert sorted(recipients_of(sink)) == [(f"to{number}@example.com",) for number in range(5)]
        assert (await either.accounts.get("office")).parked is None


async def test_the_fallback_takes_over_while_the_account_is_parked(mail, sink):
    with nobody() as closed:
        await mail.accounts.create("spare", at(sink))
        await mail.accounts.create("office", at(closed, fallback="spare"))
        waited = await mail.messages.send("office", letter("one@example.com"))
        await parked(mail, "office")
        later = await mail.messages.send("office", letter("two@example.com"))
        for message in await ended(mail, waited.id, later.id):
            assert (message.state, message.account, message.sending_account) == (MessageState.SENT, "office", "spare")
    assert sink.copies().total() == 2


async def test_a_paused_account_keeps_its_queue_and_others_go_on(mail, sink):
    await mail.accounts.create("office", at(sink))
    await mail.accounts.create("shop", at(sink))
    await mail.accounts.pause("office")
    kept = [await mail.messages.send("office", letter(f"kept{number}@example.com")) for number in range(3)]
    other = await mail.messages.send("shop", letter("other@example.com"))
    await ended(mail, other.id)
    assert recipients_of(sink) == [("other@example.com",)]
    await mail.accounts.resume("office")
    await ended(mail, *(message.id for message in kept))
    assert len(sink.messages()) == 4


async def test_what_has_priority_leaves_first(either, sink):
    await either.accounts.create("office", at(sink, sessions=1))
    await either.accounts.pause("office")
    ids = []
    for number in range(2):
        for priority in (SendPriority.LOW, SendPriority.NORMAL, SendPriority.HIGH):
            options = SendOptions(priority=priority)
            sent = await either.messages.send("office", letter(f"{priority}{number}@example.com"), options)
            ids.append(sent.id)
    await either.accounts.resume("office")
    await ended(either, *ids)
    assert [who for (who,) in recipients_of(sink)] == [
        f"{priority}{number}@example.com" for priority in ("high", "normal", "low") for number in range(2)
    ]


# What callers decide.


async def test_a_cancelled_message_is_never_sent_and_a_sent_one_cannot_be_cancelled(mail, sink):
    await mail.accounts.create("office", at(sink))
    await mail.accounts.pause("office")
    first = await mail.messages.send("office", letter("first@example.com"))
    second = await mail.messages.send("office", letter("second@example.com"))
    assert [message.state for message in await mail.messages.cancel([first.id])] == [MessageState.CANCELLED]
    await mail.accounts.resume("office")
    await ended(mail, second.id)
    assert recipients_of(sink) == [("second@example.com",)]
    with pytest.raises(WrongState):
        await mail.messages.cancel([second.id])


async def test_a_retry_asked_for_does_not_wait_for_its_time(mail, sink):
    await mail.accounts.create("office", at(sink, retry=RetryPlan((3600,))))
    sent = await mail.messages.send_and_wait("office", letter("once@example.com"))
    assert (sent.state, sent.attempts) == (MessageState.QUEUED, 1)
    await mail.messages.retry([sent.id])
    (message,) = await ended(mail, sent.id)
    assert message.state is MessageState.SENT
    assert sink.copies().total() == 1


async def test_a_failed_message_can_be_tried_again_by_hand(mail, sink):
    await mail.accounts.create("office", at(sink))
    sent = await mail.messages.send_and_wait("office", letter("refuse@example.com"))
    assert (sent.state, sent.attempts) == (MessageState.FAILED, 1)
    await mail.messages.retry([sent.id])

    async def failed_again():
        story = await mail.messages.story(sent.id)
        return [event.type for event in story].count("message.failed") == 2

    await until(failed_again)
    assert (await mail.messages.get(sent.id)).state is MessageState.FAILED


@pytest.mark.parametrize(
    ("decision", "state", "copies"),
    [(True, MessageState.SENT, 1), (False, MessageState.FAILED, 1), (None, MessageState.SENT, 2)],
    ids=["it was sent", "give it up", "send it again"],
)
async def test_an_uncertain_message_waits_for_a_decision(either, tmp_path, decision, state, copies):
    with counting_sink(tmp_path / "sink.log", die_after_dot=1) as sink:
        await either.accounts.create("office", at(sink))
        sent = await either.messages.send("office", letter("to@example.com"))
        (message,) = await ended(either, sent.id)
        assert message.state is MessageState.UNCERTAIN
        await either.messages.release(sent.id, sent=decision)
        (message,) = await ended(either, sent.id)
        assert message.state is state
        assert sink.copies().total() == copies


async def test_with_the_policy_resend_nobody_has_to_decide(mail, tmp_path):
    with counting_sink(tmp_path / "sink.log", die_after_dot=1) as sink:
        await mail.accounts.create("office", at(sink, uncertain=UncertainPolicy.RESEND))
        sent = await mail.messages.send("office", letter("to@example.com"))
        (message,) = await ended(mail, sent.id)
        assert message.state is MessageState.SENT
        assert sink.copies().total() == 2
        assert "message.uncertain" in [event.type for event in await mail.messages.story(sent.id)]


async def test_the_same_key_is_the_same_message_after_a_restart_too(tmp_path, database_url, sink):
    options = SendOptions(idempotency_key="order 17")
    async with outbox(tmp_path, database_url) as mail:
        await mail.accounts.create("office", at(sink))
        first = await mail.messages.send("office", letter("to@example.com"), options)
    async with outbox(tmp_path, database_url) as mail:
        again = await mail.messages.send("office", letter("to@example.com"), options)
        assert again.id == first.id
        with pytest.raises(IdempotencyConflict):
            await mail.messages.send("office", letter("to@example.com", text="Good evening"), options)
        (message,) = await ended(mail, first.id)
        assert message.state is MessageState.SENT
    assert sink.copies().total() == 1


async def test_a_key_used_by_many_at_once_is_one_message(either, sink):
    await either.accounts.create("office", at(sink))
    options = SendOptions(idempotency_key="order 18")
    ids = await asyncio.gather(
        *(either.messages.accept("office", letter("to@example.com"), options) for _ in range(20))
    )
    assert len(set(ids)) == 1
    await ended(either, ids[0])
    assert sink.copies().total() == 1


# Time.


async def test_a_message_for_later_does_not_leave_before(either, sink):
    await either.accounts.create("office", at(sink))
    later = datetime.now(UTC) + timedelta(seconds=1)
    sent = await either.messages.send("office", letter("later@example.com"), SendOptions(send_at=later))
    assert sent.state is MessageState.QUEUED
    await ended(either, sent.id)
    (taken,) = sink.messages()
    assert taken.time >= later.timestamp()


async def test_a_message_that_waits_for_too_long_expires_and_is_never_sent(mail, sink):
    await mail.accounts.create("office", at(sink))
    await mail.accounts.pause("office")
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    sent = await mail.messages.send("office", letter("late@example.com"), SendOptions(expires_at=soon))
    (message,) = await ended(mail, sent.id)
    assert message.state is MessageState.EXPIRED
    await mail.accounts.resume("office")
    other = await mail.messages.send("office", letter("other@example.com"))
    await ended(mail, other.id)
    assert recipients_of(sink) == [("other@example.com",)]
