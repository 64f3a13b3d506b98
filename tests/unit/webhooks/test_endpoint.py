"""Which events an endpoint gets, what signs them, and what is refused when one is made."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailwright.errors import InvalidWebhook
from mailwright.model.event import Event, EventType
from mailwright.model.webhook import (
    MAX_LIVE_SECRETS,
    SigningSecret,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookHealth,
    WebhookState,
    WebhookTask,
    matches,
)
from mailwright.secret import Secret

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
KEY = b"0123456789abcdef0123456789abcdef"
FIRST = SigningSecret.of_bytes("whk_1", KEY, NOW)


def endpoint(**options) -> WebhookEndpoint:
    known = {"url": "https://hooks.example.org/mail", "secrets": (FIRST,), "created_at": NOW}
    return WebhookEndpoint("wh_1", "default", **{**known, **options})


def event(type_: EventType = EventType.MESSAGE_SENT, **options) -> Event:
    return Event(**{"id": "evt_1", "workspace": "default", "type": type_, "at": NOW, "account": "acc_1", **options})


# Which events.


@pytest.mark.parametrize("type_", [one for one in EventType if one is not EventType.WEBHOOK_TEST])
def test_a_star_wants_every_event_that_happens(type_):
    assert endpoint().wants(event(type_))


def test_a_test_event_goes_to_nobody_by_itself():
    assert not endpoint().wants(event(EventType.WEBHOOK_TEST))


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("message.sent", {"message.sent"}),
        ("message.*", {one for one in EventType if one.startswith("message.")}),
        ("account.*", {one for one in EventType if one.startswith("account.")}),
        ("*", set(EventType)),
    ],
)
def test_a_pattern_is_one_type_or_all_of_one_kind(pattern, wanted):
    assert {one for one in EventType if matches(pattern, one)} == wanted


def test_several_patterns_want_what_any_of_them_wants():
    found = endpoint(events=("message.failed", "account.*"))
    assert found.wants(event(EventType.MESSAGE_FAILED))
    assert found.wants(event(EventType.ACCOUNT_PARKED))
    assert not found.wants(event(EventType.MESSAGE_SENT))


def test_an_endpoint_for_some_accounts_gets_their_events_alone():
    found = endpoint(accounts=("acc_1", "acc_2"))
    assert found.wants(event(account="acc_2"))
    assert not found.wants(event(account="acc_3"))
    assert not found.wants(event(EventType.SUPPRESSION_ADDED, account=""))


def test_the_events_of_another_workspace_are_not_for_this_one():
    assert not endpoint().wants(event(workspace="other"))


def test_an_endpoint_that_is_switched_off_gets_nothing_and_says_why_until_it_is_switched_on():
    off = endpoint().switched_off("it answered 410 Gone")
    assert not off.wants(event())
    assert (off.version, off.to_json()["disabled_because"]) == (2, "it answered 410 Gone")
    on = replace(off, enabled=True)
    assert on.wants(event())
    assert on.disabled_because == ""


# What is refused.


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org",
        "ftp://hooks.example.org/",
        "https://",
        "https:///path",
        "https://user:secret@hooks.example.org/",
        "https://hooks.example.org\\@example.com/",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nX: y",
        "https://hooks.example.org/\n",
        "https://hooks.example.org/" + "a" * 2048,
    ],
)
def test_an_address_that_is_no_plain_web_address_is_refused_and_not_repeated(url):
    with pytest.raises(InvalidWebhook) as caught:
        endpoint(url=url)
    assert caught.value.field == "url"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://10.1.2.3:8080", "HTTPS://Hooks.example.org?a=b", "https://[fd00::1]:8443/x#y", "https://ä.example/ü"],
)
def test_an_ordinary_address_is_taken(url):
    assert endpoint(url=url).url == url


@pytest.mark.parametrize("pattern", ["", "mesage.*", "message", "message.", "message.*.x", "*.sent", "message.sended"])
def test_a_pattern_that_can_match_nothing_is_refused(pattern):
    with pytest.raises(InvalidWebhook) as caught:
        endpoint(events=("message.sent", pattern))
    assert caught.value.field == "events"


def test_an_endpoint_without_patterns_or_with_a_long_description_is_refused():
    for options in ({"events": ()}, {"description": "a" * 501}, {"description": "a\nb"}):
        with pytest.raises(InvalidWebhook) as caught:
            endpoint(**options)
        assert caught.value.field in options


def test_an_endpoint_always_has_a_secret_that_does_not_expire():
    ending = replace(FIRST, expires_at=NOW + timedelta(days=1))
    for secrets in ((), (ending,)):
        with pytest.raises(InvalidWebhook, match="does not expire"):
            endpoint(secrets=secrets)


@pytest.mark.parametrize("text", ["plain", "whsec_YWJj", "whsec_" + "A" * 100, "whsec_*" + "A" * 43, "ä" * 44])
def test_a_secret_of_the_wrong_length_or_form_is_refused_and_not_repeated(text):
    with pytest.raises(InvalidWebhook) as caught:
        SigningSecret("whk_1", Secret(text), NOW)
    assert text not in str(caught.value)


# Rotation.


def test_during_the_overlap_both_secrets_sign_and_afterwards_the_new_one_alone():
    second = SigningSecret.of_bytes("whk_2", KEY[::-1], NOW)
    rotated = endpoint().rotated(second, NOW, timedelta(hours=24))
    assert rotated.version == 2
    assert [one.id for one in rotated.live_secrets(NOW)] == ["whk_1", "whk_2"]
    assert [one.id for one in rotated.live_secrets(NOW + timedelta(hours=23, minutes=59))] == ["whk_1", "whk_2"]
    assert [one.id for one in rotated.live_secrets(NOW + timedelta(hours=24))] == ["whk_2"]


def test_a_rotation_without_overlap_ends_the_old_secret_at_once():
    second = SigningSecret.of_bytes("whk_2", KEY[::-1], NOW)
    assert [one.id for one in endpoint().rotated(second, NOW, timedelta(0)).secrets] == ["whk_2"]


def test_a_second_rotation_does_not_prolong_the_first_one_and_drops_what_has_expired():
    found = endpoint()
    seen = []
    for number, hour in ((2, 0), (3, 1), (4, 24)):
        new = SigningSecret.of_bytes(f"whk_{number}", KEY, NOW)
        found = found.rotated(new, NOW + timedelta(hours=hour), timedelta(hours=24))
        seen.append(
            [(one.id, one.expires_at and (one.expires_at - NOW).total_seconds() / 3600) for one in found.secrets]
        )
    assert seen == [
        [("whk_1", 24), ("whk_2", None)],
        [("whk_1", 24), ("whk_2", 25), ("whk_3", None)],
        [("whk_2", 25), ("whk_3", 48), ("whk_4", None)],
    ]


def test_so_many_secrets_sign_at_once_and_no_more():
    found = endpoint()
    for number in range(2, MAX_LIVE_SECRETS + 1):
        found = found.rotated(SigningSecret.of_bytes(f"whk_{number}", KEY, NOW), NOW, timedelta(hours=1))
    extra = SigningSecret.of_bytes("whk_9", KEY, NOW)
    with pytest.raises(InvalidWebhook, match="sign already"):
        found.rotated(extra, NOW, timedelta(hours=1))
    assert found.rotated(extra, NOW, timedelta(0)).secrets == (extra,)
    with pytest.raises(InvalidWebhook, match="less than 0"):
        found.rotated(extra, NOW, timedelta(seconds=-1))


def test_no_secret_is_printed_or_shown():
    found = endpoint()
    shown = repr(found) + json.dumps(found.to_json())
    assert FIRST.secret.reveal() not in shown
    assert FIRST.secret.reveal().removeprefix("whsec_") not in shown
    assert found.to_json()["secrets"] == [
        {"id": "whk_1", "created_at": "2030-01-31T12:00:00.000000Z", "expires_at": None}
    ]


# State and last error.


def attempt(number: int, state: WebhookState, **options) -> WebhookAttempt:
    return WebhookAttempt(number, NOW + timedelta(minutes=number), state, **options)


def test_health_counts_failures_in_a_row_and_keeps_the_last_one_for_the_morning():
    failed = attempt(1, WebhookState.WAITING, status=503, reason="the endpoint answered 503")
    worse = attempt(2, WebhookState.DEAD, error="egress_timeout")
    done = attempt(3, WebhookState.DELIVERED, status=204)
    health = WebhookHealth().after(failed).after(worse)
    assert (health.failures_in_a_row, health.last, health.last_delivered_at) == (2, worse, None)
    health = health.after(done)
    assert (health.failures_in_a_row, health.last, health.last_failed) == (0, done, worse)
    assert health.last_delivered_at == done.at
    assert health.after(failed).last_delivered_at == done.at


def test_what_is_stored_comes_back_the_same():
    failed = attempt(1, WebhookState.WAITING, status=503, reason="r", elapsed=0.25, next_at=NOW, address="127.0.0.1:1")
    done = attempt(2, WebhookState.DELIVERED, status=200)
    for health in (WebhookHealth(), WebhookHealth().after(failed), WebhookHealth().after(failed).after(done)):
        assert WebhookHealth.from_json(json.loads(json.dumps(health.to_json()))) == health


def test_a_delivery_shows_its_state_its_attempts_and_the_last_of_them():
    last = attempt(3, WebhookState.WAITING, status=500, next_at=NOW)
    task = WebhookTask("tsk_1", "default", "wh_1", "evt_1", "message.sent", WebhookState.WAITING, NOW, last, NOW)
    shown = json.loads(json.dumps(task.to_json()))
    assert (shown["state"], shown["attempts"], shown["last"]["status"]) == ("waiting", 3, 500)
    assert WebhookTask("t", "w", "wh", "evt", "x", WebhookState.WAITING, NOW).to_json()["attempts"] == 0
