"""A queue with a clock that the tests move, on a real database."""

import asyncio
import itertools
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update

from mailwright.store.database import Database
from mailwright.store.schema import Work, lane, lease, node, task
from mailwright.work.clock import SECOND
from mailwright.work.queue import Queue

START = 1_800_000_000 * SECOND
KIND = "k"
_CLOCK_TABLE = "(SELECT us FROM test_clock)"


def row(name: str, lane_id: str, **columns: Any) -> dict[str, Any]:
    plain = {
        "priority": 1,
        "work": Work.READY,
        "due": START,
        "lease_token": 0,
        "lease_until": 0,
        "attempts": 0,
        "workspace": "w",
        "kind": KIND,
        "ref": "",
        "payload": "{}",
        "outcome": None,
        "created_at": 0,
        "settled_at": 0,
    }
    return {"id": name, "lane": lane_id, **plain, **columns}


class Bench:
    """The database, its clock, and short ways to set things up and to look at them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = START
        self.postgres = database.dialect == "postgresql"
        self._names = itertools.count()

    @classmethod
    async def on(cls, database: Database) -> "Bench":
        bench = cls(database)
        if bench.postgres:
            await bench.execute(text("CREATE TABLE test_clock AS SELECT CAST(0 AS bigint) AS us"))
        await bench.reset()
        return bench

    def queue(self, kind: str = KIND) -> Queue:
        return Queue(self.database, task, kind=kind, **self.clock)

    @property
    def clock(self) -> dict[str, Any]:
        return {"database_clock": _CLOCK_TABLE, "steady": lambda: self.now / SECOND}

    async def reset(self) -> None:
        for table in (task, lane, lease, node):
            await self.execute(delete(table))
        await self.set_clock(START)

    async def set_clock(self, now: int) -> None:
        self.now = now
        if self.postgres:
            await self.execute(text("UPDATE test_clock SET us = :now").bindparams(now=now))

    async def advance(self, seconds: float) -> None:
        await self.set_clock(self.now + round(seconds * SECOND))

    async def execute(self, statement: Any, rows: list[dict[str, Any]] | None = None) -> None:
        def run(conn: Connection, items: Any) -> list[None]:
            for item in items:
                conn.execute(statement, item)
            return [None] * len(items)

        await self.database.write(run, rows)

    async def add(self, lane_id: str, count: int = 1, **columns: Any) -> list[str]:
        names = [f"t{next(self._names):06d}" for _ in range(count)]
        await self.execute(insert(task), [row(name, lane_id, **columns) for name in names])
        return names

    async def set_lane(self, lane_id: str, **columns: Any) -> None:
        plain = {
            "paused": False,
            "blocked_until": 0,
            "parked": None,
            "interval_us": None,
            "burst_us": 0,
            "arrival_us": 0,
            "concurrency": None,
        }
        await self.execute(delete(lane).where(lane.c.id == lane_id))
        await self.execute(insert(lane), [{"id": lane_id, **plain, **columns}])

    async def change(self, name: str, **columns: Any) -> None:
        await self.execute(update(task).where(task.c.id == name).values(**columns))

    async def look(self, name: str) -> dict[str, Any]:
        statement = select(task).where(task.c.id == name)
        return await self.database.read(lambda conn: dict(conn.execute(statement).mappings().one()))

    async def all_rows(self) -> dict[str, Any]:
        statement = select(task.c.id, task.c.work, task.c.lease_token, task.c.attempts)
        return await self.database.read(lambda conn: {one.id: one for one in conn.execute(statement)})


@contextmanager
def bench_on(url: str) -> Iterator[tuple[Bench, Any]]:
    """For tests that are no coroutines: the bench, and what runs a coroutine to its end."""
    with asyncio.Runner() as runner:

        def run(work: Coroutine[Any, Any, Any]) -> Any:
            return runner.run(work)

        database = run(Database.open(url))
        try:
            yield run(Bench.on(database)), run
        finally:
            run(database.close())
