"""A place that mail leaves from. (The incoming half comes with receiving.)"""

import ipaddress
import re
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from mailwright.errors import InvalidAccount, MissingCredential
from mailwright.model.address import Address, ascii_domain
from mailwright.model.address_syntax import parse_address
from mailwright.model.security import PortPolicy, Security
from mailwright.secret import Secret

DEFAULT_PORT = 587
# RFC 5321 section 4.1.1.1: a domain or an address literal; and nothing that ends the line early.
_EHLO_NAME = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.\-]{0,253}[A-Za-z0-9])?|\[[A-Za-z0-9:.]{2,60}\])\Z")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")


class Mechanism(StrEnum):
    """Ways to sign in (RFC 4954 and the SASL mechanism each is named after)."""

    SCRAM_SHA_256 = "SCRAM-SHA-256"
    CRAM_MD5 = "CRAM-MD5"
    PLAIN = "PLAIN"
    LOGIN = "LOGIN"
    OAUTHBEARER = "OAUTHBEARER"
    XOAUTH2 = "XOAUTH2"


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who signs in. Exactly one of `password` and `access_token` is set."""

    username: str
    password: Secret | None = None
    access_token: Secret | None = None
    #: None: the best that the server offers
    mechanism: Mechanism | None = None

    def __post_init__(self) -> None:
        if not self.username:
            raise MissingCredential("a password or token is set, the user name is missing", field="username")
        if not self.password and not self.access_token:
            raise MissingCredential(
                "a user name is set, the password is missing",
                field="password",
                hint="leave both empty for a server without sign-in",
            )
        if self.password and self.access_token:
            raise InvalidAccount("password and access token exclude each other", field="access_token")
        for name, value in (
            ("username", self.username),
            ("password", self.password),
            ("token", self.access_token),
        ):
            text = value.reveal() if isinstance(value, Secret) else value or ""
            if "\0" in text or "\r" in text or "\n" in text:
                raise InvalidAccount("line breaks and NUL cannot be sent to a server", field=name)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each step may take, in seconds.

    The wait after the final dot follows RFC 5321 section 4.5.3.2.6: a server that scans a big message is slow, and
    giving up early is what makes duplicates.
    """

    connect: float = 20.0
    greeting: float = 20.0
    tls: float = 20.0
    reply: float = 60.0
    final_reply: float = 600.0

    def __post_init__(self) -> None:
        for part in fields(self):
            if not getattr(self, part.name) > 0:
                raise InvalidAccount("a timeout is greater than 0", field=f"timeouts.{part.name}")

    @classmethod
    def of_milliseconds(cls, milliseconds: int = 20_000) -> "Timeouts":
        """One number for connecting and reading, as several products have it; the final reply keeps its own."""
        seconds = milliseconds / 1000
        return cls(connect=seconds, greeting=seconds, tls=seconds, reply=seconds)


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many connections an account keeps open, and for how long."""

    sessions: int = 10
    #: messages on one connection before it is replaced; many servers close after 100 or some hundreds
    messages_per_session: int = 1000
    #: seconds without work before a connection is closed
    idle_seconds: float = 30.0

    def __post_init__(self) -> None:
        for part in fields(self):
            if not getattr(self, part.name) > 0:
                raise InvalidAccount("a limit is greater than 0", field=f"pool.{part.name}")


class ProxyKind(StrEnum):
    SOCKS5 = "socks5"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that opens the connection: SOCKS5 (RFC 1928) or HTTP CONNECT (RFC 9110 section 9.3.6)."""

    kind: ProxyKind
    host: str
    port: int
    username: str = ""
    password: Secret | None = None


@dataclass(frozen=True, slots=True, init=False)
class Outgoing:
    """The SMTP server of an account and how to talk to it."""

    host: str
    port: int
    security: Security
    sign_in: SignIn | None
    #: the certificate must come from an authority that is trusted here
    verify_trust: bool
    #: the certificate must name the host; separate from trust (checklist 21)
    verify_hostname: bool
    #: PEM text of further authorities; empty: those of the system
    ca_certificates: str
    #: SHA-256 of the one certificate that is accepted, in hex; empty: any that verifies
    pinned_certificate: str
    #: send a password on a connection that is not encrypted and not local
    allow_clear_text_password: bool
    port_25: PortPolicy
    proxy: Proxy | None
    #: local address to connect from; empty: the system chooses
    source_address: str
    #: what EHLO says; empty: the name of this host
    ehlo_name: str
    timeouts: Timeouts
    pool: PoolLimits
    #: send with BDAT (RFC 3030) where the server offers it
    chunking: bool

    def __init__(
        self,
        host: str,
        port: int | str | None = None,
        *,
        security: Security | str | None = None,
        username: str = "",
        password: str | Secret | None = None,
        access_token: str | Secret | None = None,
        mechanism: Mechanism | str | None = None,
        sign_in: SignIn | None = None,
        verify_trust: bool = True,
        verify_hostname: bool = True,
        ca_certificates: str = "",
        pinned_certificate: str = "",
        allow_clear_text_password: bool = False,
        port_25: PortPolicy | str = PortPolicy.LOCAL,
        proxy: Proxy | None = None,
        source_address: str = "",
        ehlo_name: str = "",
        timeouts: Timeouts | None = None,
        timeout_ms: int | None = None,
        pool: PoolLimits | None = None,
        chunking: bool = False,
    ) -> None:
        chosen = _security(security) if security is not None else None
        number = _port(port if port not in (None, "") else 465 if chosen is Security.IMPLICIT else DEFAULT_PORT)
        chosen_mechanism = _mechanism(mechanism)
        if username or password or access_token:
            sign_in = SignIn(username, _secret(password), _secret(access_token), chosen_mechanism)
        if timeout_ms is not None:
            timeouts = Timeouts.of_milliseconds(_positive(timeout_ms))
        put = object.__setattr__
        put(self, "host", _host(host))
        put(self, "port", number)
        put(self, "security", chosen or Security.for_port(number))
        put(self, "sign_in", sign_in)
        put(self, "verify_trust", verify_trust)
        put(self, "verify_hostname", verify_hostname)
        put(self, "ca_certificates", ca_certificates)
        put(self, "pinned_certificate", _fingerprint(pinned_certificate))
        put(self, "allow_clear_text_password", allow_clear_text_password)
        put(self, "port_25", _port_policy(port_25))
        put(self, "proxy", proxy)
        put(self, "source_address", _source(source_address))
        put(self, "ehlo_name", _ehlo_name(ehlo_name))
        put(self, "timeouts", timeouts or Timeouts())
        put(self, "pool", pool or PoolLimits())
        put(self, "chunking", chunking)

    def changed(self, **changes: Any) -> "Outgoing":
        return Outgoing(**{**{part.name: getattr(self, part.name) for part in fields(self)}, **changes})


@dataclass(frozen=True, slots=True, init=False)
class Account:
    """A mailbox: its address, the name people see, and the server that takes its mail."""

    address: Address
    outgoing: Outgoing
    #: the full name beside the address (checklist 26); a message may say otherwise
    display_name: str
    #: how the account is called in lists and logs; empty: its address
    name: str = field(default="")

    def __init__(self, address: str | Address, outgoing: Outgoing, *, display_name: str = "", name: str = "") -> None:
        parsed = parse_address(address, field="address")
        put = object.__setattr__
        put(self, "address", parsed)
        put(self, "outgoing", outgoing)
        put(self, "display_name", display_name or parsed.name)
        put(self, "name", name or parsed.spec)


def _security(value: Security | str) -> Security:
    try:
        return Security(value)
    except ValueError:
        raise InvalidAccount(f"{value!r} is not one of {', '.join(Security)}", field="security") from None


def _port_policy(value: PortPolicy | str) -> PortPolicy:
    try:
        return PortPolicy(value)
    except ValueError:
        raise InvalidAccount(f"{value!r} is not one of {', '.join(PortPolicy)}", field="port_25") from None


def _mechanism(value: Mechanism | str | None) -> Mechanism | None:
    if value is None:
        return None
    try:
        return Mechanism(value.upper())
    except ValueError:
        raise InvalidAccount(f"{value!r} is not one of {', '.join(Mechanism)}", field="mechanism") from None


def _secret(value: str | Secret | None) -> Secret | None:
    return Secret(value) if value else None


def _port(value: int | str | None) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdigit()):
        raise InvalidAccount(f"{value!r} is not a port number", field="port", hint="587, 465 or another number")
    number = int(text)
    if not 1 <= number <= 65535:
        raise InvalidAccount(f"port {number} is not between 1 and 65535", field="port")
    return number


def _positive(milliseconds: int) -> int:
    if milliseconds <= 0:
        raise InvalidAccount("the timeout is greater than 0 milliseconds", field="timeout_ms")
    return milliseconds


def _host(host: str) -> str:
    bare = host.strip()
    if not bare:
        raise InvalidAccount("the host is missing", field="host", hint="such as smtp.example.org")
    try:
        return str(ipaddress.ip_address(bare.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    try:
        return ascii_domain(bare.removesuffix("."))
    except ValueError:
        hint = "the name alone, without smtp:// and without a port"
        raise InvalidAccount(f"{host!r} is not a host name", field="host", hint=hint) from None


def _source(address: str) -> str:
    if not address:
        return ""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise InvalidAccount(f"{address!r} is not an IP address of this host", field="source_address") from None


def _ehlo_name(name: str) -> str:
    if name and not _EHLO_NAME.match(name):
        raise InvalidAccount("EHLO takes a domain name or an address literal", field="ehlo_name")
    return name


def _fingerprint(text: str) -> str:
    bare = text.replace(":", "").replace(" ", "").lower()
    if bare and not _FINGERPRINT.match(bare):
        raise InvalidAccount("a pinned certificate is its SHA-256 in 64 hex digits", field="pinned_certificate")
    return bare
