"""Webhook endpoints with their sealed secrets, and what became of each delivery."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import insert, select

from mailwright.model.event import EventType
from mailwright.model.webhook import SigningSecret, WebhookAttempt, WebhookEndpoint, WebhookHealth, WebhookState
from mailwright.store.queries.webhooks import (
    webhook_by_id,
    webhook_health,
    webhook_page,
    webhook_task_page,
)
from mailwright.store.rows import event_of, json_text, moment_of
from mailwright.store.schema import Work, event, webhook
from mailwright.store.webhook_rows import health_text, webhook_filter_of, webhook_row
from tests.unit.store.queries.given import BOX, HOUR_US, NOW, NOW_US
from tests.unit.store.queries.test_lists import walked


def an_endpoint(number=1, **changes):
    secrets = (
        replace(SigningSecret.of_bytes("old", b"o" * 32, NOW), expires_at=NOW + timedelta(hours=1)),
        SigningSecret.of_bytes("new", b"n" * 32, NOW),
    )
    endpoint = WebhookEndpoint(
        f"whk_{number}",
        "default",
        "https://hooks.example.org/mail",
        secrets,
        NOW,
        ("message.*",),
        ("acc_sales",),
        "the shop",
        version=4,
    )
    return replace(endpoint, **changes)


def store(conn, *endpoints, health=None):
    text = health_text(health or WebhookHealth())
    conn.execute(insert(webhook), [{**webhook_row(endpoint, BOX), "health": text} for endpoint in endpoints])


def test_an_endpoint_comes_back_with_its_secrets_and_its_health(conn):
    attempt = WebhookAttempt(3, NOW, WebhookState.WAITING, 503, reason="busy", next_at=NOW + timedelta(minutes=1))
    health = WebhookHealth().after(attempt)
    store(conn, an_endpoint(), health=health)
    assert webhook_by_id(conn, BOX, "default", "whk_1") == an_endpoint()
    assert webhook_health(conn, "whk_1") == health
    assert webhook_by_id(conn, BOX, "other", "whk_1") is None
    assert webhook_health(conn, "whk_2") is None


def test_the_row_holds_no_secret_in_the_clear():
    row = webhook_row(an_endpoint(), BOX)
    assert all(secret.secret.reveal() not in row["config"] for secret in an_endpoint().secrets)


def test_who_only_asks_what_an_endpoint_wants_needs_no_key(conn, given):
    store(conn, an_endpoint())
    wants = webhook_filter_of(conn.execute(select(webhook.c.id, webhook.c.workspace, webhook.c.config)).one())
    given.event(EventType.MESSAGE_SENT, account="acc_sales")
    given.event(EventType.MESSAGE_SENT, account="acc_support")
    given.event(EventType.ACCOUNT_PAUSED, account="acc_sales")
    given.event(EventType.MESSAGE_SENT, account="acc_sales", workspace="other")
    events = [event_of(row) for row in conn.execute(select(event).order_by(event.c.number))]
    assert [wants.wants(item) for item in events] == [an_endpoint().wants(item) for item in events]
    assert [wants.wants(item) for item in events] == [True, False, False, False]


def test_endpoints_are_listed_in_the_order_of_their_making(conn):
    endpoints = [an_endpoint(number) for number in range(1, 6)]
    store(conn, *endpoints, an_endpoint(9, workspace="other"))
    assert walked(lambda **page: webhook_page(conn, BOX, "default", **page)) == endpoints


def test_deliveries_say_where_they_stand_and_what_came_of_the_last_attempt(conn, given):
    sent = given.event(EventType.MESSAGE_SENT)
    failed = WebhookAttempt(1, NOW, WebhookState.WAITING, 503, next_at=moment_of(NOW_US + HOUR_US))
    good = WebhookAttempt(2, NOW, WebhookState.DELIVERED, 204, elapsed=0.25)
    dead = WebhookAttempt(9, NOW, WebhookState.DEAD, 410, gone=True)
    ids = [
        given.task(ref=sent),
        given.task(ref=sent, outcome=json_text(failed.to_json()), work=Work.SCHEDULED, due=NOW_US + HOUR_US),
        given.task(ref=sent, outcome=json_text(good.to_json()), work=Work.DONE),
        given.task(ref=sent, outcome=json_text(dead.to_json()), work=Work.DONE),
        given.task(ref="evt_gone", outcome="it was begun 20 times and never ended", work=Work.DONE),
    ]
    given.task(lane="whk_2", ref=sent)
    given.task(kind="sweep")
    tasks = walked(lambda **page: webhook_task_page(conn, "whk_1", **page))
    assert [task.id for task in tasks] == ids[::-1]
    poisoned, gone, delivered, waits, fresh = tasks
    assert [task.state.value for task in tasks] == ["dead", "dead", "delivered", "waiting", "waiting"]
    assert [task.last for task in tasks] == [None, dead, good, failed, None]
    assert (waits.next_at, delivered.next_at) == (moment_of(NOW_US + HOUR_US), None)
    assert delivered.settled_at is not None
    assert (poisoned.event_type, gone.event_type, fresh.settled_at) == ("", "message.sent", None)
