"""What an account may be given on the command line, in the shape of the HTTP API: one way to read all of it."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from mailwright.cli.connection import parse_proxy, read_text, split_server
from mailwright.connector.calls import AccountSettings
from mailwright.errors import InvalidAccount, InvalidInput
from mailwright.model.account import Mechanism
from mailwright.model.account_json import MASK
from mailwright.model.account_record import RATE_PRESETS, AccountRecord
from mailwright.model.account_record_json import record_to_json
from mailwright.model.outbox import UncertainPolicy
from mailwright.model.security import PortPolicy, Security
from mailwright.wire.account import AccountSettingsIn, to_settings
from mailwright.wire.problem import misfit

_SERVER = "Server"
_SENDING = "Sending"


def _server(name: str, text: str, **more: str) -> typer.models.OptionInfo:
    info: typer.models.OptionInfo = typer.Option(name, help=text, rich_help_panel=_SERVER, **more)  # type: ignore[arg-type]
    return info


def _sending(name: str, text: str, **more: float) -> typer.models.OptionInfo:
    info: typer.models.OptionInfo = typer.Option(name, help=text, rich_help_panel=_SENDING, **more)  # type: ignore[arg-type]
    return info


def account_options(
    *,
    file: Annotated[
        Path | None, typer.Option("--file", help="JSON as the HTTP API takes it; - is standard input. Options win.")
    ] = None,
    address: Annotated[str | None, typer.Option("--address", help="The address that mail leaves from.")] = None,
    display_name: Annotated[str | None, typer.Option("--display-name", help="The name beside it.")] = None,
    server: Annotated[str | None, _server("--server", "The SMTP server.", metavar="HOST[:PORT]")] = None,
    security: Annotated[Security | None, _server("--security", "How to encrypt. Left out: by the port.")] = None,
    username: Annotated[str | None, _server("--username", "Who signs in; '' for nobody.")] = None,
    password_file: Annotated[
        Path | None, _server("--password-file", "A file with the password. Or set MAILWRIGHT_PASSWORD.")
    ] = None,
    access_token_file: Annotated[
        Path | None, _server("--access-token-file", "A file with an OAuth2 access token instead.")
    ] = None,
    mechanism: Annotated[Mechanism | None, _server("--mechanism", "Sign in this way only.")] = None,
    ca_file: Annotated[Path | None, _server("--ca-file", "PEM file of further authorities to trust.")] = None,
    pin: Annotated[str | None, _server("--pin", "Accept only the certificate with this SHA-256.")] = None,
    verify_trust: Annotated[
        bool | None, _server("--verify-trust/--no-verify-trust", "The certificate comes from a known authority.")
    ] = None,
    verify_hostname: Annotated[
        bool | None, _server("--verify-hostname/--no-verify-hostname", "The certificate names the host.")
    ] = None,
    allow_clear_text_password: Annotated[
        bool | None,
        _server("--allow-clear-text-password/--no-allow-clear-text-password", "Send a password without encryption."),
    ] = None,
    port_25: Annotated[PortPolicy | None, _server("--port-25", "Where port 25 may be used.")] = None,
    proxy: Annotated[str | None, _server("--proxy", "socks5://[user:password@]host:port or http://…")] = None,
    source_address: Annotated[str | None, _server("--source-address", "Connect from this local address.")] = None,
    ehlo_name: Annotated[str | None, _server("--ehlo-name", "What EHLO says.")] = None,
    sessions: Annotated[int | None, _server("--sessions", "Connections that are kept at most, on each node.")] = None,
    chunking: Annotated[bool | None, _server("--chunking/--no-chunking", "Send with BDAT where it is offered.")] = None,
    rate: Annotated[float | None, _sending("--rate", "Messages in a second, at most; 0 for any.", min=0)] = None,
    concurrency: Annotated[int | None, _sending("--concurrency", "Messages at once; 0 for any.", min=0)] = None,
    rate_preset: Annotated[
        str | None, _sending("--rate-preset", "Limits of a provider: see `accounts presets`.")
    ] = None,
    max_retries: Annotated[int | None, _sending("--max-retries", "Attempts after the first, at most.", min=0)] = None,
    uncertain: Annotated[
        UncertainPolicy | None, _sending("--uncertain", "What happens when the server's last answer is lost.")
    ] = None,
    fallback: Annotated[
        str | None, _sending("--fallback", "The account that takes over while this one is parked; '' for none.")
    ] = None,
    bounce_address: Annotated[
        str | None, _sending("--bounce-address", "Bounces come back to a variant of this; '' for the sender.")
    ] = None,
) -> dict[str, Any]:
    """What was given, and nothing else."""
    outgoing: dict[str, Any] = {
        "security": security,
        "username": username,
        "mechanism": mechanism,
        "ca_certificates": read_text(ca_file, "ca_file") if ca_file is not None else None,
        "pinned_certificate": pin,
        "verify_trust": verify_trust,
        "verify_hostname": verify_hostname,
        "allow_clear_text_password": allow_clear_text_password,
        "port_25": port_25,
        "source_address": source_address,
        "ehlo_name": ehlo_name,
        "pool": {"sessions": sessions} if sessions is not None else None,
        "chunking": chunking,
        **_host(server),
        **_secrets(password_file, access_token_file, username),
    }
    if proxy is not None:
        outgoing["proxy"] = _proxy(proxy)
    value = {
        "account": {
            "address": address,
            "display_name": display_name,
            "outgoing": {name: part for name, part in outgoing.items() if part is not None},
        },
        "limits": _limits(rate, concurrency),
        "rate_preset": rate_preset,
        "retry": {"max_retries": max_retries} if max_retries is not None else None,
        "uncertain": uncertain,
        "fallback": fallback,
        "bounce_address": bounce_address,
    }
    account = {name: part for name, part in value.pop("account").items() if part not in (None, {})}  # type: ignore[union-attr]
    given = {name: part for name, part in value.items() if part is not None}
    if account:
        given["account"] = account
    return _merged(_from_file(file), given) if file is not None else given


def settings_of(given: Mapping[str, Any], existing: AccountRecord | None = None) -> AccountSettings:
    """What was given, over what there is. Secrets that are not given again stay."""
    whole = dict(given)
    if existing is not None:
        whole = _merged(_kept(existing, given), given)
    if not isinstance(whole.get("account"), Mapping) or "outgoing" not in whole["account"]:
        raise InvalidAccount("the account is not complete", field="account", hint="give --address and --server")
    try:
        read = msgspec.convert(whole, AccountSettingsIn)
    except msgspec.ValidationError as error:
        wrong = misfit(str(error))
        raise InvalidInput(wrong.message, field=wrong.field) from None
    return to_settings(read, existing)


def _kept(existing: AccountRecord, given: Mapping[str, Any]) -> dict[str, Any]:
    """As it is, without the secrets: those are kept by being left out."""
    shown = record_to_json(existing)
    value = {name: shown[name] for name in ("account", "limits", "retry", "uncertain", "fallback", "bounce_address")}
    outgoing = value["account"]["outgoing"]
    for place in (outgoing, outgoing["proxy"] or {}):
        for name in [name for name, part in place.items() if part == MASK]:
            del place[name]
    if "rate_preset" in given:
        del value["limits"]
    if "max_retries" in given.get("retry", {}):
        del value["retry"]
    if given.get("account", {}).get("outgoing", {}).get("username") == "":
        # Nobody signs in, so that there is no way to do it either.
        outgoing["mechanism"] = None
    return value


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[name] = _merged(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _from_file(path: Path) -> dict[str, Any]:
    text = sys.stdin.read() if str(path) == "-" else read_text(path, "file")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{str(path)!r} is not JSON: {error}", field="file") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{str(path)!r} does not hold an object", field="file")
    return value


def _host(server: str | None) -> dict[str, Any]:
    if server is None:
        return {}
    host, port = split_server(server)
    if port and not port.isdecimal():
        raise InvalidAccount("the port is no number", field="server", hint="--server smtp.example.org:587")
    return {"host": host, "port": int(port)} if port else {"host": host}


def _secrets(password_file: Path | None, access_token_file: Path | None, username: str | None) -> dict[str, str]:
    if access_token_file is not None:
        return {"access_token": read_text(access_token_file, "access_token_file").strip()}
    if password_file is not None:
        return {"password": read_text(password_file, "password_file").rstrip("\r\n")}
    # It lies around for other commands too: here it belongs to the user name that is given with it.
    password = os.environ.get("MAILWRIGHT_PASSWORD", "")
    return {"password": password} if password and username else {}


def _proxy(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    proxy = parse_proxy(text)
    value = {"kind": proxy.kind.value, "host": proxy.host, "port": proxy.port, "username": proxy.username}
    return {**value, "password": proxy.password.reveal()} if proxy.password else value


def _limits(rate: float | None, concurrency: int | None) -> dict[str, Any] | None:
    given = {"messages_per_second": rate, "concurrency": concurrency}
    return {name: number or None for name, number in given.items() if number is not None} or None


def presets() -> list[tuple[tuple[object, ...], dict[str, object]]]:
    return [
        (
            (name, limits.messages_per_second, limits.concurrency),
            {"name": name, "messages_per_second": limits.messages_per_second, "concurrency": limits.concurrency},
        )
        for name, limits in RATE_PRESETS.items()
    ]
