"""Mailwright with its outbox: accepted durably through the library, sent by its courier, written down as sent.

The clock runs from the first message that is accepted to the commit that says of the last one that it was sent.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

from job import Sample, run
from mailwright_client import account, message
from outbox_job import OutboxJob

from mailwright import Mailwright
from mailwright.connector.calls import AccountSettings, Submission
from mailwright.connector.courier import Courier
from mailwright.model.outbox import UncertainPolicy

#: between two looks whether all is sent; a look costs some microseconds
_LOOK_SECONDS = 0.01
_WAITING = "SELECT EXISTS (SELECT 1 FROM delivery WHERE work = 1) OR EXISTS (SELECT 1 FROM delivery WHERE work = 2)"
_SENT = "SELECT count(*) FROM delivery WHERE workspace = 'default' AND state = 'sent'"


class Race:
    def __init__(self, job: OutboxJob, mail: Mailwright, database: sqlite3.Connection) -> None:
        self._job = job
        self._mail = mail
        self._database = database

    async def send(self, first: int, count: int) -> int:
        """Returns how many of them are in the database as sent."""
        before = self._ask(_SENT)
        await (self._batch if self._job.accept == "batch" else self._single)(first, count)
        # The database is asked, not our own courier: only what it says counts.
        while self._ask(_WAITING):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        return self._ask(_SENT) - before

    async def _batch(self, first: int, count: int) -> None:
        async def submissions() -> AsyncIterator[Submission]:
            for number in range(first, first + count):
                yield Submission(message(number, large=self._job.large))

        async for item in self._mail.messages.send_many("bench", submissions(), total=count):
            if item.error:
                raise RuntimeError(item.error)

    async def _single(self, first: int, count: int) -> None:
        numbers = iter(range(first, first + count))

        async def call() -> None:
            for number in numbers:
                await self._mail.messages.accept("bench", message(number, large=self._job.large))

        await asyncio.gather(*(call() for _ in range(self._job.callers)))

    def _ask(self, question: str) -> int:
        (answer,) = self._database.execute(question).fetchone()
        return answer


async def main(job: OutboxJob) -> Sample:
    if not job.marks:
        _leave_out_marks()
    with tempfile.TemporaryDirectory(prefix="mailwright-bench-", dir=job.cache) as folder:
        async with Mailwright(data=folder) as mail:
            await mail.accounts.create("bench", AccountSettings(account(job), uncertain=UncertainPolicy(job.policy)))
            with closing(sqlite3.connect(Path(folder, "mailwright.db"))) as database:
                race = Race(job, mail, database)
                warm = await race.send(0, job.warmup_messages)
                cpu, wall = time.process_time(), time.perf_counter()
                sent = await race.send(warm, job.messages)
                sample = Sample(sent, time.perf_counter() - wall, time.process_time() - cpu)
    if sent != job.messages:
        raise RuntimeError(f"{sent} of {job.messages} messages were sent")
    return sample


def _leave_out_marks() -> None:
    Courier.mark = lambda _courier, message: message.decide(marked=True)


if __name__ == "__main__":
    run(OutboxJob.from_command_line(), main)
