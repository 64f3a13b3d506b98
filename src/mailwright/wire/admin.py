"""Workspaces, tokens, suppressions and the audit trail, as callers write and read them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, field

from mailwright.connector.calls import NewToken
from mailwright.model.access import Action, ApiToken
from mailwright.model.audit import AuditEntry
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.model.workspace import SafeMode, Workspace
from mailwright.wire.base import View, Wire


class SafeModePart(Wire):
    """Staging: nobody gets mail by accident. Off when both are empty."""

    redirect_to: Annotated[str, Meta(max_length=500, description="Everything goes to this address instead.")] = ""
    allow: Annotated[
        tuple[str, ...], Meta(max_length=1000, description="Addresses and @domains that may get mail.")
    ] = ()


class WorkspaceIn(Wire):
    name: Annotated[str, Meta(min_length=1, max_length=63)]
    description: Annotated[str, Meta(max_length=1000)] = ""


class WorkspaceSettingsIn(Wire):
    description: Annotated[str, Meta(max_length=1000)] = ""
    safe_mode: SafeModePart = field(default_factory=SafeModePart)


class SafeModeView(View):
    redirect_to: str
    allow: list[str]


class WorkspaceView(View):
    name: str
    description: str
    safe_mode: SafeModeView
    created_at: datetime
    version: int


class TokenIn(Wire):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    actions: Annotated[list[Action], Meta(min_length=1)]
    workspace: Annotated[str | None, Meta(description="That of the request when null; empty: all (needs admin).")] = (
        None
    )
    accounts: Annotated[list[str] | None, Meta(description="Names of accounts it is limited to; null: all.")] = None
    expires_in_days: Annotated[int, Meta(ge=1, le=3650)] = 90


class TokenView(View):
    id: str
    name: str
    workspace: Annotated[str, Meta(description="Empty: all workspaces.")]
    actions: list[Action]
    accounts: list[str] | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewTokenView(View):
    token: TokenView
    secret: Annotated[str, Meta(description="Shown this once.")]


class SuppressionIn(Wire):
    address: Annotated[str, Meta(min_length=3, max_length=400)]
    list: Annotated[str, Meta(max_length=200, description="Empty: all mail of the workspace.")] = ""
    reason: SuppressionReason = SuppressionReason.MANUAL
    note: Annotated[str, Meta(max_length=1000)] = ""


class ListQuery(Wire):
    list: Annotated[str, Meta(max_length=200, description="Empty: the entry for all mail.")] = ""


class SuppressionView(View):
    workspace: str
    address: str
    list: str
    reason: SuppressionReason
    created_at: datetime
    message: str
    note: str


class AuditEntryView(View):
    number: int
    at: datetime
    actor: str
    workspace: str
    action: str
    target: str
    details: dict[str, Any]
    previous_hash: str
    hash: str


class AuditVerdictView(View):
    """The chain of hashes is whole."""

    entries: int


def to_safe_mode(given: SafeModePart) -> SafeMode:
    return SafeMode(redirect_to=given.redirect_to, allow=given.allow)


def workspace_view(workspace: Workspace) -> WorkspaceView:
    return WorkspaceView(
        name=workspace.id,
        description=workspace.description,
        safe_mode=SafeModeView(redirect_to=workspace.safe_mode.redirect_to, allow=list(workspace.safe_mode.allow)),
        created_at=workspace.created_at,
        version=workspace.version,
    )


def token_view(token: ApiToken) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        workspace=token.workspace,
        actions=_in_order(token.actions),
        accounts=sorted(token.accounts) if token.accounts is not None else None,
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        revoked_at=token.revoked_at,
    )


def new_token_view(new: NewToken) -> NewTokenView:
    return NewTokenView(token=token_view(new.token), secret=new.secret.reveal())


def suppression_view(entry: Suppression) -> SuppressionView:
    return SuppressionView(
        workspace=entry.workspace,
        address=entry.address,
        list=entry.list,
        reason=entry.reason,
        created_at=entry.created_at,
        message=entry.message,
        note=entry.note,
    )


def audit_entry_view(entry: AuditEntry) -> AuditEntryView:
    return AuditEntryView(
        number=entry.number,
        at=entry.at,
        actor=entry.actor,
        workspace=entry.workspace,
        action=entry.action,
        target=entry.target,
        details=dict(entry.details),
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def _in_order(actions: Iterable[Action]) -> list[Action]:
    known = list(Action)
    return sorted(actions, key=known.index)
