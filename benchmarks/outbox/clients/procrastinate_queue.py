"""Procrastinate, tasks that do nothing, 64 at a time in one worker."""

import time

from job import Sample, run
from outbox_job import OutboxJob
from procrastinate import App, PsycopgConnector

_CONCURRENCY = 64


async def main(job: OutboxJob) -> Sample:
    app = App(connector=PsycopgConnector(conninfo=job.postgres_url(), min_size=4, max_size=20))
    done = 0

    @app.task(name="noop")
    async def noop() -> None:
        nonlocal done
        done += 1

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for count in (job.warmup_messages, job.messages):
            await noop.batch_defer_async(*({} for _ in range(count)))
            done, cpu, wall = 0, time.process_time(), time.perf_counter()
            await app.run_worker_async(
                wait=False, concurrency=_CONCURRENCY, listen_notify=False, install_signal_handlers=False
            )
            sample = Sample(done, time.perf_counter() - wall, time.process_time() - cpu)
            if done != count:
                raise RuntimeError(f"{done} of {count} tasks were done")
    return sample


if __name__ == "__main__":
    run(OutboxJob.from_command_line(), main)
