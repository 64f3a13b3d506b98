"""The sockets under the HTTP client: every connection comes from the dialler, none from the HTTP library."""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2

from mailwright.errors import (
    DialRefused,
    EgressError,
    EgressFailed,
    EgressReason,
    EgressRefused,
    EgressRule,
    EgressTimeout,
    ResolveFailed,
    SendError,
    ServerTimeout,
)
from mailwright.transport.dial import Dialled, Dialler, Target
from mailwright.transport.dial_policy import Purpose

#: seconds for the name and for the connection each, within the time for the whole request
CONNECT_TIMEOUT = 10.0


class DialledNetwork(httpcore2.AsyncNetworkBackend):
    """Connects under the policy for one purpose."""

    def __init__(self, dialler: Dialler, purpose: Purpose) -> None:
        self._dialler = dialler
        self._purpose = purpose

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> "Connection":
        del timeout, local_address, socket_options  # nobody sets them: see the pool in `egress`
        server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            dialled = await self._dialler.connect(Target(host, port, CONNECT_TIMEOUT), self._purpose)
        except SendError as error:
            raise _told(error, server) from error
        return Connection(dialled, server)


def _told(error: SendError, server: str) -> EgressError:
    """What the dialler says, in the words of HTTP: its hints about ports are for mail."""
    if isinstance(error, DialRefused):
        hint = "" if error.field == "port" else error.hint
        return EgressRefused(error.message, rule=EgressRule.ADDRESS, server=server, field="url", hint=hint)
    if isinstance(error, ServerTimeout):
        hint = "check host and port; a firewall may swallow the packets"
        return EgressTimeout(error.message, reason=EgressReason.TIMEOUT, server=server, hint=hint)
    reason = EgressReason.RESOLVE if isinstance(error, ResolveFailed) else EgressReason.CONNECT
    return EgressFailed(error.message, reason=reason, server=server, hint=error.hint)


class Connection(httpcore2.AsyncNetworkStream):
    """A dialled socket as a stream of bytes, in clear text or under TLS. Time is limited by whoever asks."""

    def __init__(self, dialled: Dialled, server: str) -> None:
        self._dialled = dialled
        self._server = server
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
    ) -> "Connection":
        del timeout
        try:
            self._streams = await asyncio.open_connection(
                sock=self._dialled.socket, ssl=ssl_context, server_hostname=server_hostname
            )
        except OSError as error:
            why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else "the handshake failed"
            message = f"no encrypted connection: {why}"
            raise EgressFailed(message, reason=EgressReason.TLS, server=self._server) from error
        return self

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        del timeout
        try:
            reader, _ = await self._opened()
            return await reader.read(max_bytes)
        except OSError as error:
            raise httpcore2.ReadError from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        del timeout
        try:
            _, writer = await self._opened()
            writer.write(buffer)
            await writer.drain()
        except OSError as error:
            raise httpcore2.WriteError from error

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(sock=self._dialled.socket)
        return self._streams

    async def aclose(self) -> None:
        if self._streams is None:
            self._dialled.socket.close()
        else:
            # Everything that matters has been read; a goodbye under TLS would wait for a server that may not answer.
            self._streams[1].transport.abort()

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "server_addr":
                return self._dialled.peer
            case "ssl_object":
                return self._streams[1].get_extra_info("ssl_object") if self._streams else None
            case "is_readable":
                # Asked of a connection that rests: an end that has arrived means that it must not be used again.
                return self._streams is not None and (
                    self._streams[0].at_eof() or self._streams[1].transport.is_closing()
                )
            case _:
                return None
