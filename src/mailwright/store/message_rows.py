"""Messages in rows: what was accepted (written once), and how far it is (its delivery)."""

import json
from typing import Any

from sqlalchemy import Row

from mailwright.model.outbox import MessageState, SendPriority, StoredMessage, UncertainPolicy
from mailwright.model.outbox_json import failure_from_json, recipient_from_json, reply_from_json
from mailwright.store.rows import moment_of, moment_or_none
from mailwright.store.schema import Work

_PRIORITIES = tuple(SendPriority)


def state_of(state: str, work: int) -> MessageState:
    """What people see: a row that a courier holds is being sent, whatever stands in it."""
    return MessageState.SENDING if work == Work.LEASED else MessageState(state)


def message_of(row: Row[Any]) -> StoredMessage:
    """From a message and its delivery, with the names of its accounts beside them. A name is NULL when the account is
    gone: then its id stands for it."""
    return StoredMessage(
        id=row.id,
        workspace=row.workspace,
        account=row.account_name or row.account,
        sending_account=row.sending_name or row.lane,
        state=state_of(row.state, row.work),
        recipients=tuple(map(recipient_from_json, json.loads(row.recipients))),
        envelope_from=row.envelope_from,
        from_=row.from_,
        subject=row.subject,
        message_id=row.header_id,
        size=row.size,
        priority=_PRIORITIES[row.priority],
        uncertain=UncertainPolicy(row.uncertain),
        attempts=row.attempts,
        created_at=moment_of(row.created_at),
        next_attempt_at=moment_of(row.due) if row.work in (Work.SCHEDULED, Work.READY) else None,
        expires_at=moment_or_none(row.expires_at),
        settled_at=moment_or_none(row.settled_at),
        last_failure=failure_from_json(json.loads(row.failure)) if row.failure else None,
        idempotency_key=row.idempotency_key,
        tags=json.loads(row.tags),
        bulk=row.bulk,
        response=reply_from_json(json.loads(row.response)) if row.response else None,
    )
