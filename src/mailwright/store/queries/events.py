"""Events in the order in which they became visible, so that a reader who goes on after a cursor misses none.

On SQLite that is the order of their numbers: one transaction after the other writes. On PostgreSQL a transaction may
commit after one that took higher numbers, so events are ordered by the transaction that wrote them, and only those are
read whose transaction is older than every one that is still under way: nothing can come before them any more.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, bindparam, literal_column, select, text, tuple_, update

from mailwright.model.event import Event
from mailwright.model.page import Page
from mailwright.store.queries.accounts import visible_account_ids
from mailwright.store.queries.cursor import check_limit, read_cursor, write_cursor
from mailwright.store.rows import event_of
from mailwright.store.schema import event

_CURSOR = "events"
_OF_MESSAGE = text("event.message <> ''")

#: for `event.written_by` in the statement that writes it, on PostgreSQL; on SQLite it is 0
WRITTEN_BY = "pg_current_xact_id()::text::bigint"
_SETTLED = text("event.written_by < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_NEXT_TRANSACTION: Select[Any] = select(literal_column("pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))

_PLACE = (event.c.written_by, event.c.number)
_STORY = select(event).where(event.c.message == bindparam("message"), _OF_MESSAGE).order_by(event.c.number)
_BY_IDS = select(event).where(event.c.id.in_(bindparam("ids", expanding=True))).order_by(event.c.number)


def events_by_id(conn: Connection, ids: Sequence[str]) -> dict[str, Event]:
    """By id. It asks nobody whether they may see them."""
    return {row.id: event_of(row) for row in conn.execute(_BY_IDS, {"ids": list(ids)})}


def message_story(conn: Connection, message: str) -> list[Event]:
    """Everything that happened to it, oldest first."""
    return [event_of(row) for row in conn.execute(_STORY, {"message": message})]


class Look(NamedTuple):
    #: each with its own cursor
    events: list[tuple[str, Event]]
    #: where the next look begins: behind everything that this one passed over too
    next_cursor: str


def look_at_events(conn: Connection, workspace: str, *, cursor: str = "", limit: int = 50, **wanted: Any) -> Look:
    """What `events_after` finds. A reader who waits for rare events goes on from `next_cursor`, so that no look has to
    pass over the same others again."""
    # Read before the events: what comes in between is found, or lies behind it.
    horizon = last_event_cursor(conn, workspace)
    found = events_after(conn, workspace, cursor=cursor, limit=limit, **wanted)
    last = found[-1][0] if found else cursor
    passed = len(found) < limit and read_cursor(horizon, _CURSOR, int, int) > read_cursor(last, _CURSOR, int, int)
    return Look(found, horizon if passed else last)


def event_page(conn: Connection, workspace: str, *, cursor: str = "", limit: int = 50, **wanted: Any) -> Page[Event]:
    """Oldest first, of what `events_after` finds. There is a cursor also when nothing follows by now: more may come."""
    look = look_at_events(conn, workspace, cursor=cursor, limit=limit, **wanted)
    return Page([item for _, item in look.events], look.next_cursor)


def events_after(
    conn: Connection,
    workspace: str,
    *,
    accounts: frozenset[str] | None = None,
    types: Sequence[str] = (),
    message: str = "",
    account: str = "",
    cursor: str = "",
    limit: int = 50,
) -> list[tuple[str, Event]]:
    """Each with its own cursor. Events that are about no account are not for an access that is limited to some."""
    check_limit(limit)
    seen = visible_account_ids(conn, workspace, accounts=accounts, wanted=account)
    if seen is not None and not seen:
        return []
    statement = _settled(conn, select(event).where(event.c.workspace == workspace)).order_by(*_PLACE).limit(limit)
    if types:
        statement = statement.where(event.c.type.in_(types))
    if message:
        statement = statement.where(event.c.message == message, _OF_MESSAGE)
    if seen is not None:
        statement = statement.where(event.c.account.in_(seen))
    keys = read_cursor(cursor, _CURSOR, int, int)
    if keys:
        statement = statement.where(tuple_(*_PLACE) > tuple_(*_known_place(conn, *keys)))
    return [(_cursor(row), event_of(row)) for row in conn.execute(statement)]


def last_event_cursor(conn: Connection, workspace: str) -> str:
    """For whoever wants only what comes from now on; empty when nothing has happened yet."""
    statement = _settled(conn, select(event).where(event.c.workspace == workspace))
    row = conn.execute(statement.order_by(*(column.desc() for column in _PLACE)).limit(1)).first()
    return _cursor(row) if row else ""


def adopt_restored_events(conn: Connection) -> int:
    """After a dump was read into another cluster, where transactions count from the beginning: its events seem to be
    of transactions to come, and would not be shown for a long time. To be called when a database is opened; it looks at
    one row where there is nothing to do. Returns how many there were.
    """
    if conn.dialect.name != "postgresql":
        return 0
    newest = conn.execute(select(event.c.written_by).order_by(event.c.number.desc()).limit(1)).scalar()
    if newest is None or newest < conn.execute(_NEXT_TRANSACTION).scalar_one():
        return 0
    return conn.execute(update(event).where(event.c.written_by > 0).values(written_by=0)).rowcount


def _settled(conn: Connection, statement: Select[Any]) -> Select[Any]:
    return statement.where(_SETTLED) if conn.dialect.name == "postgresql" else statement


def _known_place(conn: Connection, written_by: int, number: int) -> tuple[int, int]:
    """A cursor from before such a move: its transaction is not one of this cluster, its number still is good."""
    if written_by and (conn.dialect.name != "postgresql" or written_by >= conn.execute(_NEXT_TRANSACTION).scalar_one()):
        return 0, number
    return written_by, number


def _cursor(row: Row[Any]) -> str:
    return write_cursor(_CURSOR, row.written_by, row.number)
