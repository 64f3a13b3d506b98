"""pgqueuer, tasks that do nothing, batches of a hundred."""

import time

import asyncpg
from job import Sample, run
from outbox_job import OutboxJob
from pgqueuer import PgQueuer
from pgqueuer.models import Job as QueueJob
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

_BATCH = 100


async def main(job: OutboxJob) -> Sample:
    async with asyncpg.create_pool(job.postgres_url(), min_size=4, max_size=8) as pool:
        queries = Queries.from_asyncpg_pool(pool)
        await queries.install()
        await _drain(pool, queries, job.warmup_messages)
        return await _drain(pool, queries, job.messages)


async def _drain(pool: asyncpg.Pool, queries: Queries, count: int) -> Sample:
    for start in range(0, count, _BATCH):
        some = min(count, start + _BATCH) - start
        await queries.enqueue(["noop"] * some, [None] * some, [0] * some)
    worker = PgQueuer.from_asyncpg_pool(pool)
    done = 0

    @worker.entrypoint("noop")
    async def noop(_job: QueueJob) -> None:
        nonlocal done
        done += 1

    cpu, wall = time.process_time(), time.perf_counter()
    await worker.qm.run(batch_size=_BATCH, mode=QueueExecutionMode.drain)
    sample = Sample(done, time.perf_counter() - wall, time.process_time() - cpu)
    if done != count:
        raise RuntimeError(f"{done} of {count} tasks were done")
    return sample


if __name__ == "__main__":
    run(OutboxJob.from_command_line(), main)
