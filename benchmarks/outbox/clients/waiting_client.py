"""Deliveries claimed fairly between accounts and settled, beside many or few that wait."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from job import Sample, run
from outbox_job import OutboxJob

from mailwright.connector.clock import moment, now
from mailwright.model.changes import AddMessage, Settle
from mailwright.model.event import Event, EventType
from mailwright.model.outbox import MessageState
from mailwright.store.commit import commit
from mailwright.store.database import Database
from mailwright.store.ids import new_id
from mailwright.store.schema import delivery
from mailwright.work.claimed import Claimed
from mailwright.work.queue import Queue

_BATCH = 100
_ADDED_AT_ONCE = 500
_OF_ONE_ACCOUNT = 5
_RECIPIENTS = '[{"address":"rcpt@example.com","state":"waiting","reply":null}]'


async def main(job: OutboxJob) -> Sample:
    with tempfile.TemporaryDirectory(prefix="mailwright-bench-", dir=job.cache) as folder:
        sqlite = f"sqlite:///{Path(folder, 'queue.db')}"
        address = job.postgres_url("postgresql+psycopg") if job.postgres else sqlite
        async with await Database.open(address) as database:
            await add(database, job.accounts, job.waiting + job.warmup_messages + job.messages)
            queue = Queue(database, delivery)
            await _send(database, queue, job.warmup_messages)
            cpu, wall = time.process_time(), time.perf_counter()
            sent = await _send(database, queue, job.messages)
            return Sample(sent, time.perf_counter() - wall, time.process_time() - cpu)


async def add(database: Database, accounts: int, count: int, *, due_in: int = 0) -> None:
    for start in range(0, count, _ADDED_AT_ONCE):
        numbers = range(start, min(count, start + _ADDED_AT_ONCE))
        await commit(database, [_message(f"acc_{number % accounts:03}", now(), due_in) for number in numbers])


def _message(account: str, at: int, due_in: int) -> AddMessage:
    name = new_id("msg")
    return AddMessage(
        id=name,
        workspace="default",
        account=account,
        lane=account,
        created_at=at,
        due=at + due_in,
        expires_at=0,
        priority=1,
        uncertain="hold",
        envelope_from="sender@example.com",
        from_="sender@example.com",
        subject="Your weekly report is ready",
        header_id=f"<{name}@example.com>",
        size=2231,
        body_ref="none",
        transport="{}",
        recipients=_RECIPIENTS,
        tags="{}",
        addresses=("rcpt@example.com",),
        event=_event(name, account, EventType.MESSAGE_QUEUED, at),
    )


def _event(message: str, account: str, kind: EventType, at: int) -> Event:
    return Event(new_id("evt"), "default", kind, moment(at), account=account, message=message, data={"recipients": 1})


async def _send(database: Database, queue: Queue, count: int) -> int:
    sent = 0
    while sent < count:
        claimed = await queue.claim(limit=_BATCH, per_lane=_OF_ONE_ACCOUNT, lease_seconds=60.0, now=now())
        sent += sum(await commit(database, _settled(claimed)))
        if not claimed:
            raise RuntimeError(f"only {sent} of {count} could be claimed")
    return sent


def _settled(claimed: Sequence[Claimed]) -> list[Settle]:
    at = now()
    return [
        Settle(
            id=row.id,
            token=row.token,
            state=MessageState.SENT,
            due=0,
            recipients=_RECIPIENTS.replace("waiting", "accepted"),
            failure=None,
            response='{"code":250}',
            settled_at=at,
            events=(_event(row.id, row.lane, EventType.MESSAGE_SENT, at),),
        )
        for row in claimed
    ]


if __name__ == "__main__":
    run(OutboxJob.from_command_line(), main)
