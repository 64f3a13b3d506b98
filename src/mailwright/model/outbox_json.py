"""The nouns of the outbox as JSON, both ways: how they are stored, listed and sent to webhooks."""

from datetime import UTC, datetime
from typing import Any

from mailwright.model.outbox import Failure, RecipientState, RecipientStatus, StoredMessage
from mailwright.reply import Phase, Reply


def iso(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, such as 2030-01-31T12:00:00.000000Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") if moment else None


def reply_from_json(value: dict[str, Any]) -> Reply:
    return Reply(value["code"], value["enhanced"], value["text"], Phase(value["phase"]), value["command"])


def recipient_to_json(recipient: RecipientStatus) -> dict[str, Any]:
    reply = recipient.reply.to_json() if recipient.reply else None
    return {"address": recipient.address, "state": recipient.state.value, "reply": reply}


def recipient_from_json(value: dict[str, Any]) -> RecipientStatus:
    reply = reply_from_json(value["reply"]) if value["reply"] else None
    return RecipientStatus(value["address"], RecipientState(value["state"]), reply)


def failure_to_json(failure: Failure) -> dict[str, Any]:
    return {
        "code": failure.code,
        "message": failure.message,
        "phase": failure.phase.value,
        "hint": failure.hint,
        "server": failure.server,
        "temporary": failure.temporary,
        "reply": failure.reply.to_json() if failure.reply else None,
    }


def failure_from_json(value: dict[str, Any]) -> Failure:
    reply = reply_from_json(value["reply"]) if value["reply"] else None
    return Failure(
        value["code"],
        value["message"],
        Phase(value["phase"]),
        value["hint"],
        value["server"],
        reply,
        value["temporary"],
    )


def message_to_json(message: StoredMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "workspace": message.workspace,
        "account": message.account,
        "sending_account": message.sending_account,
        "state": message.state.value,
        "recipients": [recipient_to_json(recipient) for recipient in message.recipients],
        "envelope_from": message.envelope_from,
        "from": message.from_,
        "subject": message.subject,
        "message_id": message.message_id,
        "size": message.size,
        "priority": message.priority.value,
        "uncertain": message.uncertain.value,
        "attempts": message.attempts,
        "created_at": iso(message.created_at),
        "next_attempt_at": iso(message.next_attempt_at),
        "expires_at": iso(message.expires_at),
        "settled_at": iso(message.settled_at),
        "last_failure": failure_to_json(message.last_failure) if message.last_failure else None,
        "idempotency_key": message.idempotency_key,
        "tags": dict(message.tags),
        "bulk": message.bulk,
        "response": message.response.to_json() if message.response else None,
    }
