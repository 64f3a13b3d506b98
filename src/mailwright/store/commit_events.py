"""Events, and in the same transaction the webhook deliveries that they ask for."""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Connection, select, true

from mailwright.model.changes import AddTask
from mailwright.model.event import Event, EventType
from mailwright.model.webhook import WebhookFilter
from mailwright.store.ids import new_id
from mailwright.store.many import Row, insert_rows
from mailwright.store.queries.events import WRITTEN_BY
from mailwright.store.queries.webhooks import WEBHOOK_TASK
from mailwright.store.rows import json_text, microseconds
from mailwright.store.schema import Work, webhook
from mailwright.store.webhook_rows import webhook_filter_of

_EVENT = ("written_by", "id", "workspace", "type", "at", "account", "message", "data")
_TASK = (
    "id",
    "workspace",
    "kind",
    "lane",
    "ref",
    "due",
    "payload",
    "priority",
    "work",
    "lease_token",
    "lease_until",
    "attempts",
    "created_at",
    "settled_at",
)
_ENABLED = select(*(column for column in webhook.c if column.name not in ("secrets", "health"))).where(
    webhook.c.enabled == true()
)
# Asked for with every group of events, and changed once a month. The whole row is the key.
_filter = lru_cache(maxsize=1024)(webhook_filter_of)


def write_events(connection: Connection, events: Sequence[Event], now: int) -> None:
    if not events:
        return
    written_by = 0
    if connection.dialect.name == "postgresql":
        written_by = connection.exec_driver_sql(f"SELECT {WRITTEN_BY}").scalar_one()
    insert_rows(connection, "event", _EVENT, [_event_row(event, written_by) for event in events])
    endpoints = [_filter(row) for row in connection.execute(_ENABLED)]
    if endpoints:
        write_tasks(connection, _deliveries(events, endpoints, now), now)


def write_tasks(connection: Connection, tasks: Sequence[AddTask], now: int) -> None:
    insert_rows(connection, "task", _TASK, [_task_row(task, now) for task in tasks])


def _task_row(task: AddTask, now: int) -> Row:
    work = Work.READY if task.due <= now else Work.SCHEDULED
    payload = json_text(dict(task.payload)) if task.payload else "{}"
    queue = (task.priority, work.value, 0, 0, 0)
    return (task.id, task.workspace, task.kind, task.lane, task.ref, task.due, payload, *queue, now, 0)


def _event_row(event: Event, written_by: int) -> Row:
    data = json_text(dict(event.data)) if event.data else "{}"
    type_, at = event.type.value, microseconds(event.at)
    return (written_by, event.id, event.workspace, type_, at, event.account, event.message, data)


def _deliveries(events: Sequence[Event], endpoints: Sequence[WebhookFilter], now: int) -> list[AddTask]:
    # What an endpoint wants is a matter of these three; a group has many events and few kinds of them.
    wanted: dict[tuple[str, EventType, str], list[str]] = {}
    tasks: list[AddTask] = []
    for event in events:
        kind = (event.workspace, event.type, event.account)
        lanes = wanted.get(kind)
        if lanes is None:
            lanes = wanted[kind] = [endpoint.id for endpoint in endpoints if endpoint.wants(event)]
        tasks += [AddTask(new_id("task"), event.workspace, WEBHOOK_TASK, lane, event.id, now) for lane in lanes]
    return tasks
