"""A place that mail leaves from. (The incoming half comes with receiving.)"""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from mailwright.errors import InvalidAccount, MissingCredential
from mailwright.model.account_fields import (
    check_sendable,
    ehlo_name_of,
    fingerprint_of,
    host_of,
    milliseconds_of,
    port_of,
    secret_of,
    source_of,
    word_of,
)
from mailwright.model.address import Address
from mailwright.model.address_syntax import parse_address
from mailwright.model.security import PortPolicy, Security, port_warnings
from mailwright.secret import Secret

DEFAULT_PORT = 587


class Mechanism(StrEnum):
    """Ways to sign in (RFC 4954 and the SASL mechanism each is named after)."""

    SCRAM_SHA_256 = "SCRAM-SHA-256"
    CRAM_MD5 = "CRAM-MD5"
    PLAIN = "PLAIN"
    LOGIN = "LOGIN"
    OAUTHBEARER = "OAUTHBEARER"
    XOAUTH2 = "XOAUTH2"


@dataclass(frozen=True, slots=True, init=False)
class SignIn:
    """Who signs in. Exactly one of `password` and `access_token` is set."""

    username: str
    password: Secret | None
    access_token: Secret | None
    #: None: the best that the server offers
    mechanism: Mechanism | None

    def __init__(
        self,
        username: str,
        password: str | Secret | None = None,
        access_token: str | Secret | None = None,
        mechanism: Mechanism | str | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "username", username)
        put(self, "password", secret_of(password))
        put(self, "access_token", secret_of(access_token))
        put(self, "mechanism", _mechanism(mechanism))
        self._check()

    def changed(self, **changes: Any) -> "SignIn":
        """A copy with other values. A new password takes the place of a token, and a new token that of a password."""
        kept = {part.name: getattr(self, part.name) for part in fields(self)}
        if changes.get("password"):
            kept["access_token"] = None
        if changes.get("access_token"):
            kept["password"] = None
        return SignIn(**{**kept, **changes})

    def _check(self) -> None:
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
        check_sendable(self.username, "username")
        check_sendable(self.password, "password")
        check_sendable(self.access_token, "access_token")


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


@dataclass(frozen=True, slots=True, init=False)
class Proxy:
    """A proxy that opens the connection: SOCKS5 (RFC 1928) or HTTP CONNECT (RFC 9110 section 9.3.6)."""

    kind: ProxyKind
    host: str
    port: int
    username: str
    password: Secret | None

    def __init__(
        self,
        kind: ProxyKind | str,
        host: str,
        port: int | str,
        username: str = "",
        password: str | Secret | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "kind", word_of(ProxyKind, kind, "proxy.kind"))
        put(self, "host", host_of(host, "proxy.host"))
        put(self, "port", port_of(port, "proxy.port"))
        put(self, "username", username)
        put(self, "password", secret_of(password))
        if self.password and not username:
            raise MissingCredential("the proxy has a password and no user name", field="proxy.username")
        check_sendable(username, "proxy.username")
        check_sendable(self.password, "proxy.password")


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
        chosen = word_of(Security, security, "security") if security is not None else None
        number = port_of(port if port not in (None, "") else 465 if chosen is Security.IMPLICIT else DEFAULT_PORT)
        chosen_mechanism = _mechanism(mechanism)
        if username or password or access_token:
            if sign_in is not None:
                raise InvalidAccount("sign_in and its single parts exclude each other", field="sign_in")
            sign_in = SignIn(username, password, access_token, chosen_mechanism)
        elif chosen_mechanism is not None:
            # Ignored, it would let mail go out without the sign-in that somebody had in mind.
            raise InvalidAccount(
                "a mechanism is set, but nobody signs in", field="mechanism", hint="set username and password too"
            )
        if timeout_ms is not None:
            timeouts = Timeouts.of_milliseconds(milliseconds_of(timeout_ms))
        put = object.__setattr__
        put(self, "host", host_of(host))
        put(self, "port", number)
        put(self, "security", chosen or Security.for_port(number))
        put(self, "sign_in", sign_in)
        put(self, "verify_trust", verify_trust)
        put(self, "verify_hostname", verify_hostname)
        put(self, "ca_certificates", ca_certificates)
        put(self, "pinned_certificate", fingerprint_of(pinned_certificate))
        put(self, "allow_clear_text_password", allow_clear_text_password)
        put(self, "port_25", word_of(PortPolicy, port_25, "port_25"))
        put(self, "proxy", proxy)
        put(self, "source_address", source_of(source_address))
        put(self, "ehlo_name", ehlo_name_of(ehlo_name))
        put(self, "timeouts", timeouts or Timeouts())
        put(self, "pool", pool or PoolLimits())
        put(self, "chunking", chunking)

    def changed(self, **changes: Any) -> "Outgoing":
        """A copy with other values. Single parts of the sign-in, such as `mechanism`, change the one that is there."""
        parts = {name: changes.pop(name) for name in _SIGN_IN_PARTS & changes.keys()}
        kept = {part.name: getattr(self, part.name) for part in fields(self)}
        if self.sign_in is None or "sign_in" in changes:
            return Outgoing(**{**kept, **changes, **parts})
        return Outgoing(**{**kept, **changes, "sign_in": self.sign_in.changed(**parts)})

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be meant but is mostly a mistake, and what to do about it. Nothing here stops a send."""
        return port_warnings(self.port, self.security)


_SIGN_IN_PARTS = frozenset(part.name for part in fields(SignIn))


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


def _mechanism(value: Mechanism | str | None) -> Mechanism | None:
    return word_of(Mechanism, value, "mechanism") if value is not None else None
