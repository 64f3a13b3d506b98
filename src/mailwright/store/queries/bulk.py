"""Bulk jobs: how far they are, and what was refused.

What was accepted, refused and has ended is counted while a job runs, at some microseconds for each of its messages,
and read from the row of one that has finished.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, text

from mailwright.model.bulk import BulkItem, BulkJob, BulkState
from mailwright.model.outbox import MessageState
from mailwright.model.page import Page
from mailwright.store.queries.accounts import visible_account_ids
from mailwright.store.queries.cursor import check_limit, read_cursor, read_page, write_cursor
from mailwright.store.rows import bulk_error_of, bulk_of
from mailwright.store.schema import bulk, bulk_error, delivery, message

_CURSOR = "bulk jobs"
_ERROR_CURSOR = "bulk errors"
_OPEN = (MessageState.QUEUED.value, MessageState.SENDING.value)

_ONE = select(bulk).where(bulk.c.id == bindparam("id"))
_STATES = (
    select(message.c.bulk, delivery.c.state, func.count().label("messages"))
    .select_from(message.join(delivery, delivery.c.id == message.c.id))
    .where(message.c.bulk.in_(bindparam("jobs", expanding=True)), text("message.bulk <> ''"))
    .group_by(message.c.bulk, delivery.c.state)
)
_REFUSED = (
    select(bulk_error.c.bulk, func.count().label("items"))
    .where(bulk_error.c.bulk.in_(bindparam("jobs", expanding=True)))
    .group_by(bulk_error.c.bulk)
)


def _counted(conn: Connection, rows: Sequence[Row[Any]]) -> list[BulkJob]:
    running = [row.id for row in rows if row.state != BulkState.FINISHED]
    states: dict[str, dict[str, int]] = {job: {} for job in running}
    for row in conn.execute(_STATES, {"jobs": running}):
        states[row.bulk][row.state] = row.messages
    refused = {row.bulk: row.items for row in conn.execute(_REFUSED, {"jobs": running})}
    return [_job_of(row, states[row.id], refused.get(row.id, 0)) if row.id in states else bulk_of(row) for row in rows]


def _job_of(row: Row[Any], states: dict[str, int], refused: int) -> BulkJob:
    # An item whose idempotency key was used before was accepted too, and has no message in this job: when the row
    # says more than can be counted, the row is right.
    return replace(
        bulk_of(row),
        accepted=max(row.accepted, sum(states.values())),
        refused=max(row.refused, refused),
        ended={state: count for state, count in states.items() if state not in _OPEN},
    )


def bulk_job(conn: Connection, workspace: str, id_: str, *, accounts: frozenset[str] | None = None) -> BulkJob | None:
    row = conn.execute(_ONE, {"id": id_}).first()
    if row is None or row.workspace != workspace:
        return None
    seen = visible_account_ids(conn, workspace, accounts=accounts)
    if seen is not None and row.account not in seen:
        return None
    return _counted(conn, [row])[0]


def bulk_job_page(
    conn: Connection, workspace: str, *, accounts: frozenset[str] | None = None, cursor: str = "", limit: int = 50
) -> Page[BulkJob]:
    """The youngest first."""
    check_limit(limit)
    statement = select(bulk).where(bulk.c.workspace == workspace).order_by(bulk.c.id.desc()).limit(limit + 1)
    seen = visible_account_ids(conn, workspace, accounts=accounts)
    if seen is not None:
        statement = statement.where(bulk.c.account.in_(seen))
    for last in read_cursor(cursor, _CURSOR, str):
        statement = statement.where(bulk.c.id < last)
    rows = conn.execute(statement).all()
    shown = rows[:limit]
    next_cursor = write_cursor(_CURSOR, shown[-1].id) if len(rows) > limit else ""
    return Page(_counted(conn, shown), next_cursor)


def bulk_error_page(conn: Connection, id_: str, *, cursor: str = "", limit: int = 50) -> Page[BulkItem]:
    """In the order of the items. Whether the job may be seen is asked before."""
    statement = select(bulk_error).where(bulk_error.c.bulk == id_).order_by(bulk_error.c.index)
    for last in read_cursor(cursor, _ERROR_CURSOR, int):
        statement = statement.where(bulk_error.c.index > last)
    return read_page(
        conn,
        statement,
        limit=limit,
        item=bulk_error_of,
        cursor=lambda row: write_cursor(_ERROR_CURSOR, bulk_error_of(row).index),
    )


def unfinished_jobs(conn: Connection) -> list[BulkJob]:
    """Of all workspaces: whoever finishes jobs goes through them."""
    statement = select(bulk).where(bulk.c.state != BulkState.FINISHED.value).order_by(bulk.c.id)
    return _counted(conn, conn.execute(statement).all())
