"""Finished bytes: checked, brought into canonical lines, otherwise untouched."""

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import InvalidBody, InvalidHeader, InvalidInput, NoRecipients
from mailwright.mime.lines import is_canonical
from mailwright.mime.prebuilt import prebuilt
from mailwright.model.address import Address
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.model.message import Message
from tests.unit.mime.support import made

SENDER = Address("ann", "example.com")
RECIPIENT = Address("bob", "example.org")


def _built(raw: bytes) -> Composed:
    return prebuilt(raw, sender=SENDER, recipients=[RECIPIENT])


def test_well_formed_bytes_are_left_alone() -> None:
    raw = b"From: a@b.example\r\nSubject: s\r\n folded\r\n\r\nbody\r\n.\r\n"
    composed = _built(raw)
    assert composed.content is raw
    assert (composed.eight_bit, composed.needs_utf8, composed.canonical) == (False, False, True)


def test_what_was_composed_passes_unchanged() -> None:
    first = made(Message(to="bob@example.org", subject="é", text="é", html="<p>é", attachments={"é.bin": b"\0" * 999}))
    second = prebuilt(first.content, sender=first.envelope.sender, recipients=first.envelope.recipients)
    assert second.content is first.content
    assert second.message_id == first.message_id
    assert second.envelope == first.envelope


@pytest.mark.parametrize(
    "raw",
    [
        b"A: b\n\nline\nend\n",
        b"A: b\r\rline\rend\r",
        b"A: b\r\n\nline\rend",
        b"A: b\n\r\nline\r\nend\r\n",
    ],
)
def test_line_ends_of_any_system_become_crlf(raw: bytes) -> None:
    assert _built(raw).content == b"A: b\r\n\r\nline\r\nend\r\n"


@pytest.mark.parametrize("end", [b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n.\n", b"\r.\r"])
def test_a_bare_line_feed_never_reaches_the_wire(end: bytes) -> None:
    content = _built(b"A: b\r\n\r\nbody" + end + b"MAIL FROM:<evil@example.net>\r\n").content
    assert content == b"A: b\r\n\r\nbody\r\n.\r\nMAIL FROM:<evil@example.net>\r\n"


@given(
    st.lists(st.sampled_from([b"a", b":", b"\r", b"\n", b"\r\n", b" ", b".", b"\0", b"\xe9", b"Bcc: x"])).map(b"".join)
)
def test_wild_bytes_become_canonical_or_an_error_of_ours(raw: bytes) -> None:
    try:
        composed = _built(b"A: b\r\n" + raw)
    except InvalidInput:
        return
    assert is_canonical(composed.content)
    assert b"\0" not in composed.content
    assert composed.content.startswith(b"A: b\r\n")


def test_nul_is_refused_with_its_position() -> None:
    with pytest.raises(InvalidBody, match="byte 8 is NUL"):
        _built(b"A: b\r\n\r\n\0\r\n")


def test_a_body_line_too_long_is_refused_with_its_number() -> None:
    assert _built(b"A: b\r\n\r\n" + b"x" * 998 + b"\r\n").content.endswith(b"x\r\n")
    with pytest.raises(InvalidBody, match="line 4 is longer than 998 octets"):
        _built(b"A: b\r\n\r\nx\r\n" + b"x" * 999 + b"\r\n")


def test_a_header_line_too_long_is_refused_with_its_number() -> None:
    with pytest.raises(InvalidHeader, match="line 2 is longer than 998 octets"):
        _built(b"A: b\r\nB: " + b"x" * 996 + b"\r\n\r\nbody\r\n")


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"", 1),
        (b"\r\nbody\r\n", 1),
        (b"just text\r\n", 1),
        (b" folded: first\r\n\r\nbody\r\n", 1),
        (b"From ann Mon Jan  1\r\nA: b\r\n\r\n", 1),
        (b"A: b\r\nno colon\r\n\r\n", 2),
        (b"A: b\r\n: no name\r\n\r\n", 2),
        (b"A: b\r\n\xc3\xa9: x\r\n\r\n", 2),
    ],
)
def test_bytes_that_do_not_begin_with_a_header_are_refused(raw: bytes, line: int) -> None:
    with pytest.raises(InvalidHeader, match=f"line {line} is not a header field"):
        _built(raw)


def test_a_header_without_body_is_a_message() -> None:
    assert _built(b"A: b").content == b"A: b\r\n"
    assert _built(b"A: b\r\n\r\n").content == b"A: b\r\n\r\n"


@pytest.mark.parametrize("name", [b"Bcc", b"bcc", b"BCC ", b"Bcc\t"])
def test_a_header_that_would_show_the_blind_copies_is_refused(name: bytes) -> None:
    with pytest.raises(InvalidHeader, match="blind copies"):
        _built(b"A: b\r\n" + name + b": hidden@example.org\r\n\r\nbody\r\n")
    with pytest.raises(InvalidHeader, match="blind copies"):
        _built(name + b":\r\n hidden@example.org\r\n\r\nbody\r\n")


@pytest.mark.parametrize(
    "header",
    [
        b"Bcc:\r\nBcc: hidden@example.org\r\n",
        b"Bcc: \r\nSubject: x\r\nBCC:\r\n\thidden@example.org\r\n",
        b"Resent-Bcc: hidden@example.org\r\n",
        b"Bcc:\r\nresent-bcc :\r\nRESENT-BCC: hidden@example.org\r\n",
    ],
)
def test_every_field_that_could_show_the_blind_copies_is_looked_at(header: bytes) -> None:
    with pytest.raises(InvalidHeader, match="blind copies"):
        _built(b"A: b\r\n" + header + b"\r\nbody\r\n")


def test_an_empty_bcc_and_one_in_the_body_show_nothing() -> None:
    raw = b"Bcc: \r\nBccx: y\r\nResent-Bcc:\r\nX-Bcc: z\r\n\r\nBcc: quoted\r\n"
    assert _built(raw).content == raw


@pytest.mark.parametrize(
    ("header", "message_id"),
    [
        (b"Message-ID: <a@b.example>", "a@b.example"),
        (b"message-id:<a@b.example>", "a@b.example"),
        (b"MESSAGE-ID : <a@b.example> ", "a@b.example"),
        (b"Message-ID:\r\n <a@b.example>", "a@b.example"),
        (b"Message-IDs: <no@b.example>", ""),
        (b"X-Message-ID: <no@b.example>", ""),
        (b"Subject: x\r\n message-id: no", ""),
        (b"Message-ID-Old: <no@b.example>\r\nMessage-ID: <a@b.example>", "a@b.example"),
        (b"Subject: x", ""),
    ],
)
def test_the_message_id_is_read_from_the_header(header: bytes, message_id: str) -> None:
    assert _built(b"A: b\r\n" + header + b"\r\n\r\nMessage-ID: <body@b.example>\r\n").message_id == message_id


def test_bytes_beyond_ascii_ask_for_what_they_need() -> None:
    body = _built("A: b\r\n\r\né\r\n".encode())
    assert (body.eight_bit, body.needs_utf8) == (True, False)
    header = _built("A: é\r\n\r\nx\r\n".encode())
    assert (header.eight_bit, header.needs_utf8) == (True, True)
    envelope = prebuilt(b"A: b\r\n\r\nx\r\n", sender=None, recipients=[Address("é", "example.org")])
    assert (envelope.eight_bit, envelope.needs_utf8) == (False, True)


def test_the_envelope_is_what_was_given_each_mailbox_once() -> None:
    dsn = DsnOptions(envelope_id="1")
    again = Address("bob", "EXAMPLE.org", "Bob")
    other = Address("c", "example.org")
    composed = prebuilt(b"A: b\r\n", sender=None, recipients=[RECIPIENT, other, again], dsn=dsn)
    assert composed.envelope.sender is None
    assert composed.envelope.recipients == (RECIPIENT, other)
    assert composed.dsn is dsn


def test_no_recipient_is_an_error() -> None:
    with pytest.raises(NoRecipients):
        prebuilt(b"A: b\r\n", sender=SENDER, recipients=[])
