"""A message that the caller brings as finished bytes: checked and brought into canonical lines, not rewritten."""

from collections.abc import Sequence

from mailwright.errors import InvalidBody, InvalidHeader, NoRecipients
from mailwright.mime.compose import needs_utf8
from mailwright.mime.lines import MAX_LINE, is_canonical, overlong_line, with_crlf
from mailwright.mime.scan import header_of, line_without_field, value_of, values_of
from mailwright.model.address import Address
from mailwright.model.delivery import Composed, DsnOptions, Envelope


def prebuilt(
    raw: bytes, *, sender: Address | None, recipients: Sequence[Address], dsn: DsnOptions | None = None
) -> Composed:
    """The bytes with their envelope. `sender` None is the empty reverse path of a bounce.

    Line ends of any system become CRLF: never does a bare CR or LF reach the wire. Nothing else is changed.
    """
    if not recipients:
        raise NoRecipients(field="recipients")
    content = _canonical(raw)
    header = header_of(content)
    lowered = header.lower()
    _check_header(header, lowered)
    eight_bit = not content.isascii()
    envelope = Envelope(sender, _unique(recipients))
    return Composed(
        envelope=envelope,
        content=content,
        message_id=value_of(b"message-id", header, lowered).removeprefix("<").removesuffix(">"),
        needs_utf8=(eight_bit and not header.isascii()) or needs_utf8(envelope),
        eight_bit=eight_bit,
        dsn=dsn,
        canonical=True,
    )


def _unique(recipients: Sequence[Address]) -> tuple[Address, ...]:
    """Each mailbox once, the first way of writing it wins."""
    if len(recipients) == 1:
        return (recipients[0],)
    found: dict[str, Address] = {}
    for address in recipients:
        found.setdefault(address.spec, address)
    return tuple(found.values())


def _canonical(raw: bytes) -> bytes:
    if b"\0" in raw:
        raise InvalidBody(f"byte {raw.index(0)} is NUL", field="content", hint="encode binary content as base64")
    if is_canonical(raw):
        return raw
    content = with_crlf(raw)
    position = overlong_line(content, MAX_LINE + 1)
    if position >= 0:
        kind = InvalidHeader if position < len(header_of(content)) else InvalidBody
        line = content.count(b"\n", 0, position) + 1
        raise kind(f"line {line} is longer than {MAX_LINE} octets", field="content", hint="fold or encode it")
    return content


def _check_header(header: bytes, lowered: bytes) -> None:
    line = line_without_field(header)
    if line:
        raise InvalidHeader(f"line {line} is not a header field", field="content", hint="Name: value")
    # RFC 5322 section 3.6.6: a header that was resent names the blind copies of the second time apart. The first look
    # spares the usual message the others.
    if b"bcc" in lowered and any(any(values_of(name, header, lowered)) for name in (b"bcc", b"resent-bcc")):
        raise InvalidHeader(
            "the header names blind copies for everybody to read",
            field="content",
            hint="remove Bcc and Resent-Bcc; the recipients are those of the envelope",
        )
