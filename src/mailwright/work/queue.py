"""A queue of due rows: claimed under a lease, and given back fenced by its token.

Every call that writes joins the transaction of whatever else waits to be written (`Database.write`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Table

from mailwright.reply import printable
from mailwright.store.database import Database
from mailwright.store.schema import Work
from mailwright.work.claim import ClaimAnswer, ClaimRequest, claim
from mailwright.work.claimed import Claimed, Dead, Done, Held, Outcome, Retry, Settlement
from mailwright.work.clock import DATABASE_CLOCK, SECOND, steady_clock
from mailwright.work.postgresql import PostgresqlStatements
from mailwright.work.sqlite import SqliteStatements
from mailwright.work.statements import Back, QueueRow, Statements

_OUTCOME_KEPT = 2000
_ID, _LANE, _TOKEN, _ATTEMPTS = 0, 1, 5, 7


class _Renewal(NamedTuple):
    held: Sequence[Held]
    lease_us: int
    now: int


class _Settling(NamedTuple):
    settlements: Sequence[Settlement]
    now: int


class Queue:
    """`now` is read on SQLite only; PostgreSQL has its own clock. `kind` is for `task`: each kind is a queue of its
    own, so that nobody has to look through the tasks of others."""

    def __init__(
        self,
        database: Database,
        table: Table,
        *,
        kind: str = "",
        database_clock: str = DATABASE_CLOCK,
        steady: Callable[[], float] = steady_clock,
    ) -> None:
        self._database = database
        self._statements = statements_for(database.dialect, table, kind, database_clock)
        self._columns = tuple(table.columns.keys())
        self._steady = steady
        self._cursor: str | None = None

    async def claim(
        self, *, limit: int, per_lane: int, lease_seconds: float, now: int, in_hand: Mapping[str, int] | None = None
    ) -> list[Claimed]:
        """What was leased to somebody who is gone comes first, then what is ready: the next lanes in turn, of each at
        most `per_lane`, less what the caller has `in_hand` of it already. `next_due` tells when there is more."""
        # Before the request: by the time that the database writes the lease, ours has begun to run out.
        deadline = self._steady() + lease_seconds
        request = ClaimRequest(limit, per_lane, round(lease_seconds * SECOND), now, self._cursor, dict(in_hand or {}))
        answer = await self._database.write(self._claim, request)
        self._cursor = answer.cursor
        return [
            *(self._claimed(row, deadline, recovered=True) for row in answer.recovered),
            *(self._claimed(row, deadline, recovered=False) for row in answer.rows),
        ]

    async def renew(self, held: Sequence[Held], *, lease_seconds: float, now: int) -> list[float | None]:
        """The new deadline of each; None: somebody else has it, or it was settled."""
        deadline = self._steady() + lease_seconds
        kept = await self._database.write(self._renew, _Renewal(held, round(lease_seconds * SECOND), now))
        return [deadline if fence in kept else None for fence in held]

    async def release(self, held: Sequence[Held]) -> list[bool]:
        """Puts back what was not begun: it is ready again, and the claim does not count as an attempt. False: it is
        not ours any more."""
        kept = await self._database.write(self._release, held)
        return [fence in kept for fence in held]

    async def settle(self, settlements: Sequence[Settlement], *, now: int) -> list[bool]:
        """Only for `task`: what becomes of a delivery is written by `store.commit`. False: not ours any more, and
        nothing was written."""
        kept = await self._database.write(self._settle, _Settling(settlements, now))
        return [settlement.held in kept for settlement in settlements]

    async def next_due(self, *, now: int) -> float | None:
        """Seconds until there may be something to claim, 0 when there is; None: nothing falls due by itself."""
        due = await self._database.read(lambda conn: self._statements.next_due(conn, now))
        return None if due is None else max(0.0, due / SECOND)

    def _claimed(self, row: QueueRow, deadline: float, *, recovered: bool) -> Claimed:
        return Claimed(
            id=row[_ID],
            lane=row[_LANE],
            attempts=row[_ATTEMPTS],
            token=row[_TOKEN],
            deadline=deadline,
            recovered=recovered,
            row=dict(zip(self._columns, row, strict=True)),
        )

    def _claim(self, conn: Connection, requests: Sequence[ClaimRequest]) -> list[ClaimAnswer]:
        return [claim(self._statements, conn, request) for request in requests]

    def _renew(self, conn: Connection, renewals: Sequence[_Renewal]) -> list[set[tuple[str, int]]]:
        return [
            self._statements.renew(conn, now, [(*fence, lease_us) for fence in held]) if held else set()
            for held, lease_us, now in renewals
        ]

    def _release(self, conn: Connection, several: Sequence[Sequence[Held]]) -> list[set[tuple[str, int]]]:
        return [self._statements.release(conn, held) if held else set() for held in several]

    def _settle(self, conn: Connection, several: Sequence[_Settling]) -> list[set[tuple[str, int]]]:
        """In one statement for all. Of two who settle the same, the first did it."""
        rows: dict[Held, Back] = {}
        own: list[set[tuple[str, int]]] = []
        for settlements, _ in several:
            new = {held: _back(held, outcome) for held, outcome in settlements if held not in rows}
            rows |= new
            own.append(set(new))
        now = max(settling.now for settling in several)
        kept = self._statements.settle(conn, now, list(rows.values())) if rows else set()
        return [kept & fences for fences in own]


def statements_for(dialect: str, table: Table, kind: str, database_clock: str = DATABASE_CLOCK) -> Statements:
    spelled = SqliteStatements if dialect == "sqlite" else PostgresqlStatements
    return spelled(table, kind, database_clock)


def _back(held: Held, outcome: Outcome) -> Back:
    match outcome:
        case Done(text):
            return Back(held.id, held.token, Work.DONE, 0, _storable(text))
        case Retry(wait_seconds, text):
            return Back(held.id, held.token, Work.SCHEDULED, round(wait_seconds * SECOND), _storable(text))
        case Dead(reason):
            return Back(held.id, held.token, Work.DONE, 0, _storable(reason))


def _storable(text: str) -> str:
    """Neither database takes every string: PostgreSQL no NUL, neither of them a lone surrogate."""
    return printable(text)[:_OUTCOME_KEPT]
