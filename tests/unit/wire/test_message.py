"""What callers write becomes a Message, its bytes, and what is said about the sending; a mistake names its place."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from mailwright.errors import InvalidAddress, InvalidAttachment, InvalidBody, InvalidHeader, InvalidInput, NoRecipients
from mailwright.model.address import Address, Group
from mailwright.model.attachment import Attachment, Disposition
from mailwright.model.delivery import Composed, DsnNotify, DsnOptions, DsnReturn
from mailwright.model.message import NULL_SENDER, AutoSubmitted, Message, Priority
from mailwright.model.outbox import SendOptions, SendPriority, UncertainPolicy
from mailwright.wire.message import MessageIn, SendIn, located, to_dsn, to_submission

RAW = b"From: me@example.org\r\nTo: ann@example.org\r\nMessage-ID: <a@b>\r\n\r\nHello\r\n"


def read(value: Any, **around: Any) -> Any:
    return msgspec.json.decode(json.dumps({"account": "main", **around, "message": value}), type=SendIn)


def message(**value: Any) -> Message:
    made = to_submission(read(value)).message
    assert isinstance(made, Message)
    return made


def test_everything_that_a_message_has_arrives() -> None:
    made = message(
        to=["Ann <ann@example.org>", {"address": "bob@example.org", "name": "Bob"}],
        cc="c@example.org; d@example.org",
        bcc="Team: e@example.org, f@example.org;",
        **{"from": {"address": "me@example.org", "name": "Me"}},
        reply_to="r@example.org",
        subject="Grüße",
        text="Hello",
        html="<p>Hello</p>",
        plain_only=True,
        attachments=[
            {"filename": "a.bin", "content": base64.b64encode(b"\0\1").decode(), "content_type": "x/y"},
            {"filename": "b.txt", "text": "ä", "disposition": "inline", "content_id": "b"},
        ],
        priority="high",
        headers={"X-One": "1", "X-Many": ["a", "b"]},
        in_reply_to="<q@b>",
        references=["<p@b>", "q@b"],
        message_id="own@example.org",
        date="2030-01-31T12:00:00+01:00",
        unsubscribe={"url": "https://example.org/u", "mailto": "u@example.org", "one_click": True},
        auto_submitted="auto-generated",
        envelope_from="bounces@example.org",
    )
    assert made.to == (Address("ann", "example.org", "Ann"), Address("bob", "example.org", "Bob"))
    assert [str(who) for who in made.cc] == ["c@example.org", "d@example.org"]
    assert made.bcc == (Group("Team", (Address("e", "example.org"), Address("f", "example.org"))),)
    assert (made.from_, made.from_name) == (Address("me", "example.org"), "Me")
    assert (made.subject, made.text, made.html, made.plain_only) == ("Grüße", "Hello", "<p>Hello</p>", True)
    assert made.attachments == (
        Attachment("a.bin", b"\0\1", "x/y"),
        Attachment("b.txt", "ä".encode(), "", Disposition.INLINE, "b"),
    )
    assert made.priority is Priority.HIGH
    assert made.headers == (("X-One", "1"), ("X-Many", "a"), ("X-Many", "b"))
    assert (made.in_reply_to, made.references, made.message_id) == ("q@b", ("p@b", "q@b"), "own@example.org")
    assert made.date == datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=1)))
    assert made.unsubscribe is not None
    assert made.unsubscribe.one_click
    assert made.auto_submitted is AutoSubmitted.AUTO_GENERATED
    assert made.envelope_from == Address("bounces", "example.org")


def test_every_field_of_a_message_can_be_written() -> None:
    ours = {name.rstrip("_") for name in Message.__slots__}
    theirs = set(MessageIn.__struct_encode_fields__)
    # The name beside the sender is written with the sender.
    assert ours - theirs == {"from_name"}
    assert theirs <= ours


def test_an_empty_envelope_sender_is_the_null_sender() -> None:
    assert message(to="ann@example.org", envelope_from="").envelope_from is NULL_SENDER


def test_finished_bytes_are_taken_with_their_envelope() -> None:
    raw = {"content": base64.b64encode(RAW).decode(), "from": "bounces@example.org", "to": ["Ann <ann@example.org>"]}
    made = to_submission(read(None, raw=raw)).message
    assert isinstance(made, Composed)
    assert made.content == RAW
    assert made.envelope.sender == Address("bounces", "example.org")
    assert [who.spec for who in made.envelope.recipients] == ["ann@example.org"]
    null = to_submission(read(None, raw={**raw, "from": ""})).message
    assert isinstance(null, Composed)
    assert null.envelope.sender is None


def test_what_is_said_about_the_sending_arrives() -> None:
    options = {
        "send_at": "2030-01-31T12:00:00Z",
        "expires_at": "2030-02-01T12:00:00Z",
        "priority": "low",
        "uncertain": "resend",
        "idempotency_key": "order-1",
        "tags": {"order": "1"},
        "unsubscribe": True,
        "unsubscribe_list": "news",
    }
    made = to_submission(read({"to": "ann@example.org"}, options=options))
    assert made.options == SendOptions(
        send_at=datetime(2030, 1, 31, 12, tzinfo=UTC),
        expires_at=datetime(2030, 2, 1, 12, tzinfo=UTC),
        priority=SendPriority.LOW,
        uncertain=UncertainPolicy.RESEND,
        idempotency_key="order-1",
        tags={"order": "1"},
        unsubscribe=True,
        unsubscribe_list="news",
    )
    assert to_submission(read({"to": "ann@example.org"})).options == SendOptions()


def test_the_key_of_the_header_counts_where_the_body_has_none() -> None:
    given = read({"to": "ann@example.org"})
    assert to_submission(given, idempotency_key="k").options.idempotency_key == "k"
    same = read({"to": "ann@example.org"}, options={"idempotency_key": "k"})
    assert to_submission(same, idempotency_key="k").options.idempotency_key == "k"
    with pytest.raises(InvalidInput) as caught:
        to_submission(same, idempotency_key="other")
    assert caught.value.field == "options.idempotency_key"


def test_reports_asked_for_arrive() -> None:
    given = read({}, dsn={"notify": ["FAILURE", "DELAY"], "returns": "HDRS", "envelope_id": "order1"})
    assert to_dsn(given.dsn) == DsnOptions((DsnNotify.FAILURE, DsnNotify.DELAY), DsnReturn.HEADERS, "order1")
    assert to_dsn(None) is None


@pytest.mark.parametrize(
    ("value", "kind", "field"),
    [
        ({"to": "Ann <ann@"}, InvalidAddress, "message.to"),
        ({"cc": ["ann"]}, InvalidAddress, "message.cc"),
        ({"from": "a@b.example, c@d.example"}, InvalidAddress, "message.from"),
        ({"reply_to": "x"}, InvalidAddress, "message.reply_to"),
        ({"envelope_from": "x"}, InvalidAddress, "message.envelope_from"),
        ({"message_id": "a b"}, InvalidHeader, "message.message_id"),
        ({"in_reply_to": "ä"}, InvalidHeader, "message.in_reply_to"),
        ({"plain_only": True}, InvalidBody, "message.text"),
        ({"unsubscribe": {}}, InvalidHeader, "message.unsubscribe"),
        ({"unsubscribe": {"mailto": "x"}}, InvalidAddress, "message.unsubscribe.mailto"),
        ({"attachments": [{"filename": "a"}]}, InvalidAttachment, "message.attachments[0]"),
        ({"attachments": [{"filename": "a", "text": "", "content": ""}]}, InvalidAttachment, "message.attachments[0]"),
        (
            {"attachments": [{"filename": "a", "text": ""}, {"filename": "a\n", "text": ""}]},
            InvalidAttachment,
            "message.attachments[1]",
        ),
    ],
)
def test_a_mistake_in_a_message_names_its_place(value: dict[str, Any], kind: type[InvalidInput], field: str) -> None:
    with pytest.raises(kind) as caught:
        to_submission(read(value))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("around", "field"),
    [
        ({"options": {"idempotency_key": "a\n"}}, "options.idempotency_key"),
        ({"options": {"tags": {"n" * 65: ""}}}, "options.tags"),
        ({"raw": {"content": "", "from": "", "to": "ann@example.org"}}, "raw"),
    ],
)
def test_a_mistake_beside_the_message_names_its_place(around: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        to_submission(read({"to": "ann@example.org"}, **around))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("raw", "kind", "field"),
    [
        ({"content": "AA==", "from": "", "to": "ann@example.org"}, InvalidBody, "raw.content"),
        ({"content": "", "from": "x", "to": "ann@example.org"}, InvalidAddress, "raw.from"),
        ({"content": "", "from": "", "to": "x"}, InvalidAddress, "raw.to"),
        ({"content": "", "from": "", "to": ""}, NoRecipients, "raw.recipients"),
    ],
)
def test_a_mistake_in_finished_bytes_names_its_place(raw: dict[str, Any], kind: type[InvalidInput], field: str) -> None:
    with pytest.raises(kind) as caught:
        to_submission(read(None, raw=raw))
    assert caught.value.field == field


def test_neither_message_nor_bytes_is_a_mistake() -> None:
    with pytest.raises(InvalidInput, match="the message is missing"):
        to_submission(read(None))


def test_a_mistake_that_composing_finds_is_shown_inside_of_the_message() -> None:
    for name, field in (
        ("subject", "message.subject"),
        ("attachments[1]", "message.attachments[1]"),
        ("account", "account"),
    ):
        error = InvalidHeader(field=name)
        located(error)
        assert error.field == field


@pytest.mark.parametrize("value", ["yes", 1, "true"])
def test_nothing_is_guessed(value: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        read({"to": "ann@example.org", "plain_only": value})


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        read({"to": "ann@example.org"}, options={"send_at": "2030-01-31T12:00:00"})
