"""The loop that works on tasks."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from mailwright.errors import StoreError
from mailwright.store.database import Database
from mailwright.store.schema import Work
from mailwright.work import runner as runner_module
from mailwright.work.backoff import Backoff
from mailwright.work.claimed import Dead, Done, Retry
from mailwright.work.clock import SECOND, wall_clock
from mailwright.work.queue import Queue
from mailwright.work.runner import Job, Runner
from mailwright.work.wake import Wake
from tests.unit.work.kernel import KIND, Bench


class Place:
    def __init__(self, bench, wake):
        self.bench = bench
        self.wake = wake

    @asynccontextmanager
    async def running(self, handler, *, grace=10.0, kinds=(KIND,), **job):
        runner = Runner(self.bench.database, self.wake, {kind: Job(handler, **job) for kind in kinds})
        loop = asyncio.create_task(runner.run())
        try:
            yield runner
        finally:
            await runner.stop(grace)
            await loop

    async def until(self, name, condition):
        """What is committed can only be looked at."""
        while True:
            row = await self.bench.look(name)
            if condition(row):
                return row
            await asyncio.sleep(0.01)


@asynccontextmanager
async def place_on(url):
    async with await Database.open(url) as database:
        wake = Wake.open(database, url)
        try:
            yield Place(await Bench.on(database), wake)
        finally:
            await wake.close()


@pytest.fixture
async def place(database_url):
    async with place_on(database_url) as place:
        yield place


def settled(row):
    return row["work"] == Work.DONE


async def test_tasks_are_run_and_settled_as_their_handlers_say(place):
    names = [(await place.bench.add("a", ref=ref))[0] for ref in ("fine", "later", "never")]
    outcomes = {"fine": Done("200"), "later": Retry(3600, "503"), "never": Dead("410")}

    async def handler(task):
        return outcomes[task.row["ref"]]

    async with place.running(handler):
        rows = [await place.until(name, lambda row: row["work"] not in (Work.READY, Work.LEASED)) for name in names]
    assert [(row["work"], row["outcome"]) for row in rows] == [
        (Work.DONE, "200"),
        (Work.SCHEDULED, "503"),
        (Work.DONE, "410"),
    ]
    assert abs(rows[1]["due"] / SECOND - 3600 - wall_clock() / SECOND) < 600


async def test_work_that_is_added_while_the_loop_waits_is_begun_by_a_hint(place, monkeypatch):
    monkeypatch.setattr(runner_module, "POLL_SECONDS", 3600.0)

    async def handler(_task):
        return Done()

    async with place.running(handler):
        for _ in range(3):
            (name,) = await place.bench.add("a")
            place.wake.hint()
            await place.until(name, settled)


async def test_work_that_falls_due_is_begun_without_a_hint(place, monkeypatch):
    monkeypatch.setattr(runner_module, "POLL_SECONDS", 3600.0)

    async def handler(_task):
        return Done()

    due = wall_clock() + SECOND // 2
    (name,) = await place.bench.add("a", work=Work.SCHEDULED, due=due)
    async with place.running(handler):
        row = await place.until(name, settled)
    assert row["settled_at"] >= due


async def test_never_more_run_at_once_than_the_job_allows(place):
    names = await place.bench.add("a", 12)
    at_once, most = 0, 0

    async def handler(_task):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.005)
        at_once -= 1
        return Done()

    async with place.running(handler, concurrency=3, per_lane=10):
        for name in names:
            await place.until(name, settled)
    assert most == 3


async def test_a_handler_that_raises_is_tried_again_later_with_its_error(place):
    (name,) = await place.bench.add("a")

    async def handler(_task):
        raise LookupError("no such thing \x00")

    async with place.running(handler, backoff=Backoff(first=600, longest=600, jitter=0)):
        row = await place.until(name, lambda row: row["work"] == Work.SCHEDULED)
    assert row["outcome"] == "LookupError: no such thing \\x00"
    assert row["attempts"] == 1
    assert abs(row["due"] / SECOND - wall_clock() / SECOND - 600) < 300


async def test_a_task_that_always_fails_ends_as_dead_with_its_reason(place):
    (name,) = await place.bench.add("a")
    runs = 0

    async def handler(_task):
        nonlocal runs
        runs += 1
        raise ValueError("poison")

    async with place.running(handler, max_attempts=3, backoff=Backoff(first=0.001, longest=0.001)):
        row = await place.until(name, settled)
    assert runs == 3
    assert (row["work"], row["outcome"]) == (Work.DONE, "given up after 3 attempts: ValueError: poison")


async def test_a_task_that_killed_its_process_often_enough_is_not_run_again(place):
    (name,) = await place.bench.add("a", attempts=3, outcome="last words")

    async def handler(_task):
        raise AssertionError("it must not be run")

    async with place.running(handler, max_attempts=3):
        row = await place.until(name, settled)
    assert (row["work"], row["outcome"]) == (Work.DONE, "given up after 3 attempts: last words")


async def test_what_a_dead_process_left_goes_through_the_rules_of_its_lane(place):
    (paused,) = await place.bench.add("paused", work=Work.LEASED, lease_until=1, lease_token=5, attempts=1)
    (free,) = await place.bench.add("free", work=Work.LEASED, lease_until=1, lease_token=5, attempts=1)
    await place.bench.set_lane("paused", paused=True)
    seen = []

    async def handler(task):
        seen.append((task.id, task.attempts, task.recovered))
        return Done()

    async with place.running(handler):
        await place.until(free, settled)
        row = await place.until(paused, lambda row: row["work"] == Work.READY)
    assert seen == [(free, 2, False)]
    assert row["attempts"] == 1


async def test_the_lease_of_a_long_task_is_renewed(place):
    (name,) = await place.bench.add("a")
    goes_on = asyncio.Event()
    runs = 0

    async def handler(_task):
        nonlocal runs
        runs += 1
        await goes_on.wait()
        return Done("at last")

    async with place.running(handler, lease_seconds=0.9):
        first = await place.until(name, lambda row: row["work"] == Work.LEASED)
        await place.until(name, lambda row: row["lease_until"] > first["lease_until"] + 2 * SECOND)
        goes_on.set()
        row = await place.until(name, settled)
    assert (row["outcome"], row["attempts"], runs) == ("at last", 1, 1)


async def test_a_task_that_somebody_else_has_claimed_meanwhile_is_stopped(place):
    (name,) = await place.bench.add("a")
    stopped = asyncio.Event()

    async def handler(_task):
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with place.running(handler, lease_seconds=0.6):
        await place.until(name, lambda row: row["work"] == Work.LEASED)
        await place.bench.change(name, lease_token=99, lease_until=2**60)
        await stopped.wait()
    row = await place.bench.look(name)
    assert (row["work"], row["lease_token"], row["outcome"]) == (Work.LEASED, 99, None)


async def test_stopping_waits_for_what_runs_and_begins_nothing_more(place):
    (name,) = await place.bench.add("a")
    started, finish = asyncio.Event(), asyncio.Event()

    async def handler(_task):
        started.set()
        await finish.wait()
        return Done("finished")

    async with place.running(handler, grace=60) as runner:
        await started.wait()
        stopping = asyncio.create_task(runner.stop(60))
        await asyncio.sleep(0)
        (late,) = await place.bench.add("a")
        place.wake.hint()
        finish.set()
        await stopping
        assert (await place.bench.look(name))["outcome"] == "finished"
        assert (await place.bench.look(late))["work"] == Work.READY


async def test_what_does_not_end_in_time_is_put_back_and_costs_no_attempt(place):
    (name,) = await place.bench.add("a")
    started = asyncio.Event()

    async def handler(_task):
        started.set()
        await asyncio.Event().wait()

    async with place.running(handler, grace=0):
        await started.wait()
    row = await place.bench.look(name)
    assert (row["work"], row["attempts"]) == (Work.READY, 0)


async def test_stopping_what_never_ran_returns(place):
    async def handler(_task):
        return Done()

    await Runner(place.bench.database, place.wake, {KIND: Job(handler)}).stop()


async def test_each_kind_has_its_own_loop_and_a_full_one_holds_up_no_other(place):
    await place.bench.add("a", 3, kind="slow")
    (quick,) = await place.bench.add("a", kind="quick")
    goes_on = asyncio.Event()

    async def handler(task):
        if task.row["kind"] == "slow":
            await goes_on.wait()
        return Done()

    async with place.running(handler, kinds=("slow", "quick"), concurrency=1):
        await place.until(quick, settled)
        goes_on.set()


async def test_the_loop_outlives_a_database_that_fails(place, monkeypatch, caplog):
    monkeypatch.setattr(runner_module, "_DATABASE_BACKOFF", Backoff(first=0.001, longest=0.01))
    (name,) = await place.bench.add("a")

    async def handler(_task):
        return Done("after all")

    claim, settle = Queue.claim, Queue.settle
    failures = {"claim": 3, "settle": 3}

    def failing(real, what):
        async def call(*arguments, **named):
            if failures[what]:
                failures[what] -= 1
                raise StoreError("the database cannot be reached")
            return await real(*arguments, **named)

        return call

    monkeypatch.setattr(Queue, "claim", failing(claim, "claim"))
    monkeypatch.setattr(Queue, "settle", failing(settle, "settle"))
    async with place.running(handler):
        row = await place.until(name, settled)
    assert (row["outcome"], row["attempts"]) == ("after all", 1)
    assert failures == {"claim": 0, "settle": 0}
    assert "cannot claim" in caplog.text
    assert "cannot settle" in caplog.text


async def test_the_loop_goes_on_after_the_server_was_cut_off(postgres):
    """Every connection at once, as when the server restarts."""

    async def handler(_task):
        return Done()

    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    async with place_on(postgres.fresh_database()) as place:
        names = await place.bench.add("a", 50)
        async with place.running(handler, concurrency=4, lease_seconds=2):
            await place.until(names[0], settled)
            await place.bench.database.read(lambda conn: conn.execute(cut).all())
            for name in names:
                await place.until(name, settled)
