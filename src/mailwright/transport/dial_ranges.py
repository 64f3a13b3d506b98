"""What each range of addresses is, and why: IANA's special-purpose registries (RFC 6890 and its updates) as a table,
and the addresses and names at which clouds hand out credentials. The reference prints these tables.
"""

import ipaddress
from enum import StrEnum
from typing import NamedTuple

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Reach(StrEnum):
    """What an address is, seen from here."""

    PUBLIC = "public"
    #: this machine
    LOOPBACK = "loopback"
    #: the local network
    PRIVATE = "private"
    #: nothing that a server of ours lives on: link-local (cloud metadata!), multicast, documentation, reserved …
    SPECIAL = "special"


class SpecialRange(NamedTuple):
    network: str
    reach: Reach
    why: str


#: The first that contains an address says what it is: single addresses stand before the ranges they lie in.
SPECIAL_RANGES: tuple[SpecialRange, ...] = (
    SpecialRange("100.100.100.200/32", Reach.SPECIAL, "cloud metadata (Alibaba)"),
    SpecialRange("168.63.129.16/32", Reach.SPECIAL, "cloud platform service (Azure)"),
    SpecialRange("169.254.169.254/32", Reach.SPECIAL, "cloud metadata (most clouds)"),
    SpecialRange("192.0.0.192/32", Reach.SPECIAL, "cloud metadata (Oracle)"),
    SpecialRange("0.0.0.0/8", Reach.SPECIAL, "this network (RFC 791 section 3.2)"),
    SpecialRange("10.0.0.0/8", Reach.PRIVATE, "private use (RFC 1918)"),
    SpecialRange("100.64.0.0/10", Reach.PRIVATE, "shared by the customers of a provider, CGNAT (RFC 6598)"),
    SpecialRange("127.0.0.0/8", Reach.LOOPBACK, "this machine (RFC 1122 section 3.2.1.3)"),
    SpecialRange("169.254.0.0/16", Reach.SPECIAL, "link-local (RFC 3927)"),
    SpecialRange("172.16.0.0/12", Reach.PRIVATE, "private use (RFC 1918)"),
    SpecialRange("192.0.0.0/24", Reach.SPECIAL, "protocol assignments (RFC 6890 section 2.1)"),
    SpecialRange("192.0.2.0/24", Reach.SPECIAL, "documentation (RFC 5737)"),
    SpecialRange("192.31.196.0/24", Reach.SPECIAL, "AS112, answers for nobody (RFC 7535)"),
    SpecialRange("192.52.193.0/24", Reach.SPECIAL, "AMT relays (RFC 7450)"),
    SpecialRange("192.88.99.0/24", Reach.SPECIAL, "6to4 relays, given up (RFC 7526)"),
    SpecialRange("192.168.0.0/16", Reach.PRIVATE, "private use (RFC 1918)"),
    SpecialRange("192.175.48.0/24", Reach.SPECIAL, "AS112, answers for nobody (RFC 7534)"),
    SpecialRange("198.18.0.0/15", Reach.SPECIAL, "benchmarking (RFC 2544)"),
    SpecialRange("198.51.100.0/24", Reach.SPECIAL, "documentation (RFC 5737)"),
    SpecialRange("203.0.113.0/24", Reach.SPECIAL, "documentation (RFC 5737)"),
    SpecialRange("224.0.0.0/4", Reach.SPECIAL, "multicast (RFC 5771)"),
    SpecialRange("255.255.255.255/32", Reach.SPECIAL, "broadcast (RFC 8190)"),
    SpecialRange("240.0.0.0/4", Reach.SPECIAL, "reserved (RFC 1112 section 4)"),
    SpecialRange("fd00:ec2::/32", Reach.SPECIAL, "cloud metadata (Amazon)"),
    SpecialRange("fd20:ce::254/128", Reach.SPECIAL, "cloud metadata (Google)"),
    SpecialRange("fd00:c1::a9fe:a9fe/128", Reach.SPECIAL, "cloud metadata (Oracle)"),
    SpecialRange("::/128", Reach.SPECIAL, "no address (RFC 4291 section 2.5.2)"),
    SpecialRange("::1/128", Reach.LOOPBACK, "this machine (RFC 4291 section 2.5.3)"),
    SpecialRange("64:ff9b:1::/48", Reach.SPECIAL, "NAT64 of the local network (RFC 8215)"),
    SpecialRange("100::/64", Reach.SPECIAL, "discard (RFC 6666)"),
    SpecialRange("100:0:0:1::/64", Reach.SPECIAL, "dummy prefix (RFC 9780)"),
    SpecialRange("2001::/32", Reach.SPECIAL, "Teredo (RFC 4380)"),
    SpecialRange("2001::/23", Reach.SPECIAL, "protocol assignments (RFC 2928)"),
    SpecialRange("2001:db8::/32", Reach.SPECIAL, "documentation (RFC 3849)"),
    SpecialRange("2002::/16", Reach.SPECIAL, "6to4, leads to any IPv4 address (RFC 3056, RFC 7526)"),
    SpecialRange("2620:4f:8000::/48", Reach.SPECIAL, "AS112, answers for nobody (RFC 7534)"),
    SpecialRange("3fff::/20", Reach.SPECIAL, "documentation (RFC 9637)"),
    SpecialRange("5f00::/16", Reach.SPECIAL, "segment routing (RFC 9602)"),
    SpecialRange("fc00::/7", Reach.PRIVATE, "unique local (RFC 4193)"),
    SpecialRange("fe80::/10", Reach.SPECIAL, "link-local (RFC 4291 section 2.5.6)"),
    SpecialRange("fec0::/10", Reach.SPECIAL, "site-local, given up (RFC 3879)"),
    SpecialRange("ff00::/8", Reach.SPECIAL, "multicast (RFC 4291 section 2.7)"),
)
# All that IANA has given out for machines to be reached at; the rest of IPv6 is reserved or has a meaning of its own.
_RESERVED_IPV6 = "not given out for machines (RFC 4291 section 2.4)"
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_TABLE = tuple((ipaddress.ip_network(entry.network), entry) for entry in SPECIAL_RANGES)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

#: IPv6 addresses that are an IPv4 address in other clothes, and are judged as that IPv4 address.
CARRIERS: tuple[tuple[str, str], ...] = (
    ("::ffff:0:0/96", "IPv4-mapped (RFC 4291 section 2.5.5.2)"),
    ("::/96", "IPv4-compatible (RFC 4291 section 2.5.5.1)"),
    # Not refused as a whole: with DNS64 (RFC 6147) every IPv4 server of the world has an address here.
    ("64:ff9b::/96", "NAT64 (RFC 6052)"),
    # Judged by both halves: the network it stands in, and the address inside.
    ("any network, then 0:5efe or 200:5efe", "ISATAP (RFC 5214 section 6.1)"),
)

#: Names that mean the metadata service of a cloud, wherever they lead.
METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)


def range_of(address: IPAddress) -> SpecialRange | None:
    """The range that an address lies in; None when it is an ordinary public one.

    IPv6 forms that carry an IPv4 address are what that address is: otherwise `::ffff:127.0.0.1` and NAT64 are ways
    around every rule about IPv4.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = instead(address)
        if inner is not None:
            return range_of(inner)
    for network, entry in _TABLE:
        if address in network:
            return entry
    if isinstance(address, ipaddress.IPv6Address):
        if address not in _GLOBAL_UNICAST:
            return SpecialRange(str(address), Reach.SPECIAL, _RESERVED_IPV6)
        inside = _isatap(address)
        return range_of(inside) if inside is not None else None
    return None


def instead(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a packet to this address arrives at."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _isatap(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if int(address) >> 32 & 0xFDFFFFFF == 0x5EFE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def carried(address: IPAddress) -> tuple[ipaddress.IPv4Address, ...]:
    """Every IPv4 address written inside an IPv6 address: what the operator refuses is refused in these forms too."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    teredo = address.teredo or ()
    found = (instead(address), address.sixtofour, _isatap(address), *teredo)
    return tuple(inner for inner in found if inner is not None)
