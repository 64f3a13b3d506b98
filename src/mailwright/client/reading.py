"""What the HTTP API answers, as the nouns of `model`. Pure."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from mailwright.client.problems import error_from_json
from mailwright.errors import SendError
from mailwright.model.access import Action, ApiToken
from mailwright.model.account_json import account_from_json
from mailwright.model.account_record import AccountRecord
from mailwright.model.account_record_json import parked_from_json, rules_from_json
from mailwright.model.audit import AuditEntry
from mailwright.model.bulk import BulkItem, BulkJob, BulkState
from mailwright.model.check import CheckName, CheckReport, CheckStep, StepState
from mailwright.model.event import Event, EventType
from mailwright.model.outbox import MessageState, SendPriority, StoredMessage, UncertainPolicy
from mailwright.model.outbox_json import failure_from_json, recipient_from_json, reply_from_json
from mailwright.model.page import Page
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.model.webhook import SigningSecret, WebhookAttempt, WebhookEndpoint, WebhookState, WebhookTask
from mailwright.model.workspace import SafeMode, Workspace
from mailwright.secret import Secret

Item = TypeVar("Item")
Json = Mapping[str, Any]

_KEY_BYTES = 32


def page_of(value: Json, read: Callable[[Json], Item]) -> Page[Item]:
    return Page([read(item) for item in value["items"]], value["next_cursor"])


def several_of(value: Json, read: Callable[[Json], Item]) -> list[Item]:
    return [read(item) for item in value["items"]]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _moment_or_none(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def message_of(value: Json) -> StoredMessage:
    failure, response = value["last_failure"], value["response"]
    return StoredMessage(
        id=value["id"],
        workspace=value["workspace"],
        account=value["account"],
        sending_account=value["sending_account"],
        state=MessageState(value["state"]),
        recipients=tuple(map(recipient_from_json, value["recipients"])),
        envelope_from=value["envelope_from"],
        from_=value["from"],
        subject=value["subject"],
        message_id=value["message_id"],
        size=value["size"],
        priority=SendPriority(value["priority"]),
        uncertain=UncertainPolicy(value["uncertain"]),
        attempts=value["attempts"],
        created_at=_moment(value["created_at"]),
        next_attempt_at=_moment_or_none(value["next_attempt_at"]),
        expires_at=_moment_or_none(value["expires_at"]),
        settled_at=_moment_or_none(value["settled_at"]),
        last_failure=failure_from_json(failure) if failure else None,
        idempotency_key=value["idempotency_key"],
        tags=dict(value["tags"]),
        bulk=value["bulk"],
        response=reply_from_json(response) if response else None,
    )


def account_of(value: Json) -> AccountRecord:
    """Its secrets are their masks."""
    rules = rules_from_json(
        {name: value[name] for name in ("limits", "retry", "uncertain", "fallback", "bounce_address")}
    )
    return AccountRecord(
        id=value["id"],
        workspace=value["workspace"],
        name=value["name"],
        account=account_from_json(value["account"], {}),
        created_at=_moment(value["created_at"]),
        updated_at=_moment(value["updated_at"]),
        version=value["version"],
        paused=value["paused"],
        parked=parked_from_json(value["parked"]) if value["parked"] else None,
        **rules,
    )


def check_of(value: Json) -> CheckReport:
    error = error_from_json(value["error"]) if value["error"] else None
    assert error is None or isinstance(error, SendError)
    return CheckReport(
        account=value["account"],
        server=value["server"],
        steps=tuple(
            CheckStep(CheckName(step["name"]), StepState(step["state"]), step["detail"], step["hint"])
            for step in value["steps"]
        ),
        capabilities=tuple(value["capabilities"]),
        error=error,
        warnings=tuple(value["warnings"]),
    )


def bulk_job_of(value: Json) -> BulkJob:
    return BulkJob(
        id=value["id"],
        workspace=value["workspace"],
        account=value["account"],
        state=BulkState(value["state"]),
        created_at=_moment(value["created_at"]),
        total=value["total"],
        accepted=value["accepted"],
        refused=value["refused"],
        ended=dict(value["ended"]),
    )


def bulk_item_of(value: Json) -> BulkItem:
    error = value.get("error") or {"code": "", "message": "", "field": ""}
    return BulkItem(
        value["index"],
        message=value["message"],
        error_code=error["code"],
        error=error["message"],
        field=error["field"],
        job=value["job"],
    )


def event_of(value: Json) -> Event:
    return Event(
        id=value["id"],
        workspace=value["workspace"],
        type=EventType(value["type"]),
        at=_moment(value["at"]),
        account=value["account"],
        message=value["message"],
        data=value["data"],
    )


def webhook_of(value: Json, newest: Secret | None = None) -> WebhookEndpoint:
    """The service tells the ids of signing secrets and nothing else about them: what stands here in the place of
    one is random, so that no signature made or checked with it is ever good. `newest` is one that was just made."""
    stand_ins = [_stand_in(secret) for secret in value["secrets"]]
    if newest is not None:
        last = stand_ins[-1]
        stand_ins[-1] = SigningSecret(last.id, newest, last.created_at, last.expires_at)
    return WebhookEndpoint(
        id=value["id"],
        workspace=value["workspace"],
        url=value["url"],
        secrets=tuple(stand_ins),
        created_at=_moment(value["created_at"]),
        events=tuple(value["events"]),
        accounts=tuple(value["accounts"]),
        description=value["description"],
        enabled=value["enabled"],
        disabled_because=value["disabled_because"],
        version=value["version"],
    )


def _stand_in(value: Json) -> SigningSecret:
    made = SigningSecret.of_bytes(value["id"], secrets.token_bytes(_KEY_BYTES), _moment(value["created_at"]))
    return SigningSecret(made.id, made.secret, made.created_at, _moment_or_none(value["expires_at"]))


def webhook_task_of(value: Json) -> WebhookTask:
    return WebhookTask(
        id=value["id"],
        workspace=value["workspace"],
        endpoint=value["endpoint"],
        event=value["event"],
        event_type=value["event_type"],
        state=WebhookState(value["state"]),
        created_at=_moment(value["created_at"]),
        last=WebhookAttempt.from_json(value["last"]) if value["last"] else None,
        next_at=_moment_or_none(value["next_at"]),
        settled_at=_moment_or_none(value["settled_at"]),
    )


def suppression_of(value: Json) -> Suppression:
    return Suppression(
        workspace=value["workspace"],
        address=value["address"],
        list=value["list"],
        reason=SuppressionReason(value["reason"]),
        created_at=_moment(value["created_at"]),
        message=value["message"],
        note=value["note"],
    )


def workspace_of(value: Json) -> Workspace:
    safe_mode = value["safe_mode"]
    return Workspace(
        id=value["name"],
        description=value["description"],
        created_at=_moment(value["created_at"]),
        safe_mode=SafeMode(safe_mode["redirect_to"], tuple(safe_mode["allow"])),
        version=value["version"],
    )


def token_of(value: Json) -> ApiToken:
    return ApiToken(
        id=value["id"],
        name=value["name"],
        workspace=value["workspace"],
        actions=frozenset(map(Action, value["actions"])),
        accounts=frozenset(value["accounts"]) if value["accounts"] is not None else None,
        created_at=_moment(value["created_at"]),
        expires_at=_moment(value["expires_at"]),
        last_used_at=_moment_or_none(value["last_used_at"]),
        revoked_at=_moment_or_none(value["revoked_at"]),
    )


def audit_entry_of(value: Json) -> AuditEntry:
    return AuditEntry(
        number=value["number"],
        at=_moment(value["at"]),
        actor=value["actor"],
        workspace=value["workspace"],
        action=value["action"],
        target=value["target"],
        details=value["details"],
        previous_hash=value["previous_hash"],
        hash=value["hash"],
    )
