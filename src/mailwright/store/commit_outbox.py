"""The busy paths: accepting, marking final dots, settling. Each statement is over all lists at once."""

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection

from mailwright.model.changes import AddEvent, AddMessage, AddTask, MarkDot, RenewedLease, Settle
from mailwright.model.outbox import MessageState
from mailwright.store.commit_events import write_events, write_tasks
from mailwright.store.commit_idempotency import claim_keys
from mailwright.store.many import Given, Row, insert_rows, with_given
from mailwright.store.schema import Work

if TYPE_CHECKING:
    from mailwright.model.event import Event

_FENCED = (MarkDot, RenewedLease, Settle)
OUTBOX_CHANGES = frozenset((AddMessage, AddEvent, AddTask, *_FENCED))

_MESSAGE = (
    "id",
    "workspace",
    "account",
    "created_at",
    "envelope_from",
    "from_",
    "subject",
    "header_id",
    "size",
    "body_ref",
    "transport",
    "idempotency_key",
    "tags",
    "bulk",
    "bulk_index",
)
_RECIPIENT = ("workspace", "address", "message")
_DELIVERY = (
    "id",
    "lane",
    "priority",
    "work",
    "due",
    "lease_token",
    "lease_until",
    "attempts",
    "workspace",
    "state",
    "dot_at",
    "expires_at",
    "uncertain",
    "recipients",
    "settled_at",
)


class Fenced(NamedTuple):
    """What is set in deliveries that are still held under the token they were claimed with."""

    given: Given
    assignments: str

    @property
    def statement(self) -> str:
        return f"UPDATE delivery SET {self.assignments} FROM given WHERE {_HELD}"  # noqa: S608 - our own words


_HELD = "delivery.id = given.id AND delivery.lease_token = given.token AND delivery.work = 2"
_LEASE = Given((("id", "text"), ("token", "bigint")))
_NUMBERED = Given((*_LEASE.columns, ("number", "bigint")))
_FIND_HELD = f"SELECT json_group_array(given.number) FROM given CROSS JOIN delivery ON {_HELD}"  # noqa: S608 - our own words
_MARK = Fenced(Given((*_LEASE.columns, ("at", "bigint"))), "dot_at = given.at")
_RENEW = Fenced(Given((*_LEASE.columns, ("until", "bigint"))), "lease_until = given.until")
_SETTLE = Fenced(
    Given(
        (
            *_LEASE.columns,
            ("state", "text"),
            ("work", "bigint"),
            ("due", "bigint"),
            ("recipients", "text"),
            ("failure", "text"),
            ("response", "text"),
            ("settled_at", "bigint"),
            ("free", "bigint"),
            ("lane", "text"),
        )
    ),
    "state = given.state, work = given.work, due = given.due, recipients = given.recipients, failure = given.failure,"
    " response = given.response, settled_at = given.settled_at, dot_at = 0, lease_until = 0,"
    " attempts = delivery.attempts - given.free,"
    " lane = CASE WHEN given.lane = '' THEN delivery.lane ELSE given.lane END",
)

#: in this order: what is settled is not held any more
_UPDATES = (_RENEW, _MARK, _SETTLE)


class Written(NamedTuple):
    results: list[Any]
    #: every message of the list was there before: nothing of the list was written
    known: bool = False


class _Gathered:
    """What all lists want, statement by statement, and afterwards whose fence held."""

    def __init__(self) -> None:
        self.messages: list[AddMessage] = []
        self.events: list[Event] = []
        self.tasks: list[AddTask] = []
        self.renewals: dict[str, RenewedLease] = {}
        self.marks: dict[str, MarkDot] = {}
        self.settles: dict[str, Settle] = {}
        self.renewed: Collection[str] = ()
        self.marked: Collection[str] = ()
        self.settled: Collection[str] = ()

    def add(self, change: Any) -> None:
        kind = type(change)
        if kind is AddMessage:
            self.messages.append(change)
            self.events.append(change.event)
        elif kind is Settle:
            self.settles.setdefault(change.id, change)
        elif kind is MarkDot:
            self.marks[change.id] = change
        elif kind is AddEvent:
            self.events.append(change.event)
        elif kind is AddTask:
            self.tasks.append(change)
        else:
            self.renewals[change.id] = change

    def result(self, change: Any) -> Any:
        kind = type(change)
        if kind is AddMessage:
            return change.id
        if kind is Settle:
            return change.id in self.settled and self.settles[change.id] is change
        if kind is MarkDot:
            return change.id in self.marked
        if kind is RenewedLease:
            return change.id in self.renewed
        return None


def fenced_ids(changes: Sequence[Any]) -> list[str]:
    return [change.id for change in changes if type(change) in _FENCED]


def write_outbox(connection: Connection, lists: Sequence[Sequence[Any]], now: int) -> list[Written | Exception]:
    """No delivery may be in two of the lists."""
    keys = claim_keys(connection, lists)
    gathered = _Gathered()
    skipped: dict[int, Written | Exception] = {}
    for number, changes in enumerate(lists):
        old = [keys.known.get((number, place)) for place in range(len(changes))] if keys.known else ()
        if number in keys.refused:
            skipped[number] = keys.refused[number]
        elif any(old) and all(id_ or type(change) is not AddMessage for id_, change in zip(old, changes, strict=True)):
            skipped[number] = Written(list(old), known=True)
        else:
            for place, change in enumerate(changes):
                if (number, place) not in keys.known:
                    gathered.add(change)
    _write(connection, gathered, now)
    return [
        skipped.get(number)
        or Written([keys.known.get((number, place)) or gathered.result(change) for place, change in enumerate(changes)])
        for number, changes in enumerate(lists)
    ]


def _write(connection: Connection, gathered: _Gathered, now: int) -> None:
    _accept(connection, gathered.messages)
    rows: list[Sequence[Row]] = [
        list(gathered.renewals.values()),
        list(gathered.marks.values()),
        [_settle_row(settle, now) for settle in gathered.settles.values()],
    ]
    gathered.renewed, gathered.marked, gathered.settled = _fenced(connection, rows)
    for id_, settle in gathered.settles.items():
        if settle.events and id_ in gathered.settled:
            gathered.events += settle.events
    write_events(connection, gathered.events, now)
    write_tasks(connection, gathered.tasks, now)


def _accept(connection: Connection, messages: Sequence[AddMessage]) -> None:
    insert_rows(connection, "message", _MESSAGE, [_message_row(message) for message in messages])
    recipients = [(message.workspace, address, message.id) for message in messages for address in message.addresses]
    insert_rows(connection, "message_recipient", _RECIPIENT, recipients)
    insert_rows(connection, "delivery", _DELIVERY, [_delivery_row(message) for message in messages])


def _fenced(connection: Connection, several: Sequence[Sequence[Row]]) -> list[Collection[str]]:
    """Writes the rows of each update that are still held, and returns their ids."""
    if connection.dialect.name != "postgresql":
        # Nobody else writes meanwhile, so that what is held stays it.
        several = _still_held(connection, several)
        for update, rows in zip(_UPDATES, several, strict=True):
            with_given(connection, update.given, update.statement, rows)
        return [{row[0] for row in rows} for rows in several]
    return [
        {id_ for (id_,) in with_given(connection, update.given, f"{update.statement} RETURNING delivery.id", rows)}
        for update, rows in zip(_UPDATES, several, strict=True)
    ]


def _still_held(connection: Connection, several: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """Asks once for the rows of all updates; and the numbers of those that are held come in one row: see `many`."""
    asked = [(row[0], row[1]) for rows in several for row in rows]
    found = with_given(connection, _NUMBERED, _FIND_HELD, [(*lease, place) for place, lease in enumerate(asked)])
    held = {asked[place] for (places,) in found for place in json.loads(places)}
    return [[row for row in rows if (row[0], row[1]) in held] for rows in several]


def _message_row(message: AddMessage) -> Row:
    return (
        message.id,
        message.workspace,
        message.account,
        message.created_at,
        message.envelope_from,
        message.from_,
        message.subject,
        message.header_id,
        message.size,
        message.body_ref,
        message.transport,
        message.idempotent.key if message.idempotent else "",
        message.tags,
        message.bulk,
        message.bulk_index,
    )


def _delivery_row(message: AddMessage) -> Row:
    # `due` and `created_at` come from one clock, whichever it was.
    work = Work.HELD if message.held else Work.READY if message.due <= message.created_at else Work.SCHEDULED
    return (
        message.id,
        message.lane,
        message.priority,
        work.value,
        message.due,
        0,
        0,
        0,
        message.workspace,
        MessageState.QUEUED.value,
        0,
        message.expires_at,
        message.uncertain,
        message.recipients,
        0,
    )


def _settle_row(settle: Settle, now: int) -> Row:
    return (
        settle.id,
        settle.token,
        settle.state.value,
        _work_of(settle, now).value,
        settle.due,
        settle.recipients,
        settle.failure,
        settle.response,
        settle.settled_at,
        int(settle.free),
        settle.lane,
    )


def _work_of(settle: Settle, now: int) -> Work:
    if settle.held:
        return Work.HELD
    if settle.state is not MessageState.QUEUED:
        return Work.DONE
    return Work.READY if settle.due <= now else Work.SCHEDULED
