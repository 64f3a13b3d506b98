"""The kernel among several threads, processes and nodes, with the real clock."""

import asyncio
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mailwright.store.database import Database
from mailwright.store.schema import Work, task
from mailwright.work.claimed import Done, Settlement
from mailwright.work.clock import wall_clock
from mailwright.work.queue import Queue
from tests.unit.work.kernel import Bench

WORKER = Path(__file__).with_name("kernel_worker.py")


@pytest.fixture
async def bench(database_url):
    async with await Database.open(database_url) as database:
        yield await Bench.on(database)


@asynccontextmanager
async def worker(url, *arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable, WORKER, url, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        # Also what is left in the pipes, so that nothing stays open.
        await process.communicate()


async def claimed_when_due(queue):
    """A lease ends by the clock, and nothing but `next_due` tells when."""
    while True:
        claimed = await queue.claim(limit=1, per_lane=1, lease_seconds=600, now=wall_clock())
        if claimed:
            return claimed[0]
        await asyncio.sleep(await queue.next_due(now=wall_clock()))


async def test_several_processes_share_a_queue_and_no_row_is_worked_on_twice(bench, database_url):
    names = []
    for lane in range(10):
        names += await bench.add(f"lane{lane}", 60)
    async with worker(database_url, "drain") as one, worker(database_url, "drain") as two:
        outputs = await asyncio.gather(one.communicate(), two.communicate())
    assert (one.returncode, two.returncode) == (0, 0)
    settled = Counter(" ".join(output.decode() for output, _ in outputs).split())
    # A process ends when it finds nothing; what the other one held then, that one settled.
    assert settled == Counter(names)
    assert {(row.work, row.attempts, row.lease_token) for row in (await bench.all_rows()).values()} == {
        (Work.DONE, 1, 1)
    }


async def test_many_claims_at_once_in_one_process_never_meet(bench):
    for lane in range(8):
        await bench.add(f"lane{lane}", 40)
    await bench.set_lane("lane0", concurrency=7)
    queues = [Queue(bench.database, task, kind="k") for _ in range(12)]
    claims = [
        queue.claim(limit=9, per_lane=4, lease_seconds=600, now=wall_clock()) for queue in queues for _ in range(3)
    ]
    claimed = [one for several in await asyncio.gather(*claims) for one in several]
    assert len({one.id for one in claimed}) == len(claimed)
    assert {one.token for one in claimed} == {1}
    assert Counter(one.lane for one in claimed)["lane0"] <= 7


async def test_the_limit_of_a_lane_holds_when_many_claim_it_at_the_same_moment(bench):
    await bench.add("narrow", 200)
    await bench.set_lane("narrow", concurrency=3)
    queues = [Queue(bench.database, task, kind="k") for _ in range(16)]

    async def work(queue):
        most, done = 0, 0
        for _ in range(12):
            claimed = await queue.claim(limit=5, per_lane=5, lease_seconds=600, now=wall_clock())
            leased = sum(row.work == Work.LEASED for row in (await bench.all_rows()).values())
            most = max(most, leased)
            await queue.settle([Settlement(one.held, Done()) for one in claimed], now=wall_clock())
            done += len(claimed)
        return most, done

    results = await asyncio.gather(*(work(queue) for queue in queues))
    assert max(most for most, _ in results) <= 3
    done = sum(row.work == Work.DONE for row in (await bench.all_rows()).values())
    assert sum(count for _, count in results) == done > 0


async def test_a_process_that_sleeps_through_its_lease_is_fenced_off(bench, database_url):
    (name,) = await bench.add("a")
    async with worker(database_url, "hold", "1.0") as sleeper:
        assert (await sleeper.stdout.readline()).split() == [b"claimed", name.encode(), b"1"]
        sleeper.send_signal(signal.SIGSTOP)
        queue = Queue(bench.database, task, kind="k")
        one = await claimed_when_due(queue)
        assert (one.id, one.recovered, one.token, one.attempts) == (name, True, 2, 2)
        assert await queue.settle([Settlement(one.held, Done("by the one that was awake"))], now=wall_clock()) == [True]
        sleeper.send_signal(signal.SIGCONT)
        sleeper.stdin.write(b"\n")
        assert (await sleeper.stdout.readline()).strip() == b"fenced off"
    assert (await bench.look(name))["outcome"] == "by the one that was awake"


async def test_what_a_killed_process_held_is_claimed_again_after_its_lease(bench, database_url):
    (name,) = await bench.add("a")
    async with worker(database_url, "hold", "0.5") as victim:
        await victim.stdout.readline()
        victim.kill()
        await victim.wait()
        queue = Queue(bench.database, task, kind="k")
        one = await claimed_when_due(queue)
    assert (one.id, one.recovered, one.attempts) == (name, True, 2)
