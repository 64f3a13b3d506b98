"""A mail address and a group of them, as values that are valid once they exist.

    addr-spec = local-part "@" domain          RFC 5322 section 3.4.1, RFC 6532 section 3.2 for non-ASCII
    domain    = dot-atom / "[" literal "]"     RFC 5321 section 4.1.3 for literals

Text becomes an address in `address_syntax`; this module only knows the parts.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import idna

from mailwright.errors import InvalidAddress

#: RFC 5321 section 4.5.3.1.1 and .2. Counted in octets on the wire.
MAX_LOCAL_OCTETS = 64
MAX_DOMAIN_OCTETS = 255

# RFC 5322 section 3.2.3 dot-atom, widened by RFC 6532 section 3.2 to any character beyond ASCII that is no
# control, space or surrogate.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u00a1-\ud7ff\ue000-\U0010ffff]"
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*\Z")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_\-]*[A-Za-z0-9])?"
_ASCII_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
# C0, DEL, C1, line and paragraph separators, direction overrides, lone surrogates: none of them belongs into a
# name, and each has been used to hide something.
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Zero-width characters come along with a paste and make two addresses that look the same; names may need them
# (Persian, emoji), local parts do not.
_UNSAFE_LOCAL = re.compile(UNSAFE.pattern[:-1] + r"\u00a0\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
# Line ends in disguise, and encoded words, which have no place in an address (RFC 2047 section 5) but which some
# readers decode there all the same: what comes out is another address than the one that was checked.
_DISGUISED = re.compile(r"%0[0ad]|=\?[^?]*\?[bq]\?", re.IGNORECASE)


def shortened(text: str) -> str:
    """For error messages: a megabyte of nonsense is not repeated."""
    return repr(text) if len(text) <= 100 else f"{text[:100]!r}…"


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str:
    """The domain as it travels: lower case, international labels in punycode (RFC 5891), literals as they are."""
    if domain.startswith("["):
        return _literal(domain)
    written = domain
    if not domain.isascii() or "--" in domain:
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except (idna.IDNAError, UnicodeError) as error:
            raise InvalidAddress(f"{shortened(written)} is not a domain name", hint=str(error)[:200]) from None
    if not _ASCII_DOMAIN.match(domain):
        raise InvalidAddress(
            f"{shortened(written)} is not a domain name", hint="letters, digits, hyphens and single dots"
        )
    domain = domain.lower()
    if len(domain) > MAX_DOMAIN_OCTETS or any(len(label) > 63 for label in domain.split(".")):
        raise InvalidAddress(f"the domain is longer than the {MAX_DOMAIN_OCTETS} octets (63 for each label) allowed")
    return domain


def _literal(domain: str) -> str:
    inner = domain[1:-1]
    tagged = inner[:5].lower() == "ipv6:"
    try:
        address = ipaddress.IPv6Address(inner[5:]) if tagged else ipaddress.IPv4Address(inner)
    except ValueError:
        hint = "write [192.0.2.1] or [IPv6:2001:db8::1]"
        raise InvalidAddress(f"{shortened(domain)} is not an address literal", hint=hint) from None
    if domain[-1:] != "]" or (tagged and "%" in inner):
        raise InvalidAddress(f"{shortened(domain)} is not an address literal")
    return f"[IPv6:{address}]" if tagged else f"[{address}]"


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox. `local` is the part before the @ without quoting; `domain` is kept as it was written."""

    local: str
    domain: str
    #: the display name; empty when there is none
    name: str = ""
    #: `local@domain` as it stands in headers and in the envelope: quoted where needed, domain in ASCII. What makes two
    #: addresses the same mailbox: the domain ignores case, the local part does not
    spec: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.local:
            raise InvalidAddress("the part before the @ is empty")
        if _UNSAFE_LOCAL.search(self.local) or UNSAFE.search(self.name):
            raise InvalidAddress("an address must not contain control or invisible characters or line breaks")
        if ("%" in self.local or "?" in self.local) and _DISGUISED.search(self.local):
            raise InvalidAddress("an address must not contain encoded words or encoded line breaks")
        if len(self.local.encode()) > MAX_LOCAL_OCTETS:
            raise InvalidAddress(f"the part before the @ is longer than {MAX_LOCAL_OCTETS} octets")
        object.__setattr__(self, "spec", f"{self._quoted_local()}@{ascii_domain(self.domain)}")

    @property
    def needs_utf8(self) -> bool:
        """True when the address can only travel with SMTPUTF8 (RFC 6531)."""
        return not self.local.isascii()

    def _quoted_local(self) -> str:
        if _DOT_ATOM.match(self.local):
            return self.local
        escaped = self.local.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    def with_name(self, name: str) -> "Address":
        return Address(self.local, self.domain, name)

    def verp(self, recipient: "Address") -> "Address":
        """This sender with the recipient folded in, so that a bounce says whom it is about.

        `bounces@example.com` for `ann@example.org` becomes `bounces+ann=example.org@example.com`.
        """
        return Address(f"{self.local}+{recipient.local}={ascii_domain(recipient.domain)}", self.domain)

    def __str__(self) -> str:
        """For people: the name as typed. Headers are written by `mime`, not by this."""
        return f"{self.name} <{self.spec}>" if self.name else self.spec


@dataclass(frozen=True, slots=True)
class Group:
    """A named group (RFC 5322 section 3.4). It may be empty: `undisclosed-recipients:;`."""

    name: str
    members: tuple[Address, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or UNSAFE.search(self.name):
            raise InvalidAddress("a group needs a name without control characters")


Recipient = Address | Group


def mailboxes(recipients: Iterable[Recipient]) -> Iterator[Address]:
    """The single addresses, groups opened."""
    for recipient in recipients:
        if isinstance(recipient, Group):
            yield from recipient.members
        else:
            yield recipient
