"""The processes that work on one database: who is alive, and how much each should hold."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from mailwright.store.database import Database
from mailwright.work.clock import DATABASE_CLOCK, SECOND

_BEAT = """\
INSERT INTO node (id, name, started_at, seen_at) VALUES (:id, :name, CLOCK, CLOCK)
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at"""
_LIVING = "SELECT id FROM node WHERE seen_at > CLOCK - :ttl_us ORDER BY id"
_FORGET = "DELETE FROM node WHERE seen_at <= CLOCK - :forgotten_us"
_LEAVE = "DELETE FROM node WHERE id = :id"

#: a node that is silent is dead after its time to live, and is forgotten after so many of them
_FORGOTTEN_AFTER = 100


def fair_share(total: int, nodes: Sequence[str], me: str) -> int:
    """How many of so many resources this node should hold. All shares together are `total`, and differ by one at
    most."""
    if me not in nodes:
        return 0
    rank = sorted(nodes).index(me)
    return total // len(nodes) + (rank < total % len(nodes))


class _Beat(NamedTuple):
    ttl_us: int
    now: int


class Node:
    """This process, as the others see it. `now` is read on SQLite only."""

    def __init__(self, database: Database, node: str, name: str, *, database_clock: str = DATABASE_CLOCK) -> None:
        clock = ":now" if database.dialect == "sqlite" else database_clock
        self._database = database
        self._node = node
        self._name = name
        self._beating, self._living, self._forgetting = (
            text(statement.replace("CLOCK", clock)) for statement in (_BEAT, _LIVING, _FORGET)
        )
        self._leaving = text(_LEAVE)

    async def beat(self, *, ttl_seconds: float, now: int) -> list[str]:
        """Says that we live, and answers with everybody who does."""
        return await self._database.write(self._beat, _Beat(round(ttl_seconds * SECOND), now))

    async def leave(self) -> None:
        """The others need not wait until we are taken for dead."""
        await self._database.write(self._leave, None)

    def _beat(self, conn: Connection, beats: Sequence[_Beat]) -> list[list[str]]:
        living = []
        for ttl_us, now in beats:
            conn.execute(self._beating, {"id": self._node, "name": self._name, "now": now})
            conn.execute(self._forgetting, {"forgotten_us": ttl_us * _FORGOTTEN_AFTER, "now": now})
            living.append([*conn.execute(self._living, {"ttl_us": ttl_us, "now": now}).scalars()])
        return living

    def _leave(self, conn: Connection, calls: Sequence[None]) -> list[None]:
        conn.execute(self._leaving, {"id": self._node})
        return [None] * len(calls)
