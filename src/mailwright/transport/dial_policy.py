"""Which addresses may be dialled, and for whom. Pure: a table and two questions.

Every socket that Mailwright opens goes to an address that this policy has admitted; the name is resolved once and the
connection goes to the very address that was looked at, so that a name cannot change its mind in between.

Two kinds of callers: the mail server of an *account*, which an administrator configured, may be on this machine or in
the local network; what a *request* brings along (an attachment's address, a webhook) may not.
"""

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from mailwright.errors import InvalidSetting

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Purpose(StrEnum):
    #: a server that an administrator configured
    ACCOUNT = "account"
    #: an address that came along with a request
    REQUEST = "request"


class Reach(StrEnum):
    """What an address is, seen from here."""

    PUBLIC = "public"
    #: this machine
    LOOPBACK = "loopback"
    #: the local network
    PRIVATE = "private"
    #: nothing that a mail server lives on: link-local (cloud metadata!), multicast, documentation, reserved …
    SPECIAL = "special"


# IANA's special-purpose registries (RFC 6890 and its updates), and what each range means to us.
_RANGES: tuple[tuple[str, Reach], ...] = (
    ("0.0.0.0/8", Reach.SPECIAL),
    ("10.0.0.0/8", Reach.PRIVATE),
    ("100.64.0.0/10", Reach.PRIVATE),
    ("127.0.0.0/8", Reach.LOOPBACK),
    ("169.254.0.0/16", Reach.SPECIAL),
    ("172.16.0.0/12", Reach.PRIVATE),
    ("192.0.0.0/24", Reach.SPECIAL),
    ("192.0.2.0/24", Reach.SPECIAL),
    ("192.88.99.0/24", Reach.SPECIAL),
    ("192.168.0.0/16", Reach.PRIVATE),
    ("198.18.0.0/15", Reach.SPECIAL),
    ("198.51.100.0/24", Reach.SPECIAL),
    ("203.0.113.0/24", Reach.SPECIAL),
    ("224.0.0.0/4", Reach.SPECIAL),
    ("240.0.0.0/4", Reach.SPECIAL),
    ("::/128", Reach.SPECIAL),
    ("::1/128", Reach.LOOPBACK),
    ("64:ff9b:1::/48", Reach.SPECIAL),
    ("100::/64", Reach.SPECIAL),
    ("2001::/23", Reach.SPECIAL),
    ("2001:db8::/32", Reach.SPECIAL),
    ("3fff::/20", Reach.SPECIAL),
    ("5f00::/16", Reach.SPECIAL),
    ("fc00::/7", Reach.PRIVATE),
    ("fe80::/10", Reach.SPECIAL),
    ("fec0::/10", Reach.SPECIAL),
    ("ff00::/8", Reach.SPECIAL),
)
_TABLE = tuple((ipaddress.ip_network(network), reach) for network, reach in _RANGES)
# All that IANA has given out for machines to be reached at; the rest of IPv6 is reserved or has a meaning of its own.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 6598: shared by the customers of a provider, who are strangers to each other.
_SHARED = ipaddress.IPv4Network("100.64.0.0/10")
# What inet_aton takes for an address although it does not look like one: 127.1, 2130706433, 0x7f.1.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?\Z")


def reach_of(address: IPAddress) -> Reach:
    """What an address is. IPv6 forms that carry an IPv4 address are what that address is: otherwise
    `::ffff:127.0.0.1`, 6to4, Teredo and NAT64 are ways around every rule about IPv4."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return reach_of(inner)
    for network, reach in _TABLE:
        if address in network:
            return reach
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return Reach.SPECIAL
    return Reach.PUBLIC


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def literal_of(host: str) -> IPAddress | None:
    with suppress(ValueError):
        return ipaddress.ip_address(host)
    return None


def is_disguised_number(host: str) -> bool:
    """A name that some resolvers read as an IPv4 address. No top-level domain is a number (RFC 3696 section 2)."""
    return literal_of(host) is None and _NUMBER.match(host) is not None


def nobody_in_between(host: str, peer: IPAddress) -> bool:
    """Whether the host, as the account has it, can only be this machine or the local network.

    What a name resolves to proves nothing: whoever answers for the DNS would decide whether a password travels in
    clear text. So only a literal address counts, and `localhost`, which stays on the machine (RFC 6761 section 6.3).
    """
    address = literal_of(host)
    if address is None:
        return host.rpartition(".")[2].lower() == "localhost" and reach_of(peer) is Reach.LOOPBACK
    if isinstance(address, ipaddress.IPv6Address) and _carried(address) is not None:
        # 6to4 and NAT64 lead through somebody's gateway; a mapped address is the IPv4 address itself.
        if address.ipv4_mapped is None:
            return False
        address = address.ipv4_mapped
    return address not in _SHARED and reach_of(address) in (Reach.LOOPBACK, Reach.PRIVATE)


@dataclass(frozen=True, slots=True)
class DialPolicy:
    """The operator's decision. The defaults suit a machine with ordinary neighbours."""

    #: networks that may be dialled whatever they are, for every purpose
    allow: tuple[IPNetwork, ...] = ()
    #: networks that may not be dialled, whatever else is said
    refuse: tuple[IPNetwork, ...] = ()

    def objection(self, address: IPAddress, purpose: Purpose) -> str:
        """Why this address may not be dialled; empty when it may."""
        inner = _carried(address) if isinstance(address, ipaddress.IPv6Address) else None
        names = (address,) if inner is None else (address, inner)
        if any(name in network for network in self.refuse for name in names):
            return "the operator refuses this network"
        if any(name in network for network in self.allow for name in names):
            return ""
        reach = reach_of(address)
        if reach is Reach.PUBLIC or (purpose is Purpose.ACCOUNT and reach is not Reach.SPECIAL):
            return ""
        return f"{reach} address"


def parse_networks(texts: Iterable[str], setting: str) -> tuple[IPNetwork, ...]:
    """Networks from a setting, such as `10.1.0.0/16`."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            raise InvalidSetting(f"{text!r} is not a network", field=setting, hint="such as 10.1.0.0/16") from None
    return tuple(found)
