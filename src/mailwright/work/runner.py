"""The loop that works on tasks: claims them, runs their handlers, keeps their leases and settles what came of it.

A task is run at least once. Attempts are counted when it is claimed, so that a task that kills its process is given up
like one that fails.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from mailwright.errors import StoreError
from mailwright.store.database import Database
from mailwright.store.schema import task
from mailwright.work.backoff import Backoff
from mailwright.work.claimed import Claimed, Dead, Outcome, Retry, Settlement
from mailwright.work.clock import steady_clock, wall_clock
from mailwright.work.queue import Queue
from mailwright.work.wake import Wake

Handler = Callable[[Claimed], Awaitable[Outcome]]

#: nothing waits longer for the next look, whatever was hinted
POLL_SECONDS = 5.0
#: between two looks of which the first found nothing although something is due: somebody else is at it
_CROWDED_SECONDS = 0.02
_HANDLER_BACKOFF = Backoff(first=5.0, longest=3600.0)
_DATABASE_BACKOFF = Backoff(first=0.1, longest=5.0)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """How tasks of one kind are worked on."""

    handler: Handler
    #: at once in this process
    concurrency: int = 16
    #: taken from one lane before the next one has its turn
    per_lane: int = 4
    lease_seconds: float = 60.0
    max_attempts: int = 20
    #: after a handler that raised
    backoff: Backoff = _HANDLER_BACKOFF


class Runner:
    """Runs until it is stopped. One loop for each kind, so that a slow one holds up no other."""

    def __init__(self, database: Database, wake: Wake, jobs: Mapping[str, Job]) -> None:
        self._lines = [_Line(Queue(database, task, kind=kind), wake, job, kind) for kind, job in jobs.items()]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for line in self._lines:
                group.create_task(line.run(), name=f"mailwright-tasks-{line.kind}")

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Claims nothing more, waits so long for what runs, and puts back the rest. `run` returns."""
        await asyncio.gather(*(line.stop(grace_seconds) for line in self._lines))


@dataclass(eq=False, slots=True)
class _Running:
    claimed: Claimed
    deadline: float
    work: asyncio.Task[None] | None = None
    #: somebody else may have it: nothing is to be written any more
    lost: bool = False

    def give_up(self) -> None:
        self.lost = True
        if self.work is not None:
            self.work.cancel()


class _Line:
    """The tasks of one kind."""

    def __init__(self, queue: Queue, wake: Wake, job: Job, kind: str) -> None:
        self.kind = kind
        self._queue = queue
        self._job = job
        self._listener = wake.listener()
        self._running: set[_Running] = set()
        self._stopping = False
        self._grace = 0.0
        self._ended = asyncio.Event()
        self._ended.set()

    async def run(self) -> None:
        self._ended.clear()
        keeper = asyncio.create_task(self._keep_leases(), name=f"mailwright-leases-{self.kind}")
        failures = 0
        try:
            while not self._stopping:
                try:
                    await self._listener.wait(await self._turn())
                    failures = 0
                except StoreError as error:
                    failures += 1
                    _log.warning("cannot claim tasks of kind %s: %s", self.kind, error)
                    await self._listener.wait(_DATABASE_BACKOFF.wait(failures, _chance()))
        finally:
            await self._finish()
            keeper.cancel()
            self._ended.set()

    async def stop(self, grace_seconds: float) -> None:
        self._stopping = True
        self._grace = grace_seconds
        self._listener.wake()
        await self._ended.wait()

    async def _finish(self) -> None:
        works = [running.work for running in self._running if running.work is not None]
        if not works:
            return
        _, late = await asyncio.wait(works, timeout=self._grace)
        for work in late:
            work.cancel()
        if late:
            await asyncio.wait(late)

    async def _turn(self) -> float:
        """Claims what there is room for. Answers how long there is nothing more to do, unless woken."""
        room = self._job.concurrency - len(self._running)
        if room <= 0:
            return POLL_SECONDS
        claimed = await self._queue.claim(
            limit=room, per_lane=self._job.per_lane, lease_seconds=self._job.lease_seconds, now=wall_clock()
        )
        # What a dead process left is not begun here and now: it goes through the rules of its lane like any other.
        left = [one.held for one in claimed if one.recovered or self._stopping]
        for one in claimed:
            if one.held not in left:
                self._start(one)
        if left:
            await self._queue.release(left)
        if len(claimed) == room or left:
            return 0.0
        due = await self._queue.next_due(now=wall_clock())
        if due is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, due if claimed else max(due, _CROWDED_SECONDS))

    def _start(self, claimed: Claimed) -> None:
        running = _Running(claimed, claimed.deadline)
        self._running.add(running)
        running.work = asyncio.create_task(self._work(running), name=f"mailwright-task-{claimed.id}")

    async def _work(self, running: _Running) -> None:
        try:
            outcome = await self._outcome(running.claimed)
        except asyncio.CancelledError:
            if not running.lost:
                await self._write(running, lambda: self._queue.release([running.claimed.held]))
        else:
            settled = Settlement(running.claimed.held, outcome)
            await self._write(running, lambda: self._queue.settle([settled], now=wall_clock()))
        finally:
            self._running.discard(running)
            self._listener.wake()

    async def _outcome(self, claimed: Claimed) -> Outcome:
        if claimed.attempts > self._job.max_attempts:
            last = claimed.row["outcome"]
            return Dead(f"given up after {self._job.max_attempts} attempts" + (f": {last}" if last else ""))
        try:
            outcome = await self._job.handler(claimed)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome of this one task
            _log.exception("a task of kind %s failed: %s", self.kind, claimed.id)
            wait = self._job.backoff.wait(claimed.attempts, _chance())
            outcome = Retry(wait, f"{type(error).__name__}: {error}")
        if isinstance(outcome, Retry) and claimed.attempts >= self._job.max_attempts:
            return Dead(
                f"given up after {claimed.attempts} attempts" + (f": {outcome.outcome}" if outcome.outcome else "")
            )
        return outcome

    async def _write(self, running: _Running, write: Callable[[], Awaitable[Sequence[bool]]]) -> None:
        """As long as the row is ours. When it cannot be written, the lease ends and the task is run again."""
        failures = 0
        while not running.lost and steady_clock() < running.deadline:
            try:
                await write()
            except StoreError as error:
                failures += 1
                _log.warning("cannot settle task %s: %s", running.claimed.id, error)
                await asyncio.sleep(_DATABASE_BACKOFF.wait(failures, _chance()))
            else:
                return

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._job.lease_seconds / 3)
            held = list(self._running)
            try:
                deadlines = await self._queue.renew(
                    [running.claimed.held for running in held],
                    lease_seconds=self._job.lease_seconds,
                    now=wall_clock(),
                )
            except StoreError as error:
                _log.warning("cannot renew leases of tasks of kind %s: %s", self.kind, error)
                deadlines = [running.deadline if steady_clock() < running.deadline else None for running in held]
            for running, deadline in zip(held, deadlines, strict=True):
                if deadline is not None:
                    running.deadline = deadline
                elif running in self._running:
                    running.give_up()


def _chance() -> float:
    return random.random()  # noqa: S311 - no secret
