"""What the client writes, the API reads as the same thing."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, strategies as st

from mailwright import (
    NULL_SENDER,
    Account,
    Address,
    Attachment,
    Composed,
    DsnOptions,
    Group,
    InvalidInput,
    Message,
    Outgoing,
    Proxy,
    Unsubscribe,
    prebuilt,
)
from mailwright.client.reading import account_of, message_of
from mailwright.client.writing import send_body, settings_body, submission_body
from mailwright.connector.calls import AccountSettings, Submission
from mailwright.model.account_record import AccountRecord, SendLimits
from mailwright.model.account_record_json import record_to_json
from mailwright.model.outbox import (
    Failure,
    MessageState,
    RecipientState,
    RecipientStatus,
    RetryPlan,
    SendOptions,
    SendPriority,
    StoredMessage,
    UncertainPolicy,
)
from mailwright.reply import Phase, Reply
from mailwright.wire.account import AccountIn, to_settings
from mailwright.wire.message import SendIn, SubmissionIn, to_content, to_dsn, to_options

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
FULL = Message(
    to=[
        "Ann <ann@example.org>",
        Group('The "team"; all', (Address("bob", "example.com", "B, ob"), Address("x y", "b\u00fccher.example"))),
    ],
    cc="carl@example.com",
    bcc="dora@example.com",
    from_="me@example.org",
    from_name="Me, \u00e4",
    reply_to="answers@example.org",
    subject="Gr\u00fc\u00dfe \u2028",
    text="plain",
    html="<p>html</p>",
    attachments=[
        Attachment("a b.pdf", b"\x00\xff", "application/pdf"),
        Attachment("l.png", b"", "image/png", content_id="logo"),
    ],
    priority="high",
    headers=[("X-A", "1"), ("X-B", "2"), ("X-A", "3")],
    in_reply_to="a@example.org",
    references="a@example.org b@example.org",
    message_id="own@example.org",
    date=NOW,
    unsubscribe=Unsubscribe("https://example.org/u", Address("leave", "example.org"), one_click=True),
    auto_submitted="auto-generated",
    envelope_from=NULL_SENDER,
)


def read(body: SendIn) -> SendIn:
    return msgspec.json.decode(msgspec.json.encode(body), type=SendIn)


def test_a_message_with_every_field_arrives_as_it_was():
    options = SendOptions(
        send_at=NOW,
        expires_at=NOW.replace(year=2031),
        priority=SendPriority.HIGH,
        uncertain=UncertainPolicy.RESEND,
        idempotency_key="k\u00e9y",
        tags={"order": "4711"},
        unsubscribe=True,
        unsubscribe_list="news",
    )
    dsn = DsnOptions(("FAILURE",), "HDRS", "id 7")
    got = read(send_body("office", FULL, options, dsn))
    # Headers of one name stand together: their order among those of other names means nothing.
    expected = FULL.changed(headers=[("X-A", "1"), ("X-A", "3"), ("X-B", "2")])
    assert to_content(got) == expected
    assert (got.account, to_options(got.options), to_dsn(got.dsn)) == ("office", options, dsn)


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(' ",;:<>@()[]\\.'), max_size=20).map(
    str.strip
)


@given(
    names=st.lists(NAMES.filter(bool), min_size=1, max_size=3),
    group=NAMES.filter(lambda name: bool(name) and "@" not in name),
)
def test_names_of_any_characters_arrive_as_they_were(names, group):
    people = [Address(f"p{number}", "example.org", name) for number, name in enumerate(names)]
    message = Message(to=[*people, Group(group, tuple(people))], text="x")
    assert to_content(read(send_body("office", message, None, None))) == message


def test_finished_bytes_arrive_as_they_were():
    raw = "From: a@example.org\r\nSubject: \u00fc\r\n\r\n.dot\r\n".encode()
    composed = prebuilt(raw, sender=None, recipients=[Address("bob", "example.com")], dsn=DsnOptions(envelope_id="7"))
    got = read(send_body("office", composed, None, None))
    content = to_content(got)
    assert isinstance(content, Composed)
    assert content._replace(dsn=to_dsn(got.dsn)) == composed


def test_what_a_bulk_call_cannot_say_is_an_error_and_not_left_out():
    composed = prebuilt(b"Subject: x\r\n\r\n", sender=None, recipients=[Address("bob", "example.com")])
    line = msgspec.json.decode(msgspec.json.encode(submission_body(Submission(composed))), type=SubmissionIn)
    assert to_content(line) == composed
    with pytest.raises(InvalidInput):
        submission_body(Submission(composed._replace(dsn=DsnOptions(envelope_id="7"))))


ACCOUNT = Account(
    "ann@b\u00fccher.example",
    Outgoing(
        "smtp.example.org",
        465,
        username="ann",
        password="s3cret",
        mechanism="PLAIN",
        proxy=Proxy("socks5", "proxy.example.org", 1080, "p", "pr0xy"),
        timeout_ms=5000,
        ehlo_name="me.example.org",
    ),
    display_name="Ann B.",
)


def record(settings: AccountSettings) -> AccountRecord:
    return AccountRecord(
        "acc_1",
        "default",
        "office",
        settings.account,
        NOW,
        NOW,
        3,
        settings.limits,
        settings.retry,
        settings.uncertain,
        settings.fallback,
        settings.bounce_address,
    )


def test_an_account_arrives_as_it_was_with_its_secrets():
    settings = AccountSettings(
        ACCOUNT, SendLimits(2.5, 7), RetryPlan((1, 2)), UncertainPolicy.RESEND, "other", "bounces@example.org"
    )
    body = {"name": "office", **settings_body(settings)}
    assert to_settings(msgspec.json.decode(msgspec.json.encode(body), type=AccountIn)) == settings


def test_an_account_that_was_read_and_is_written_again_keeps_its_secrets():
    stored = record(AccountSettings(ACCOUNT))
    seen = account_of(msgspec.json.decode(msgspec.json.encode(record_to_json(stored))))
    assert seen.account.outgoing.sign_in.password.reveal() == "***"
    body = settings_body(AccountSettings(seen.account, seen.limits, seen.retry))
    assert "***" not in str(body)
    back = to_settings(msgspec.json.decode(msgspec.json.encode({"name": "office", **body}), type=AccountIn), stored)
    assert back.account == ACCOUNT


def test_a_stored_message_comes_back_from_its_json_as_it_was():
    reply = Reply(451, "4.7.1", "later", Phase.RCPT, "RCPT TO:<b@example.com>")
    stored = StoredMessage(
        id="msg_1",
        workspace="default",
        account="office",
        sending_account="spare",
        state=MessageState.QUEUED,
        recipients=(
            RecipientStatus("b@example.com", RecipientState.DEFERRED, reply),
            RecipientStatus("c@example.com", RecipientState.WAITING),
        ),
        envelope_from="",
        from_="ann@example.org",
        subject="S",
        message_id="x@example.org",
        size=7,
        priority=SendPriority.LOW,
        uncertain=UncertainPolicy.HOLD,
        attempts=2,
        created_at=NOW,
        next_attempt_at=NOW,
        expires_at=None,
        settled_at=None,
        last_failure=Failure("recipients_refused", "no", Phase.RCPT, "hint", "mx:25", reply, temporary=True),
        tags={"a": "b"},
        bulk="blk_1",
        response=reply,
    )
    assert message_of(msgspec.json.decode(msgspec.json.encode(stored.to_json()))) == stored
