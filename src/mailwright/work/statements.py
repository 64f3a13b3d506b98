"""The statements of the kernel, as each database spells them: `sqlite` and `postgresql` answer to this alike."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, Table

from mailwright.store.engine import Dialect
from mailwright.work.budget import LaneLimits
from mailwright.work.clock import DATABASE_CLOCK

#: rows that fall due are made ready in such portions, so that no claim takes long when very many fall due at once
PROMOTED_AT_ONCE = 500

QueueRow = Sequence[Any]


class LaneAhead(NamedTuple):
    """A lane with ready rows that is neither paused nor blocked."""

    lane: str
    #: it has a rate or a limit, which `limits` tells
    limited: bool


class Back(NamedTuple):
    """A leased row as it leaves its lease."""

    id: str
    token: int
    work: int
    #: from now to its next attempt; of no meaning for a work that has none
    wait_us: int
    outcome: str


class Statements(Protocol):
    def __init__(self, table: Table, kind: str, database_clock: str = DATABASE_CLOCK) -> None: ...

    def begin(self, conn: Connection, now: int, lease_us: int, limit: int) -> tuple[int, list[QueueRow]]:
        """Makes ready what is due, and claims what is leased to nobody any more. Answers with the time that counts."""
        ...

    def lanes(self, conn: Connection, now: int, after: str | None, last: str | None, count: int) -> list[LaneAhead]:
        """In their order, those behind `after` and up to `last`; None: no such bound."""
        ...

    def limits(self, conn: Connection, now: int, lanes: Sequence[str]) -> list[LaneLimits]:
        """Of these lanes, which nobody else changes from now to the end of the transaction. A lane that somebody else
        is changing is left out."""
        ...

    def take(self, conn: Connection, rooms: Sequence[tuple[str, int]], until: int, limit: int) -> list[QueueRow]:
        """Claims from each lane at most as many as it has room for."""
        ...

    def charge(self, conn: Connection, arrivals: Sequence[tuple[str, int]]) -> None: ...

    def renew(self, conn: Connection, now: int, leases: Sequence[tuple[str, int, int]]) -> set[tuple[str, int]]:
        """`(id, token, lease_us)`; answers with those that hold."""
        ...

    def release(self, conn: Connection, held: Sequence[tuple[str, int]]) -> set[tuple[str, int]]: ...

    def settle(self, conn: Connection, now: int, rows: Sequence[Back]) -> set[tuple[str, int]]:
        """Only for `task`: a delivery is settled together with what happened to it."""
        ...

    def next_due(self, conn: Connection, now: int) -> int | None:
        """Microseconds from now, below 0 when it is due already; None: nothing will fall due by itself."""
        ...


# Each step of the walk is one look into the index, however many rows a lane has.
_LANES = """\
WITH RECURSIVE walk (lane) AS (
    SELECT (SELECT q.lane FROM QUEUE AS q WHERE q.work = 1 AND_KIND AND_AFTER AND_LAST ORDER BY q.lane LIMIT 1)
    UNION ALL
    SELECT (SELECT q.lane FROM QUEUE AS q WHERE q.work = 1 AND_KIND AND q.lane > walk.lane AND_LAST
            ORDER BY q.lane LIMIT 1)
    FROM walk WHERE walk.lane IS NOT NULL
)
SELECT walk.lane, l.interval_us IS NOT NULL OR l.concurrency IS NOT NULL
FROM walk LEFT JOIN LANE_OF_WALK
WHERE walk.lane IS NOT NULL AND (l.id IS NULL OR (NOT l.paused AND l.blocked_until <= :now))
LIMIT :count"""

# A lane with a rate opens when half of its burst may leave: every single one as soon as it may would be many polls.
# A lane that is full opens when something of it is settled, and whoever settles it knows.
NEXT_DUE = """\
WITH RECURSIVE walk (lane) AS (
    SELECT (SELECT q.lane FROM QUEUE AS q WHERE q.work = 1 AND_KIND ORDER BY q.lane LIMIT 1)
    UNION ALL
    SELECT (SELECT q.lane FROM QUEUE AS q WHERE q.work = 1 AND_KIND AND q.lane > walk.lane ORDER BY q.lane LIMIT 1)
    FROM walk WHERE walk.lane IS NOT NULL
)
SELECT min(moments.due) - :now FROM (
    SELECT (SELECT q.due FROM QUEUE AS q WHERE q.work = 0 ORDER BY q.due LIMIT 1) AS due
    UNION ALL
    SELECT (SELECT q.lease_until FROM QUEUE AS q WHERE q.work = 2 AND_KIND ORDER BY q.lease_until LIMIT 1)
    UNION ALL
    SELECT CASE
        WHEN l.id IS NULL THEN 0
        WHEN l.paused THEN NULL
        WHEN l.concurrency <= (SELECT count(*) FROM QUEUE AS q WHERE q.work = 2 AND q.lane = l.id) THEN NULL
        WHEN l.interval_us IS NULL THEN l.blocked_until
        ELSE GREATEST(
            l.blocked_until,
            LEAST(l.arrival_us, :now + l.burst_us + l.interval_us) - l.burst_us / 2
        ) END
    FROM walk LEFT JOIN LANE_OF_WALK WHERE walk.lane IS NOT NULL
) AS moments"""

# PostgreSQL would rather walk to the end and then join: LATERAL with a LIMIT keeps it from that.
_LANE_OF_WALK: dict[Dialect, str] = {
    "sqlite": "lane AS l ON l.id = walk.lane",
    "postgresql": "LATERAL (SELECT * FROM lane WHERE lane.id = walk.lane LIMIT 1) AS l ON true",
}

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")


class Spelling:
    """Fills in what a statement cannot take as a parameter. These are names of ours: no input is among them."""

    def __init__(self, table: Table, kind: str, dialect: Dialect, clock: str = "") -> None:
        self._dialect = dialect
        sqlite = dialect == "sqlite"
        self._meanings = {
            "QUEUE": table.name,
            "COLUMNS": ", ".join(column.name if sqlite else f"q.{column.name}" for column in table.columns),
            "AND_KIND": "AND q.kind = :kind" if kind else "",
            "CLOCK": clock,
            "LANE_OF_WALK": _LANE_OF_WALK[dialect],
            "GREATEST": "max" if sqlite else "greatest",
            "LEAST": "min" if sqlite else "least",
        }

    def __call__(self, text: str, **more: str) -> str:
        for name, meaning in {**more, **self._meanings}.items():
            text = text.replace(name, meaning)
        return text if self._dialect == "sqlite" else _PARAMETER.sub(r"%(\1)s", text)

    def lanes(self) -> dict[tuple[bool, bool], str]:
        """By whether there is a lane behind which it begins, and one where it ends."""
        after, last = ("", "AND q.lane > :after"), ("", "AND q.lane <= :last")
        return {
            (below, above): self(_LANES, AND_AFTER=after[below], AND_LAST=last[above])
            for below in (False, True)
            for above in (False, True)
        }
