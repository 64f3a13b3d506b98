"""Changes for the tests of the store, and short ways to look at what they left."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from mailwright.model.changes import AddMessage, Idempotent, Settle
from mailwright.model.event import Event, EventType
from mailwright.model.outbox import MessageState, RecipientState, RecipientStatus
from mailwright.model.outbox_json import recipient_to_json
from mailwright.store.database import Database
from mailwright.store.ids import new_id
from mailwright.store.rows import json_text

NOW = 1_900_000_000_000_000
MOMENT = datetime(2030, 3, 17, 17, 46, 40, tzinfo=UTC)
FINGERPRINT = b"f" * 32


def recipients_text(*states: RecipientState) -> str:
    people = [RecipientStatus(f"person{number}@example.com", state) for number, state in enumerate(states)]
    return json_text([recipient_to_json(who) for who in people])


def event(type_: EventType = EventType.MESSAGE_SENT, message: str = "", **values: Any) -> Event:
    values = {"workspace": "default", "account": "acc_1", **values}
    return Event(id=new_id("evt"), type=type_, at=MOMENT, message=message, **values)


def add(id_: str = "", *, key: str = "", fingerprint: bytes = FINGERPRINT, **values: Any) -> AddMessage:
    id_ = id_ or new_id("msg")
    change = AddMessage(
        id=id_,
        workspace="default",
        account="acc_1",
        lane="acc_1",
        created_at=NOW,
        due=NOW,
        expires_at=0,
        priority=1,
        uncertain="hold",
        envelope_from="ann@example.org",
        from_="ann@example.org",
        subject="Good morning",
        header_id=f"{id_}@example.org",
        size=2048,
        body_ref=id_,
        transport="{}",
        recipients=recipients_text(RecipientState.WAITING),
        tags="{}",
        addresses=("person0@example.com",),
        event=event(EventType.MESSAGE_QUEUED, id_),
        idempotent=Idempotent("default", key, fingerprint) if key else None,
    )
    return change._replace(**values)


def settle(id_: str, token: int = 1, state: MessageState = MessageState.SENT, **values: Any) -> Settle:
    change = Settle(
        id=id_,
        token=token,
        state=state,
        due=0,
        recipients=recipients_text(RecipientState.ACCEPTED),
        failure=None,
        response=None,
        settled_at=NOW if state.final else 0,
        events=(event(EventType.MESSAGE_SENT, id_),),
    )
    return change._replace(**values)


def claim(connection: Connection, ids: str) -> int:
    """As the kernel does: `ids` is one id, or * for all that are ready."""
    which = "work = 1" if ids == "*" else "id = :id"
    return connection.execute(
        text(
            "UPDATE delivery SET work = 2, lease_token = lease_token + 1, attempts = attempts + 1,"
            f" lease_until = 77 WHERE {which}"
        ),
        {"id": ids} if ids != "*" else {},
    ).rowcount


def claim_all(connection: Connection, items: list[str]) -> list[int]:
    return [claim(connection, item) for item in items]


async def rows(database: Database, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    return await database.read(lambda connection: [tuple(row) for row in connection.execute(text(statement), values)])


async def delivery(database: Database, id_: str) -> dict[str, Any]:
    def look(connection: Connection) -> dict[str, Any]:
        return dict(connection.execute(text("SELECT * FROM delivery WHERE id = :id"), {"id": id_}).mappings().one())

    return await database.read(look)


async def event_types(database: Database, message: str) -> list[str]:
    found = await rows(database, "SELECT type FROM event WHERE message = :message ORDER BY number", message=message)
    return [type_ for (type_,) in found]
