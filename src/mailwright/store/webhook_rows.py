"""Webhook endpoints and their deliveries in rows: signing secrets are sealed, an attempt is the outcome of its task."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from mailwright.model.outbox_json import iso
from mailwright.model.webhook import (
    SigningSecret,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookFilter,
    WebhookHealth,
    WebhookState,
    WebhookTask,
)
from mailwright.secret import Secret
from mailwright.store.rows import Values, json_text, microseconds, moment_of, moment_or_none
from mailwright.store.schema import Work
from mailwright.store.secret_box import SecretBox, webhook_place

_TEXTS = ("url", "description", "disabled_because")


def webhook_row(endpoint: WebhookEndpoint, box: SecretBox) -> Values:
    """Without `health`, which goes its own way: it changes with every attempt."""
    config = {name: getattr(endpoint, name) for name in (*_TEXTS, "events", "accounts")}
    secrets = [
        {
            "id": secret.id,
            "secret": secret.secret.reveal(),
            "created_at": iso(secret.created_at),
            "expires_at": iso(secret.expires_at),
        }
        for secret in endpoint.secrets
    ]
    return {
        "id": endpoint.id,
        "workspace": endpoint.workspace,
        "config": json_text(config),
        "secrets": box.seal(json_text(secrets).encode(), place=webhook_place(endpoint.id)),
        "enabled": endpoint.enabled,
        "created_at": microseconds(endpoint.created_at),
        "version": endpoint.version,
    }


def webhook_of(row: Row[Any], box: SecretBox) -> WebhookEndpoint:
    secrets = json.loads(box.unseal(bytes(row.secrets), place=webhook_place(row.id)))
    config = json.loads(row.config)
    return WebhookEndpoint(
        id=row.id,
        workspace=row.workspace,
        secrets=tuple(map(_secret, secrets)),
        created_at=moment_of(row.created_at),
        enabled=bool(row.enabled),
        version=row.version,
        events=tuple(config["events"]),
        accounts=tuple(config["accounts"]),
        **{name: config[name] for name in _TEXTS},
    )


def webhook_filter_of(row: Row[Any]) -> WebhookFilter:
    """Of an endpoint that is enabled; nothing is unsealed."""
    config = json.loads(row.config)
    return WebhookFilter(row.id, row.workspace, tuple(config["events"]), tuple(config["accounts"]))


def _secret(value: dict[str, Any]) -> SigningSecret:
    expires = value["expires_at"]
    return SigningSecret(
        value["id"],
        Secret(value["secret"]),
        datetime.fromisoformat(value["created_at"]),
        datetime.fromisoformat(expires) if expires else None,
    )


def health_of(row: Row[Any]) -> WebhookHealth:
    return WebhookHealth.from_json(json.loads(row.health))


def health_text(health: WebhookHealth) -> str:
    return json_text(health.to_json())


def webhook_task_of(row: Row[Any]) -> WebhookTask:
    """From a row of `task` with `event_type` beside it, which is NULL when the event is gone."""
    last = _attempt(row.outcome)
    waits = row.work != Work.DONE
    delivered = last is not None and last.delivered
    return WebhookTask(
        id=row.id,
        workspace=row.workspace,
        endpoint=row.lane,
        event=row.ref,
        event_type=row.event_type or "",
        state=WebhookState.WAITING if waits else WebhookState.DELIVERED if delivered else WebhookState.DEAD,
        created_at=moment_of(row.created_at),
        last=last,
        next_at=moment_of(row.due) if waits else None,
        settled_at=moment_or_none(row.settled_at),
    )


def _attempt(outcome: str | None) -> WebhookAttempt | None:
    # The kernel writes a sentence where it ended a task by itself: there was no attempt that it knows of.
    if outcome is None or not outcome.startswith("{"):
        return None
    return WebhookAttempt.from_json(json.loads(outcome))
