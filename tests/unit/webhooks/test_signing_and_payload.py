"""What goes over the wire: bytes that receivers rely on, and signatures that the reference library accepts."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from mailwright.model.event import Event, EventType
from mailwright.model.webhook import SigningSecret
from mailwright.webhooks.payload import payload_of
from mailwright.webhooks.signing import signed_headers

EVENT = Event(
    "evt_0193",
    "default",
    EventType.MESSAGE_FAILED,
    datetime(2030, 1, 31, 13, 0, 0, 5, tzinfo=UTC),
    account="acc_1",
    message="msg_1",
    data={"attempts": 3, "reply": {"code": 550, "text": "Größe"}},
)


def secret(name: str = "whk_1", key: bytes = bytes(range(32))) -> SigningSecret:
    return SigningSecret.of_bytes(name, key, EVENT.at)


def now() -> datetime:
    # The library compares with the clock and takes no other.
    return datetime.now(UTC)


def test_the_bytes_of_an_event_are_these_and_stay_these():
    assert (
        payload_of(EVENT)
        == (
            '{"type":"message.failed","timestamp":"2030-01-31T13:00:00.000005Z","version":1,'
            '"data":{"attempts":3,"reply":{"code":550,"text":"Größe"},'
            '"event_id":"evt_0193","workspace":"default","account":"acc_1","message":"msg_1"}}'
        ).encode()
    )


def test_names_in_the_data_cannot_take_the_place_of_the_ids():
    data = {"event_id": "x", "workspace": "x", "account": "x", "message": "x", "kept": 1}
    found = json.loads(payload_of(replace(EVENT, data=data)))["data"]
    assert found == {"event_id": "evt_0193", "workspace": "default", "account": "acc_1", "message": "msg_1", "kept": 1}


@given(st.text(st.characters(), max_size=20) | st.just("\udcff\ud800"))
def test_whatever_a_server_said_the_body_is_json_in_utf_8(text):
    body = payload_of(replace(EVENT, data={"text": text}))
    clean = text.encode("utf-8", "replace").decode()
    assert json.loads(body.decode("utf-8"))["data"]["text"] == clean


@given(st.binary(min_size=24, max_size=64), st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_the_reference_library_accepts_every_signature(key, data):
    signing = secret(key=key)
    body = payload_of(replace(EVENT, data=data))
    headers = signed_headers(EVENT.id, body, [signing], now())
    assert Webhook(signing.secret.reveal()).verify(body, headers)["type"] == "message.failed"


def test_each_of_two_live_secrets_verifies_alone_and_a_third_one_does_not():
    old, new, other = secret("a", b"o" * 32), secret("b", b"n" * 32), secret("c", b"x" * 32)
    body = payload_of(EVENT)
    headers = signed_headers(EVENT.id, body, [old, new], now())
    assert headers["webhook-signature"].count("v1,") == 2
    for known in (old, new):
        Webhook(known.secret.reveal()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other.secret.reveal()).verify(body, headers)


@pytest.mark.parametrize("change", ["body", "webhook-id", "webhook-timestamp", "webhook-signature"])
def test_nothing_that_is_signed_can_be_changed(change):
    signing, body = secret(), payload_of(EVENT)
    headers = signed_headers(EVENT.id, body, [signing], now())
    if change == "body":
        body += b" "
    elif change == "webhook-timestamp":
        headers[change] = str(int(headers[change]) - 1)
    else:
        headers[change] = headers[change].replace("v1,", "v1,A").replace("evt", "evu")
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.secret.reveal()).verify(body, headers)


def test_an_old_delivery_cannot_be_played_again_by_somebody_else():
    signing, body = secret(), payload_of(EVENT)
    headers = signed_headers(EVENT.id, body, [signing], now() - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(signing.secret.reveal()).verify(body, headers)


def test_the_id_is_that_of_the_event_and_the_time_that_of_the_attempt_in_whole_seconds():
    moment = datetime(2030, 1, 31, 12, 0, 0, 999_999, tzinfo=UTC)
    headers = signed_headers(EVENT.id, b"{}", [secret()], moment)
    assert headers["webhook-id"] == "evt_0193"
    assert headers["webhook-timestamp"] == "1896091200"
    # From the text of the specification: HMAC-SHA256 over `id.timestamp.body`, by `openssl dgst -hmac`.
    assert headers["webhook-signature"] == "v1,Iw3qPiO0Ol6AYsLamO6Ad4fck/aPTKPOxsZWB0l62uI="
