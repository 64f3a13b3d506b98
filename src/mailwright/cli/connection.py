"""The options that say how to reach a server, shared by every command that does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer

from mailwright.errors import InvalidAccount, MissingCredential
from mailwright.model.account import Mechanism, Outgoing, Proxy, ProxyKind
from mailwright.model.security import PortPolicy, Security
from mailwright.secret import Secret

_PANEL = "Server"

Server = Annotated[
    str,
    typer.Option(
        "--server",
        envvar="MAILWRIGHT_SERVER",
        metavar="HOST[:PORT]",
        help="The SMTP server. The port is 587 unless it is said.",
        rich_help_panel=_PANEL,
    ),
]
SecurityOption = Annotated[
    Security | None,
    typer.Option("--security", help="How to encrypt. Left out: by the port.", rich_help_panel=_PANEL),
]
Username = Annotated[
    str, typer.Option("--username", envvar="MAILWRIGHT_USERNAME", help="Who signs in.", rich_help_panel=_PANEL)
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        help="A file with the password. Or set MAILWRIGHT_PASSWORD; there is no option for the password itself, "
        "because other users see command lines.",
        rich_help_panel=_PANEL,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", help="A file with an OAuth2 access token. Or set MAILWRIGHT_TOKEN.", rich_help_panel=_PANEL
    ),
]
MechanismOption = Annotated[
    str, typer.Option("--mechanism", help="Sign in this way only, such as PLAIN.", rich_help_panel=_PANEL)
]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", help="PEM file of further authorities to trust.", rich_help_panel=_PANEL)
]
Pin = Annotated[
    str,
    typer.Option("--pin", help="Accept only the certificate with this SHA-256.", rich_help_panel=_PANEL),
]
VerifyTrust = Annotated[
    bool,
    typer.Option(
        "--verify-trust/--no-verify-trust", help="The certificate comes from a known authority.", rich_help_panel=_PANEL
    ),
]
VerifyHostname = Annotated[
    bool,
    typer.Option(
        "--verify-hostname/--no-verify-hostname", help="The certificate names the host.", rich_help_panel=_PANEL
    ),
]
ClearText = Annotated[
    bool,
    typer.Option("--allow-clear-text-password", help="Send a password without encryption.", rich_help_panel=_PANEL),
]
Port25 = Annotated[PortPolicy, typer.Option("--port-25", help="Where port 25 may be used.", rich_help_panel=_PANEL)]
ProxyOption = Annotated[
    str,
    typer.Option(
        "--proxy",
        envvar="MAILWRIGHT_PROXY",
        metavar="URL",
        help="socks5://[user:password@]host:port or http://…",
        rich_help_panel=_PANEL,
    ),
]
SourceAddress = Annotated[
    str, typer.Option("--source-address", help="Connect from this local address.", rich_help_panel=_PANEL)
]
EhloName = Annotated[str, typer.Option("--ehlo-name", help="What EHLO says.", rich_help_panel=_PANEL)]
TimeoutMs = Annotated[
    int | None,
    typer.Option(
        "--timeout-ms",
        help="For connecting and for each answer. The answer to the final dot has its own ten minutes.",
        rich_help_panel=_PANEL,
    ),
]
Chunking = Annotated[
    bool, typer.Option("--chunking", help="Send with BDAT where the server offers it.", rich_help_panel=_PANEL)
]


@dataclass(frozen=True, slots=True)
class SecretSources:
    """Where a password or token may come from, in the order in which they are looked at."""

    password_file: Path | None
    token_file: Path | None
    environment: dict[str, str]

    def password(self) -> Secret | None:
        return self._read(self.password_file, "MAILWRIGHT_PASSWORD", "password_file")

    def token(self) -> Secret | None:
        return self._read(self.token_file, "MAILWRIGHT_TOKEN", "token_file")

    def check_username(self, username: str) -> None:
        """A password for nobody is a mistake: mail would go out unauthenticated, or not at all."""
        for variable in ("MAILWRIGHT_PASSWORD", "MAILWRIGHT_TOKEN"):
            if not username and self.environment.get(variable):
                raise MissingCredential(
                    f"{variable} is set, the user name is missing",
                    field="username",
                    hint=f"give --username, or unset {variable}",
                )

    def _read(self, path: Path | None, variable: str, field: str) -> Secret | None:
        text = read_text(path, field).rstrip("\r\n") if path is not None else self.environment.get(variable, "")
        return Secret(text) if text else None


def outgoing(
    *,
    server: str,
    security: Security | None,
    username: str,
    secrets: SecretSources,
    mechanism: str,
    ca_file: Path | None,
    pin: str,
    verify_trust: bool,
    verify_hostname: bool,
    allow_clear_text_password: bool,
    port_25: PortPolicy,
    proxy: str,
    source_address: str,
    ehlo_name: str,
    timeout_ms: int | None,
    chunking: bool = False,
) -> Outgoing:
    host, port = split_server(server)
    secrets.check_username(username)
    return Outgoing(
        host,
        port,
        security=security,
        username=username,
        password=secrets.password(),
        access_token=secrets.token(),
        mechanism=Mechanism(mechanism.upper()) if mechanism.upper() in tuple(Mechanism) else mechanism or None,
        verify_trust=verify_trust,
        verify_hostname=verify_hostname,
        ca_certificates=read_text(ca_file, "ca_file") if ca_file is not None else "",
        pinned_certificate=pin,
        allow_clear_text_password=allow_clear_text_password,
        port_25=port_25,
        proxy=parse_proxy(proxy) if proxy else None,
        source_address=source_address,
        ehlo_name=ehlo_name,
        timeout_ms=timeout_ms,
        chunking=chunking,
    )


def split_server(text: str) -> tuple[str, str]:
    """Host and port of `host`, `host:port`, `[::1]:port` or a bare IPv6 address."""
    if not text:
        raise InvalidAccount("no server is named", field="server", hint="--server smtp.example.org:587")
    if text.startswith("["):
        host, _, port = text.partition("]")
        return host[1:], port.removeprefix(":")
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def parse_proxy(url: str) -> Proxy:
    hint = "socks5://host:1080 or http://user:password@host:3128"
    try:
        parts = urlsplit(url)
        kind, port = ProxyKind(parts.scheme.removesuffix("h")), parts.port
    except ValueError:
        raise InvalidAccount("the proxy is no URL of a kind that is known", field="proxy", hint=hint) from None
    if not parts.hostname or port is None:
        raise InvalidAccount("the proxy needs a host and a port", field="proxy", hint=hint)
    password = Secret(unquote(parts.password)) if parts.password else None
    return Proxy(kind, parts.hostname, port, unquote(parts.username or ""), password)


def read_text(path: Path, field: str) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidAccount(f"cannot read {str(path)!r}: {reason}", field=field) from None
