"""The single values of an account, as people type them: checked, and brought into one form.

An error repeats what was given only where it cannot hold a password: people paste whole URLs into the field of a host.
"""

import ipaddress
import re
from enum import StrEnum
from typing import TypeVar

from mailwright.errors import InvalidAccount
from mailwright.model.address import ascii_domain, shortened
from mailwright.secret import Secret

# RFC 5321 section 4.1.1.1: a domain or an address literal; and nothing that ends the line early.
_EHLO_NAME = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.\-]{0,253}[A-Za-z0-9])?|\[[A-Za-z0-9:.]{2,60}\])\Z")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")
# NUL, CR and LF end something in every protocol; a lone surrogate has no bytes at all.
_UNSENDABLE = re.compile(r"[\0\r\n\ud800-\udfff]")

_Word = TypeVar("_Word", bound=StrEnum)


def word_of(kind: type[_Word], value: str, field: str) -> _Word:
    for word in kind:
        if word.value.lower() == value.lower():
            return word
    raise InvalidAccount(f"{_shown(value)} is not one of {', '.join(kind)}", field=field)


def port_of(value: int | str | None, field: str = "port") -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdigit()):
        raise InvalidAccount(f"{_shown(text)} is not a port number", field=field, hint="587, 465 or another number")
    # Python converts no more than some thousand digits.
    number = int(text) if len(text) <= 20 else 0
    if not 1 <= number <= 65535:
        raise InvalidAccount(f"port {shortened(text)[1:-1]} is not between 1 and 65535", field=field)
    return number


def host_of(host: str, field: str = "host") -> str:
    bare = host.strip()
    if not bare:
        raise InvalidAccount("the host is missing", field=field, hint="such as smtp.example.org")
    try:
        return _ip(bare.removeprefix("[").removesuffix("]"))
    except ValueError:
        pass
    try:
        return ascii_domain(bare.removesuffix("."))
    except ValueError:
        hint = "the name alone, without smtp:// and without a port"
        raise InvalidAccount(f"{_shown(host)} is not a host name", field=field, hint=hint) from None


def source_of(address: str) -> str:
    if not address:
        return ""
    try:
        return _ip(address)
    except ValueError:
        raise InvalidAccount(f"{_shown(address)} is not an IP address of this host", field="source_address") from None


def _ip(text: str) -> str:
    # After a % Python takes any text as the scope of an IPv6 address, line breaks included.
    if "%" in text:
        raise ValueError
    return str(ipaddress.ip_address(text))


def ehlo_name_of(name: str) -> str:
    if name and not _EHLO_NAME.match(name):
        raise InvalidAccount("EHLO takes a domain name or an address literal", field="ehlo_name")
    return name


def fingerprint_of(text: str) -> str:
    bare = text.replace(":", "").replace(" ", "").lower()
    if bare and not _FINGERPRINT.match(bare):
        raise InvalidAccount("a pinned certificate is its SHA-256 in 64 hex digits", field="pinned_certificate")
    return bare


def secret_of(value: str | Secret | None) -> Secret | None:
    return Secret(value) if value else None


def check_sendable(value: str | Secret | None, field: str) -> None:
    text = value.reveal() if isinstance(value, Secret) else value or ""
    if _UNSENDABLE.search(text):
        raise InvalidAccount("line breaks, NUL and halves of characters cannot be sent to a server", field=field)


def milliseconds_of(value: int) -> int:
    if value <= 0:
        raise InvalidAccount("the timeout is greater than 0 milliseconds", field="timeout_ms")
    return value


def _shown(text: str) -> str:
    return "what was given" if "@" in text or "//" in text else shortened(text)
