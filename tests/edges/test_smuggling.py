"""Nothing that a caller gives becomes a command, ends a message early, or begins a second one.

The bytes that a session writes are read here by a reader of our own that is as strict as RFC 5321 section 2.3.8: lines
end with CRLF and with nothing else, and only CRLF.CRLF ends a message. If any other server could read them differently,
there is a bare CR or LF in them, and that fails first.
"""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from mailwright import (
    Account,
    Address,
    Attachment,
    Composed,
    DsnOptions,
    Envelope,
    InvalidInput,
    MailwrightError,
    Message,
    Outgoing,
    Proxy,
    Unsubscribe,
    parse_address,
    prebuilt,
)
from mailwright.mime.compose import compose
from mailwright.protocol.smtp import commands
from mailwright.protocol.smtp.capabilities import Capabilities
from mailwright.protocol.smtp.transaction import Transaction
from mailwright.protocol.smtp.transactions import Transactions

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TOKEN = "0123456789abcdefghijklmn"
KEYWORDS = (("PIPELINING", ""), ("8BITMIME", ""), ("SMTPUTF8", ""), ("DSN", ""), ("CHUNKING", ""))
ACCOUNT = Account("ann@example.org", Outgoing("mail.example.org"))

HOSTILE = [
    "a\r\nRCPT TO:<eve@example.net>",
    "a\nRCPT TO:<eve@example.net>",
    "a\rRCPT TO:<eve@example.net>",
    "a\r\n.\r\nMAIL FROM:<eve@example.net>",
    "a\n.\nMAIL FROM:<eve@example.net>",
    "a\n.\r\nMAIL FROM:<eve@example.net>",
    "a\r.\rMAIL FROM:<eve@example.net>",
    "a\r\n.\nMAIL FROM:<eve@example.net>",
    "a\0b",
    "a\x85b",
    "a\u2028b",
    "a\r\n\r\n.\r\n",
    ".\r\n",
    "\r\n.\r\n",
    "a%0d%0aBcc: eve@example.net",
    "=?utf-8?q?a=0d=0aBcc:_eve@example.net?=",
    "a\r\n Bcc: eve@example.net",
    "a\r\n\tBcc: eve@example.net",
    "a\ud800b",
]


def spoken(*composed: Composed, chunking: bool = False) -> bytes:
    """All that a session writes for these messages to a server that takes everything."""
    queue = [Transaction(one, 0.0) for one in composed]
    talk = Transactions(
        Capabilities("mail.example.org", KEYWORDS),
        server="mail.example.org",
        chunking=chunking,
        pull=lambda: queue.pop(0) if queue else None,
    )
    talk.wake(0.0)
    written = b"".join(talk.take_output())
    while not talk.idle:
        if talk.draining:
            talk.drained(1.0)
        else:
            talk.receive(b"354 go\r\n" if talk.phase == "data" else b"250 ok\r\n", 1.0)
        written += b"".join(talk.take_output())
    for _, outcome in talk.take_settled():
        if isinstance(outcome, MailwrightError):
            raise outcome
    return written


def read(wire: bytes) -> list[tuple[list[bytes], bytes]]:
    """Commands and content of each message, by the letter of RFC 5321."""
    assert re.search(rb"\r(?!\n)|(?<!\r)\n|\0", wire) is None, "a bare CR, a bare LF or NUL"
    lines = wire.split(b"\r\n")
    assert lines.pop() == b""
    messages, said, content = [], [], None
    for line in lines:
        if content is None:
            said.append(line)
            if line == b"DATA":
                content = []
        elif line == b".":
            messages.append((said, b"".join(kept + b"\r\n" for kept in content)))
            said, content = [], None
        else:
            content.append(line.removeprefix(b"."))
    assert not said
    assert content is None, "the last message does not end"
    return messages


def sent_alone(composed: Composed) -> None:
    """The session says exactly one message: its envelope, its bytes, and nothing else."""
    follower = Composed(ENVELOPE, b"Subject: follower\r\n\r\nx\r\n", "follower", canonical=True)
    first, second = read(spoken(composed, follower))
    recipients = [f"RCPT TO:<{one.spec}>".encode() for one in composed.envelope.recipients]
    assert [line.partition(b"> ")[0].rstrip(b">") + b">" for line in first[0][1:-1]] == recipients
    assert first[0][0].startswith(b"MAIL FROM:<")
    assert first[1] == composed.content
    assert second[1] == follower.content


ENVELOPE = Envelope(parse_address("ann@example.org"), (parse_address("bob@example.com"),))

FIELDS = {
    "to": lambda text: {"to": text},
    "name": lambda text: {"to": Address("bob", "example.com", text)},
    "local part": lambda text: {"to": Address(text, "example.com")},
    "domain": lambda text: {"to": Address("bob", text)},
    "from": lambda text: {"from_": text},
    "from_name": lambda text: {"from_name": text},
    "reply_to": lambda text: {"reply_to": text},
    "envelope_from": lambda text: {"envelope_from": text},
    "subject": lambda text: {"subject": text},
    "text": lambda text: {"text": text},
    "html": lambda text: {"html": text},
    "header name": lambda text: {"headers": {f"X-{text}": "v"}},
    "header value": lambda text: {"headers": {"X-Test": text}},
    "message_id": lambda text: {"message_id": text},
    "in_reply_to": lambda text: {"in_reply_to": text},
    "references": lambda text: {"references": [text]},
    "unsubscribe": lambda text: {"unsubscribe": Unsubscribe(f"https://example.org/{text}")},
    "file name": lambda text: {"attachments": [Attachment(text, b"x")]},
    "content type": lambda text: {"attachments": [Attachment("a", b"x", f"text/{text}")]},
    "content id": lambda text: {"html": "x", "attachments": [Attachment("a", b"x", content_id=text)]},
    "attachment": lambda text: {"attachments": [Attachment("a", text.encode("utf-8", "replace"))]},
    "attached message": lambda text: {
        "attachments": [Attachment("a.eml", text.encode("utf-8", "replace"), "message/rfc822")]
    },
}


@pytest.mark.parametrize("payload", HOSTILE, ids=ascii)
@pytest.mark.parametrize("field", FIELDS)
def test_no_field_of_a_message_reaches_the_conversation(field, payload):
    try:
        message = Message(**{"to": "bob@example.com", "text": "x", **FIELDS[field](payload)})
        composed = compose(message, ACCOUNT, now=NOW, token=TOKEN)
    except InvalidInput:
        return
    sent_alone(composed)
    header = composed.content.partition(b"\r\n\r\n")[0]
    names = {line.partition(b":")[0].lower() for line in header.split(b"\r\n") if line[:1] not in b" \t"}
    assert b"bcc" not in names
    assert not any(name.startswith((b"rcpt", b"mail")) for name in names)


@given(st.text(st.sampled_from("\r\n.\0 aB\u2028\x85é"), max_size=60))
def test_no_text_ends_its_own_message(text):
    try:
        composed = compose(Message(to="bob@example.com", text=text, html=text), ACCOUNT, now=NOW, token=TOKEN)
    except InvalidInput:
        return
    sent_alone(composed)


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n.\r\n", b"\0", b":", b" "]), max_size=30))
def test_no_finished_bytes_end_their_own_message(pieces):
    raw = b"Subject: x\r\n\r\n" + b"".join(pieces)
    try:
        composed = prebuilt(raw, sender=ENVELOPE.sender, recipients=ENVELOPE.recipients)
    except InvalidInput:
        return
    sent_alone(composed)


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\0"]), max_size=12))
def test_bytes_that_nobody_checked_are_checked_before_they_leave(pieces):
    content = b"".join(pieces)
    clean = content.endswith(b"\r\n") and re.search(rb"\r(?!\n)|(?<!\r)\n|\0", content) is None
    composed = Composed(ENVELOPE, content, "id")
    if clean:
        sent_alone(composed)
    else:
        with pytest.raises(InvalidInput):
            spoken(composed)


@given(st.binary(max_size=200))
def test_chunks_carry_any_bytes_by_their_length(noise):
    content = noise.replace(b"\r", b"").replace(b"\n", b"\r\n").replace(b"\0", b"") + b"\r\n"
    wire = spoken(Composed(ENVELOPE, content, "id", canonical=True), chunking=True)
    head = b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.com>\r\n"
    assert wire == head + b"BDAT %d LAST\r\n" % len(content) + content


@pytest.mark.parametrize("payload", HOSTILE, ids=ascii)
def test_no_name_of_this_host_becomes_a_command(payload):
    with pytest.raises(InvalidInput):
        Outgoing("mail.example.org", ehlo_name=payload)
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", payload):
        with pytest.raises(InvalidInput):
            commands.ehlo(payload)


@pytest.mark.parametrize("payload", [*HOSTILE, *(f"2606:4700::1%{text}" for text in HOSTILE)], ids=ascii)
def test_no_host_name_carries_anything_else(payload):
    with pytest.raises(InvalidInput):
        Outgoing(payload)
    with pytest.raises(InvalidInput):
        Proxy("http", payload, 3128)
    with pytest.raises(InvalidInput):
        Outgoing("mail.example.org", source_address=payload)


@pytest.mark.parametrize("payload", [text for text in HOSTILE if re.search(r"[\r\n\0]", text)], ids=ascii)
@pytest.mark.parametrize("field", ["username", "password", "access_token"])
def test_no_credential_carries_a_line_break(field, payload):
    given_fields = {"username": "ann", field: payload}
    if field == "username":
        given_fields["password"] = "secret"
    with pytest.raises(InvalidInput):
        Outgoing("mail.example.org", **given_fields)


@pytest.mark.parametrize("payload", HOSTILE, ids=ascii)
def test_an_envelope_id_travels_as_xtext_or_not_at_all(payload):
    try:
        dsn = DsnOptions(envelope_id=payload)
    except InvalidInput:
        assert not re.fullmatch("[ -~]*", payload), "what is printable ASCII is taken"
        return
    composed = Composed(ENVELOPE, b"x\r\n", "id", canonical=True, dsn=dsn)
    ((said, _),) = read(spoken(composed))
    assert re.fullmatch(rb"MAIL FROM:<ann@example.org> ENVID=[!-~]+", said[0])


def test_an_address_that_was_tampered_with_is_refused_where_the_command_is_made():
    """Checked where bytes are made, not only where input arrives."""
    tampered = parse_address("bob@example.com")
    object.__setattr__(tampered, "spec", "bob\r\nRCPT TO:<eve@example.net>@example.com")
    with pytest.raises(InvalidInput):
        spoken(Composed(Envelope(None, (tampered,)), b"x\r\n", "id", canonical=True))
