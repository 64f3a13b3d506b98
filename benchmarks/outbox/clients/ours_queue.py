"""The work kernel of Mailwright: tasks that do nothing, claimed a hundred at a time and settled together."""

import asyncio
import tempfile
import time
from pathlib import Path

from job import Sample, run
from outbox_job import OutboxJob

from mailwright.connector.clock import now
from mailwright.model.changes import AddTask
from mailwright.store.commit import commit
from mailwright.store.database import Database
from mailwright.store.ids import new_id
from mailwright.store.schema import task
from mailwright.work.claimed import Done, Settlement
from mailwright.work.queue import Queue

_BATCH = 100
_KIND = "noop"
#: one claims while the other settles
_WORKERS = 2


async def main(job: OutboxJob) -> Sample:
    with tempfile.TemporaryDirectory(prefix="mailwright-bench-", dir=job.cache) as folder:
        sqlite = f"sqlite:///{Path(folder, 'queue.db')}"
        address = job.postgres_url("postgresql+psycopg") if job.postgres else sqlite
        async with await Database.open(address) as database:
            await _drain(database, await _add(database, job.warmup_messages))
            added = await _add(database, job.messages)
            cpu, wall = time.process_time(), time.perf_counter()
            done = await _drain(database, added)
            return Sample(done, time.perf_counter() - wall, time.process_time() - cpu)


async def _add(database: Database, count: int) -> int:
    at = now()
    for start in range(0, count, _BATCH):
        some = range(start, min(count, start + _BATCH))
        await commit(database, [AddTask(new_id("task"), "default", _KIND, "lane", "reference", at) for _ in some])
    return count


async def _drain(database: Database, count: int) -> int:
    queue = Queue(database, task, kind=_KIND)

    async def work() -> int:
        done = 0
        while claimed := await queue.claim(limit=_BATCH, per_lane=_BATCH, lease_seconds=60.0, now=now()):
            kept = await queue.settle([Settlement(one.held, Done()) for one in claimed], now=now())
            done += sum(kept)
        return done

    done = sum(await asyncio.gather(*(work() for _ in range(_WORKERS))))
    if done != count:
        raise RuntimeError(f"{done} of {count} tasks were done")
    return done


if __name__ == "__main__":
    run(OutboxJob.from_command_line(), main)
