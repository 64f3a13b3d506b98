"""A message becomes bytes: header, body and envelope. Pure: time and randomness are given."""

import re
from datetime import datetime

from mailwright.errors import InvalidInput, NoRecipients
from mailwright.mime.fields import header_block
from mailwright.mime.header import header_fields
from mailwright.mime.parts import body_of
from mailwright.model.account import Account
from mailwright.model.address import Address, ascii_domain
from mailwright.model.delivery import Composed, DsnOptions, Envelope
from mailwright.model.message import Message, NullSender

# 22 letters and digits are 128 bits of chance; 60 leave room in a boundary of 70 (RFC 2046 section 5.1.1).
_TOKEN = re.compile(r"[A-Za-z0-9]{22,60}\Z")


def compose(
    message: Message, account: Account, *, now: datetime, token: str, dsn: DsnOptions | None = None
) -> Composed:
    """The finished message. Message-ID and boundaries are made of `token`, which must be new for each message."""
    if not _TOKEN.match(token):
        raise InvalidInput("the token is not 22 to 60 letters and digits", field="token")
    recipients = message.envelope_recipients()
    if not recipients:
        raise NoRecipients(field="to", hint="at least one address in to, cc or bcc")
    author = message.from_ or account.address
    message_id = message.message_id or f"{token}@{ascii_domain(author.domain)}"

    fields = header_fields(message, account, author=author, now=now, message_id=message_id)
    header = header_block(fields)
    body = body_of(message, token)
    envelope = Envelope(_sender(message, author), recipients)
    beyond_ascii = not header.isascii()
    return Composed(
        envelope=envelope,
        content=b"".join((header, b"\r\n", body.header, b"\r\n\r\n", *body.body)),
        message_id=message_id,
        needs_utf8=beyond_ascii or needs_utf8(envelope),
        # Bodies are always encoded down to ASCII; only the address of an international mailbox is not (RFC 6532).
        eight_bit=beyond_ascii,
        dsn=dsn,
        canonical=True,
        # The name of a header may start with a dot, too.
        leading_dots=body.leading_dots or b"\n." in header,
    )


def needs_utf8(envelope: Envelope) -> bool:
    """Whether the addresses alone ask for SMTPUTF8 (RFC 6531 section 3.4)."""
    if envelope.sender is not None and envelope.sender.needs_utf8:
        return True
    for recipient in envelope.recipients:  # noqa: SIM110 - `any` costs a generator for each message
        if recipient.needs_utf8:
            return True
    return False


def _sender(message: Message, author: Address) -> Address | None:
    if message.envelope_from is None:
        return author
    return None if isinstance(message.envelope_from, NullSender) else message.envelope_from
