"""Workspaces, accounts and webhook endpoints: what has a version, and a lane."""

import json
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update

from mailwright.errors import AlreadyExists, NotFound, WrongState
from mailwright.model.account_record import SendLimits, lane_rate
from mailwright.model.changes import (
    DropAccount,
    DropWebhook,
    DropWorkspace,
    ParkLane,
    PauseLane,
    PutWebhookHealth,
    PutWorkspace,
    ReplayTasks,
)
from mailwright.model.ids import DEFAULT_WORKSPACE
from mailwright.model.webhook import WebhookHealth
from mailwright.store.commit_messages import cancel_all_of_account
from mailwright.store.commit_unit import SealedAccount, SealedWebhook, Unit, insert_new, update_version
from mailwright.store.rows import Values, json_text, workspace_row
from mailwright.store.schema import (
    Work,
    account,
    bulk,
    bulk_error,
    delivery,
    event,
    idempotency,
    lane,
    message,
    message_recipient,
    suppression,
    task,
    token,
    webhook,
    workspace,
)
from mailwright.store.webhook_rows import health_text

_SECOND = 1_000_000
#: at most this much of its rate may an account send at once
_BURST_US = _SECOND // 2
_OF_WORKSPACE = (delivery, message_recipient, message, event, idempotency, token, suppression, bulk, task, account)


def put_workspace(unit: Unit, change: PutWorkspace) -> int:
    return _put(unit.connection, workspace, workspace_row(change.workspace), change.expected, "workspace")


def drop_workspace(unit: Unit, change: DropWorkspace) -> None:
    if change.workspace == DEFAULT_WORKSPACE:
        raise WrongState("the default workspace stays", field="workspace")
    if not unit.connection.execute(delete(workspace).where(workspace.c.id == change.workspace)).rowcount:
        raise NotFound("there is no such workspace", field="workspace")
    for lanes in (account, webhook):
        ids = select(lanes.c.id).where(lanes.c.workspace == change.workspace)
        unit.connection.execute(delete(lane).where(lane.c.id.in_(ids)))
    jobs = select(bulk.c.id).where(bulk.c.workspace == change.workspace)
    unit.connection.execute(delete(bulk_error).where(bulk_error.c.bulk.in_(jobs)))
    for table in (*_OF_WORKSPACE, webhook):
        unit.connection.execute(delete(table).where(table.c.workspace == change.workspace))


def put_account(unit: Unit, change: SealedAccount) -> int:
    version = _put(unit.connection, account, change.row, change.expected, "account")
    _put_lane(unit.connection, change.record.id, change.record.limits, paused=change.record.paused)
    return version


def drop_account(unit: Unit, change: DropAccount) -> list[str]:
    ours = (account.c.id == change.id, account.c.workspace == change.workspace)
    if not unit.connection.execute(delete(account).where(*ours)).rowcount:
        raise NotFound("there is no such account", field="account")
    unit.connection.execute(delete(lane).where(lane.c.id == change.id))
    return cancel_all_of_account(unit, change)


def pause_lane(unit: Unit, change: PauseLane) -> None:
    if not unit.connection.execute(update(lane).where(lane.c.id == change.id).values(paused=change.paused)).rowcount:
        raise NotFound("there is no such account", field="account")
    unit.connection.execute(update(account).where(account.c.id == change.id).values(paused=change.paused))


def park_lane(unit: Unit, change: ParkLane) -> bool:
    """False: the account was deleted meanwhile, and nobody needs to know."""
    values = {"blocked_until": change.until, "parked": change.parked}
    return bool(unit.connection.execute(update(lane).where(lane.c.id == change.id).values(values)).rowcount)


def put_webhook(unit: Unit, change: SealedWebhook) -> int:
    # Its health is in the row from the start, and changes with attempts, not with the endpoint.
    values = change.row if change.expected else {"health": health_text(WebhookHealth()), **change.row}
    version = _put(unit.connection, webhook, values, change.expected, "webhook")
    _put_lane(unit.connection, change.endpoint.id, SendLimits(), paused=False)
    return version


def put_webhook_health(unit: Unit, change: PutWebhookHealth) -> bool:
    """False: the endpoint was deleted meanwhile."""
    values: Values = {"health": health_text(change.health)}
    row = unit.connection.execute(select(webhook.c.config).where(webhook.c.id == change.id).with_for_update()).first()
    if row is None:
        return False
    if change.disabled_because:
        values["config"] = json_text({**json.loads(row.config), "disabled_because": change.disabled_because})
        values["enabled"] = False
        values["version"] = webhook.c.version + 1
    unit.connection.execute(update(webhook).where(webhook.c.id == change.id).values(values))
    return True


def drop_webhook(unit: Unit, change: DropWebhook) -> None:
    ours = (webhook.c.id == change.id, webhook.c.workspace == change.workspace)
    if not unit.connection.execute(delete(webhook).where(*ours)).rowcount:
        raise NotFound("there is no such webhook", field="webhook")
    unit.connection.execute(delete(lane).where(lane.c.id == change.id))
    unit.connection.execute(delete(task).where(task.c.lane == change.id))


def replay_tasks(unit: Unit, change: ReplayTasks) -> int:
    which = task.c.id.in_(change.ids) if change.ids else task.c.created_at >= change.since
    settled = (task.c.lane == change.lane, task.c.workspace == change.workspace, task.c.work == Work.DONE.value)
    again = {"work": Work.READY.value, "due": change.now, "attempts": 0, "settled_at": 0}
    return unit.connection.execute(update(task).where(*settled, which).values(again)).rowcount


def _put(connection: Connection, table: Table, values: Values, expected: int, what: str) -> int:
    values = {**values, "version": expected + 1}
    if expected:
        update_version(connection, table, values, expected, what)
    elif not insert_new(connection, table, values):
        raise AlreadyExists(f"there is a {what} of this name already", field=what)
    return expected + 1


def _put_lane(connection: Connection, id_: str, limits: SendLimits, *, paused: bool) -> None:
    rate = limits.messages_per_second
    interval, burst = lane_rate(rate) if rate is not None else (None, 0)
    values: dict[str, Any] = {
        "paused": paused,
        "interval_us": interval,
        "burst_us": burst,
        "concurrency": limits.concurrency,
    }
    if connection.execute(update(lane).where(lane.c.id == id_).values(values)).rowcount:
        return
    insert_new(connection, lane, {"id": id_, "blocked_until": 0, "arrival_us": 0, **values})
