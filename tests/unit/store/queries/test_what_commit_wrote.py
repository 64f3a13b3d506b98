"""The reading half of the store understands what the writing half leaves."""

from dataclasses import replace

import pytest

from mailwright.errors import IdempotencyConflict
from mailwright.model.changes import MarkDot, PutAccount, PutBulk
from mailwright.model.event import EventType
from mailwright.model.outbox import MessageState
from mailwright.store.commit import commit
from mailwright.store.queries.accounts import account_by_name
from mailwright.store.queries.bulk import bulk_job
from mailwright.store.queries.events import event_page, message_story
from mailwright.store.queries.idempotency import known_key
from mailwright.store.queries.messages import MessageQuery, message_by_id, message_page
from mailwright.store.retention import remove_ended
from tests.unit.store.made import FINGERPRINT, NOW, add, claim_all, settle
from tests.unit.store.queries.given import BOX, a_record
from tests.unit.store.queries.test_bulk import a_job


async def test_a_message_on_its_way_is_seen_at_each_step(database):
    await commit(database, [PutAccount(a_record("sales"), 0)], box=BOX)
    given = {"account": "acc_sales", "lane": "acc_sales", "tags": '{"order":"7"}', "bulk": "blk_1"}
    (id_,) = await commit(database, [add(key="once", **given)])
    await commit(database, [PutBulk(a_job(1))])

    async def read(function, *arguments, **named):
        return await database.read(lambda conn: function(conn, *arguments, **named))

    assert await read(account_by_name, BOX, "default", "sales") == a_record("sales")
    known = await read(known_key, "default", "once")
    assert known is not None
    assert (known.fingerprint, known.ref) == (FINGERPRINT, id_)
    with pytest.raises(IdempotencyConflict):
        await commit(database, [add(key="once", fingerprint=b"another" * 4)])

    async def state_of(expected):
        found = await read(message_by_id, "default", id_)
        assert found.account == found.sending_account == "sales"
        query = MessageQuery(
            "default", None, [expected], account="sales", recipient="Person0@example.com", tags={"order": "7"}
        )
        assert (await read(message_page, query)).items == [found]
        return found.state

    assert await state_of(MessageState.QUEUED) is MessageState.QUEUED
    await database.write(claim_all, id_)
    assert await state_of(MessageState.SENDING) is MessageState.SENDING
    assert await commit(database, [MarkDot(id_, 1, NOW), settle(id_)]) == [True, True]
    assert await state_of(MessageState.SENT) is MessageState.SENT
    story = [event.type for event in await read(message_story, id_)]
    assert story == [EventType.MESSAGE_QUEUED, EventType.MESSAGE_SENT]
    assert len((await read(event_page, "default", message=id_)).items) == 2
    job = await read(bulk_job, "default", "blk_1")
    assert job == replace(a_job(1), accepted=1, ended={"sent": 1})

    assert await remove_ended(database, before=NOW + 1) == 1
    assert (await read(message_page, MessageQuery("default"))).items == []
    assert await read(message_story, id_) == []
    recipients = "SELECT count(*) FROM message_recipient"
    assert await database.read(lambda conn: conn.exec_driver_sql(recipients).scalar_one()) == 0
