"""How a connection is encrypted: four words, and the switches of other systems translated into them.

The words say what happens, not what a product calls it. "TLS on" has meant implicit TLS here and STARTTLS there, and
a switch that did nothing is how mail went out in clear text (checklist 15 to 19).
"""

from enum import StrEnum

from mailwright.errors import InvalidAccount


class Security(StrEnum):
    #: TLS from the first byte (RFC 8314 section 3.3)
    IMPLICIT = "implicit"
    #: upgrade by STARTTLS, or fail; never a silent fallback (RFC 3207)
    STARTTLS = "starttls"
    #: upgrade when the server offers it; once offered, a failing upgrade fails the send
    OPPORTUNISTIC = "opportunistic"
    #: never TLS, not even when offered: for servers that offer it and cannot do it
    NONE = "none"

    @classmethod
    def for_port(cls, port: int) -> "Security":
        """What a port stands for when nobody says otherwise."""
        if port == 465:
            return cls.IMPLICIT
        return cls.OPPORTUNISTIC if port == 25 else cls.STARTTLS

    @classmethod
    def from_switch(cls, use_tls: bool, port: int) -> "Security":
        """One switch that the port refines: 465 is always implicit, elsewhere on means required."""
        if port == 465:
            return cls.IMPLICIT
        return cls.STARTTLS if use_tls else cls.OPPORTUNISTIC

    @classmethod
    def from_option(cls, option: str = "tls") -> "Security":
        """The option with the values tls (the default), starttls and none."""
        options = {"tls": cls.IMPLICIT, "starttls": cls.STARTTLS, "none": cls.NONE}
        try:
            return options[option.strip().lower()]
        except KeyError:
            raise InvalidAccount(f"{option!r} is not one of {', '.join(options)}", field="tlsOption") from None

    @classmethod
    def from_ssl_and_tls(cls, ssl: bool = False, tls: bool = False) -> "Security":
        """Two independent switches, both off by default; off still upgrades where the server offers it."""
        if ssl:
            return cls.IMPLICIT
        return cls.STARTTLS if tls else cls.OPPORTUNISTIC


class PortPolicy(StrEnum):
    """Whether port 25 may be used. Mail providers and hosters block it for submission, relays listen on it."""

    #: for servers on loopback and private addresses
    LOCAL = "local"
    ALWAYS = "always"
    NEVER = "never"


def port_warnings(port: int, security: Security) -> tuple[str, ...]:
    """Where port and encryption contradict each other. Some servers are like that, so it is no error."""
    if security is Security.IMPLICIT and port in (25, 587):
        return (f"on port {port} servers begin without TLS: set security to starttls, or use port 465",)
    if security is not Security.IMPLICIT and port == 465:
        # RFC 8314 section 3.3.
        return ("on port 465 servers begin with TLS: set security to implicit, or use port 587",)
    return ()
