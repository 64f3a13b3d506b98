"""Taking away what has been kept long enough, a batch at a time: each call is short, so that nobody waits for it.

Ids and numbers are given in the order of time, so a sweep walks along them from the oldest and stops where nothing can
be old enough. It goes on where the batch before ended.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, select, text, tuple_

from mailwright.store.database import Database
from mailwright.store.queries.accounts import visible_account_ids
from mailwright.store.queries.age import SLACK_US
from mailwright.store.schema import Work, delivery, event, idempotency, message, message_recipient, task

BATCH = 500


@dataclass(frozen=True, slots=True)
class OldMessages:
    """Messages that ended before this time (microseconds). Those that wait for a person stay."""

    before: int
    #: empty: all
    workspace: str = ""
    #: names; None: all accounts of the workspace
    accounts: frozenset[str] | None = None
    after: str = ""
    limit: int = BATCH


@dataclass(frozen=True, slots=True)
class OldRows:
    before: int
    after: str = ""
    limit: int = BATCH


@dataclass(frozen=True, slots=True)
class Swept:
    removed: int
    #: where the next batch begins; empty: there is none
    after: str
    #: (id, ref) of bodies that nothing points at any more
    bodies: tuple[tuple[str, str], ...] = ()


Remover = Callable[[Connection, Sequence[OldRows]], Sequence[Swept | Exception]]


async def remove_ended(
    database: Database, *, before: int, workspace: str = "", accounts: frozenset[str] | None = None
) -> int:
    """All messages that ended before, a batch at a time. Their bodies are left to the body store's next sweep."""
    removed, after = 0, ""
    while True:
        swept = await database.write(remove_messages, OldMessages(before, workspace, accounts, after))
        removed += swept.removed
        after = swept.after
        if not after:
            return removed


async def remove_rows(database: Database, remove: Remover, *, before: int) -> int:
    """All that `remove_events`, `remove_tasks` or `remove_idempotency_keys` finds older than this."""
    removed, after = 0, ""
    while True:
        swept = await database.write(remove, OldRows(before, after))
        removed += swept.removed
        after = swept.after
        if not after:
            return removed


def remove_messages(conn: Connection, items: Sequence[OldMessages]) -> list[Swept]:
    """With their deliveries, look-ups and events. Idempotency keys stay as long as was promised."""
    return [_remove_messages(conn, item) for item in items]


def _remove_messages(conn: Connection, item: OldMessages) -> Swept:
    columns = (message.c.id, message.c.workspace, message.c.account, message.c.created_at, message.c.body_ref)
    statement = (
        select(*columns, delivery.c.work, delivery.c.settled_at, delivery.c.recipients)
        .select_from(message.join(delivery, delivery.c.id == message.c.id))
        .where(message.c.id > item.after)
        .order_by(message.c.id)
        .limit(item.limit)
    )
    seen: list[str] | None = None
    if item.workspace:
        statement = statement.where(message.c.workspace == item.workspace)
        seen = visible_account_ids(conn, item.workspace, accounts=item.accounts)
    rows = conn.execute(statement).all()
    old = [
        row
        for row in rows
        if row.work == Work.DONE and row.settled_at < item.before and (seen is None or row.account in seen)
    ]
    dropped = _drop_messages(conn, old, item.before) if old else []
    ended = len(rows) < item.limit or rows[0].created_at >= item.before + SLACK_US
    return Swept(len(dropped), "" if ended else rows[-1].id, tuple((row.id, row.body_ref) for row in dropped))


_DROP_RECIPIENT = delete(message_recipient).where(
    message_recipient.c.workspace == bindparam("of_workspace"),
    message_recipient.c.address == bindparam("of_address"),
    message_recipient.c.message == bindparam("of_message"),
)


_EVENTS_OF = select(event.c.number).where(
    event.c.message.in_(bindparam("messages", expanding=True)), text("event.message <> ''")
)
# A webhook that is still to be delivered needs its event.
_WANTED = exists().where(task.c.ref == event.c.id, task.c.work != Work.DONE.value)
_DROP_EVENTS = delete(event).where(event.c.number.in_(bindparam("numbers", expanding=True)), ~_WANTED)


def _drop_messages(conn: Connection, rows: Sequence[Any], before: int) -> list[Any]:
    # Somebody may ask for another attempt meanwhile: what counts is what the row says when it is locked.
    still_old = (
        delete(delivery)
        .where(delivery.c.id.in_([row.id for row in rows]))
        .where(delivery.c.work == Work.DONE.value, delivery.c.settled_at < before)
        .returning(delivery.c.id)
    )
    ids = list(conn.execute(still_old).scalars())
    dropped = [row for row in rows if row.id in frozenset(ids)]
    # The look-up has no index by message: it has the addresses of the recipients in lower case.
    recipients = [
        {"of_workspace": row.workspace, "of_address": address, "of_message": row.id}
        for row in dropped
        for address in {recipient["address"].lower() for recipient in json.loads(row.recipients)}
    ]
    if recipients:
        conn.execute(_DROP_RECIPIENT, recipients)
    conn.execute(delete(message).where(message.c.id.in_(ids)))
    numbers = list(conn.execute(_EVENTS_OF, {"messages": ids}).scalars())
    conn.execute(_DROP_EVENTS, {"numbers": numbers})
    return dropped


def remove_events(conn: Connection, items: Sequence[OldRows]) -> list[Swept]:
    """Those that a webhook still waits to deliver stay."""
    return [_remove_events(conn, item) for item in items]


def _remove_events(conn: Connection, item: OldRows) -> Swept:
    statement = (
        select(event.c.number, event.c.at)
        .where(event.c.number > int(item.after or 0))
        .order_by(event.c.number)
        .limit(item.limit)
    )
    rows = conn.execute(statement).all()
    old = [row.number for row in rows if row.at < item.before]
    removed = conn.execute(_DROP_EVENTS, {"numbers": old}).rowcount if old else 0
    ended = len(rows) < item.limit or rows[0].at >= item.before + SLACK_US
    return Swept(removed, "" if ended else str(rows[-1].number))


def remove_tasks(conn: Connection, items: Sequence[OldRows]) -> list[Swept]:
    """Those that were settled before."""
    return [_remove_tasks(conn, item) for item in items]


def _remove_tasks(conn: Connection, item: OldRows) -> Swept:
    statement = (
        select(task.c.id, task.c.work, task.c.created_at, task.c.settled_at)
        .where(task.c.id > item.after)
        .order_by(task.c.id)
        .limit(item.limit)
    )
    rows = conn.execute(statement).all()
    old = [row.id for row in rows if row.work == Work.DONE and row.settled_at < item.before]
    still_old = (task.c.work == Work.DONE.value, task.c.settled_at < item.before)
    removed = conn.execute(delete(task).where(task.c.id.in_(old), *still_old)).rowcount if old else 0
    ended = len(rows) < item.limit or rows[0].created_at >= item.before + SLACK_US
    return Swept(removed, "" if ended else rows[-1].id)


def remove_idempotency_keys(conn: Connection, items: Sequence[OldRows]) -> list[Swept]:
    """The oldest first, along the index of their age: there is nothing to go on from."""
    return [_remove_keys(conn, item) for item in items]


def _remove_keys(conn: Connection, item: OldRows) -> Swept:
    key = (idempotency.c.workspace, idempotency.c.key)
    old = select(*key).where(idempotency.c.created_at < item.before).order_by(idempotency.c.created_at)
    removed = conn.execute(delete(idempotency).where(tuple_(*key).in_(old.limit(item.limit)))).rowcount
    return Swept(removed, "more" if removed == item.limit else "")
