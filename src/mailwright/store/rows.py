"""Rows become nouns of the model and nouns become rows. Messages and accounts have files of their own."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from mailwright.model.access import Action, ApiToken
from mailwright.model.audit import AuditEntry
from mailwright.model.bulk import BulkItem, BulkJob, BulkState
from mailwright.model.event import Event, EventType
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.model.workspace import SafeMode, Workspace

#: one row to be written: column → value
Values = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def moment_or_none(microseconds: int) -> datetime | None:
    """0 stands for never."""
    return moment_of(microseconds) if microseconds else None


#: ASCII: whatever the value holds, halves of characters included, the database can keep it.
json_text = json.JSONEncoder(separators=(",", ":")).encode


def workspace_row(workspace: Workspace) -> Values:
    return {
        "id": workspace.id,
        "description": workspace.description,
        "safe_redirect": workspace.safe_mode.redirect_to,
        "safe_allow": json_text(workspace.safe_mode.allow),
        "created_at": microseconds(workspace.created_at),
        "version": workspace.version,
    }


def workspace_of(row: Row[Any]) -> Workspace:
    safe_mode = SafeMode(row.safe_redirect, tuple(json.loads(row.safe_allow)))
    return Workspace(row.id, row.description, moment_of(row.created_at), safe_mode, row.version)


def event_of(row: Row[Any]) -> Event:
    return Event(
        id=row.id,
        workspace=row.workspace,
        type=EventType(row.type),
        at=moment_of(row.at),
        account=row.account,
        message=row.message,
        data=json.loads(row.data),
    )


def token_row(token: ApiToken, hash_: bytes) -> Values:
    return {
        "id": token.id,
        "name": token.name,
        "hash": hash_,
        "workspace": token.workspace,
        "actions": json_text(sorted(token.actions)),
        "accounts": json_text(sorted(token.accounts)) if token.accounts is not None else None,
        "created_at": microseconds(token.created_at),
        "expires_at": microseconds(token.expires_at),
        "last_used_at": microseconds(token.last_used_at) if token.last_used_at else 0,
        "revoked_at": microseconds(token.revoked_at) if token.revoked_at else 0,
    }


def token_of(row: Row[Any]) -> ApiToken:
    return ApiToken(
        id=row.id,
        name=row.name,
        workspace=row.workspace,
        actions=frozenset(map(Action, json.loads(row.actions))),
        accounts=frozenset(json.loads(row.accounts)) if row.accounts is not None else None,
        created_at=moment_of(row.created_at),
        expires_at=moment_of(row.expires_at),
        last_used_at=moment_or_none(row.last_used_at),
        revoked_at=moment_or_none(row.revoked_at),
    )


def suppression_row(suppression: Suppression) -> Values:
    return {
        "workspace": suppression.workspace,
        "list": suppression.list,
        "address": suppression.address,
        "reason": suppression.reason.value,
        "created_at": microseconds(suppression.created_at),
        "message": suppression.message,
        "note": suppression.note,
    }


def suppression_of(row: Row[Any]) -> Suppression:
    return Suppression(
        workspace=row.workspace,
        address=row.address,
        list=row.list,
        reason=SuppressionReason(row.reason),
        created_at=moment_of(row.created_at),
        message=row.message,
        note=row.note,
    )


def bulk_row(job: BulkJob) -> Values:
    return {
        "id": job.id,
        "workspace": job.workspace,
        "account": job.account,
        "state": job.state.value,
        "created_at": microseconds(job.created_at),
        "total": job.total,
        "accepted": job.accepted,
        "refused": job.refused,
        "ended": json_text(job.ended),
    }


def bulk_of(row: Row[Any]) -> BulkJob:
    return BulkJob(
        id=row.id,
        workspace=row.workspace,
        account=row.account,
        state=BulkState(row.state),
        created_at=moment_of(row.created_at),
        total=row.total,
        accepted=row.accepted,
        refused=row.refused,
        ended=json.loads(row.ended),
    )


def bulk_error_row(bulk: str, error: tuple[int, str, str, str]) -> Values:
    index, code, message, field = error
    return {"bulk": bulk, "index": index, "code": code, "message": message, "field": field}


def bulk_error_of(row: Row[Any]) -> BulkItem:
    # `index` is a method of every row.
    return BulkItem(row._mapping["index"], "", row.code, row.message, row.field, row.bulk)  # noqa: SLF001


def audit_of(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        number=row.number,
        at=moment_of(row.at),
        actor=row.actor,
        workspace=row.workspace,
        action=row.action,
        target=row.target,
        details=json.loads(row.details),
        previous_hash=row.previous_hash,
        hash=row.hash,
    )
