"""Webhook endpoints, how they do, and their deliveries."""

from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from mailwright.model.page import Page
from mailwright.model.webhook import WebhookEndpoint, WebhookHealth, WebhookTask
from mailwright.store.queries.cursor import read_cursor, read_page, write_cursor
from mailwright.store.schema import event, task, webhook
from mailwright.store.secret_box import SecretBox
from mailwright.store.webhook_rows import health_of, webhook_of, webhook_task_of

#: the kind of the tasks that deliver them
WEBHOOK_TASK = "webhook"

_CURSOR = "webhooks"
_TASK_CURSOR = "webhook deliveries"
_ONE = select(webhook).where(webhook.c.id == bindparam("id"))
_TASKS: Select[Any] = (
    select(task, event.c.type.label("event_type"))
    .select_from(task.outerjoin(event, event.c.id == task.c.ref))
    .where(task.c.lane == bindparam("endpoint"), task.c.kind == WEBHOOK_TASK)
)


def webhook_by_id(conn: Connection, box: SecretBox, workspace: str, id_: str) -> WebhookEndpoint | None:
    row = conn.execute(_ONE, {"id": id_}).first()
    return webhook_of(row, box) if row and row.workspace == workspace else None


def webhook_health(conn: Connection, id_: str) -> WebhookHealth | None:
    row = conn.execute(_ONE, {"id": id_}).first()
    return health_of(row) if row else None


def webhook_page(
    conn: Connection, box: SecretBox, workspace: str, *, cursor: str = "", limit: int = 50
) -> Page[WebhookEndpoint]:
    """The oldest first."""
    statement = select(webhook).where(webhook.c.workspace == workspace).order_by(webhook.c.id)
    for last in read_cursor(cursor, _CURSOR, str):
        statement = statement.where(webhook.c.id > last)
    item = partial(webhook_of, box=box)
    return read_page(conn, statement, limit=limit, item=item, cursor=lambda row: write_cursor(_CURSOR, row.id))


def webhook_task_page(conn: Connection, endpoint: str, *, cursor: str = "", limit: int = 50) -> Page[WebhookTask]:
    """The youngest first. Whether the endpoint may be seen is asked before."""
    statement = _TASKS.params(endpoint=endpoint).order_by(task.c.id.desc())
    for last in read_cursor(cursor, _TASK_CURSOR, str):
        statement = statement.where(task.c.id < last)
    return read_page(
        conn, statement, limit=limit, item=webhook_task_of, cursor=lambda row: write_cursor(_TASK_CURSOR, row.id)
    )
