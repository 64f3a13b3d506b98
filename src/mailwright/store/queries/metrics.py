"""Counts for the metrics page.

What waits is counted along the partial indexes of the queues, what has ended along the index of states: no table is
read, but every entry of the index is. On SQLite a million messages take `messages_by_state` a quarter of a second; the
others take half a microsecond for each message that waits, whatever has ended. So they are for a scrape every 15
seconds or more, on a thread for reading, and not for every request.
"""

from typing import NamedTuple

from sqlalchemy import Connection, text

_MESSAGES = text("SELECT workspace, state, count(*) AS messages FROM delivery GROUP BY workspace, state")
_READY = text("SELECT lane, count(*) AS waiting, min(due) AS oldest FROM delivery WHERE work = 1 GROUP BY lane")
_LEASED = text("SELECT lane, count(*) AS leased FROM delivery WHERE work = 2 GROUP BY lane")
_SCHEDULED = text("SELECT count(*) AS later, min(due) AS first FROM delivery WHERE work = 0")
_TASKS = text(
    "SELECT kind, count(*) AS tasks, min(due) AS oldest FROM ("
    " SELECT kind, due FROM task WHERE work = 0"
    " UNION ALL SELECT kind, due FROM task WHERE work = 1"
    " UNION ALL SELECT kind, due FROM task WHERE work = 2) AS unsettled GROUP BY kind"
)


class LaneDepth(NamedTuple):
    #: may be sent now
    waiting: int
    #: microseconds; since when the oldest of them is due, 0: none waits
    oldest_due: int
    #: held by a courier
    leased: int


class Scheduled(NamedTuple):
    messages: int
    #: microseconds; when the first is due, 0: there is none
    first_due: int


class OpenTasks(NamedTuple):
    tasks: int
    #: microseconds
    oldest_due: int


def messages_by_state(conn: Connection) -> dict[tuple[str, str], int]:
    """By workspace and state. A message that a courier holds counts as queued here; `queue_depths` tells them apart."""
    return {(row.workspace, row.state): row.messages for row in conn.execute(_MESSAGES)}


def queue_depths(conn: Connection) -> dict[str, LaneDepth]:
    """By lane, which is the id of the account that sends. Lanes without work are not there."""
    leased = {row.lane: row.leased for row in conn.execute(_LEASED)}
    depths = {lane: LaneDepth(0, 0, count) for lane, count in leased.items()}
    for row in conn.execute(_READY):
        depths[row.lane] = LaneDepth(row.waiting, row.oldest, leased.get(row.lane, 0))
    return depths


def scheduled_messages(conn: Connection) -> Scheduled:
    row = conn.execute(_SCHEDULED).one()
    return Scheduled(row.later, row.first or 0)


def open_tasks(conn: Connection) -> dict[str, OpenTasks]:
    """By kind; those that are settled are not counted."""
    return {row.kind: OpenTasks(row.tasks, row.oldest) for row in conn.execute(_TASKS)}
