"""Which addresses may be dialled, and for what. Pure: rules and two questions.

Every socket that Mailwright opens goes to an address that this policy has admitted; the name is resolved once and the
connection goes to the very address that was looked at, so that a name cannot change its mind in between.

Two kinds of purposes: the server of an *account*, which an administrator configured, may be on this machine or in the
local network; what a caller brings along with a request (an attachment's address, a webhook) may not, unless the
operator allows it.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from mailwright.errors import InvalidSetting
from mailwright.transport.dial_ranges import METADATA_NAMES, IPAddress, IPNetwork, Reach, carried, instead, range_of

__all__ = [
    "Allowed",
    "DialPolicy",
    "IPAddress",
    "IPNetwork",
    "Purpose",
    "Reach",
    "is_disguised_number",
    "literal_of",
    "nobody_in_between",
    "parse_allowed",
    "parse_networks",
    "reach_of",
    "read_policy",
]


class Purpose(StrEnum):
    """What a connection is for. The operator may allow networks for each by `dial_allow_<purpose>`."""

    #: a server that an administrator configured
    ACCOUNT = "account"
    #: a mail server that came along with a request
    CALLER_ACCOUNT = "caller_account"
    WEBHOOK = "webhook"
    #: where a waiting flow wants its answer
    CALLBACK = "callback"
    #: the address that an attachment is read from
    ATTACHMENT = "attachment"
    #: where access tokens come from
    TOKEN_ENDPOINT = "token_endpoint"  # noqa: S105 - the name of a purpose
    #: looking up the settings of a mail provider
    DISCOVERY = "discovery"

    @property
    def setting(self) -> str:
        """What the operator sets to allow more for it."""
        return f"MAILWRIGHT_DIAL_ALLOW_{self.upper()}"


# RFC 6598: shared by the customers of a provider, who are strangers to each other.
_SHARED = ipaddress.IPv4Network("100.64.0.0/10")
# What inet_aton takes for an address although it does not look like one: 127.1, 2130706433, 0x7f.1.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?\Z")
_ENTRY = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\](?P<length>/\d+)?|(?P<bare>[^:\[\]]+))(?::(?P<port>\d{1,5}))?\Z")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\Z")
_ALLOW_HINT = "such as 10.1.0.0/16, 10.1.2.3:8080, hooks.internal, or hooks:8080"


def reach_of(address: IPAddress) -> Reach:
    found = range_of(address)
    return found.reach if found is not None else Reach.PUBLIC


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
    if isinstance(address, ipaddress.IPv6Address) and instead(address) is not None:
        # NAT64 leads through somebody's gateway; a mapped address is the IPv4 address itself.
        if address.ipv4_mapped is None:
            return False
        address = address.ipv4_mapped
    return address not in _SHARED and reach_of(address) in (Reach.LOOPBACK, Reach.PRIVATE)


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry of an allow list: a network or a name, with one port or every port."""

    #: None: the entry is a name
    network: IPNetwork | None = None
    #: in lower case, without a dot at the end; empty: the entry is a network
    name: str = ""
    #: 0: every port
    port: int = 0

    def admits(self, address: IPAddress, host: str, port: int) -> bool:
        if self.port not in (0, port):
            return False
        if self.network is not None:
            return any(one in self.network for one in (address, *carried(address)))
        # Whoever answers for the name chooses the address: that opens the local network, not the metadata of the
        # cloud. Special ranges have to be allowed as networks.
        return self.name == _plain(host) and reach_of(address) is not Reach.SPECIAL


@dataclass(frozen=True, slots=True)
class DialPolicy:
    """The operator's decision. The defaults suit a machine with ordinary neighbours."""

    #: what may be dialled whatever it is, for every purpose
    allow: tuple[Allowed, ...] = ()
    #: networks that may not be dialled, whatever else is said
    refuse: tuple[IPNetwork, ...] = ()
    #: the same as `allow`, for one purpose
    allow_for: Mapping[Purpose, tuple[Allowed, ...]] = field(default_factory=dict)

    def objection_to_name(self, host: str, port: int, purpose: Purpose) -> str:
        """Why this name may not even be looked up; empty when it may."""
        if _plain(host) not in METADATA_NAMES:
            return ""
        named = any(
            entry.name == _plain(host) and entry.port in (0, port) for entry in self._allowed(purpose) if entry.name
        )
        return "" if named else "the name of a cloud's metadata service"

    def objection(self, address: IPAddress, purpose: Purpose, host: str = "", port: int = 0) -> str:
        """Why this address, found under the name `host`, may not be dialled; empty when it may."""
        if any(one in network for network in self.refuse for one in (address, *carried(address))):
            return "the operator refuses this network"
        if any(entry.admits(address, host, port) for entry in self._allowed(purpose)):
            return ""
        found = range_of(address)
        if found is None or (purpose is Purpose.ACCOUNT and found.reach is not Reach.SPECIAL):
            return ""
        return f"{found.reach} address, {found.why}"

    def _allowed(self, purpose: Purpose) -> tuple[Allowed, ...]:
        return (*self.allow, *self.allow_for.get(purpose, ()))


def read_policy(
    allow: Iterable[str] = (), refuse: Iterable[str] = (), allow_for: Mapping[str, Iterable[str]] | None = None
) -> DialPolicy:
    """The policy that the settings spell. A wrong entry is an InvalidSetting that names its setting."""
    return DialPolicy(
        allow=parse_allowed(allow, "dial_allow"),
        refuse=parse_networks(refuse, "dial_refuse"),
        allow_for={
            Purpose(purpose): parse_allowed(texts, f"dial_allow_{purpose}")
            for purpose, texts in (allow_for or {}).items()
        },
    )


def parse_networks(texts: Iterable[str], setting: str) -> tuple[IPNetwork, ...]:
    """Networks from a setting, such as `10.1.0.0/16`."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            raise InvalidSetting(f"{text!r} is not a network", field=setting, hint="such as 10.1.0.0/16") from None
    return tuple(found)


def parse_allowed(texts: Iterable[str], setting: str) -> tuple[Allowed, ...]:
    """Networks and names, each with a port or without: `10.0.0.0/8`, `[fd00::1]:8080`, `hooks.internal:8080`."""
    return tuple(_allowed(text.strip(), setting) for text in texts)


def _allowed(text: str, setting: str) -> Allowed:
    with suppress(ValueError):
        return Allowed(network=ipaddress.ip_network(text, strict=False))
    entry = _ENTRY.match(text)
    if entry is None:
        raise InvalidSetting(f"{text!r} is neither a network nor a name", field=setting, hint=_ALLOW_HINT)
    port = int(entry["port"]) if entry["port"] else 0
    if entry["port"] and not 1 <= port <= 65_535:
        raise InvalidSetting(f"{text!r} has no port between 1 and 65535", field=setting)
    with suppress(ValueError):
        network = entry["bare"] or f"{entry['bracketed']}{entry['length'] or ''}"
        return Allowed(network=ipaddress.ip_network(network, strict=False), port=port)
    name = _plain(entry["bare"] or "")
    # One word without a port is a word that somebody believed to mean something ("private", "all"), or a typing error.
    if not _NAME.match(name) or is_disguised_number(name) or ("." not in name and not port):
        raise InvalidSetting(f"{text!r} is neither a network nor a name", field=setting, hint=_ALLOW_HINT)
    return Allowed(name=name, port=port)


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")
