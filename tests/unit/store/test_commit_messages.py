"""Cancel, retry, decide: what people do with messages that were accepted."""

import json

import pytest

from mailwright.errors import NotFound, WrongState
from mailwright.model.changes import CancelMessages, DecideUncertain, MoveLane, RetryMessages
from mailwright.model.outbox import MessageState, RecipientState, RecipientStatus
from mailwright.reply import Phase, Reply
from mailwright.store.commit import commit
from mailwright.store.commit_messages import decided, tried_again
from mailwright.store.schema import Work
from tests.unit.store.made import NOW, add, claim_all, delivery, event_types, recipients_text, rows, settle

WAITING, DEFERRED, ACCEPTED, REFUSED, UNCERTAIN, SUPPRESSED = RecipientState
STATES = {
    "ready": {},
    "scheduled": {"due": NOW * 2},
    "held": {"held": True},
}


async def ended(database, state, *people, **values):
    """A message that was tried once and came to this."""
    change = add(**values)
    await commit(database, [change])
    await database.write(claim_all, change.id)
    held = state is MessageState.UNCERTAIN
    recipients = recipients_text(*people)
    await commit(database, [settle(change.id, state=state, recipients=recipients, held=held, events=())])
    return change.id


async def people(database, id_):
    return [RecipientState(who["state"]) for who in json.loads((await delivery(database, id_))["recipients"])]


@pytest.mark.parametrize("how", STATES)
async def test_what_waits_can_be_cancelled(database, how):
    change = add(**STATES[how])
    await commit(database, [change])
    assert await commit(database, [CancelMessages("default", [change.id], NOW + 5)]) == [[change.id]]
    row = await delivery(database, change.id)
    assert (row["state"], row["work"], row["settled_at"]) == ("cancelled", Work.DONE, NOW + 5)
    assert await event_types(database, change.id) == ["message.queued", "message.cancelled"]


async def test_what_a_courier_holds_cannot_be_cancelled(database):
    change = add()
    await commit(database, [change])
    await database.write(claim_all, change.id)
    assert await commit(database, [CancelMessages("default", [change.id], NOW)]) == [[]]
    assert await commit(database, [settle(change.id)]) == [True]


@pytest.mark.parametrize("state", [MessageState.SENT, MessageState.FAILED, MessageState.UNCERTAIN])
async def test_what_has_ended_cannot_be_cancelled(database, state):
    id_ = await ended(database, state, REFUSED)
    assert await commit(database, [CancelMessages("default", [id_], NOW)]) == [[]]


async def test_the_answer_is_in_the_order_of_the_question_and_of_ones_own_workspace(database):
    ours, theirs = [add() for _ in range(3)], add(workspace="other")
    await commit(database, [*ours, theirs])
    asked = [ours[2].id, theirs.id, "msg_nobody", ours[0].id, ours[2].id]
    assert await commit(database, [CancelMessages("default", asked, NOW)]) == [[ours[2].id, ours[0].id]]
    assert (await delivery(database, theirs.id))["state"] == "queued"


async def test_a_thousand_are_cancelled_at_once(database):
    changes = [add() for _ in range(1001)]
    await commit(database, changes)
    (done,) = await commit(database, [CancelMessages("default", [change.id for change in changes], NOW)])
    assert len(done) == 1001
    assert await rows(database, "SELECT count(*) FROM event WHERE type = 'message.cancelled'") == [(1001,)]


@pytest.mark.parametrize("state", [MessageState.FAILED, MessageState.EXPIRED, MessageState.CANCELLED])
async def test_what_failed_is_tried_again_for_those_who_did_not_get_it(database, state):
    id_ = await ended(database, state, ACCEPTED, REFUSED, DEFERRED, SUPPRESSED, expires_at=NOW - 1)
    assert await commit(database, [RetryMessages("default", [id_], NOW)]) == [[id_]]
    row = await delivery(database, id_)
    assert (row["state"], row["work"], row["due"], row["attempts"]) == ("queued", Work.READY, NOW, 0)
    assert (row["settled_at"], row["expires_at"]) == (0, 0)
    assert await people(database, id_) == [ACCEPTED, WAITING, WAITING, WAITING]
    assert (await event_types(database, id_))[-1] == "message.retried"


@pytest.mark.parametrize("how", STATES)
async def test_what_waits_is_due_now(database, how):
    change = add(**STATES[how], expires_at=NOW * 3)
    await commit(database, [change])
    assert await commit(database, [RetryMessages("default", [change.id], NOW)]) == [[change.id]]
    row = await delivery(database, change.id)
    assert (row["work"], row["due"], row["expires_at"]) == (Work.READY, NOW, NOW * 3)


async def test_an_uncertain_one_is_released_by_trying_again(database):
    id_ = await ended(database, MessageState.UNCERTAIN, UNCERTAIN, ACCEPTED)
    assert await commit(database, [RetryMessages("default", [id_], NOW)]) == [[id_]]
    assert await people(database, id_) == [WAITING, ACCEPTED]
    assert (await event_types(database, id_))[-1] == "message.released"


async def test_what_cannot_be_tried_again_is_left_alone(database):
    sent = await ended(database, MessageState.SENT, ACCEPTED)
    everybody_has_it = await ended(database, MessageState.CANCELLED, ACCEPTED)
    without_body = await ended(database, MessageState.FAILED, REFUSED, body_ref="")
    (held,) = await commit(database, [add()])
    await database.write(claim_all, held)
    asked = [sent, everybody_has_it, without_body, held]
    assert await commit(database, [RetryMessages("default", asked, NOW)]) == [[]]
    assert await rows(database, "SELECT count(*) FROM event WHERE type = 'message.retried'") == [(0,)]


async def test_a_person_knows_that_it_was_sent(database):
    id_ = await ended(database, MessageState.UNCERTAIN, UNCERTAIN, ACCEPTED)
    assert await commit(database, [DecideUncertain("default", id_, True, NOW + 9)]) == [MessageState.SENT]
    row = await delivery(database, id_)
    assert (row["state"], row["work"], row["settled_at"]) == ("sent", Work.DONE, NOW + 9)
    assert await people(database, id_) == [ACCEPTED, ACCEPTED]
    assert (await event_types(database, id_))[-2:] == ["message.released", "message.sent"]


async def test_a_person_gives_it_up(database):
    id_ = await ended(database, MessageState.UNCERTAIN, UNCERTAIN, DEFERRED)
    assert await commit(database, [DecideUncertain("default", id_, False, NOW)]) == [MessageState.FAILED]
    assert await people(database, id_) == [REFUSED, REFUSED]
    assert (await event_types(database, id_))[-2:] == ["message.released", "message.failed"]


async def test_those_who_had_it_for_sure_make_it_partly_sent(database):
    id_ = await ended(database, MessageState.UNCERTAIN, UNCERTAIN, ACCEPTED)
    assert await commit(database, [DecideUncertain("default", id_, False, NOW)]) == [MessageState.PARTLY_SENT]


async def test_others_of_a_decided_message_go_on(database):
    id_ = await ended(database, MessageState.UNCERTAIN, UNCERTAIN, DEFERRED)
    assert await commit(database, [DecideUncertain("default", id_, True, NOW)]) == [MessageState.QUEUED]
    row = await delivery(database, id_)
    assert (row["work"], row["due"], row["settled_at"]) == (Work.READY, NOW, 0)
    assert await people(database, id_) == [ACCEPTED, DEFERRED]
    assert (await event_types(database, id_))[-1] == "message.released"


async def test_only_what_is_uncertain_can_be_decided(database):
    sent = await ended(database, MessageState.SENT, ACCEPTED)
    with pytest.raises(WrongState, match="sent, not uncertain"):
        await commit(database, [DecideUncertain("default", sent, True, NOW)])
    with pytest.raises(NotFound):
        await commit(database, [DecideUncertain("default", "msg_nobody", True, NOW)])
    theirs = await ended(database, MessageState.UNCERTAIN, UNCERTAIN, workspace="other")
    with pytest.raises(NotFound):
        await commit(database, [DecideUncertain("default", theirs, True, NOW)])


async def test_what_waits_moves_to_another_lane(database):
    waiting, later, other, ended_, held = [add() for _ in range(5)]
    later, other = later._replace(due=NOW * 2), other._replace(lane="acc_3")
    await commit(database, [waiting, later, other, ended_, held])
    await commit(database, [CancelMessages("default", [ended_.id], NOW)])
    await database.write(claim_all, held.id)
    assert await commit(database, [MoveLane("acc_1", "acc_2")]) == [2]
    lanes = dict(await rows(database, "SELECT id, lane FROM delivery"))
    assert [lanes[change.id] for change in (waiting, later, other, ended_, held)] == [
        "acc_2",
        "acc_2",
        "acc_3",
        "acc_1",
        "acc_1",
    ]


def test_the_last_reply_is_kept_when_somebody_is_tried_again():
    reply = Reply(450, "4.2.1", "later", Phase.RCPT, "RCPT TO:<ann@example.com>")
    who = RecipientStatus("ann@example.com", DEFERRED, reply)
    assert tried_again([who]) == (who._replace(state=WAITING),)
    assert tried_again([who._replace(state=ACCEPTED)]) is None


def test_a_decision_touches_nobody_whose_answer_is_known():
    known = [RecipientStatus(state.value, state) for state in (ACCEPTED, REFUSED, SUPPRESSED)]
    assert decided(known, sent=True) == tuple(known)
    assert decided(known, sent=False) == tuple(known)
