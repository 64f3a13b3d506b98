"""`mailwright serve`: the service, until it is told to stop."""

import asyncio
import inspect
import ipaddress
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mailwright.cli.exit_codes import ExitCode
from mailwright.cli.logs import set_up_logs
from mailwright.cli.office_command import run_command, set_parameters
from mailwright.cli.output import errors, print_json
from mailwright.cli.settings_flags import settings_parameters, taken_settings
from mailwright.connector.service import Service
from mailwright.connector.service_desk import ServiceDesk
from mailwright.errors import InvalidSetting
from mailwright.secret import Secret
from mailwright.settings import Settings, read_settings

_WIDTH = 78


def _own(
    *,
    config: Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")] = None,
    insecure_listen: Annotated[
        bool,
        typer.Option(
            "--insecure-listen",
            help="Listen without TLS on an address that others reach. Tokens and mail can be read on the way.",
            rich_help_panel="Listening",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say on which address, and more, as lines of JSON.")] = False,
) -> tuple[Path | None, bool, bool]:
    return config, insecure_listen, as_json


def serve(**given: Any) -> None:
    """Run the service: the HTTP API, sending, webhooks and timers. SIGTERM or Ctrl-C ends it when all is done."""
    flags = taken_settings(given)
    config, insecure_listen, as_json = _own(**given)

    async def run() -> ExitCode:
        settings = read_settings(flags=flags, file=config or "")
        if "api" in settings.roles and not insecure_listen:
            _need_protection(settings)
        set_up_logs(settings.log_format)
        await _serve(settings, as_json=as_json)
        return ExitCode.OK

    run_command(run(), as_json=as_json)


set_parameters(serve, [*settings_parameters(), *inspect.signature(_own).parameters.values()])


async def _serve(settings: Settings, *, as_json: bool) -> None:
    # Litestar takes a while to import: other commands do not wait for it.
    from mailwright.api.app import make_app  # noqa: PLC0415
    from mailwright.api.server import (  # noqa: PLC0415
        ServerSettings,
        serve as serve_http,
    )
    from mailwright.api.settings import ApiSettings  # noqa: PLC0415
    from mailwright.pages import unsubscribe_handlers  # noqa: PLC0415

    stop = asyncio.Event()
    _listen_to_signals(stop, settings.drain_seconds)
    async with Service(settings) as service:
        if "api" not in settings.roles:
            _announce("", settings, as_json=as_json)
            await stop.wait()
            return
        token = await service.tokens.first_token()
        if token is not None:
            _print_first_token(token, as_json=as_json)
        desk = ServiceDesk(service)
        app = make_app(desk, ApiSettings.of(settings), handlers=unsubscribe_handlers(desk))
        server = ServerSettings(
            host=settings.host,
            port=settings.port,
            tls_cert=settings.tls_cert,
            tls_key=settings.tls_key,
            trusted_proxies=settings.trusted_proxies,
            drain_seconds=settings.drain_seconds,
        )
        await serve_http(app, server, stop=stop, started=lambda address: _announce(address, settings, as_json=as_json))


def _listen_to_signals(stop: asyncio.Event, drain_seconds: float) -> None:
    def on_signal(number: int) -> None:
        if stop.is_set():
            # What was promised is on disk, and goes on at the next start.
            sys.stdout.flush()
            os._exit(128 + number)
        errors.print(f"Stopping: what is under way has {drain_seconds:g} seconds to end. Once more stops at once.")
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)


def _announce(address: str, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        print_json({"event": "ready", "url": address, "roles": list(settings.roles)})
        return
    where = f"listens at {address}" if address else "is ready"
    print(f"Mailwright {where} ({', '.join(settings.roles)}). Ctrl-C ends.", flush=True)


def _print_first_token(token: Secret, *, as_json: bool) -> None:
    if as_json:
        print_json({"event": "first_start", "token": token.reveal()})
        return
    bar = "=" * _WIDTH
    print(
        f"\n{bar}\n"
        "  This is the first start. With this token you may do everything; it is shown\n"
        "  this once, and is good for a year. Keep it, and make others from it:\n\n"
        f"      {token.reveal()}\n\n"
        "      export MAILWRIGHT_TOKEN=…   then: mailwright tokens create --help\n"
        f"{bar}\n",
        flush=True,
    )


def _need_protection(settings: Settings) -> None:
    if settings.tls_cert or settings.trusted_proxies or _is_loopback(settings.host):
        return
    raise InvalidSetting(
        f"{settings.host or 'every address'} can be reached by others, and tokens and mail would travel in clear text",
        field="host",
        hint="set tls_cert and tls_key, or trusted_proxies for a proxy that does TLS, or give --insecure-listen",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
