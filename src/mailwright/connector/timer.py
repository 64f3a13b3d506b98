"""What has to be done now and then, by one node at a time: expiry, fallbacks, bulk jobs, retention, sweeping."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mailwright.connector.clock import MICROSECONDS, moment, now
from mailwright.connector.offices.parts import Parts
from mailwright.errors import MailwrightError, NotFound
from mailwright.model.bulk import BulkState
from mailwright.model.changes import AddEvent, ExpireMessages, MoveLane, PutBulk
from mailwright.model.event import Event, EventType
from mailwright.store import retention
from mailwright.store.commit import commit
from mailwright.store.ids import new_id
from mailwright.store.queries.accounts import parked_accounts
from mailwright.store.queries.bodies import live_bodies, move_bodies
from mailwright.store.queries.bulk import unfinished_jobs
from mailwright.work.leases import Lease, Leases

_log = logging.getLogger(__name__)
_RESOURCE = "timer"
_LEASE_SECONDS = 30.0
_BEAT_SECONDS = 2.0
_DAY = 86_400 * MICROSECONDS
_EXPIRED_AT_ONCE = 500


class _Chore(NamedTuple):
    name: str
    every_seconds: float
    work: Callable[[], Awaitable[None]]


class Timer:
    """Every chore may run twice, and does when a node dies in the middle of one: each is safe to repeat."""

    def __init__(self, parts: Parts, node: str) -> None:
        self._parts = parts
        self._leases = Leases(parts.database, node)
        self._chores = (
            _Chore("expiry", 2.0, self.expire),
            _Chore("fallbacks", 2.0, self.move_to_fallbacks),
            _Chore("bulk jobs", 2.0, self.finish_bulk_jobs),
            _Chore("retention", 3600.0, self.remove_old),
            _Chore("bodies", 3600.0, self.sweep_bodies),
        )

    async def run(self) -> None:
        lease: Lease | None = None
        due = dict.fromkeys((chore.name for chore in self._chores), 0.0)
        try:
            while True:
                try:
                    lease = await self._hold(lease)
                    if lease is not None:
                        await self._do_due(due)
                except MailwrightError as error:
                    _log.warning("a chore failed and is done again: %s", error.code)
                await asyncio.sleep(_BEAT_SECONDS)
        finally:
            if lease is not None:
                await self._leases.release(lease)

    async def _hold(self, lease: Lease | None) -> Lease | None:
        if lease is not None:
            (lease,) = await self._leases.renew([lease], ttl_seconds=_LEASE_SECONDS, now=now())
        return lease or await self._leases.acquire(_RESOURCE, ttl_seconds=_LEASE_SECONDS, now=now())

    async def _do_due(self, due: dict[str, float]) -> None:
        time = asyncio.get_running_loop().time()
        for chore in self._chores:
            if due[chore.name] <= time:
                due[chore.name] = time + chore.every_seconds
                await chore.work()

    # The chores.

    async def expire(self) -> None:
        """Those that wait longer than they may, in accounts that are paused too."""
        while len(await self._commit(ExpireMessages(now(), _EXPIRED_AT_ONCE))) == _EXPIRED_AT_ONCE:
            pass

    async def move_to_fallbacks(self) -> None:
        parts = self._parts
        for record in await parts.database.read(lambda conn: parked_accounts(conn, parts.secrets)):
            if not record.fallback or record.parked is None or record.parked.until <= datetime.now(UTC):
                continue
            try:
                fallback = await parts.directory.account(record.workspace, record.fallback)
            except NotFound:
                continue
            if fallback.parked is None and not fallback.paused and await self._commit(MoveLane(record.id, fallback.id)):
                parts.wake.hint()

    async def finish_bulk_jobs(self) -> None:
        for job in await self._parts.database.read(unfinished_jobs):
            if job.state is BulkState.RUNNING and sum(job.ended.values()) >= job.accepted:
                event = Event(
                    id=new_id("evt"),
                    workspace=job.workspace,
                    type=EventType.BULK_FINISHED,
                    at=moment(now()),
                    account=job.account,
                    data={"bulk": job.id, "accepted": job.accepted, "refused": job.refused, "ended": dict(job.ended)},
                )
                finished = replace(job, state=BulkState.FINISHED)
                await commit(self._parts.database, [PutBulk(finished), AddEvent(event)])

    async def remove_old(self) -> None:
        settings, database, at = self._parts.settings, self._parts.database, now()
        if settings.keep_messages_days:
            await retention.remove_ended(database, before=at - settings.keep_messages_days * _DAY)
        events = at - settings.keep_events_days * _DAY
        await retention.remove_rows(database, retention.remove_tasks, before=events)
        await retention.remove_rows(database, retention.remove_events, before=events)
        keys = at - settings.idempotency_hours * 3600 * MICROSECONDS
        await retention.remove_rows(database, retention.remove_idempotency_keys, before=keys)

    async def sweep_bodies(self) -> None:
        database = self._parts.database

        async def is_live(bodies: Sequence[tuple[str, str]]) -> set[str]:
            return await database.read(lambda conn: live_bodies(conn, bodies))

        async def moved(bodies: Sequence[tuple[str, str, str]]) -> None:
            await database.write(move_bodies, bodies)

        report = await self._parts.bodies.sweep(is_live, moved)
        if report.damaged:
            _log.error("damaged files in the body store: %s", ", ".join(report.damaged))

    async def _commit(self, change: Any) -> Any:
        (result,) = await commit(self._parts.database, [change])
        return result
