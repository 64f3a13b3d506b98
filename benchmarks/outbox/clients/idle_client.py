"""A whole service with messages that are due in a month: what it uses while it has nothing to do."""

import asyncio
import json
import resource
import tempfile
import time
from pathlib import Path

import uvloop
from outbox_job import OutboxJob
from waiting_client import add

from mailwright.connector.service import Service, database_url
from mailwright.settings import read_settings
from mailwright.store.database import Database

_MONTH_US = 30 * 86_400 * 1_000_000


async def main(job: OutboxJob) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="mailwright-bench-", dir=job.cache) as folder:
        settings = read_settings().model_copy(update={"data": Path(folder), "database": ""})
        async with await Database.open(database_url(settings)) as database:
            await add(database, job.accounts, job.waiting, due_in=_MONTH_US)
        async with Service(settings):
            await asyncio.sleep(job.warmup_seconds)
            before = _resident_kilobytes()
            cpu, wall = time.process_time(), time.perf_counter()
            await asyncio.sleep(job.seconds)
            share = (time.process_time() - cpu) / (time.perf_counter() - wall)
            after = _resident_kilobytes()
    return {"share": share, "resident": after, "grew": after - before}


def _resident_kilobytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(main(OutboxJob.from_command_line()))))
