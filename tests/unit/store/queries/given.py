"""Rows as the writing half of the store leaves them."""

import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, Table, insert, literal_column

from mailwright import Account, Outgoing
from mailwright.model.account_record import AccountRecord
from mailwright.model.audit import AuditEntry
from mailwright.model.event import Event, EventType
from mailwright.model.ids import make_id
from mailwright.model.outbox import RecipientState, RecipientStatus
from mailwright.model.outbox_json import recipient_to_json
from mailwright.store.account_rows import account_row
from mailwright.store.queries.events import WRITTEN_BY
from mailwright.store.rows import json_text, microseconds, moment_of
from mailwright.store.schema import Work, account, delivery, event, lane, message, message_recipient, task

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
NOW_US = 1_896_091_200_000_000
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


class OpenBox:
    """A box without a lock that still knows whose place it is."""

    def seal(self, plaintext: bytes, *, place: str) -> bytes:
        return place.encode() + b"|" + plaintext[::-1]

    def unseal(self, sealed: bytes, *, place: str) -> bytes:
        found, _, text = sealed.partition(b"|")
        assert found == place.encode()
        return text[::-1]


BOX = OpenBox()


def id_at(prefix: str, at_us: int) -> str:
    return make_id(prefix, at_us // 1000, secrets.randbits(74))


def a_record(name: str, **changes) -> AccountRecord:
    login = Account(f"{name}@example.org", Outgoing("smtp.example.org", username=name, password=f"secret of {name}"))
    record = AccountRecord(f"acc_{name}", "default", name, login, NOW, NOW)
    return replace(record, **changes)


def event_row(event: Event, written_by: int) -> dict[str, object]:
    return {
        "written_by": written_by,
        "id": event.id,
        "workspace": event.workspace,
        "type": event.type.value,
        "at": microseconds(event.at),
        "account": event.account,
        "message": event.message,
        "data": json_text(dict(event.data)),
    }


def audit_row(entry: AuditEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "at": microseconds(entry.at),
        "actor": entry.actor,
        "workspace": entry.workspace,
        "action": entry.action,
        "target": entry.target,
        "details": json_text(dict(entry.details)),
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


class Given:
    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self._clock = NOW_US

    def _insert(self, table: Table, values) -> None:
        self.conn.execute(insert(table), values)

    def accounts(self, *names: str, workspace: str = "default") -> None:
        rows = [account_row(a_record(name, workspace=workspace), BOX) for name in names]
        self._insert(account, rows)

    def lane(self, id_: str, **values) -> None:
        unset = {"paused": False, "blocked_until": 0, "parked": None, "interval_us": None, "concurrency": None}
        self._insert(lane, {"id": id_, "burst_us": 0, "arrival_us": 0, **unset, **values})

    def message(
        self,
        *to: str,
        account: str = "acc_sales",
        workspace: str = "default",
        at: int | None = None,
        state: str = "queued",
        work: Work = Work.READY,
        tags: dict[str, str] | None = None,
        **changes,
    ) -> str:
        """One second after the one before, if no time is said. Its id."""
        self._clock += 1_000_000
        created = at if at is not None else self._clock
        id_ = id_at("msg", created)
        recipients = [RecipientStatus(address, RecipientState.WAITING) for address in to or ("bob@example.org",)]
        both = {"id": id_, "workspace": workspace}
        written = {
            **both,
            "account": account,
            "created_at": created,
            "envelope_from": "ann@example.org",
            "from_": "ann@example.org",
            "subject": "Hello",
            "header_id": f"{id_}@example.org",
            "size": 2048,
            "body_ref": f"ref of {id_}",
            "transport": "{}",
            "idempotency_key": "",
            "tags": json.dumps(tags or {}),
            "bulk": "",
            "bulk_index": 0,
        }
        under_way = {
            **both,
            "lane": account,
            "priority": 1,
            "work": work.value,
            "due": created,
            "lease_token": 0,
            "lease_until": 0,
            "attempts": 0,
            "state": state,
            "dot_at": 0,
            "expires_at": 0,
            "uncertain": "hold",
            "recipients": json.dumps([recipient_to_json(recipient) for recipient in recipients]),
            "failure": None,
            "response": None,
            "settled_at": created if work is Work.DONE else 0,
        }
        self._insert(message, written | {name: value for name, value in changes.items() if name in written})
        self._insert(delivery, under_way | {name: value for name, value in changes.items() if name in under_way})
        addresses = dict.fromkeys(who.address.lower() for who in recipients)
        look_up = [{"workspace": workspace, "address": address, "message": id_} for address in addresses]
        self._insert(message_recipient, look_up)
        return id_

    def sent(self, *to: str, **changes) -> str:
        return self.message(*to, **{"state": "sent", "work": Work.DONE, **changes})

    def event(self, kind: EventType = EventType.MESSAGE_SENT, *, at: int = NOW_US, **changes) -> str:
        value = replace(Event(id_at("evt", at), "default", kind, moment_of(at)), **changes)
        row = event_row(value, 0)
        if self.conn.dialect.name == "postgresql":
            del row["written_by"]
            self.conn.execute(insert(event).values(written_by=literal_column(WRITTEN_BY), **row))
        else:
            self._insert(event, row)
        return value.id

    def task(self, *, lane: str = "whk_1", ref: str = "", kind: str = "webhook", work: Work = Work.READY, **changes):
        self._clock += 1_000_000
        created = changes.pop("created_at", self._clock)
        values = {
            "id": id_at("tsk", created),
            "lane": lane,
            "priority": 1,
            "work": work.value,
            "due": created,
            "lease_token": 0,
            "lease_until": 0,
            "attempts": 0,
            "workspace": "default",
            "kind": kind,
            "ref": ref,
            "payload": "{}",
            "outcome": None,
            "created_at": created,
            "settled_at": created if work is Work.DONE else 0,
        }
        self._insert(task, values | changes)
        return values["id"]
