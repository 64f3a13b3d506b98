"""Webhooks on their way: due tasks become requests, and what came of each is kept with the endpoint."""

import json
import random
from datetime import UTC, datetime, timedelta

from mailwright.connector.offices.parts import Parts
from mailwright.errors import NotFound
from mailwright.model.changes import PutWebhookHealth
from mailwright.model.event import Event
from mailwright.model.webhook import WebhookAttempt, WebhookEndpoint, WebhookHealth, WebhookState, WebhookTask
from mailwright.store.commit import commit
from mailwright.store.ids import new_id
from mailwright.store.queries.events import events_by_id
from mailwright.store.queries.webhooks import webhook_by_id, webhook_health
from mailwright.transport.dial_policy import Purpose
from mailwright.webhooks.deliver import deliver
from mailwright.webhooks.judge import ATTEMPTS
from mailwright.work.claimed import Claimed, Done, Outcome, Retry
from mailwright.work.runner import Job, Runner

KIND = "webhook"
#: at once for one endpoint, so that a slow one leaves room for the others
_PER_ENDPOINT = 4
_AT_ONCE = 32
_LEASE_SECONDS = 60.0


def webhook_runner(parts: Parts) -> Runner:
    async def handle(claimed: Claimed) -> Outcome:
        return await _handle(parts, claimed)

    job = Job(
        handle,
        concurrency=_AT_ONCE,
        per_lane=_PER_ENDPOINT,
        lease_seconds=_LEASE_SECONDS,
        # Attempts that killed their process count too, so that a few more than planned are allowed.
        max_attempts=ATTEMPTS + 5,
    )
    return Runner(parts.database, parts.wake, {KIND: job})


async def _handle(parts: Parts, claimed: Claimed) -> Outcome:
    workspace, endpoint_id, event_id = claimed.row["workspace"], claimed.lane, claimed.row["ref"]
    endpoint = await parts.database.read(lambda conn: webhook_by_id(conn, parts.secrets, workspace, endpoint_id))
    found = await parts.database.read(lambda conn: events_by_id(conn, [event_id]))
    event = found.get(event_id)
    if endpoint is None or event is None or not endpoint.enabled:
        gone = "the endpoint" if endpoint is None else "the event" if event is None else ""
        reason = f"{gone} was removed" if gone else "the endpoint is switched off"
        return _outcome(_given_up(claimed.attempts, reason))
    attempt = await _attempt(parts, endpoint, event, number=claimed.attempts)
    return _outcome(attempt)


async def _attempt(parts: Parts, endpoint: WebhookEndpoint, event: Event, *, number: int) -> WebhookAttempt:
    egress = parts.egress.only(Purpose.WEBHOOK)
    jitter = random.random()  # noqa: S311 - it only spreads load
    attempt = await deliver(endpoint, event, egress, datetime.now(UTC), number=number, jitter=jitter)
    health = await parts.database.read(lambda conn: webhook_health(conn, endpoint.id)) or WebhookHealth()
    because = attempt.reason if attempt.gone else ""
    await commit(parts.database, [PutWebhookHealth(endpoint.id, health.after(attempt), because)])
    return attempt


def _outcome(attempt: WebhookAttempt) -> Outcome:
    said = json.dumps(attempt.to_json(), separators=(",", ":"))
    if attempt.next_at is None:
        return Done(said)  # delivered or dead: the attempt says which
    return Retry((attempt.next_at - attempt.at) / timedelta(seconds=1), said)


def _given_up(number: int, reason: str) -> WebhookAttempt:
    return WebhookAttempt(number, datetime.now(UTC), WebhookState.DEAD, reason=reason)


async def deliver_now(parts: Parts, endpoint: WebhookEndpoint, event: Event) -> WebhookTask:
    """One attempt, while somebody waits: the test button. It is kept in the endpoint's health and nowhere else."""
    if not endpoint.live_secrets(event.at):
        raise NotFound("the endpoint has no live secret", field="id", hint="rotate its secret")
    attempt = await _attempt(parts, endpoint, event, number=1)
    return WebhookTask(
        id=new_id("tsk"),
        workspace=endpoint.workspace,
        endpoint=endpoint.id,
        event=event.id,
        event_type=event.type.value,
        # A test is not tried again.
        state=WebhookState.DELIVERED if attempt.delivered else WebhookState.DEAD,
        created_at=event.at,
        last=attempt,
        settled_at=attempt.at,
    )
