"""The HTTP server: uvicorn inside of a loop that is ours, with signals, certificates and proxies as we say."""

import asyncio
import contextlib
import ipaddress
import math
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import uvicorn

from mailwright.api.app import Application
from mailwright.api.protocol import LimitedProtocol
from mailwright.errors import InvalidSetting

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75


@dataclass(frozen=True, slots=True)
class ServerSettings:
    host: str = "127.0.0.1"
    #: 0: any that is free
    port: int = 8400
    #: PEM files; both or none
    tls_cert: str = ""
    tls_key: str = ""
    #: addresses and networks whose X-Forwarded-For and X-Forwarded-Proto count; nobody else's do
    trusted_proxies: Sequence[str] = ()
    #: calls that are under way have so long to end
    drain_seconds: float = 20.0


async def serve(
    app: Application, settings: ServerSettings, *, stop: asyncio.Event, started: Callable[[str], None] | None = None
) -> None:
    """Serves until `stop` is set; then nothing new is accepted, and what is under way ends.

    `started` is told the address, such as http://127.0.0.1:8400. Signals are the caller's: set `stop`.
    """
    config = _config(app, settings)
    listener = _listener(settings)
    scheme = "https" if settings.tls_cert else "http"
    host, port = listener.getsockname()[:2]
    address = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    server = _Server(config, lambda: started(address) if started is not None else None)
    closing = asyncio.ensure_future(_close_when(stop, app, server))
    try:
        await server.serve(sockets=[listener])
    finally:
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        listener.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # They belong to whoever runs the loop.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._tell_started()


async def _close_when(stop: asyncio.Event, app: Application, server: uvicorn.Server) -> None:
    await stop.wait()
    app.begin_closing()
    server.should_exit = True


def _config(app: Application, settings: ServerSettings) -> uvicorn.Config:
    context = _tls_context(settings)
    return uvicorn.Config(
        app,
        loop="none",
        http=LimitedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        # It would write queries, and with them addresses: the API has a log of its own.
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[_proxy(text) for text in settings.trusted_proxies],
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        ssl_context_factory=None if context is None else (lambda _config, _default: context),
    )


def _listener(settings: ServerSettings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise InvalidSetting(
            f"cannot listen at {settings.host} port {settings.port}: {error.strerror}", field="port"
        ) from None
    listener.setblocking(False)
    return listener


def _tls_context(settings: ServerSettings) -> ssl.SSLContext | None:
    if not settings.tls_cert and not settings.tls_key:
        return None
    if not (settings.tls_cert and settings.tls_key):
        missing = "tls_key" if settings.tls_cert else "tls_cert"
        raise InvalidSetting("a certificate and its key belong together", field=missing)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidSetting(f"the certificate cannot be used: {error.strerror}", field="tls_cert") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def _proxy(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        # The server would take it for a name that nobody has, and trust nobody without a word.
        raise InvalidSetting(
            f"{text!r} is no address and no network", field="trusted_proxies", hint="such as 10.0.0.5 or 10.0.0.0/24"
        ) from None
    return text
