"""The statements of the kernel for SQLite. The writer has begun its transaction with BEGIN IMMEDIATE: nobody else
writes meanwhile, so that what was read stays true."""

import json
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table

from mailwright.work.budget import LaneLimits
from mailwright.work.clock import DATABASE_CLOCK
from mailwright.work.statements import NEXT_DUE, PROMOTED_AT_ONCE, Back, LaneAhead, QueueRow, Spelling

# The states of `store.schema.Work` are written as numbers: a partial index is only used for a literal condition.
_PROMOTE = """\
UPDATE QUEUE SET work = 1 WHERE rowid IN
    (SELECT rowid FROM QUEUE WHERE work = 0 AND due <= :now ORDER BY due LIMIT :portion)"""

_CLAIM_AGAIN = """\
UPDATE QUEUE AS q SET lease_token = lease_token + 1, lease_until = :until, attempts = attempts + 1 WHERE rowid IN
    (SELECT q.rowid FROM QUEUE AS q WHERE q.work = 2 AND q.lease_until <= :now AND_KIND
     ORDER BY q.lease_until LIMIT :room)
RETURNING COLUMNS"""

_LIMITS = """\
SELECT l.id, l.interval_us, l.burst_us, l.arrival_us, l.concurrency,
    CASE WHEN l.concurrency IS NULL THEN 0
         ELSE (SELECT count(*) FROM QUEUE AS q WHERE q.work = 2 AND q.lane = l.id) END
FROM lane AS l WHERE l.id = ?"""

# Lists come as JSON: one statement for all of them, because each costs more in the library than in the database.
# CROSS JOIN keeps the order, and with it the look into the index for each lane. What IN finds comes in the order of
# the table: it is put in order again, so that the limit cuts off what should wait.
_TAKE = """\
UPDATE QUEUE SET work = 2, lease_token = lease_token + 1, lease_until = :until, attempts = attempts + 1
WHERE rowid IN (
    SELECT ready.rowid FROM json_each(:lanes) AS wanted CROSS JOIN QUEUE AS ready ON ready.rowid IN (
        SELECT q.rowid FROM QUEUE AS q WHERE q.work = 1 AND_KIND AND q.lane = wanted.value
        ORDER BY q.priority, q.due, q.id LIMIT :room
    ) ORDER BY wanted.key, ready.priority, ready.due, ready.id LIMIT :limit
)
RETURNING COLUMNS"""

_HELD = "(SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS token FIELDS FROM json_each(:rows))"

_RENEW = """\
UPDATE QUEUE SET lease_until = :now + held.lease_us FROM HELD AS held
WHERE QUEUE.id = held.id AND lease_token = held.token AND work = 2 RETURNING id, lease_token"""

_RELEASE = """\
UPDATE QUEUE SET work = 1, attempts = attempts - 1 FROM HELD AS held
WHERE QUEUE.id = held.id AND lease_token = held.token AND work = 2 RETURNING id, lease_token"""

_SETTLE = """\
UPDATE QUEUE SET work = back.work, outcome = back.outcome,
    due = CASE WHEN back.work = 0 THEN :now + back.wait_us ELSE due END,
    settled_at = CASE WHEN back.work = 0 THEN 0 ELSE :now END
FROM HELD AS back
WHERE QUEUE.id = back.id AND lease_token = back.token AND QUEUE.work = 2 RETURNING id, lease_token"""


def _held(*fields: str) -> str:
    """A table of the rows that come as a JSON parameter: id, token and these."""
    more = (f", json_extract(value, '$[{place}]') AS {field}" for place, field in enumerate(fields, start=2))
    return _HELD.replace(" FIELDS", "".join(more))


class SqliteStatements:
    def __init__(self, table: Table, kind: str, _database_clock: str = DATABASE_CLOCK) -> None:
        spell = Spelling(table, kind, "sqlite")
        self._kind = kind
        self._promote, self._claim_again, self._take = spell(_PROMOTE), spell(_CLAIM_AGAIN), spell(_TAKE)
        self._limits, self._next_due = spell(_LIMITS), spell(NEXT_DUE)
        self._renew = spell(_RENEW, HELD=_held("lease_us"))
        self._release = spell(_RELEASE, HELD=_held())
        self._settle = spell(_SETTLE, HELD=_held("work", "wait_us", "outcome"))
        self._lanes = spell.lanes()

    def begin(self, conn: Connection, now: int, lease_us: int, limit: int) -> tuple[int, list[QueueRow]]:
        conn.exec_driver_sql(self._promote, {"now": now, "portion": PROMOTED_AT_ONCE})
        again = {"now": now, "until": now + lease_us, "room": limit, "kind": self._kind}
        return now, [*conn.exec_driver_sql(self._claim_again, again).fetchall()]

    def lanes(self, conn: Connection, now: int, after: str | None, last: str | None, count: int) -> list[LaneAhead]:
        text = self._lanes[after is not None, last is not None]
        bounds = {"now": now, "after": after, "last": last, "count": count, "kind": self._kind}
        return [LaneAhead(lane, bool(limited)) for lane, limited in conn.exec_driver_sql(text, bounds)]

    def limits(self, conn: Connection, _now: int, lanes: Sequence[str]) -> list[LaneLimits]:
        return [LaneLimits(*row) for lane in lanes for row in conn.exec_driver_sql(self._limits, (lane,))]

    def take(self, conn: Connection, rooms: Sequence[tuple[str, int]], until: int, limit: int) -> list[QueueRow]:
        rows: list[QueueRow] = []
        # Lanes next to each other that have the same room go together: nearly always all of them.
        for room, lanes in groupby(rooms, key=itemgetter(1)):
            wanted = {"room": room, "lanes": json.dumps([lane for lane, _ in lanes]), "limit": limit - len(rows)}
            more = {"until": until, "kind": self._kind}
            rows += conn.exec_driver_sql(self._take, {**wanted, **more}).fetchall()
            if len(rows) == limit:
                break
        return rows

    def charge(self, conn: Connection, arrivals: Sequence[tuple[str, int]]) -> None:
        conn.exec_driver_sql(
            "UPDATE lane SET arrival_us = ? WHERE id = ?", [(arrival, lane) for lane, arrival in arrivals]
        )

    def renew(self, conn: Connection, now: int, leases: Sequence[tuple[str, int, int]]) -> set[tuple[str, int]]:
        return _fences(conn, self._renew, {"now": now, "rows": json.dumps(leases)})

    def release(self, conn: Connection, held: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        return _fences(conn, self._release, {"rows": json.dumps(held)})

    def settle(self, conn: Connection, now: int, rows: Sequence[Back]) -> set[tuple[str, int]]:
        return _fences(conn, self._settle, {"now": now, "rows": json.dumps(rows)})

    def next_due(self, conn: Connection, now: int) -> int | None:
        due: int | None = conn.exec_driver_sql(self._next_due, {"now": now, "kind": self._kind}).scalar_one()
        return due


def _fences(conn: Connection, text: str, parameters: dict[str, Any]) -> set[tuple[str, int]]:
    return {(row, token) for row, token in conn.exec_driver_sql(text, parameters).fetchall()}
