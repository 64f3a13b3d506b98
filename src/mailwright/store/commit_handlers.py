"""Which function writes which change; those of the busy paths are in `commit_outbox`."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import case, delete, update

from mailwright.errors import NotFound
from mailwright.model.changes import (
    AddAudit,
    AddBulkErrors,
    CancelMessages,
    DecideUncertain,
    DropAccount,
    DropSuppression,
    DropWebhook,
    DropWorkspace,
    ExpireMessages,
    MoveLane,
    ParkLane,
    PauseLane,
    PutBulk,
    PutSuppression,
    PutToken,
    PutWebhookHealth,
    PutWorkspace,
    ReplayTasks,
    RetryMessages,
    RevokeToken,
    SetFact,
    TokensUsed,
)
from mailwright.store import audit_chain, commit_messages, commit_records
from mailwright.store.commit_unit import SealedAccount, SealedWebhook, Unit, insert_new, upsert
from mailwright.store.rows import bulk_error_row, bulk_row, suppression_row, token_row
from mailwright.store.schema import bulk, bulk_error, fact, suppression, token


def _add_audit(unit: Unit, change: AddAudit) -> int:
    return audit_chain.append(unit.connection, change)


def _put_token(unit: Unit, change: PutToken) -> None:
    unit.connection.execute(token.insert(), token_row(change.token, change.hash))


def _revoke_token(unit: Unit, change: RevokeToken) -> None:
    # The first time is the one that counts.
    since = case((token.c.revoked_at == 0, change.now), else_=token.c.revoked_at)
    if not unit.connection.execute(update(token).where(token.c.id == change.id).values(revoked_at=since)).rowcount:
        raise NotFound("there is no such token", field="token")


def _tokens_used(unit: Unit, change: TokensUsed) -> None:
    for id_, at in sorted(change.used.items()):
        # Other nodes tell their uses too, in any order.
        later = (token.c.id == id_, token.c.last_used_at < at)
        unit.connection.execute(update(token).where(*later).values(last_used_at=at))


def _put_suppression(unit: Unit, change: PutSuppression) -> bool:
    values = suppression_row(change.suppression)
    if insert_new(unit.connection, suppression, values):
        return True
    upsert(unit.connection, suppression, values)
    return False


def _drop_suppression(unit: Unit, change: DropSuppression) -> None:
    ours = (
        suppression.c.workspace == change.workspace,
        suppression.c.list == change.list,
        suppression.c.address == change.address,
    )
    if not unit.connection.execute(delete(suppression).where(*ours)).rowcount:
        raise NotFound("this address is not suppressed", field="address")


def _put_bulk(unit: Unit, change: PutBulk) -> None:
    upsert(unit.connection, bulk, bulk_row(change.job))


def _add_bulk_errors(unit: Unit, change: AddBulkErrors) -> None:
    for error in change.errors:
        insert_new(unit.connection, bulk_error, bulk_error_row(change.bulk, error))


def _set_fact(unit: Unit, change: SetFact) -> None:
    upsert(unit.connection, fact, {"name": change.name, "value": change.value})


HANDLERS: dict[type, Callable[[Unit, Any], object]] = {
    AddAudit: _add_audit,
    AddBulkErrors: _add_bulk_errors,
    CancelMessages: commit_messages.cancel_messages,
    DecideUncertain: commit_messages.decide_uncertain,
    DropAccount: commit_records.drop_account,
    DropSuppression: _drop_suppression,
    DropWebhook: commit_records.drop_webhook,
    DropWorkspace: commit_records.drop_workspace,
    ExpireMessages: commit_messages.expire_messages,
    MoveLane: commit_messages.move_lane,
    ParkLane: commit_records.park_lane,
    PauseLane: commit_records.pause_lane,
    PutBulk: _put_bulk,
    PutSuppression: _put_suppression,
    PutToken: _put_token,
    PutWebhookHealth: commit_records.put_webhook_health,
    PutWorkspace: commit_records.put_workspace,
    ReplayTasks: commit_records.replay_tasks,
    RetryMessages: commit_messages.retry_messages,
    RevokeToken: _revoke_token,
    SealedAccount: commit_records.put_account,
    SealedWebhook: commit_records.put_webhook,
    SetFact: _set_fact,
    TokensUsed: _tokens_used,
}
