"""SMTP commands as bytes. The last place where text could smuggle in a second command, so it is checked here too."""

import re

from mailwright.errors import InvalidAddress, InvalidInput
from mailwright.model.address import Address
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.protocol.smtp.capabilities import Capabilities

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# RFC 3461 section 4: xtext is printable ASCII but "+" and "="; everything else is written +XX.
_XTEXT_SAFE = frozenset(range(0x21, 0x7F)) - {0x2B, 0x3D}


def ehlo(name: str, verb: str = "EHLO") -> bytes:
    return _line(f"{verb} {name}".encode())


def mail(composed: Composed, capabilities: Capabilities) -> bytes:
    sender = composed.envelope.sender
    line = b"MAIL FROM:<" + (_path(sender) if sender is not None else b"") + b">"
    if capabilities.announces_size:
        line += b" SIZE=%d" % len(composed.content)
    if composed.eight_bit:
        line += b" BODY=8BITMIME"
    if composed.needs_utf8:
        line += b" SMTPUTF8"
    if composed.dsn is not None and capabilities.dsn:
        line += _return_options(composed.dsn)
    return _line(line)


def rcpt(recipient: Address, dsn: DsnOptions | None) -> bytes:
    path = _path(recipient)
    line = b"RCPT TO:<" + path + b">"
    if dsn is not None and dsn.notify:
        line += b" NOTIFY=" + ",".join(dsn.notify).encode()
        if not recipient.needs_utf8:
            line += b" ORCPT=rfc822;" + xtext(path)
    return _line(line)


def xtext(value: bytes) -> bytes:
    return b"".join(bytes([octet]) if octet in _XTEXT_SAFE else b"+%02X" % octet for octet in value)


def _return_options(dsn: DsnOptions) -> bytes:
    out = b""
    if dsn.returns is not None:
        out += b" RET=" + dsn.returns.encode()
    if dsn.envelope_id:
        out += b" ENVID=" + xtext(dsn.envelope_id.encode())
    return out


def _path(address: Address) -> bytes:
    path = address.spec.encode("utf-8")
    if _CONTROL.search(path):
        raise InvalidAddress("an address must not contain control characters")
    return path


def _line(line: bytes) -> bytes:
    if _CONTROL.search(line):
        raise InvalidInput("a command must not contain control characters or line breaks")
    return line + b"\r\n"
