"""SMTP commands. The last place where text could smuggle in a second command, so it is checked here too."""

import re

from mailwright.errors import InvalidInput
from mailwright.model.address import Address
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.protocol.smtp.capabilities import Capabilities

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# RFC 3461 section 4: xtext is printable ASCII but "+" and "="; everything else is written +XX.
_XTEXT_SAFE = frozenset(range(0x21, 0x7F)) - {0x2B, 0x3D}


def ehlo(name: str, verb: str = "EHLO") -> str:
    return _checked(f"{verb} {name}")


def mail(composed: Composed, capabilities: Capabilities) -> str:
    sender = composed.envelope.sender
    command = f"MAIL FROM:<{sender.spec if sender is not None else ''}>"
    if capabilities.announces_size:
        command += f" SIZE={len(composed.content)}"
    if composed.eight_bit:
        command += " BODY=8BITMIME"
    if composed.needs_utf8:
        command += " SMTPUTF8"
    if composed.dsn is not None and capabilities.dsn:
        command += _return_options(composed.dsn)
    return _checked(command)


def rcpt(recipient: Address, dsn: DsnOptions | None) -> str:
    command = f"RCPT TO:<{recipient.spec}>"
    if dsn is not None and dsn.notify:
        command += f" NOTIFY={','.join(dsn.notify)}"
        if not recipient.needs_utf8:
            command += f" ORCPT=rfc822;{xtext(recipient.spec)}"
    return _checked(command)


def wire(command: str) -> bytes:
    return command.encode() + b"\r\n"


def xtext(value: str) -> str:
    return "".join(chr(octet) if octet in _XTEXT_SAFE else f"+{octet:02X}" for octet in value.encode())


def _return_options(dsn: DsnOptions) -> str:
    out = ""
    if dsn.returns is not None:
        out += f" RET={dsn.returns}"
    if dsn.envelope_id:
        out += f" ENVID={xtext(dsn.envelope_id)}"
    return out


def _checked(command: str) -> str:
    if _CONTROL.search(command):
        raise InvalidInput("a command must not contain control characters or line breaks")
    return command
