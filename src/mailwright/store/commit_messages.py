"""What people do with messages that were accepted: cancel them, try them again, decide the uncertain ones."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, update

from mailwright.errors import NotFound, WrongState
from mailwright.model.changes import (
    CancelMessages,
    DecideUncertain,
    DropAccount,
    ExpireMessages,
    MoveLane,
    RetryMessages,
)
from mailwright.model.event import Event, EventType
from mailwright.model.outbox import MessageState, RecipientState, RecipientStatus
from mailwright.model.outbox_json import recipient_from_json, recipient_to_json
from mailwright.sending.settle import final_state
from mailwright.store.commit_unit import Unit
from mailwright.store.ids import new_id
from mailwright.store.many import Given, with_given
from mailwright.store.rows import json_text, moment_of
from mailwright.store.schema import Work, delivery, message

#: ids in one statement
_PORTION = 500
_NOT_HELD = (Work.SCHEDULED.value, Work.READY.value, Work.HELD.value)
_AGAIN = (MessageState.FAILED.value, MessageState.EXPIRED.value, MessageState.CANCELLED.value)
_EVENT_OF = {
    MessageState.SENT: EventType.MESSAGE_SENT,
    MessageState.PARTLY_SENT: EventType.MESSAGE_PARTLY_SENT,
    MessageState.FAILED: EventType.MESSAGE_FAILED,
}

_waits = and_(delivery.c.state == MessageState.QUEUED.value, delivery.c.work.in_(_NOT_HELD))
_uncertain = and_(delivery.c.state == MessageState.UNCERTAIN.value, delivery.c.work != Work.LEASED.value)
_may_be_retried = and_(
    or_(_waits, _uncertain, delivery.c.state.in_(_AGAIN)),
    # Its bytes may have been cleaned up.
    message.c.body_ref != "",
)

_CANCEL = (
    f"UPDATE delivery SET state = 'cancelled', work = {Work.DONE.value}, settled_at = given.now"  # noqa: S608
    " FROM given WHERE delivery.id = given.id"
)
_EXPIRE = _CANCEL.replace("'cancelled'", "'expired'")
_RETRY = (
    f"UPDATE delivery SET state = 'queued', work = {Work.READY.value}, due = given.now, attempts = 0,"  # noqa: S608
    " dot_at = 0, settled_at = 0, recipients = given.recipients,"
    # A message that expired would only expire again.
    " expires_at = CASE WHEN expires_at <= given.now THEN 0 ELSE expires_at END"
    " FROM given WHERE delivery.id = given.id"
)
_ID_AND_NOW = Given((("id", "text"), ("now", "bigint")))
_RETRIED = Given((*_ID_AND_NOW.columns, ("recipients", "text")))


def cancel_messages(unit: Unit, change: CancelMessages) -> list[str]:
    rows = _found(unit.connection, change.workspace, change.ids, _waits)
    return _cancel(unit, rows, change.now)


def cancel_all_of_account(unit: Unit, change: DropAccount) -> list[str]:
    """Those it was the fallback for go home."""
    waiting = and_(delivery.c.workspace == change.workspace, _waits)
    own = _selected().where(waiting, message.c.account == change.id).order_by(delivery.c.id)
    cancelled = _cancel(unit, unit.connection.execute(own.with_for_update(of=delivery)).all(), change.now)
    home = select(message.c.account).where(message.c.id == delivery.c.id).scalar_subquery()
    unit.connection.execute(update(delivery).where(waiting, delivery.c.lane == change.id).values(lane=home))
    return cancelled


def expire_messages(unit: Unit, change: ExpireMessages) -> list[str]:
    over = and_(delivery.c.expires_at > 0, delivery.c.work < Work.LEASED.value, delivery.c.expires_at <= change.now)
    wanted = _selected().where(over).order_by(delivery.c.expires_at).limit(change.limit)
    # What a courier is just claiming it will find to be over by itself.
    rows = unit.connection.execute(wanted.with_for_update(of=delivery, skip_locked=True)).all()
    with_given(unit.connection, _ID_AND_NOW, _EXPIRE, [(row.id, change.now) for row in rows])
    for row in rows:
        _happened(unit, row, EventType.MESSAGE_EXPIRED, change.now, {"state": MessageState.EXPIRED.value})
    return [row.id for row in rows]


def retry_messages(unit: Unit, change: RetryMessages) -> list[str]:
    again = []
    for row in _found(unit.connection, change.workspace, change.ids, _may_be_retried):
        recipients = tried_again(_recipients(row))
        if recipients is None:
            continue
        again.append((row.id, change.now, _recipients_text(recipients)))
        released = row.state == MessageState.UNCERTAIN.value
        _happened(unit, row, EventType.MESSAGE_RELEASED if released else EventType.MESSAGE_RETRIED, change.now)
    with_given(unit.connection, _RETRIED, _RETRY, again)
    return [id_ for id_, _, _ in again]


def decide_uncertain(unit: Unit, change: DecideUncertain) -> MessageState:
    rows = _found(unit.connection, change.workspace, [change.id], delivery.c.id == change.id)
    if not rows:
        raise NotFound("there is no such message", field="id")
    (row,) = rows
    if row.state != MessageState.UNCERTAIN.value or row.work == Work.LEASED.value:
        state = MessageState.SENDING.value if row.work == Work.LEASED.value else row.state
        raise WrongState(f"the message is {state}, not uncertain", field="id")
    recipients = decided(_recipients(row), sent=change.sent)
    # Others of the same message may still be waiting for another attempt.
    again = any(who.state.open for who in recipients)
    state = MessageState.QUEUED if again else final_state(recipients)
    values = {
        "state": state.value,
        "work": (Work.READY if again else Work.DONE).value,
        "due": change.now,
        "recipients": _recipients_text(recipients),
        "settled_at": 0 if again else change.now,
        "dot_at": 0,
    }
    unit.connection.execute(update(delivery).where(delivery.c.id == change.id).values(values))
    _happened(unit, row, EventType.MESSAGE_RELEASED, change.now, {"sent": change.sent, "state": state.value})
    if not again:
        _happened(unit, row, _EVENT_OF[state], change.now, {"state": state.value})
    return state


def move_lane(unit: Unit, change: MoveLane) -> int:
    waiting = delivery.c.work.in_((Work.SCHEDULED.value, Work.READY.value))
    statement = update(delivery).where(delivery.c.lane == change.source, waiting).values(lane=change.target)
    return unit.connection.execute(statement).rowcount


def tried_again(recipients: Sequence[RecipientStatus]) -> tuple[RecipientStatus, ...] | None:
    """Everybody who did not get it is open again; None: everybody has."""
    if all(who.state is RecipientState.ACCEPTED for who in recipients):
        return None
    return tuple(
        who if who.state is RecipientState.ACCEPTED else who._replace(state=RecipientState.WAITING)
        for who in recipients
    )


def decided(recipients: Sequence[RecipientStatus], *, sent: bool) -> tuple[RecipientStatus, ...]:
    """Sent: the uncertain ones have it. Not sent: the message is given up for everybody who did not get it."""
    if sent:
        return tuple(
            who._replace(state=RecipientState.ACCEPTED) if who.state is RecipientState.UNCERTAIN else who
            for who in recipients
        )
    given_up = (RecipientState.UNCERTAIN, RecipientState.WAITING, RecipientState.DEFERRED)
    return tuple(who._replace(state=RecipientState.REFUSED) if who.state in given_up else who for who in recipients)


def _cancel(unit: Unit, rows: Sequence[Row[Any]], now: int) -> list[str]:
    with_given(unit.connection, _ID_AND_NOW, _CANCEL, [(row.id, now) for row in rows])
    for row in rows:
        _happened(unit, row, EventType.MESSAGE_CANCELLED, now, {"state": MessageState.CANCELLED.value})
    return [row.id for row in rows]


def _found(connection: Connection, workspace: str, ids: Sequence[str], fit: ColumnElement[bool]) -> list[Row[Any]]:
    """In the order they were asked for. On PostgreSQL they are locked, and looked at when the lock is ours."""
    rows: dict[str, Row[Any]] = {}
    # In one order for everybody, so that no two wait for each other.
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), _PORTION):
        some = delivery.c.id.in_(ordered[start : start + _PORTION])
        statement = _selected().where(message.c.workspace == workspace, some, fit).order_by(delivery.c.id)
        rows.update({row.id: row for row in connection.execute(statement.with_for_update(of=delivery))})
    return [rows[id_] for id_ in dict.fromkeys(ids) if id_ in rows]


def _selected() -> Any:
    columns = (delivery.c.id, delivery.c.state, delivery.c.work, delivery.c.recipients)
    both = delivery.join(message, message.c.id == delivery.c.id)
    return select(*columns, message.c.workspace, message.c.account).select_from(both)


def _recipients(row: Row[Any]) -> tuple[RecipientStatus, ...]:
    return tuple(map(recipient_from_json, json.loads(row.recipients)))


def _recipients_text(recipients: Sequence[RecipientStatus]) -> str:
    return json_text([recipient_to_json(who) for who in recipients])


def _happened(unit: Unit, row: Row[Any], type_: EventType, now: int, data: dict[str, Any] | None = None) -> None:
    event = Event(new_id("evt"), row.workspace, type_, moment_of(now), row.account, row.id, data or {})
    unit.events.append(event)
