"""The statements of the kernel for PostgreSQL, where many claim at once.

Nothing in a claim waits for a lock: a row or a lane that somebody else has locked is passed over, so that claims cannot
hold each other up, nor end in a deadlock. The time is that of the database.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table

from mailwright.work.budget import LaneLimits
from mailwright.work.clock import DATABASE_CLOCK
from mailwright.work.statements import NEXT_DUE, PROMOTED_AT_ONCE, Back, LaneAhead, QueueRow, Spelling

# What is known about a queue's content is always old: it fills and empties within a minute, and the statistics say that
# nothing is ready. Every statement here has its index; until the end of the transaction no other way is considered.
_STEER = """\
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true), CLOCK"""

# The states of `store.schema.Work` are written as numbers: a partial index is only used for a literal condition.
# ARRAY(SELECT …) is evaluated once; a join with a SELECT that locks could run it again, and lock more than its LIMIT.
_BEGIN = """\
WITH promoted AS (
    UPDATE QUEUE SET work = 1 WHERE id = ANY (ARRAY(
        SELECT q.id FROM QUEUE AS q WHERE q.work = 0 AND q.due <= :now
        ORDER BY q.due LIMIT :portion FOR UPDATE SKIP LOCKED
    ))
), again AS (
    UPDATE QUEUE AS q
    SET lease_token = q.lease_token + 1, lease_until = :until, attempts = q.attempts + 1
    WHERE q.id = ANY (ARRAY(
        SELECT q.id FROM QUEUE AS q WHERE q.work = 2 AND q.lease_until <= :now AND_KIND
        ORDER BY q.lease_until LIMIT :room FOR UPDATE SKIP LOCKED
    ))
    RETURNING COLUMNS
)
SELECT * FROM again"""

_LIMITS = """\
SELECT id, interval_us, burst_us, arrival_us, concurrency, 0 FROM lane
WHERE id = ANY (:lanes) AND NOT paused AND blocked_until <= :now FOR UPDATE SKIP LOCKED"""

# A statement of its own, after the lanes are locked: it sees what was leased until then, which one that locks and
# counts at once does not.
_LEASED = "SELECT q.lane, count(*) FROM QUEUE AS q WHERE q.work = 2 AND q.lane = ANY (:lanes) GROUP BY q.lane"

_TAKE = """\
UPDATE QUEUE AS q SET work = 2, lease_token = q.lease_token + 1, lease_until = :until, attempts = q.attempts + 1
WHERE q.id = ANY (ARRAY(
    SELECT ready.id FROM unnest(CAST(:lanes AS text[]), CAST(:rooms AS integer[])) AS wanted (lane, room)
    CROSS JOIN LATERAL (
        SELECT q.id FROM QUEUE AS q WHERE q.work = 1 AND_KIND AND q.lane = wanted.lane
        ORDER BY q.priority, q.due, q.id LIMIT wanted.room FOR UPDATE SKIP LOCKED
    ) AS ready LIMIT :room
))
RETURNING COLUMNS"""

_CHARGE = """\
UPDATE lane SET arrival_us = new.arrival_us
FROM unnest(CAST(:lanes AS text[]), CAST(:arrivals AS bigint[])) AS new (id, arrival_us) WHERE lane.id = new.id"""

_RENEW = """\
UPDATE QUEUE AS q SET lease_until = CAST(:now AS bigint) + held.lease_us
FROM unnest(CAST(:ids AS text[]), CAST(:tokens AS bigint[]), CAST(:leases AS bigint[])) AS held (id, token, lease_us)
WHERE q.id = held.id AND q.lease_token = held.token AND q.work = 2 RETURNING q.id, q.lease_token"""

_RELEASE = """\
UPDATE QUEUE AS q SET work = 1, attempts = q.attempts - 1
FROM unnest(CAST(:ids AS text[]), CAST(:tokens AS bigint[])) AS held (id, token)
WHERE q.id = held.id AND q.lease_token = held.token AND q.work = 2 RETURNING q.id, q.lease_token"""

_SETTLE = """\
UPDATE QUEUE AS q SET work = back.work, outcome = back.outcome,
    due = CASE WHEN back.work = 0 THEN CAST(:now AS bigint) + back.wait_us ELSE q.due END,
    settled_at = CASE WHEN back.work = 0 THEN 0 ELSE CAST(:now AS bigint) END
FROM unnest(
    CAST(:id AS text[]), CAST(:token AS bigint[]), CAST(:work AS smallint[]), CAST(:wait_us AS bigint[]),
    CAST(:outcome AS text[])
) AS back (id, token, work, wait_us, outcome)
WHERE q.id = back.id AND q.lease_token = back.token AND q.work = 2 RETURNING q.id, q.lease_token"""


class PostgresqlStatements:
    def __init__(self, table: Table, kind: str, database_clock: str = DATABASE_CLOCK) -> None:
        spell = Spelling(table, kind, "postgresql", database_clock)
        self._kind = kind
        self._steer_by = spell(_STEER)
        self._begin, self._limits, self._leased = spell(_BEGIN), spell(_LIMITS), spell(_LEASED)
        self._take, self._charge, self._next_due = spell(_TAKE), spell(_CHARGE), spell(NEXT_DUE)
        self._renew, self._release, self._settle = spell(_RENEW), spell(_RELEASE), spell(_SETTLE)
        self._lanes = spell.lanes()

    def begin(self, conn: Connection, _now: int, lease_us: int, limit: int) -> tuple[int, list[QueueRow]]:
        now = self._steer(conn)
        asked = {"now": now, "until": now + lease_us, "portion": PROMOTED_AT_ONCE, "room": limit, "kind": self._kind}
        return now, [*conn.exec_driver_sql(self._begin, asked).fetchall()]

    def lanes(self, conn: Connection, now: int, after: str | None, last: str | None, count: int) -> list[LaneAhead]:
        text = self._lanes[after is not None, last is not None]
        bounds = {"now": now, "after": after, "last": last, "count": count, "kind": self._kind}
        return [LaneAhead(*row) for row in conn.exec_driver_sql(text, bounds)]

    def limits(self, conn: Connection, now: int, lanes: Sequence[str]) -> list[LaneLimits]:
        locked = [LaneLimits(*row) for row in conn.exec_driver_sql(self._limits, {"lanes": list(lanes), "now": now})]
        counted = [lane.lane for lane in locked if lane.concurrency is not None]
        if not counted:
            return locked
        leased = dict(tuple(row) for row in conn.exec_driver_sql(self._leased, {"lanes": counted}))
        return [lane._replace(leased=leased.get(lane.lane, 0)) for lane in locked]

    def take(self, conn: Connection, rooms: Sequence[tuple[str, int]], until: int, limit: int) -> list[QueueRow]:
        lanes, counts = _columns(rooms)
        wanted = {"lanes": lanes, "rooms": counts, "until": until, "room": limit, "kind": self._kind}
        return [*conn.exec_driver_sql(self._take, wanted).fetchall()]

    def charge(self, conn: Connection, arrivals: Sequence[tuple[str, int]]) -> None:
        lanes, times = _columns(arrivals)
        conn.exec_driver_sql(self._charge, {"lanes": lanes, "arrivals": times})

    def renew(self, conn: Connection, _now: int, leases: Sequence[tuple[str, int, int]]) -> set[tuple[str, int]]:
        ids, tokens, lengths = _columns(leases)
        return _fences(conn, self._renew, {"now": self._steer(conn), "ids": ids, "tokens": tokens, "leases": lengths})

    def release(self, conn: Connection, held: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        self._steer(conn)
        ids, tokens = _columns(held)
        return _fences(conn, self._release, {"ids": ids, "tokens": tokens})

    def settle(self, conn: Connection, _now: int, rows: Sequence[Back]) -> set[tuple[str, int]]:
        return _fences(
            conn, self._settle, {"now": self._steer(conn), **dict(zip(Back._fields, _columns(rows), strict=True))}
        )

    def next_due(self, conn: Connection, now: int) -> int | None:
        now = self._steer(conn)
        due: int | None = conn.exec_driver_sql(self._next_due, {"now": now, "kind": self._kind}).scalar_one()
        return due

    def _steer(self, conn: Connection) -> int:
        """Answers with the time."""
        now: int = conn.exec_driver_sql(self._steer_by).one()[-1]
        return now


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Of a table that is not empty."""
    return [list(column) for column in zip(*rows, strict=True)]


def _fences(conn: Connection, text: str, parameters: dict[str, Any]) -> set[tuple[str, int]]:
    return {(row, token) for row, token in conn.exec_driver_sql(text, parameters).fetchall()}
