"""How a development server is set up."""

from dataclasses import dataclass, field

from mailwright.devserver.certificates import CertificateKind
from mailwright.devserver.failures import Failure, Lie
from mailwright.errors import InvalidSetting
from mailwright.protocol.smtp.server_types import Extension, ServerPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class DevServerOptions:
    host: str = "127.0.0.1"
    #: 0: any free one
    port: int = 0
    #: a second port, with TLS from the first byte; 0: any free one; None: none
    tls_port: int | None = None
    #: extensions, users, limits
    policy: ServerPolicy = field(default_factory=ServerPolicy)
    certificate: CertificateKind = CertificateKind.VALID
    failures: tuple[Failure, ...] = ()
    lies: frozenset[Lie] = frozenset()
    #: caught mails kept; the oldest goes first
    keep: int = 1000
    #: seconds without a command before 421 (RFC 5321 section 4.5.3.2.7 asks for five minutes at least)
    idle_seconds: float = 300.0

    def __post_init__(self) -> None:
        for name, port in (("port", self.port), ("tls_port", self.tls_port)):
            if port is not None and not 0 <= port <= 65535:
                raise InvalidSetting(f"port {port} is not between 0 and 65535", field=name)
        if self.keep < 1:
            raise InvalidSetting("at least one mail is kept", field="keep")
        if not self.idle_seconds > 0:
            raise InvalidSetting("the time is greater than 0", field="idle_seconds")


def parse_extension(text: str) -> Extension:
    try:
        return Extension(text.upper())
    except ValueError:
        raise InvalidSetting(
            f"{text!r} is not an extension of this server", field="without", hint=", ".join(Extension)
        ) from None
