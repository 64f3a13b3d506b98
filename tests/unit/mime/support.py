"""Composing with fixed time and token, and the standard library's parser as the judge of what came out."""

import email
import email.header
import email.message
import email.policy
import re
from datetime import UTC, datetime

from hypothesis import strategies as st

from mailwright.mime.compose import compose
from mailwright.model.account import Account, Outgoing
from mailwright.model.address import UNSAFE
from mailwright.model.delivery import Composed
from mailwright.model.message import Message

NOW = datetime(2026, 3, 1, 12, 30, 5, 123456, tzinfo=UTC)
TOKEN = "0123456789abcdefABCDEF"
ACCOUNT = Account("Ann Author <ann@example.com>", Outgoing("mail.example.com"))

_BARE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")

#: any text without halves of characters: what bodies take
body_texts = st.text(st.characters(exclude_categories=["Cs"]))
#: what may stand in a header
header_texts = body_texts.filter(lambda text: not UNSAFE.search(text))


def made(message: Message, account: Account = ACCOUNT) -> Composed:
    return compose(message, account, now=NOW, token=TOKEN)


def judged(composed: Composed) -> email.message.EmailMessage:
    """The message as parsed, after what must be true of every message."""
    content = composed.content
    assert content.endswith(b"\r\n")
    assert not _BARE_LINE_END.search(content)
    assert b"\0" not in content
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert composed.eight_bit == (not content.isascii())
    assert composed.leading_dots or b"\n." not in content
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(parsed, email.message.EmailMessage)
    for part in parsed.walk():
        assert part.defects == []
    return parsed


def parsed(message: Message, account: Account = ACCOUNT) -> email.message.EmailMessage:
    return judged(made(message, account))


def header_lines(composed: Composed) -> list[str]:
    """Header fields, unfolded, in their order."""
    header = composed.content.partition(b"\r\n\r\n")[0].decode()
    return header.replace("\r\n ", " ").split("\r\n")


def header_names(composed: Composed) -> list[str]:
    return [line.partition(":")[0] for line in header_lines(composed)]


def decoded(raw_value: str) -> str:
    """Encoded words decoded by the older of the two parsers of the standard library."""
    return str(email.header.make_header(email.header.decode_header(raw_value)))


def old_style_value(composed: Composed, name: str) -> str:
    message = email.message_from_bytes(composed.content, policy=email.policy.compat32)
    return decoded(re.sub(r"\r?\n(?=[ \t])", "", str(message[name])))


def lf(text: str) -> str:
    """Line ends of every system as LF and one at the end: how a body comes back."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return unified if not unified or unified.endswith("\n") else unified + "\n"


def text_of(part: email.message.Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode(part.get_content_charset("ascii")).replace("\r\n", "\n")


def shape(part: email.message.Message) -> object:
    """Nested content types: ("multipart/mixed", ["text/plain", "application/pdf"])."""
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        children = part.get_payload()
        assert isinstance(children, list)
        return (part.get_content_type(), [shape(child) for child in children])
    return part.get_content_type()
